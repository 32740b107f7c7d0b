use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyport_adapters::LegacyClientLimits;
use anyport_guards::Guards;
use anyport_layers::{AnswerCache, CacheLimits, RateLimiter};
use anyport_metrics::Metrics;
use anyport_policy::Policy;
use anyport_protocol::Raw;
use anyport_seal::Sealer;
use anyport_service::sync::Lock;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::{
    catalog::{Catalog, CatalogKey},
    guard::{guarding::Guarding, masking::Masking},
    large_result::SpilledResults,
    limits::FederationLimits,
    member::{MemberEntry, Members},
    names::Collision,
    policy::Enforcement,
    rates::MemberLimiter,
    retired::{self, RetiredMember},
};

/// What all endpoints of a federation share: its members, and what is known of them.
pub(super) struct Shared {
    pub(super) limits: FederationLimits,
    /// Seals the states of members.
    pub(super) sealer: Sealer,
    /// Who we are for the members when we read their lists.
    client_info: Raw,
    members: Lock<Arc<Members>>,
    /// The number of changes: of lists, of descriptions, of members.
    changes: watch::Sender<u64>,
    /// Whether listen streams end.
    pub(super) closed: watch::Sender<bool>,
    collisions: Lock<Collisions>,
    enforcement: ArcSwapOption<Enforcement>,
    guarding: ArcSwapOption<Guarding>,
    /// The number of policies that there have been.
    policies: AtomicU64,
    pub(super) metrics: Metrics,
    /// Counts the calls of members.
    pub(super) limiter: MemberLimiter,
    /// The answers of members that are kept.
    pub(super) cache: AnswerCache,
    /// Results that can be read as resources.
    pub(super) spilled: Arc<SpilledResults>,
}

#[derive(Default)]
struct Collisions {
    all: Vec<Collision>,
    known: HashSet<Collision>,
}

/// The most collisions that are remembered.
const COLLISIONS: usize = 1_000;

impl Shared {
    pub(super) fn new(
        members: Members,
        limits: FederationLimits,
        sealer: Sealer,
        client_info: Raw,
        metrics: &Metrics,
    ) -> Self {
        let changes = watch::Sender::new(0);
        members.notify(&changes);
        Self {
            limits,
            sealer,
            client_info,
            members: Lock::new(Arc::new(members)),
            changes,
            closed: watch::Sender::new(false),
            collisions: Lock::default(),
            enforcement: ArcSwapOption::default(),
            guarding: ArcSwapOption::default(),
            policies: AtomicU64::default(),
            metrics: metrics.clone(),
            limiter: MemberLimiter::new(None, metrics),
            cache: AnswerCache::new(CacheLimits::default()).metrics(metrics),
            spilled: Arc::new(SpilledResults::new(limits, metrics)),
        }
    }

    /// The same, whose calls of members `limiter` counts.
    pub(super) fn rate_limiter(self, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { limiter: MemberLimiter::new(Some(limiter), &self.metrics), ..self }
    }

    /// The same, whose members' answers are kept within `limits`.
    pub(super) fn cache(self, limits: CacheLimits) -> Self {
        Self { cache: AnswerCache::new(limits).metrics(&self.metrics), ..self }
    }

    pub(super) fn members(&self) -> Arc<Members> {
        self.members.lock().clone()
    }

    /// Replaces the members by those that `change` makes of them. Returns those that are gone.
    pub(super) fn replace_members<E>(
        &self,
        change: impl FnOnce(&Members) -> Result<Members, E>,
    ) -> Result<Vec<RetiredMember>, E> {
        let mut members = self.members.lock();
        let new = Arc::new(change(&members)?);
        new.notify(&self.changes);
        // Whatever is configured anew may change what is answered.
        for core in new.entries.iter().map(|entry| &entry.core) {
            core.answers.forget();
            core.places.clear();
        }
        let gone = retired::between(&members, &new);
        *members = new;
        drop(members);
        *self.collisions.lock() = Collisions::default();
        self.notify();
        Ok(gone)
    }

    /// What every use of an item passes, if there is a policy.
    pub(super) fn enforcement(&self) -> Option<Arc<Enforcement>> {
        self.enforcement.load_full()
    }

    /// What every call and reply passes, if there are guards or masks.
    pub(super) fn guarding(&self) -> Option<Arc<Guarding>> {
        self.guarding.load_full()
    }

    /// Checks calls and replies by `guards` from now on, and covers data as `masking` says.
    pub(super) fn set_guards(&self, guards: Guards, masking: Masking) {
        let is_used = !guards.is_empty() || !masking.is_empty();
        let guarding = is_used.then(|| Arc::new(Guarding::new(guards, masking, &self.metrics)));
        self.guarding.store(guarding);
    }

    /// The number of policies that there have been.
    pub(super) fn policies(&self) -> u64 {
        self.policies.load(Ordering::Relaxed)
    }

    /// Enforces `policy` from now on, whose questions to users are within the limits of `asking`; one without rules allows everything.
    pub(super) fn set_policy(&self, policy: Policy, asking: LegacyClientLimits) {
        let enforcement = (!policy.is_empty())
            .then(|| Arc::new(Enforcement::new(policy, asking, self.limits.filtered_lists, &self.metrics)));
        self.enforcement.store(enforcement);
        self.policies.fetch_add(1, Ordering::Relaxed);
        self.notify();
    }

    /// Notes a change.
    pub(super) fn notify(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// The number of changes.
    pub(super) fn changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Is notified of every change.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What a member offers to callers of one kind.
    pub(super) fn catalog(&self, member: &MemberEntry, key: &CatalogKey) -> Arc<Catalog> {
        let make = || Catalog::new(&member.core, key, self.limits, &self.client_info, &self.changes);
        member.catalogs.get(key, make)
    }

    /// Reports collisions, each once.
    pub(super) fn report(&self, collisions: &[Collision]) {
        let mut reported = self.collisions.lock();
        for collision in collisions {
            if reported.all.len() < COLLISIONS && reported.known.insert(collision.clone()) {
                tracing::warn!(member = collision.member, "{collision}");
                reported.all.push(collision.clone());
            }
        }
    }

    /// The collisions that were found among the members.
    pub(super) fn collisions(&self) -> Vec<Collision> {
        self.collisions.lock().all.clone()
    }
}
