use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyport_protocol::{Method, Raw, session::client::NegotiatedSession};
use tokio::time::{Instant, sleep_until};

use super::Hub;
use crate::client::End;

/// When something was said last on a channel, and how long it may be idle. The time is read with every message; the timer
/// is set anew only when it fires.
pub(crate) struct Idle {
    limit: Duration,
    begun: Instant,
    /// Microseconds after `begun`.
    last: AtomicU64,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit: limit.max(LEAST), begun: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Something was said, by either side.
    pub(crate) fn renew(&self) {
        let elapsed = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }

    /// Completes, with the reason, once the channel was idle for long enough. No call can begin on it any more then.
    pub(crate) async fn over(&self, hub: &Hub) -> String {
        loop {
            let last = self.begun + Duration::from_micros(self.last.load(Ordering::Relaxed));
            // For longer than any clock runs.
            let Some(end) = last.checked_add(self.limit) else { return std::future::pending().await };
            if Instant::now() < end {
                sleep_until(end).await;
                continue;
            }
            let why = format!("nothing said and nothing open for {:?} (connection_idle)", self.limit);
            if hub.finish_unused(&End::lost(why.as_str())) {
                return why;
            }
            // Whatever it is used for begins the time anew.
            self.renew();
        }
    }
}

/// So that looking costs nothing, whatever is set.
const LEAST: Duration = Duration::from_millis(1);

/// What an older server was asked to tell changes of.
#[derive(Debug, Default)]
pub(super) struct Subscribed(BTreeSet<String>);

impl Subscribed {
    /// Notes that a request with these params was granted.
    pub(super) fn granted(&mut self, method: Option<Method>, params: &Raw) {
        let uri = || params.member("uri").and_then(|uri| uri.as_string());
        match method {
            Some(Method::Subscribe) => self.0.extend(uri().map(|uri| uri.to_string())),
            Some(Method::Unsubscribe) => _ = uri().map(|uri| self.0.remove(&*uri)),
            _ => {}
        }
    }

    /// Whether the server may say something at any time that its client waits for in silence. A modern one does so only
    /// while a request is open; an older one tells of its lists without being asked.
    pub(super) fn are_told(&self, agreement: Option<&NegotiatedSession>) -> bool {
        let Some(agreement) = agreement.filter(|agreement| !agreement.revision().is_modern()) else {
            return false;
        };
        let capabilities = agreement.discovered().member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
        let tells = |list: &str| {
            let told = capabilities.member(list).and_then(|list| list.member("listChanged"));
            told.is_some_and(|told| told.as_str() == "true")
        };
        !self.0.is_empty() || ["tools", "prompts", "resources"].into_iter().any(tells)
    }
}
