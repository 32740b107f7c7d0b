//! The merged lists for callers of one kind.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_protocol::{Error, Raw};
use anyport_service::{Context, sync::Lock};
use tokio::time::Instant;

use super::{
    cached::Cached,
    catalog::{Catalog, CatalogHold, CatalogKey},
    cursor::Cursors,
    list_kind::ListKind,
    member::MemberEntry,
    member_list::MemberList,
    merged::{MemberLists, Merged, PageContext, Route},
    pattern::Selection,
    shared::Shared,
    uris::is_web,
};

/// The merged lists for callers of one kind, as one selection of them.
pub(super) struct View {
    shared: Arc<Shared>,
    selection: Arc<Selection>,
    stored: Arc<MergedLists>,
    key: CatalogKey,
    catalogs: Lock<Catalogs>,
    lists: [Lock<ViewList>; 4],
    used: Lock<Instant>,
}

/// The members of a view, with what they offer to its callers.
#[derive(Clone)]
struct Catalogs {
    /// Which set of members it is.
    generation: u64,
    members: Arc<[(Arc<MemberEntry>, Arc<Catalog>)]>,
}

/// One merged list.
#[derive(Default)]
struct ViewList {
    merged: Option<Arc<Merged>>,
    /// The number of changes in the federation after which the merged list was compared with the members' lists.
    changes: u64,
    /// The policy under which the list was compared: another one may show callers other entries.
    policy: u64,
    /// The number of changes after which there was no unread list.
    settled: Option<u64>,
    /// The number of changes that clients can see.
    version: u64,
    /// The time of the last one.
    changed: Option<Instant>,
    /// Whether a client has received the merged list.
    is_served: bool,
}

impl ViewList {
    /// Notes a change that clients can see. A client that has not read the list cannot have missed one.
    fn note_change(&mut self) {
        if std::mem::take(&mut self.is_served) {
            self.version += 1;
            self.changed = Some(Instant::now());
        }
    }
}

/// The version of a merged list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) changed: Option<Instant>,
}

impl View {
    pub(super) fn new(
        shared: Arc<Shared>,
        selection: Arc<Selection>,
        stored: Arc<MergedLists>,
        key: CatalogKey,
    ) -> Arc<Self> {
        let catalogs = Catalogs { generation: u64::MAX, members: Arc::new([]) };
        Arc::new(Self {
            shared,
            selection,
            stored,
            key,
            catalogs: Lock::new(catalogs),
            lists: Default::default(),
            used: Lock::new(Instant::now()),
        })
    }

    /// The callers of the view.
    pub(super) fn key(&self) -> &CatalogKey {
        &self.key
    }

    /// Notes a use.
    pub(super) fn touch(&self) {
        *self.used.lock() = Instant::now();
    }

    /// The time of the last use.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock()
    }

    /// The members, with what they offer.
    pub(super) fn members(&self) -> Arc<[(Arc<MemberEntry>, Arc<Catalog>)]> {
        self.catalogs().members
    }

    /// What a member offers to the callers of this view.
    pub(super) fn catalog(&self, member: &Arc<MemberEntry>) -> Option<Arc<Catalog>> {
        let members = self.members();
        members.iter().find(|(other, _)| Arc::ptr_eq(other, member)).map(|(_, catalog)| catalog.clone())
    }

    fn catalogs(&self) -> Catalogs {
        let current = self.shared.members();
        let mut catalogs = self.catalogs.lock();
        if catalogs.generation != current.generation {
            let members = current.entries.iter().map(|entry| {
                let key = self.key.for_member(&entry.list_scope);
                (entry.clone(), self.shared.catalog(entry, &key))
            });
            *catalogs = Catalogs { generation: current.generation, members: members.collect() };
        }
        catalogs.clone()
    }

    /// Requests a list of every member that is old or was never read. Returns at once.
    pub(super) fn request(&self, kind: ListKind) {
        self.members().iter().for_each(|(_, catalog)| _ = catalog.list(kind));
    }

    /// Requests a list of every member, and waits for those that were never read, up to `wait` after they were first
    /// requested.
    pub(super) async fn first(&self, kind: ListKind, wait: Duration) {
        let members = self.members();
        // All are requested before the first is waited for.
        self.request(kind);
        for (_, catalog) in &*members {
            catalog.peek(kind).first(wait).await;
        }
    }

    /// The lists of these kinds that are being read again, of those members that `may_have` what is looked for.
    pub(super) fn being_read(
        &self,
        kinds: &[ListKind],
        may_have: impl Fn(&MemberEntry) -> bool,
    ) -> Vec<Arc<Cached<MemberList>>> {
        let members = self.members();
        let catalogs = members.iter().filter(|(member, _)| may_have(member)).map(|(_, catalog)| catalog);
        let lists = catalogs.flat_map(|catalog| kinds.iter().map(|kind| catalog.peek(*kind)));
        lists.filter(|list| list.is_being_read()).cloned().collect()
    }

    /// Whether every member's list was read, or is known not to be had.
    pub(super) fn is_settled(&self, kind: ListKind) -> bool {
        self.members().iter().all(|(_, catalog)| catalog.list(kind).is_settled())
    }

    /// The members before `member` whose list no attempt to read has ended yet. Requests none.
    pub(super) fn unread_before(&self, kind: ListKind, member: &Arc<MemberEntry>) -> Vec<Arc<MemberEntry>> {
        let changes = self.shared.changes();
        if self.lists[kind as usize].lock().settled == Some(changes) {
            return Vec::new();
        }
        let members = self.members();
        let is_read = |catalog: &Arc<Catalog>| catalog.peek(kind).is_settled();
        if members.iter().all(|(_, catalog)| is_read(catalog)) {
            self.lists[kind as usize].lock().settled = Some(changes);
            return Vec::new();
        }
        let before = members.iter().take_while(|(other, _)| !Arc::ptr_eq(other, member));
        before.filter(|(_, catalog)| !is_read(catalog)).map(|(other, _)| other.clone()).collect()
    }

    /// The members whose list is not known.
    pub(super) fn unknown(&self, kind: ListKind) -> Vec<Arc<MemberEntry>> {
        let members = self.members();
        let unknown = members.iter().filter(|(_, catalog)| catalog.list(kind).value().is_none());
        unknown.map(|(member, _)| member.clone()).collect()
    }

    /// Where the entry `name` of a list leads, as far as the lists are known.
    ///
    /// # Errors
    /// If the entry is held back.
    pub(super) fn route(&self, kind: ListKind, name: &str) -> Result<Option<Route>, Error> {
        let merged = self.merged(kind);
        match merged.routes.get(name) {
            Some(route) => Ok(Some(route.clone())),
            None => merged.held.get(name).map_or(Ok(None), |held| Err(held.refusal(kind))),
        }
    }

    /// The first member with a template that begins like `uri`, up to the template's first expression.
    pub(super) fn template_member(&self, uri: &str) -> Option<Arc<MemberEntry>> {
        let mut routes = self.templates_like(uri).into_iter();
        // The others' URIs begin with an alias.
        let found = routes.find(|route| is_web(uri) || route.member.alias.keeps());
        found.map(|route| route.member)
    }

    /// The templates that begin like `uri`, up to their first expression.
    pub(super) fn templates_like(&self, uri: &str) -> Vec<Route> {
        let merged = self.merged(ListKind::Templates);
        let begins_like = |template: &str| {
            template.split_once('{').is_some_and(|(start, _)| !start.is_empty() && uri.starts_with(start))
        };
        let templates =
            merged.lines.iter().map(|(template, _)| template).filter(|template| begins_like(template));
        templates.filter_map(|template| merged.routes.get(template)).cloned().collect()
    }

    /// Whether callers of this view may use what clients call `name`.
    pub(super) fn offers(&self, name: &str) -> bool {
        self.selection.has(name)
    }

    /// A page of a list as it is known for the caller of `caller`; the whole list for a legacy session, since clients exist that request
    /// no second page.
    ///
    /// # Errors
    /// -32602 for a cursor that this list did not give to this caller.
    pub(super) fn page(
        &self,
        kind: ListKind,
        cursor: Option<&Raw>,
        meta: &Raw,
        cursors: &Cursors<'_>,
        caller: &Context,
    ) -> Result<Raw, Error> {
        let merged = self.current(kind, true).0;
        let merged = match self.shared.enforcement() {
            Some(enforcement) => enforcement.filtered(kind, merged, caller),
            None => merged,
        };
        let is_stale = self.members().iter().any(|(_, catalog)| !catalog.is_fresh(kind));
        let context = PageContext { kind, meta, is_stale, cursors };
        match cursor {
            None if !self.key.is_stateless() => Ok(merged.whole(&context)),
            cursor => merged.page(cursor, &context),
        }
    }

    /// The merged list of what is known.
    pub(super) fn merged(&self, kind: ListKind) -> Arc<Merged> {
        self.current(kind, false).0
    }

    /// Notes that clients have received the merged list, if they have received it from `other`, which has the same one.
    pub(super) fn note_served_like(&self, other: &Self, kind: ListKind) {
        let is_served = other.lists[kind as usize].lock().is_served;
        self.lists[kind as usize].lock().is_served |= is_served;
    }

    /// The version of the merged list of what is known.
    pub(super) fn version(&self, kind: ListKind) -> Version {
        self.current(kind, false).1
    }

    /// Merges the lists again if something has changed in the federation. `is_served`: for a client.
    fn current(&self, kind: ListKind, is_served: bool) -> (Arc<Merged>, Version) {
        // Read before the lists are: a change after that is merged next time.
        let changes = self.shared.changes();
        let mut list = self.lists[kind as usize].lock();
        if list.changes != changes || list.merged.is_none() {
            list.changes = changes;
            self.merge(kind, &mut list);
            let policy = self.shared.policies();
            if std::mem::replace(&mut list.policy, policy) != policy {
                list.note_change();
            }
        }
        list.is_served |= is_served;
        let merged = list.merged.clone().unwrap_or_default();
        (merged, Version { number: list.version, changed: list.changed })
    }

    /// Merges the lists of the members, unless they are those of which the merged list is made.
    fn merge(&self, kind: ListKind, list: &mut ViewList) {
        let members = self.members();
        let known =
            members.iter().map(|(member, catalog)| (member.clone(), self.known(kind, member, catalog)));
        let known: Vec<_> = known.collect();
        if list.merged.as_ref().is_some_and(|merged| merged.is_made_of(&known)) {
            return;
        }
        let merged = self.stored.find(kind, &known).unwrap_or_else(|| {
            let merged = Arc::new(Merged::of(kind, &known, &self.selection, self.shared.limits.page_size));
            self.shared.report(&merged.collisions);
            self.stored.add(kind, &merged);
            merged
        });
        if list.merged.as_ref().is_some_and(|old| !old.is_same_as(&merged)) {
            list.note_change();
        }
        list.merged = Some(merged);
    }

    /// What a member offers to the callers of this view. As long as that is not known, what it offers to others: most servers
    /// offer the same to all, and one that starts is not to be missing until then.
    fn known(&self, kind: ListKind, member: &MemberEntry, catalog: &Catalog) -> Option<Arc<MemberList>> {
        let key = || self.key.for_member(&member.list_scope);
        catalog.known(kind).or_else(|| member.catalogs.known_to_others(kind, &key()))
    }

    /// Follows the changes of all members' lists until the holds are dropped.
    pub(super) fn hold(&self) -> Vec<CatalogHold> {
        self.members().iter().map(|(_, catalog)| catalog.hold()).collect()
    }

    /// Waits for the description of every member, up to `wait` after it was first requested.
    pub(super) async fn described(&self, wait: Duration) {
        let members = self.members();
        members.iter().for_each(|(_, catalog)| catalog.description().refresh_if_old());
        for (_, catalog) in &*members {
            catalog.description().first(wait).await;
        }
    }
}

/// The merged lists of all views of an endpoint, by the numbers of their kinds: views with equal lists share one.
#[derive(Default)]
pub(super) struct MergedLists([Lock<Vec<Weak<Merged>>>; 4]);

impl MergedLists {
    fn find(&self, kind: ListKind, lists: &MemberLists) -> Option<Arc<Merged>> {
        let stored = self.0[kind as usize].lock();
        stored.iter().filter_map(Weak::upgrade).find(|merged| merged.is_made_of(lists))
    }

    fn add(&self, kind: ListKind, merged: &Arc<Merged>) {
        let mut stored = self.0[kind as usize].lock();
        stored.retain(|merged| merged.strong_count() > 0);
        stored.push(Arc::downgrade(merged));
    }
}
