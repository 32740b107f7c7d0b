use std::time::Duration;

use anyport_service::sync::Lock;
use tokio::time::Instant;

/// What the log says of connections that could not be opened: strangers decide how many there are, so that one in a while is a
/// warning, and the others are for whoever looks for them.
#[derive(Debug, Default)]
pub(in crate::http) struct Warnings(Lock<Option<Instant>>);

/// The time between two warnings.
const PAUSE: Duration = Duration::from_secs(60);

impl Warnings {
    /// Logs why a connection was not opened.
    pub(in crate::http) fn log(&self, why: &str) {
        let is_due = {
            let mut last = self.0.lock();
            let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
            if is_due {
                *last = Some(Instant::now());
            }
            is_due
        };
        match is_due {
            true => tracing::warn!("{why}"),
            false => tracing::debug!("{why}"),
        }
    }
}
