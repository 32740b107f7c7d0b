//! The service of a member, and what is known of it whatever its names are.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Error, Raw, json::Splice, jsonrpc::Reason};
use anyport_service::{Outcome, Service, sync::Lock};
use anyport_upstream::KnownServer;
use tokio::sync::watch;

use super::{
    answers::Answers,
    health::Health,
    latency::RecentCalls,
    list_kind::ListKind,
    member_list::MemberList,
    pins::Pins,
    places::PlaceTable,
    suspicious::{OnSuspicious, SuspiciousDefinitions},
};

/// Says whether a member was ended for want of use.
pub(super) type IsStopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// Says whether a page of a list is the gateway's own, and none of the server's.
pub(super) type IsOwnPage = Arc<dyn Fn(&Raw) -> bool + Send + Sync>;

/// The part of a member that outlives a change of its naming: its service, and what is known of it.
pub(super) struct MemberCore {
    pub(super) name: Arc<str>,
    pub(super) service: Arc<dyn Service>,
    /// What its definitions are compared with, if they are.
    pub(super) pins: Option<Pins>,
    pub(super) health: Health,
    /// Changes with each connection of its server, if that is known.
    pub(super) connections: Option<watch::Receiver<KnownServer>>,
    /// The number of calls that were forwarded.
    pub(super) calls: AtomicU64,
    /// The number of those that ended with an error or a failure.
    pub(super) errors: AtomicU64,
    /// The number of those in flight.
    pub(super) in_flight: AtomicU64,
    pub(super) recent_calls: RecentCalls,
    pub(super) suspicious: SuspiciousDefinitions,
    /// The state that kept answers are of.
    pub(super) answers: Arc<Answers>,
    /// The places of its tools.
    pub(super) places: PlaceTable,
    is_stopped: Option<IsStopped>,
    is_own_page: Option<IsOwnPage>,
    /// The lists that are in use, by the numbers of their kinds.
    lists: [Lock<Vec<Weak<MemberList>>>; 4],
}

impl MemberCore {
    pub(super) fn new(
        name: &str,
        service: Arc<dyn Service>,
        pins: Option<Pins>,
        connections: Option<watch::Receiver<KnownServer>>,
        is_stopped: Option<IsStopped>,
    ) -> Self {
        Self {
            name: name.into(),
            service,
            pins,
            answers: Arc::new(Answers::new(connections.clone())),
            places: PlaceTable::default(),
            connections,
            health: Health::default(),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            recent_calls: RecentCalls::default(),
            suspicious: SuspiciousDefinitions::default(),
            is_stopped,
            is_own_page: None,
            lists: Default::default(),
        }
    }

    /// Sets what becomes of suspicious definitions.
    pub(super) fn on_suspicious(self, on_suspicious: OnSuspicious) -> Self {
        Self { suspicious: SuspiciousDefinitions::new(on_suspicious), ..self }
    }

    /// Sets which pages of lists are the gateway's own.
    pub(super) fn own_pages(self, is_own_page: Option<IsOwnPage>) -> Self {
        Self { is_own_page, ..self }
    }

    /// Whether a page of a list is the gateway's own, in place of one of the server's.
    pub(super) fn is_own_page(&self, page: &Raw) -> bool {
        self.is_own_page.as_ref().is_some_and(|is_own_page| is_own_page(page))
    }

    /// Whether it was ended for want of use.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.as_ref().is_some_and(|is_stopped| is_stopped())
    }

    /// Whether items can be held back, for whatever reason: only the list says which.
    pub(super) fn holds_back(&self) -> bool {
        self.is_strict() || self.suspicious.mode() != OnSuspicious::Flag
    }

    /// Whether items can be held back until their definitions are accepted.
    pub(super) fn is_strict(&self) -> bool {
        self.pins.as_ref().is_some_and(Pins::is_strict)
    }

    /// A list, which is that of other callers if both are equal: most members offer the same to all.
    pub(super) fn stored_once(&self, kind: ListKind, list: MemberList) -> Arc<MemberList> {
        let mut lists = self.lists[kind as usize].lock();
        lists.retain(|list| list.strong_count() > 0);
        let known = lists.iter().filter_map(Weak::upgrade).find(|known| **known == list);
        known.unwrap_or_else(|| {
            let list = Arc::new(list);
            lists.push(Arc::downgrade(&list));
            list
        })
    }

    /// The error of a request that found nothing, while this member could have it and has not been read. `found` says what
    /// was found.
    pub(super) fn unread(&self, found: &str) -> Error {
        let why = self.health.known().last_error.unwrap_or_else(|| "it has not answered yet".into());
        let message = format!("{found}, as far as is known; what {} offers is not known: {why}", self.name);
        let data = Splice::new().with("upstream", &Raw::string(&self.name)).finish();
        Error::internal(message).with_data(data).with_reason(Reason::UpstreamDown)
    }

    /// Counts the end of a call that took `time`, and notes what it says about the member.
    pub(super) fn ended(&self, outcome: &Outcome, time: Duration) {
        self.recent_calls.note(time);
        if outcome.is_error() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.health.note(outcome);
    }
}
