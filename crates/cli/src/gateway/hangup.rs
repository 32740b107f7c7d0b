//! SIGHUP, which has a gateway read its file again.

use std::io::IsTerminal as _;

/// SIGHUP, on systems that have it. In a terminal it means that the terminal is closed, and is not caught here.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: Self::caught(),
        }
    }

    #[cfg(unix)]
    fn caught() -> Option<tokio::signal::unix::Signal> {
        use tokio::signal::unix::{SignalKind, signal};
        if std::io::stdin().is_terminal() || std::io::stderr().is_terminal() {
            return None;
        }
        let warn = |error: &std::io::Error| tracing::warn!(%error, "SIGHUP does not read the file again");
        signal(SignalKind::hangup()).inspect_err(warn).ok()
    }

    /// Whether it reads the file again, and does not stop the gateway.
    pub(super) fn is_caught(&self) -> bool {
        #[cfg(unix)]
        return self.signal.is_some();
        #[cfg(not(unix))]
        return false;
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
