use std::sync::Arc;

use anyport_protocol::{Method, Raw, json::Splice, jsonrpc::RpcResult, meta::LogLevel};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::hub::{Hub, Slot};
use crate::client::carrier::QUIET;

/// How verbose an older server's logs are. They are one connection's, where a newer server's are one request's.
#[derive(Default)]
pub(super) struct Logging {
    /// What the server was told last; before that it decides for itself.
    level: Option<LogLevel>,
    /// When a call last wanted log messages.
    wanted: Option<Instant>,
    /// Somebody waits to make it quieter.
    lowering: bool,
}

impl Logging {
    /// Whether the server decides for itself: it was never told a level.
    pub(super) fn is_untold(&self) -> bool {
        self.level.is_none()
    }
}

impl Hub {
    /// Makes the server log as verbosely as `level`, if it does not yet; the answer is to be awaited before the call.
    pub(super) fn raise(self: &Arc<Self>, level: LogLevel) -> Option<oneshot::Receiver<RpcResult>> {
        let mut state = self.lock();
        state.logging.wanted = Some(Instant::now());
        if state.logging.level.is_some_and(|now| now <= level) {
            return None;
        }
        state.logging.level = Some(level);
        let lowers = level < QUIET && !std::mem::replace(&mut state.logging.lowering, true);
        drop(state);
        if lowers {
            self.lower_later();
        }
        Some(self.set_level(level))
    }

    fn set_level(&self, level: LogLevel) -> oneshot::Receiver<RpcResult> {
        let params = Splice::new().with("level", &Raw::string(level.as_str())).finish();
        self.request(Method::SetLevel, &params)
    }

    /// Makes the server quiet again once no call has wanted log messages for a while.
    fn lower_later(self: &Arc<Self>) {
        let (hub, hold) = (Arc::downgrade(self), self.opening.log_hold);
        // One that is beyond what the clock can tell is never over.
        let Some(mut until) = Instant::now().checked_add(hold) else { return };
        tokio::spawn(async move {
            loop {
                sleep_until(until).await;
                let Some(hub) = hub.upgrade() else { return };
                let mut state = hub.lock();
                if state.calls.values().any(Slot::wants_logs) {
                    state.logging.wanted = Some(Instant::now());
                }
                let quiet_at =
                    state.logging.wanted.and_then(|wanted| wanted.checked_add(hold)).unwrap_or(until);
                if quiet_at > until {
                    until = quiet_at;
                    continue;
                }
                state.logging.level = Some(QUIET);
                state.logging.lowering = false;
                drop(state);
                // Nothing waits for the answer.
                drop(hub.set_level(QUIET));
                return;
            }
        });
    }
}
