//! How verbose an older server's logs are: they are one session's, where a newer server's are one request's.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Method, Raw, jsonrpc, meta::LogLevel};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use super::hub::Hub;
use crate::client::carrier::QUIET;

/// What an older server was told of its logs.
pub(super) struct Logging {
    /// The level; before the first it decides for itself. Held while it is told another.
    level: Mutex<Option<LogLevel>>,
    /// When it was last wanted to log.
    wanted: watch::Sender<Option<Instant>>,
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: Mutex::new(None), wanted: watch::Sender::new(None) }
    }
}

impl Hub {
    /// Whether an older server decides for itself what it logs: it was never told a level.
    pub(super) fn is_untold(&self) -> bool {
        self.logging.level.try_lock().is_ok_and(|level| level.is_none())
    }

    /// Lets an older server log at least from `level` on, and waits until it has heard so.
    pub(super) async fn raise(self: &Arc<Self>, level: LogLevel) {
        if !self.agreement.offers("logging") {
            return;
        }
        self.logging.wanted.send_replace(Some(Instant::now()));
        let mut now = self.logging.level.lock().await;
        if now.is_some_and(|now| now <= level) {
            return;
        }
        match self.set_level(level).await {
            Ok(_) => {
                let before = now.replace(level);
                // Where it was verbose, it is waited for already to become quiet again.
                if level < QUIET && before.is_none_or(|before| before >= QUIET) {
                    self.lower_later();
                }
            }
            Err(error) => tracing::debug!(%error, "the server does not change the level of its log"),
        }
    }

    async fn set_level(self: &Arc<Self>, level: LogLevel) -> jsonrpc::RpcResult {
        let params = Raw::trusted(format!(r#"{{"level":"{}"}}"#, level.as_str()).into_bytes());
        self.ask(Method::SetLevel, &params).await
    }

    /// Makes the server quiet again once no call has wanted its log for a while.
    fn lower_later(self: &Arc<Self>) {
        let (hub, hold) = (Arc::downgrade(self), self.opening.log_hold.max(LEAST));
        let mut last = self.logging.wanted.subscribe();
        let lower = async move {
            loop {
                let wanted = (*last.borrow_and_update()).unwrap_or_else(Instant::now);
                let Some(end) = wanted.checked_add(hold) else { return };
                tokio::time::sleep_until(end).await;
                let Some(hub) = hub.upgrade() else { return };
                if hub.calls().values().any(|open| open.logs) {
                    // However long it goes on.
                    hub.logging.wanted.send_replace(Some(Instant::now()));
                }
                if last.has_changed().unwrap_or(false) {
                    continue;
                }
                let mut now = hub.logging.level.lock().await;
                if last.has_changed().unwrap_or(false) {
                    continue;
                }
                if let Err(error) = hub.set_level(QUIET).await {
                    tracing::debug!(%error, "the server does not change the level of its log");
                }
                *now = Some(QUIET);
                return;
            }
        };
        self.background(lower);
    }

    /// A new session decides for itself again; gives what the old one was told.
    pub(super) async fn forget_level(&self) -> Option<LogLevel> {
        self.logging.level.lock().await.take()
    }

    /// Tells a new session the level of the old one.
    pub(super) async fn restore(self: &Arc<Self>, level: LogLevel) {
        let mut now = self.logging.level.lock().await;
        match self.set_level(level).await {
            Ok(_) => *now = Some(level),
            Err(error) => tracing::debug!(%error, "the new session does not take the level of the log"),
        }
    }
}

/// So that looking costs nothing while a call is open, whatever is set.
const LEAST: Duration = Duration::from_millis(10);
