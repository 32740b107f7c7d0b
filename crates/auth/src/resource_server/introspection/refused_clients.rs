use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_transport::http::CredentialError;
use tokio::time::Instant;

use crate::{client_address::network, resource_server::refusal::unavailable};

/// How many tokens of each client were refused lately, so that nobody can have an authorization server asked about as many made-up
/// tokens as he sends.
pub(super) struct RefusedClients {
    most: usize,
    windows: Mutex<HashMap<IpAddr, Window>>,
    refusals: Counter,
}

/// The refusals of one client since a moment.
struct Window {
    since: Instant,
    count: usize,
}

/// The time for which refusals are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// The most clients that are remembered. The others count as one.
const CLIENTS: usize = 10_000;

impl RefusedClients {
    pub(super) fn new(most: usize, metrics: &Metrics) -> Self {
        Self { most, windows: Mutex::default(), refusals: metrics.refusals("max_refused_introspections") }
    }

    /// Checks that a client may have a further token introspected.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if too many of its tokens were refused.
    pub(super) fn check(&self, address: Option<IpAddr>, now: Instant) -> Result<(), CredentialError> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&slot(&windows, address)).filter(|window| window.is_open(now));
        match window.filter(|window| window.count >= self.most) {
            Some(window) => {
                self.refusals.increment();
                Err(unavailable(
                    "too many tokens of this client were refused within a minute (max_refused_introspections)",
                    MINUTE.saturating_sub(now.saturating_duration_since(window.since)),
                ))
            }
            None => Ok(()),
        }
    }

    /// Counts a token of a client that was refused.
    pub(super) fn count(&self, address: Option<IpAddr>, now: Instant) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= CLIENTS {
            windows.retain(|_, window| window.is_open(now));
        }
        let slot = slot(&windows, address);
        let window = windows.entry(slot).or_insert(Window { since: now, count: 0 });
        if !window.is_open(now) {
            *window = Window { since: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
    }
}

impl Window {
    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < MINUTE
    }
}

/// Under which address a client is counted.
fn slot(windows: &HashMap<IpAddr, Window>, address: Option<IpAddr>) -> IpAddr {
    let own = network(address);
    match windows.len() >= CLIENTS && !windows.contains_key(&own) {
        true => network(None),
        false => own,
    }
}
