//! A member of a federation: a service, its name, and how its items are named.

use std::{collections::HashSet, sync::Arc};

use anyport_protocol::Raw;
use anyport_service::Service;
use anyport_upstream::KnownServer;
use tokio::sync::watch;

use crate::caller_part::CallerPart;

use super::{
    cache::MemberCache,
    catalog::{CatalogTable, ListScope},
    core::{IsOwnPage, IsStopped, MemberCore},
    error::FederationError,
    large_result::{OnLargeResult, ResultLimit},
    naming::Naming,
    pins::Pins,
    places::ToolPlaces,
    rates::MemberRates,
    suspicious::OnSuspicious,
    uris::UriAlias,
};

/// One server of a federation, under a name.
///
/// Its service is a [`crate::Bridge`], or any other service that answers in the newest vocabulary.
#[derive(Clone)]
pub struct Member {
    name: String,
    title: Option<String>,
    service: Arc<dyn Service>,
    naming: Naming,
    list_scope: ListScope,
    connections: Option<watch::Receiver<KnownServer>>,
    pins: Option<Pins>,
    is_stopped: Option<IsStopped>,
    is_own_page: Option<IsOwnPage>,
    result_limit: Option<ResultLimit>,
    on_suspicious: OnSuspicious,
    rates: MemberRates,
    cache: Option<MemberCache>,
    places: ToolPlaces,
}

impl Member {
    /// The member `name`, served by `service`. The name is that of the configuration: it stands in errors, logs and, by
    /// default, in the names of its tools. Two members with the same service and name are the same member.
    pub fn new(name: impl Into<String>, service: Arc<dyn Service>) -> Self {
        let (name, naming) = (name.into(), Naming::default());
        Self {
            name,
            title: None,
            service,
            naming,
            list_scope: ListScope::default(),
            connections: None,
            pins: None,
            is_stopped: None,
            is_own_page: None,
            result_limit: None,
            on_suspicious: OnSuspicious::default(),
            rates: MemberRates::default(),
            cache: None,
            places: ToolPlaces::default(),
        }
    }

    /// Sets what people call it, in questions to the user and in instructions. Default: its name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets how its tools and prompts are named.
    #[must_use]
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Reads its lists again whenever `connections` changes: [`Upstream::server_info`](anyport_upstream::Upstream::server_info) of
    /// its server. Without this, a member that was away is looked for now and then.
    #[must_use]
    pub fn connections(mut self, connections: watch::Receiver<KnownServer>) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Answers its lists as they were last read while `is_stopped` returns true: reading them again would start the server
    /// ([`Bridge::is_stopped`](crate::Bridge::is_stopped)).
    #[must_use]
    pub fn stopped_while(mut self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_stopped = Some(Arc::new(is_stopped));
        self
    }

    /// Compares its definitions with `pins`. Without this, whatever it offers is served.
    #[must_use]
    pub fn pins(mut self, pins: Pins) -> Self {
        self.pins = Some(pins);
        self
    }

    /// Leaves the pages of lists out of [`pins`](Self::pins) that `is_own_page` names: its service has put them in place of those of the
    /// server, for callers to whom that lists nothing.
    #[must_use]
    pub fn own_pages(mut self, is_own_page: impl Fn(&Raw) -> bool + Send + Sync + 'static) -> Self {
        self.is_own_page = Some(Arc::new(is_own_page));
        self
    }

    /// Limits the size of the results of its tools. Without this, all are passed on as they are.
    #[must_use]
    pub fn result_limit(mut self, limit: ResultLimit) -> Self {
        self.result_limit = Some(limit);
        self
    }

    /// Limits how often it is called. Without this, as often as the limits of callers allow.
    #[must_use]
    pub fn rates(mut self, rates: MemberRates) -> Self {
        self.rates = rates;
        self
    }

    /// Limits how many calls of each of its tools run at once. Without this, as many as its service takes.
    #[must_use]
    pub fn tool_places(mut self, places: ToolPlaces) -> Self {
        self.places = places;
        self
    }

    /// Keeps its answers for a while. Without this, none is kept.
    #[must_use]
    pub fn cache(mut self, cache: MemberCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets what becomes of its definitions with hidden instructions or invisible characters. Without this, they are reported and served.
    #[must_use]
    pub fn on_suspicious(mut self, on_suspicious: OnSuspicious) -> Self {
        self.on_suspicious = on_suspicious;
        self
    }

    /// Reads its lists for each principal. Without this, its lists are read as an anonymous caller sees them, and are
    /// the same for all principals.
    #[must_use]
    pub fn lists_per_principal(mut self) -> Self {
        self.list_scope.caller = self.list_scope.caller.max(CallerPart::Principal);
        self
    }

    /// Reads its lists for each principal with the same scopes, as [`lists_per_principal`](Self::lists_per_principal) does
    /// whatever the scopes are.
    #[must_use]
    pub fn lists_per_scopes(mut self) -> Self {
        self.list_scope.caller = CallerPart::Scopes;
        self
    }

    /// Reads its lists for each value of these headers that clients bring, whose names are in lower case: the service passes them
    /// on. Without this, its lists are read without them.
    #[must_use]
    pub fn lists_per_header(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.list_scope.headers = names.into_iter().collect();
        self
    }
}

/// A member as it is configured now.
pub(super) struct MemberEntry {
    pub(super) core: Arc<MemberCore>,
    pub(super) catalogs: Arc<CatalogTable>,
    pub(super) title: Arc<str>,
    pub(super) naming: Naming,
    pub(super) alias: UriAlias,
    pub(super) list_scope: ListScope,
    pub(super) result_limit: Option<ResultLimit>,
    pub(super) rates: MemberRates,
    pub(super) cache: Option<MemberCache>,
    pub(super) places: ToolPlaces,
}

impl MemberEntry {
    /// Whether something of what it offers or answers may not be passed on as it is.
    fn is_filtered(&self) -> bool {
        self.core.holds_back()
            || self.result_limit.is_some()
            || !self.rates.is_empty()
            || self.cache.is_some()
            || !self.places.is_empty()
    }
}

/// All members, in the order of the configuration.
pub(super) struct Members {
    pub(super) entries: Vec<Arc<MemberEntry>>,
    /// Which set of members it is.
    pub(super) generation: u64,
    /// What of a caller the lists of any member depend on.
    pub(super) list_scope: ListScope,
}

impl Members {
    /// The members that are configured, in their order. What stays the same is taken from `old`.
    ///
    /// # Errors
    /// A name that is empty, or that two members have.
    pub(super) fn new(members: Vec<Member>, old: Option<&Self>) -> Result<Self, FederationError> {
        let (mut names, mut aliases) = (HashSet::new(), HashSet::new());
        let mut entries = Vec::with_capacity(members.len());
        for member in members {
            if member.name.is_empty() {
                return Err(FederationError::EmptyName);
            }
            if !names.insert(member.name.clone()) {
                return Err(FederationError::DuplicateName(member.name));
            }
            let plain = UriAlias::of(&member.name);
            let numbered = (2..).map(|number| plain.numbered(number));
            let mut free = std::iter::once(plain.clone()).chain(numbered);
            // There are more numbers than members.
            let alias = free.find(|alias| !aliases.contains(alias)).unwrap_or_else(|| plain.clone());
            aliases.insert(alias.clone());
            let known = old.and_then(|old| old.same(&member));
            let (core, catalogs) = known.unwrap_or_else(|| {
                let Member { name, service, pins, connections, is_stopped, .. } = &member;
                let (service, pins, connections) = (service.clone(), pins.clone(), connections.clone());
                let core = MemberCore::new(name, service, pins, connections, is_stopped.clone());
                let core =
                    Arc::new(core.own_pages(member.is_own_page.clone()).on_suspicious(member.on_suspicious));
                (core, Arc::default())
            });
            let alias = if member.naming.keeps_names() { alias.keeping() } else { alias };
            entries.push(Arc::new(MemberEntry {
                title: member.title.as_deref().unwrap_or(&member.name).into(),
                naming: member.naming,
                list_scope: member.list_scope,
                result_limit: member.result_limit,
                rates: member.rates,
                cache: member.cache,
                places: member.places,
                alias,
                core,
                catalogs,
            }));
        }
        let mut list_scope = ListScope::default();
        entries.iter().for_each(|entry: &Arc<MemberEntry>| list_scope.add(&entry.list_scope));
        Ok(Self { entries, generation: old.map_or(0, |old| old.generation + 1), list_scope })
    }

    /// Whether results can become resources of the federation.
    pub(super) fn spill(&self) -> bool {
        let spills = |limit: ResultLimit| limit.otherwise == OnLargeResult::Spill;
        self.entries.iter().any(|entry| entry.result_limit.is_some_and(spills))
    }

    /// The members whose URIs stay as they are.
    pub(super) fn keeping(&self) -> impl Iterator<Item = &Arc<MemberEntry>> {
        self.entries.iter().filter(|entry| entry.alias.keeps())
    }

    /// The member with URIs that begin with `alias`.
    pub(super) fn with_alias(&self, alias: &str) -> Option<&Arc<MemberEntry>> {
        self.entries.iter().find(|entry| !entry.alias.keeps() && entry.alias.as_str() == alias)
    }

    /// The only member, if its names stay as they are and all that it offers and answers is passed on.
    pub(super) fn sole(&self) -> Option<&Arc<MemberEntry>> {
        match &*self.entries {
            [sole] if sole.naming.is_identity() && !sole.is_filtered() => Some(sole),
            _ => None,
        }
    }

    /// Whether questions and log messages have to say which member they are of.
    pub(super) fn are_several(&self) -> bool {
        self.entries.len() > 1
    }

    /// Sets what is notified when pins change.
    pub(super) fn notify(&self, changes: &watch::Sender<u64>) {
        self.entries
            .iter()
            .filter_map(|entry| entry.core.pins.as_ref())
            .for_each(|pins| pins.notify(changes));
    }

    /// What is known of the member with the same name, service and pins.
    fn same(&self, member: &Member) -> Option<(Arc<MemberCore>, Arc<CatalogTable>)> {
        let same = self.entries.iter().find(|entry| {
            *entry.core.name == *member.name
                && Arc::ptr_eq(&entry.core.service, &member.service)
                && entry.core.pins == member.pins
                && entry.core.suspicious.mode() == member.on_suspicious
        });
        same.map(|entry| (entry.core.clone(), entry.catalogs.clone()))
    }
}
