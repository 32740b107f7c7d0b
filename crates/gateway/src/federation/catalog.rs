//! What one member offers to callers of one kind: its description and its four lists, all pages of each.

mod watch;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Raw, Revision};
use anyport_service::{ClientHeaders, Context, Demand, DemandGuard, Principal, ScopedPrincipal, sync::Lock};
use anyport_upstream::Upstream;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch::Sender, task::AbortHandle, time::Instant};

use crate::caller_part::CallerPart;

use super::{
    cached::Cached,
    core::MemberCore,
    limits::FederationLimits,
    list_kind::ListKind,
    member_list::MemberList,
    pins::{Caller, Era},
    reading::{discover, in_time, read_list},
};

/// The callers to whom a member offers the same: those of one era with the same capabilities. The identity and the headers that a
/// client brings count for members whose lists depend on them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CatalogKey {
    is_stateless: bool,
    capabilities: Raw,
    owner: ListOwner,
}

/// The part of a caller that the lists of a member may depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ListOwner {
    caller: Option<ScopedPrincipal>,
    /// The headers that the client brings for the members.
    headers: Option<ClientHeaders>,
}

/// What of a caller the lists of a member depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListScope {
    /// What of its identity they depend on.
    pub(super) caller: CallerPart,
    /// The names of the headers that they depend on.
    pub(super) headers: Vec<String>,
}

impl ListScope {
    /// The scope of several members together.
    pub(super) fn add(&mut self, other: &Self) {
        self.caller = self.caller.max(other.caller);
        for name in &other.headers {
            if !self.headers.contains(name) {
                self.headers.push(name.clone());
            }
        }
    }

    /// What of the caller of `context` counts.
    pub(super) fn of(&self, context: &Context) -> ListOwner {
        ListOwner {
            caller: self.caller.of(context.authorization()),
            headers: self.headers_of(context.client_headers()),
        }
    }

    fn headers_of(&self, headers: Option<&ClientHeaders>) -> Option<ClientHeaders> {
        if self.headers.is_empty() {
            return None;
        }
        headers.map(|headers| headers.only(&self.headers)).filter(|headers| !headers.is_empty())
    }
}

impl CatalogKey {
    /// The key of the caller of `context`.
    pub(super) fn of(context: &Context, scope: &ListScope) -> Self {
        Self {
            is_stateless: context.revision().is_stateless(),
            capabilities: Upstream::profile(context).compact(),
            owner: scope.of(context),
        }
    }

    /// The same for a member, whose lists may be the same for all callers.
    pub(super) fn for_member(&self, scope: &ListScope) -> Self {
        let ListOwner { caller, headers } = &self.owner;
        let owner = ListOwner {
            caller: caller.clone().and_then(|caller| scope.caller.narrow(caller)),
            headers: scope.headers_of(headers.as_ref()),
        };
        Self { owner, ..self.clone() }
    }

    /// Its callers, as pins tell them apart.
    pub(super) fn caller(&self) -> Caller {
        let era = if self.is_stateless { Era::Modern } else { Era::Legacy };
        // Keys that callers bring are secrets, and no part of what is stored.
        let caller = self.owner.caller.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [&[u8::from(self.is_stateless)], self.capabilities.as_str().as_bytes(), caller.as_bytes()]
        {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        Caller { era, tag: HEXLOWER.encode(&digest[..8]).into() }
    }

    /// Whether its callers are modern ones.
    pub(super) fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    /// The context of requests for the lists.
    fn context(&self, client_info: &Raw) -> Context {
        let revision = if self.is_stateless { Revision::NEWEST } else { Revision::NEWEST_LEGACY };
        // Least privilege: what an anonymous caller may see, every caller may.
        let ListOwner { caller, headers } = self.owner.clone();
        let authorization = caller.map_or(Principal::anonymous().into(), |caller| caller.authorization());
        Context::authorized(authorization, revision)
            .with_client(self.capabilities.clone(), Some(client_info.clone()))
            .with_client_headers(headers)
    }
}

/// What a member offers to callers of one kind.
pub(super) struct Catalog {
    core: Arc<MemberCore>,
    context: Context,
    limits: FederationLimits,
    lists: [Arc<Cached<MemberList>>; 4],
    /// The lists with what is held back, of members that hold items back.
    marked: [Lock<Option<Marked>>; 4],
    description: Arc<Cached<Raw>>,
    /// The uses by clients, and the listeners who are to be notified of changes.
    demand: Demand,
    /// The lists of whose changes the member notifies: a bit for each, by its number.
    covered: Arc<AtomicU8>,
    watcher: Lock<Option<AbortHandle>>,
}

/// A list whose held entries are marked.
struct Marked {
    /// The list as it was read.
    read: Arc<MemberList>,
    /// The version of the pins.
    version: u64,
    list: Arc<MemberList>,
}

impl Catalog {
    /// Nothing is read yet. `changes` is notified of each change.
    pub(super) fn new(
        core: &Arc<MemberCore>,
        key: &CatalogKey,
        limits: FederationLimits,
        client_info: &Raw,
        changes: &Sender<u64>,
    ) -> Arc<Self> {
        let demand = Demand::new();
        let context = key.context(client_info).with_demand(demand.clone());
        let caller = key.caller();
        let lists = ListKind::ALL.map(|kind| {
            let (core, context, caller) = (core.clone(), context.clone(), caller.clone());
            let fetch = move || -> Pin<Box<dyn Future<Output = _> + Send>> {
                let list = read_list(core.clone(), kind, context.clone(), limits.catalog_ttl, caller.clone());
                Box::pin(in_time(core.clone(), limits.catalog_timeout, list))
            };
            Cached::new(changes.clone(), Box::new(fetch))
        });
        let (of, asked_by) = (core.clone(), context.clone());
        let describe = move || -> Pin<Box<dyn Future<Output = _> + Send>> {
            let description = discover(of.clone(), asked_by.clone(), limits.catalog_ttl);
            Box::pin(in_time(of.clone(), limits.catalog_timeout, description))
        };
        Arc::new(Self {
            core: core.clone(),
            context,
            limits,
            lists,
            marked: Default::default(),
            description: Cached::new(changes.clone(), Box::new(describe)),
            demand,
            covered: Arc::default(),
            watcher: Lock::default(),
        })
    }

    /// A list, for its use: it is read again behind its reader if it is old.
    pub(super) fn list(self: &Arc<Self>, kind: ListKind) -> &Arc<Cached<MemberList>> {
        self.touch();
        let list = &self.lists[kind as usize];
        // One that is stopped is not started for it.
        if !self.core.is_stopped() || !list.is_usable() {
            list.refresh_if_overdue(self.grace(kind));
        }
        list
    }

    /// How old a list may become beyond its own time. A member that notifies of changes is believed for a while only: servers declare
    /// `listChanged` that never send one. Those without a stream for notifications do not count as such: see `Peer::is_silent`.
    fn grace(&self, kind: ListKind) -> Duration {
        if self.is_followed(kind) { self.limits.catalog_ttl.saturating_mul(BELIEVED) } else { Duration::ZERO }
    }

    /// Whether a list is what the member has now, as far as can be known.
    pub(super) fn is_fresh(&self, kind: ListKind) -> bool {
        let list = self.peek(kind);
        if self.is_covered(kind) || self.core.is_stopped() { list.is_usable() } else { list.is_fresh() }
    }

    /// A list, without a request to the member.
    pub(super) fn peek(&self, kind: ListKind) -> &Arc<Cached<MemberList>> {
        &self.lists[kind as usize]
    }

    /// A list as it is known, with what is held back.
    pub(super) fn known(&self, kind: ListKind) -> Option<Arc<MemberList>> {
        let read = self.peek(kind).value()?;
        let Some(pins) = self.core.pins.as_ref().filter(|pins| pins.is_strict()) else { return Some(read) };
        // Read before the list is marked: a change after that is marked next time.
        let version = pins.version();
        let mut marked = self.marked[kind as usize].lock();
        if let Some(known) =
            marked.as_ref().filter(|known| known.version == version && Arc::ptr_eq(&known.read, &read))
        {
            return Some(known.list.clone());
        }
        let mut list = MemberList::clone(&read);
        pins.mark(kind, &mut list.entries);
        let list = self.core.stored_once(kind, list);
        *marked = Some(Marked { read, version, list: list.clone() });
        Some(list)
    }

    /// The member's `DiscoverResult`.
    pub(super) fn description(self: &Arc<Self>) -> &Arc<Cached<Raw>> {
        self.touch();
        &self.description
    }

    /// Follows the changes of the lists until the hold is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> CatalogHold {
        let listens = self.demand.listen();
        self.touch();
        CatalogHold { _catalog: self.clone(), _listens: listens }
    }

    /// Notes a use, and listens to the member if nobody does.
    pub(super) fn touch(self: &Arc<Self>) {
        self.demand.note_use();
        let mut watcher = self.watcher.lock();
        if watcher.as_ref().is_none_or(AbortHandle::is_finished) {
            let (core, context, covered) = (self.core.clone(), self.context.clone(), self.covered.clone());
            let watching = watch::run(self, core, (context, self.demand.clone()), covered);
            *watcher = Some(tokio::spawn(watching).abort_handle());
        }
    }

    /// Whether a list is known, and the member notifies of its changes.
    fn is_followed(&self, kind: ListKind) -> bool {
        self.is_covered(kind) && self.peek(kind).is_usable()
    }

    /// Whether the member notifies of changes of a list.
    fn is_covered(&self, kind: ListKind) -> bool {
        self.covered.load(Ordering::Relaxed) & (1 << kind as u8) != 0
    }
}

impl watch::Watched for Catalog {
    fn list(&self, kind: ListKind) -> &Arc<Cached<MemberList>> {
        self.peek(kind)
    }

    fn is_idle(&self) -> bool {
        !self.demand.has_listeners() && self.demand.last_use().elapsed() >= self.limits.catalog_idle
    }

    /// Reads those lists again that are old and that somebody wants to be notified of. Returns when the next one will be.
    fn refresh_old(&self) -> Instant {
        let now = Instant::now();
        let next_look = now + self.limits.catalog_ttl;
        if !self.demand.has_listeners() || self.core.is_stopped() {
            return next_look;
        }
        let old = ListKind::ALL.into_iter().filter(|kind| !self.is_followed(*kind));
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

/// How many times `catalog_ttl` a list of a member that notifies of changes is not read again.
const BELIEVED: u32 = 10;

/// What a member offers, by the kind of its callers.
#[derive(Default)]
pub(super) struct CatalogTable(Lock<HashMap<CatalogKey, Weak<Catalog>>>);

impl CatalogTable {
    /// The catalog under `key`, which is made by `make` if there is none.
    pub(super) fn get(&self, key: &CatalogKey, make: impl FnOnce() -> Arc<Catalog>) -> Arc<Catalog> {
        let mut catalogs = self.0.lock();
        if let Some(catalog) = catalogs.get(key).and_then(Weak::upgrade) {
            return catalog;
        }
        catalogs.retain(|_, catalog| catalog.strong_count() > 0);
        let catalog = make();
        catalogs.insert(key.clone(), Arc::downgrade(&catalog));
        catalog
    }

    /// A list of the member as it is known to callers of another kind; never one of another principal, or of callers with other
    /// keys. Those of the same era come first.
    pub(super) fn known_to_others(&self, kind: ListKind, key: &CatalogKey) -> Option<Arc<MemberList>> {
        let catalogs = self.0.lock();
        let others = catalogs.iter().filter(|(other, _)| other.owner == key.owner);
        let known = others.filter_map(|(other, catalog)| {
            let list = catalog.upgrade()?.known(kind)?;
            // The choice does not depend on the order of a table.
            Some((other.is_stateless != key.is_stateless, other.capabilities.as_str().to_owned(), list))
        });
        known.min_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1))).map(|(.., list)| list)
    }

    /// Every catalog that is in use.
    pub(super) fn all(&self) -> Vec<Arc<Catalog>> {
        self.0.lock().values().filter_map(Weak::upgrade).collect()
    }
}

/// Follows the changes of a catalog's lists, see [`Catalog::hold`].
pub(super) struct CatalogHold {
    _catalog: Arc<Catalog>,
    _listens: DemandGuard,
}
