//! A member of a federation: a service, its name, and how its items are named.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use anyport_service::{Outcome, Service, sync::Lock};

use super::{
    FederationError, Naming,
    catalog::{Catalog, CatalogKey},
    health::Health,
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
    per_principal: bool,
}

impl Member {
    /// The member `name`, served by `service`. The name is that of the configuration: it stands in errors, logs and, by
    /// default, in the names of its tools. Two members with the same service and name are the same member.
    pub fn new(name: impl Into<String>, service: Arc<dyn Service>) -> Self {
        Self { name: name.into(), title: None, service, naming: Naming::default(), per_principal: false }
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

    /// Reads its lists for each principal. Without this, its lists are read as an anonymous caller sees them, and are
    /// the same for all principals.
    #[must_use]
    pub fn lists_per_principal(mut self) -> Self {
        self.per_principal = true;
        self
    }
}

/// The part of a member that outlives a change of its naming: its service, and what is known of it.
pub(super) struct MemberCore {
    pub(super) name: Arc<str>,
    pub(super) service: Arc<dyn Service>,
    pub(super) health: Health,
    /// The number of calls that were forwarded.
    pub(super) calls: AtomicU64,
    /// The number of those that ended with an error or a failure.
    pub(super) errors: AtomicU64,
    /// The number of those in flight.
    pub(super) in_flight: AtomicU64,
    catalogs: Lock<HashMap<CatalogKey, Weak<Catalog>>>,
}

/// A member as it is configured now.
pub(super) struct MemberEntry {
    pub(super) core: Arc<MemberCore>,
    pub(super) title: Arc<str>,
    pub(super) naming: Naming,
    pub(super) alias: UriAlias,
    pub(super) per_principal: bool,
}

/// All members, in the order of the configuration.
pub(super) struct Members {
    pub(super) entries: Vec<Arc<MemberEntry>>,
    /// Which set of members it is.
    pub(super) generation: u64,
    /// Whether the lists of a member depend on the principal.
    pub(super) are_per_principal: bool,
}

impl MemberCore {
    /// The catalog under `key`, which is made by `make` if there is none.
    pub(super) fn catalog(&self, key: &CatalogKey, make: impl FnOnce() -> Arc<Catalog>) -> Arc<Catalog> {
        let mut catalogs = self.catalogs.lock();
        if let Some(catalog) = catalogs.get(key).and_then(Weak::upgrade) {
            return catalog;
        }
        catalogs.retain(|_, catalog| catalog.strong_count() > 0);
        let catalog = make();
        catalogs.insert(key.clone(), Arc::downgrade(&catalog));
        catalog
    }

    /// Every catalog that is in use.
    pub(super) fn catalogs(&self) -> Vec<Arc<Catalog>> {
        self.catalogs.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Counts the end of a call, and notes what it says about the member.
    pub(super) fn ended(&self, outcome: &Outcome) {
        if outcome.is_error() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.health.note(outcome);
    }
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
            let known = old.and_then(|old| old.core_of(&member));
            entries.push(Arc::new(MemberEntry {
                title: member.title.as_deref().unwrap_or(&member.name).into(),
                naming: member.naming,
                per_principal: member.per_principal,
                alias,
                core: known.unwrap_or_else(|| {
                    Arc::new(MemberCore {
                        name: member.name.into(),
                        service: member.service,
                        health: Health::default(),
                        calls: AtomicU64::new(0),
                        errors: AtomicU64::new(0),
                        in_flight: AtomicU64::new(0),
                        catalogs: Lock::default(),
                    })
                }),
            }));
        }
        let are_per_principal = entries.iter().any(|entry: &Arc<MemberEntry>| entry.per_principal);
        Ok(Self { entries, generation: old.map_or(0, |old| old.generation + 1), are_per_principal })
    }

    /// The member with the URI alias `alias`.
    pub(super) fn with_alias(&self, alias: &str) -> Option<&Arc<MemberEntry>> {
        self.entries.iter().find(|entry| entry.alias.as_str() == alias)
    }

    /// The only member, if its names stay as they are.
    pub(super) fn sole(&self) -> Option<&Arc<MemberEntry>> {
        match &*self.entries {
            [sole] if sole.naming.is_identity() => Some(sole),
            _ => None,
        }
    }

    /// Whether questions and log messages have to say which member they are of.
    pub(super) fn are_several(&self) -> bool {
        self.entries.len() > 1
    }

    fn core_of(&self, member: &Member) -> Option<Arc<MemberCore>> {
        let same = self.entries.iter().find(|entry| {
            *entry.core.name == *member.name && Arc::ptr_eq(&entry.core.service, &member.service)
        });
        same.map(|entry| entry.core.clone())
    }
}
