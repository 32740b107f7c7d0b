//! Requests to a member for its description and its lists.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::{Elements, Splice},
    jsonrpc::code,
};
use anyport_service::{Context, Outcome, Request};
use anyport_upstream::pages;
use tokio::time::timeout;

use super::{
    cached::Fetched,
    core::MemberCore,
    list_kind::ListKind,
    member_list::{ListEntry, MemberList, Verdict},
    mended::{Mended, mended},
    pins::{Caller, Pins},
    suspicious::Served,
};

/// The most entries of a list that are read.
const ENTRIES: usize = 10_000;
/// The most bytes of them.
const BYTES: usize = 32 << 20;
/// The most pages that are read.
const PAGES: usize = 1_000;
/// The longest time for which a member's list holds, whatever the member says.
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What `reading` reads of a member; `None` if it takes longer than `max`.
pub(super) async fn in_time<T>(
    core: Arc<MemberCore>,
    max: Duration,
    reading: impl Future<Output = Option<Fetched<T>>>,
) -> Option<Fetched<T>> {
    if let Ok(read) = timeout(max, reading).await {
        return read;
    }
    core.health.hangs(max);
    None
}

/// The member's `DiscoverResult`; `None` if it cannot be had.
pub(super) async fn discover(core: Arc<MemberCore>, context: Context, ttl: Duration) -> Option<Fetched<Raw>> {
    let request = Request::new(Method::Discover, Raw::EMPTY_OBJECT);
    let outcome = core.service.call(request, context).outcome().await;
    core.health.note(&outcome);
    match outcome {
        Outcome::Result(value) => Some(Fetched { value: Arc::new(value.compact()), ttl }),
        _ => None,
    }
}

/// Reads all pages of a list. A member that does not have the list has an empty one.
///
/// 2026-07-28, utilities/pagination: cursors are opaque. One that comes a second time would never end.
pub(super) async fn read_list(
    core: Arc<MemberCore>,
    kind: ListKind,
    context: Context,
    default_ttl: Duration,
    caller: Caller,
) -> Option<Fetched<MemberList>> {
    let (mut entries, mut bytes, mut ttl, mut is_own) = (Vec::new(), 0, LONGEST_TTL, false);
    let mut cursors: HashSet<String> = HashSet::new();
    let mut params = Raw::EMPTY_OBJECT;
    loop {
        let request = Request::new(kind.method(), params);
        let outcome = core.service.call(request, context.clone()).outcome().await;
        core.health.note(&outcome);
        let page = match outcome {
            Outcome::Result(page) => page,
            Outcome::Error(error) if is_unsupported(&error) => {
                ttl = Duration::ZERO;
                break;
            }
            Outcome::Error(error) => {
                note_unreadable(&core, kind, &error.to_string());
                return None;
            }
            // Of one that is away, its state says so.
            Outcome::Failed(failure) if matches!(failure.root(), Failure::InvalidPeer(_)) => {
                note_unreadable(&core, kind, &failure.to_string());
                return None;
            }
            _ => return None,
        };
        ttl = ttl.min(ttl_of(&page));
        is_own |= core.is_own_page(&page);
        add(&page, kind, &core, &mut entries, &mut bytes);
        let Some(cursor) = pages::next(&page) else { break };
        if !cursors.insert(cursor.to_string()) {
            note_unreadable(&core, kind, &pages::looping(kind.method(), &cursor).to_string());
            return None;
        }
        if entries.len() >= ENTRIES || bytes >= BYTES || cursors.len() >= PAGES {
            tracing::warn!(
                member = &*core.name,
                list = kind.entries(),
                entries = entries.len(),
                "the list is longer than is read"
            );
            break;
        }
        params = Splice::new().with("cursor", &cursor).finish();
    }
    // What the gateway puts in place of a list says nothing of what the server offers.
    if let Some(pins) = core.pins.as_ref().filter(|_| !is_own) {
        pins.loaded().await;
        pins.observe(kind, &caller, &entries, true);
    }
    let holds = if ttl.is_zero() { default_ttl } else { ttl };
    Some(Fetched { value: core.stored_once(kind, MemberList { entries, ttl }), ttl: holds })
}

/// Says, in the log and in the member's state, why a list cannot be read.
fn note_unreadable(core: &MemberCore, kind: ListKind, why: &str) {
    tracing::warn!(member = &*core.name, list = kind.entries(), "the list cannot be read: {why}");
    core.health.unreadable(kind.entries(), why);
}

/// Whether a member answered that it does not have a list.
fn is_unsupported(error: &Error) -> bool {
    error.code == code::METHOD_NOT_FOUND
}

/// `ttlMs` of a page; zero if there is none.
fn ttl_of(page: &Raw) -> Duration {
    let ttl = page.member("ttlMs").and_then(|ttl| ttl.decode::<f64>().ok());
    let ttl = ttl.and_then(|ttl| Duration::try_from_secs_f64(ttl / 1_000.0).ok()).unwrap_or_default();
    ttl.min(LONGEST_TTL)
}

/// Compares a page that passes as it is with the pins of its member.
pub(super) async fn observe_page(core: Arc<MemberCore>, kind: ListKind, caller: Caller, page: Raw) {
    let Some(pins) = core.pins.as_ref().filter(|_| !core.is_own_page(&page)) else { return };
    let mut entries = Vec::new();
    add(&page, kind, &core, &mut entries, &mut 0);
    pins.loaded().await;
    pins.observe(kind, &caller, &entries, false);
}

/// Adds the entries of a page, such as clients can read them. One without a name or URI cannot be used, and is left out.
fn add(page: &Raw, kind: ListKind, core: &MemberCore, entries: &mut Vec<ListEntry>, bytes: &mut usize) {
    let (member, noun) = (&*core.name, kind.noun());
    let is_pinned = core.pins.is_some() && !core.is_own_page(page);
    let Some(list) = page.member(kind.entries()).filter(Raw::is_array) else {
        return note_unreadable(core, kind, &format!("its result has no array {}", kind.entries()));
    };
    for entry in Elements::of(list.as_str()) {
        if entries.len() >= ENTRIES {
            break;
        }
        let text = list.slice(entry).compact();
        let Some(key) = text.member(kind.key()).and_then(|key| key.as_string()) else {
            tracing::warn!(member, "a {noun} without {} is left out: {text:.200}", kind.key());
            continue;
        };
        *bytes += entry.len();
        // Pins are of what the member says.
        let hash = is_pinned.then(|| Pins::hash(kind, &text));
        let Mended { entry: text, faults } = mended(kind, text, &key);
        if !faults.is_empty() {
            tracing::warn!(
                member,
                "the {noun} {key:.128} is not as the protocol wants it: {}",
                faults.join("; ")
            );
        }
        let (text, held) = match core.suspicious.served(member, kind, &key, text.clone()) {
            Served::As(text) => (text, None),
            Served::Not => (text, Some(Verdict::Suspicious)),
        };
        entries.push(ListEntry { key, text, hash, held });
    }
}
