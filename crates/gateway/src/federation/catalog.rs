//! What one member offers to callers of one kind: its description and its four lists, all pages of each.

mod watch;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{
    Method, Raw, Revision,
    json::{Elements, Members as Object, Splice},
};
use anyport_service::{Context, Outcome, Principal, Request, sync::Lock};
use anyport_upstream::{Upstream, pages};
use bytestring::ByteString;
use tokio::{task::AbortHandle, time::Instant};

use super::{
    FederationLimits,
    cached::{Cached, Fetched},
    list_kind::ListKind,
    member::MemberCore,
};

/// The callers to whom a member offers the same: those of one era with the same capabilities. The principal counts for
/// members whose lists depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CatalogKey {
    is_stateless: bool,
    capabilities: Raw,
    principal: Option<Principal>,
}

impl CatalogKey {
    /// The key of the caller of `context`.
    pub(super) fn of(context: &Context, per_principal: bool) -> Self {
        Self {
            is_stateless: context.revision().is_stateless(),
            capabilities: Upstream::profile(context).compact(),
            principal: per_principal.then(|| context.principal().clone()),
        }
    }

    /// The same for a member, whose lists may be the same for all principals.
    pub(super) fn for_member(&self, per_principal: bool) -> Self {
        Self { principal: self.principal.clone().filter(|_| per_principal), ..self.clone() }
    }

    /// Whether its callers are modern ones.
    pub(super) fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    /// The context of requests for the lists.
    fn context(&self, client_info: &Raw) -> Context {
        let revision = if self.is_stateless { Revision::NEWEST } else { Revision::NEWEST_LEGACY };
        // Least privilege: what an anonymous caller may see, every caller may.
        let principal = self.principal.clone().unwrap_or(Principal::anonymous());
        Context::new(principal, revision).with_client(self.capabilities.clone(), Some(client_info.clone()))
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListEntry {
    /// The name, the URI or the URI template, as the member writes it.
    pub(super) key: ByteString,
    /// The whole entry.
    pub(super) text: Raw,
}

/// A list of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberList {
    pub(super) entries: Vec<ListEntry>,
    /// `ttlMs`, as the member says.
    pub(super) ttl: Duration,
}

/// What a member offers to callers of one kind.
pub(super) struct Catalog {
    core: Arc<MemberCore>,
    context: Context,
    limits: FederationLimits,
    lists: [Arc<Cached<MemberList>>; 4],
    description: Arc<Cached<Raw>>,
    used: Lock<Instant>,
    /// The number of listeners who are to be notified of changes.
    holds: AtomicUsize,
    /// The lists of whose changes the member notifies: a bit for each, by its number.
    covered: Arc<AtomicU8>,
    watcher: Lock<Option<AbortHandle>>,
}

/// The most entries of a list that are read.
const ENTRIES: usize = 10_000;
/// The most bytes of them.
const BYTES: usize = 32 << 20;
/// The most pages that are read.
const PAGES: usize = 1_000;
/// The longest time for which a member's list holds, whatever the member says.
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

impl Catalog {
    /// Nothing is read yet. `changes` is notified of each change.
    pub(super) fn new(
        core: &Arc<MemberCore>,
        key: &CatalogKey,
        limits: FederationLimits,
        client_info: &Raw,
        changes: &tokio::sync::watch::Sender<u64>,
    ) -> Arc<Self> {
        let context = key.context(client_info);
        let lists = ListKind::ALL.map(|kind| {
            let (core, context) = (core.clone(), context.clone());
            let fetch = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
                Box::pin(read_list(core.clone(), kind, context.clone(), limits.catalog_ttl))
            };
            Cached::new(limits.catalog_timeout, changes.clone(), Box::new(fetch))
        });
        let (of, asked_by) = (core.clone(), context.clone());
        let describe = move || -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            Box::pin(discover(of.clone(), asked_by.clone(), limits.catalog_ttl))
        };
        Arc::new(Self {
            core: core.clone(),
            context,
            limits,
            lists,
            description: Cached::new(limits.catalog_timeout, changes.clone(), Box::new(describe)),
            used: Lock::new(Instant::now()),
            holds: AtomicUsize::new(0),
            covered: Arc::default(),
            watcher: Lock::default(),
        })
    }

    /// A list, for its use: it is read again behind its reader if it is old.
    pub(super) fn list(self: &Arc<Self>, kind: ListKind) -> &Arc<Cached<MemberList>> {
        self.touch();
        let list = &self.lists[kind as usize];
        // The member tells when it changes.
        if !self.is_covered(kind) || !list.is_usable() {
            list.refresh_if_old();
        }
        list
    }

    /// Whether a list is what the member has now, as far as can be known.
    pub(super) fn is_fresh(&self, kind: ListKind) -> bool {
        let list = self.peek(kind);
        if self.is_covered(kind) { list.is_usable() } else { list.is_fresh() }
    }

    /// A list, without a request to the member.
    pub(super) fn peek(&self, kind: ListKind) -> &Arc<Cached<MemberList>> {
        &self.lists[kind as usize]
    }

    /// The member's `DiscoverResult`.
    pub(super) fn description(self: &Arc<Self>) -> &Arc<Cached<Raw>> {
        self.touch();
        &self.description
    }

    /// Follows the changes of the lists until the hold is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> CatalogHold {
        self.holds.fetch_add(1, Ordering::Relaxed);
        self.touch();
        CatalogHold(self.clone())
    }

    /// Notes a use, and listens to the member if nobody does.
    fn touch(self: &Arc<Self>) {
        *self.used.lock() = Instant::now();
        let mut watcher = self.watcher.lock();
        if watcher.as_ref().is_none_or(AbortHandle::is_finished) {
            *watcher = Some(tokio::spawn(watch::run(self)).abort_handle());
        }
    }

    /// Whether the lists are not used.
    fn is_idle(&self) -> bool {
        self.holds.load(Ordering::Relaxed) == 0 && self.used.lock().elapsed() >= self.limits.catalog_idle
    }

    /// Whether the member notifies of changes of a list.
    fn is_covered(&self, kind: ListKind) -> bool {
        self.covered.load(Ordering::Relaxed) & (1 << kind as u8) != 0
    }

    /// Reads those lists again that are old and that somebody wants to be notified of. Returns when the next one will be.
    fn refresh_old(&self) -> Instant {
        let now = Instant::now();
        let next_look = now + self.limits.catalog_ttl;
        if self.holds.load(Ordering::Relaxed) == 0 {
            return next_look;
        }
        let is_followed = |kind: &ListKind| self.is_covered(*kind) && self.peek(*kind).is_usable();
        let old = ListKind::ALL.into_iter().filter(|kind| !is_followed(kind));
        let expiries = old.filter_map(|kind| {
            let list = self.peek(kind);
            let expires = list.expires()?;
            if expires <= now {
                list.refresh_if_old();
            }
            Some(expires)
        });
        let soonest = now + Duration::from_secs(1);
        expiries.min().map_or(next_look, |next| next.clamp(soonest, next_look.max(soonest)))
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get_mut() {
            watcher.abort();
        }
    }
}

/// Follows the changes of a catalog's lists, see [`Catalog::hold`].
pub(super) struct CatalogHold(Arc<Catalog>);

impl Drop for CatalogHold {
    fn drop(&mut self) {
        self.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The member's `DiscoverResult`; `None` if it cannot be had.
async fn discover(core: Arc<MemberCore>, context: Context, ttl: Duration) -> Option<Fetched<Raw>> {
    let request = Request::new(Method::Discover, Raw::EMPTY_OBJECT);
    let outcome = core.service.call(request, context).outcome().await;
    core.health.note(&outcome);
    match outcome {
        Outcome::Result(value) => Some(Fetched { value: value.compact(), ttl }),
        _ => None,
    }
}

/// Reads all pages of a list. A member that does not have the list has an empty one.
///
/// 2026-07-28, utilities/pagination: cursors are opaque. One that comes a second time would never end.
async fn read_list(
    core: Arc<MemberCore>,
    kind: ListKind,
    context: Context,
    default_ttl: Duration,
) -> Option<Fetched<MemberList>> {
    let (mut entries, mut bytes, mut ttl) = (Vec::new(), 0, LONGEST_TTL);
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
                tracing::warn!(member = &*core.name, list = kind.entries(), %error, "the list cannot be read");
                return None;
            }
            _ => return None,
        };
        ttl = ttl.min(ttl_of(&page));
        add(&page, kind, &mut entries, &mut bytes);
        let Some(cursor) = pages::next(&page) else { break };
        if !cursors.insert(cursor.to_string()) {
            tracing::warn!(
                member = &*core.name,
                list = kind.entries(),
                "{:?}",
                pages::looping(kind.method(), &cursor)
            );
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
    let holds = if ttl.is_zero() { default_ttl } else { ttl };
    Some(Fetched { value: MemberList { entries, ttl }, ttl: holds })
}

/// Whether a member answered that it does not have a list.
fn is_unsupported(error: &anyport_protocol::Error) -> bool {
    error.code == anyport_protocol::jsonrpc::code::METHOD_NOT_FOUND
}

/// `ttlMs` of a page; zero if there is none.
fn ttl_of(page: &Raw) -> Duration {
    let ttl = page.member("ttlMs").and_then(|ttl| ttl.decode::<f64>().ok());
    let ttl = ttl.and_then(|ttl| Duration::try_from_secs_f64(ttl / 1_000.0).ok()).unwrap_or_default();
    ttl.min(LONGEST_TTL)
}

/// Adds the entries of a page. One without a name or URI cannot be used, and is left out.
fn add(page: &Raw, kind: ListKind, entries: &mut Vec<ListEntry>, bytes: &mut usize) {
    let Some(list) = page.member(kind.entries()).filter(Raw::is_array) else { return };
    for entry in Elements::of(list.as_str()) {
        let text = list.slice(entry).compact();
        let key = Object::find(text.as_str(), kind.key()).and_then(|key| text.slice(key).as_string());
        let Some(key) = key.filter(|_| entries.len() < ENTRIES) else { continue };
        *bytes += entry.len();
        entries.push(ListEntry { key, text });
    }
}
