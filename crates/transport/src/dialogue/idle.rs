use std::{pin::Pin, time::Duration};

use anyport_protocol::session::server::{IdleTimeout, Silence};
use anyport_service::Clock;
use tokio::time::{Sleep, sleep_until};

/// The timer of an [`IdleTimeout`]. It is set anew when it fires, and not with every message.
pub(super) struct IdleTimer {
    timeout: IdleTimeout,
    /// Begins when the timeout does.
    clock: Clock,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(super) fn new(first_message: Option<Duration>, idle: Option<Duration>) -> Self {
        let clock = Clock::new();
        let mut timer =
            Self { timeout: IdleTimeout::new(first_message, idle, Duration::ZERO), clock, timer: None };
        timer.reset();
        timer
    }

    /// The client has sent a message.
    pub(super) fn received(&mut self) {
        let is_first = !self.timeout.has_received();
        self.timeout.received(self.clock.now());
        if is_first {
            // Another limit applies from now on.
            self.reset();
        }
    }

    /// A request has ended.
    pub(super) fn finished(&mut self) {
        self.timeout.finished(self.clock.now());
    }

    /// Completes when [`check`](Self::check) is due. Cancel-safe.
    pub(super) async fn due(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().await,
            None => std::future::pending().await,
        }
    }

    /// The limit that is exceeded, if one is; otherwise sets the timer anew.
    pub(super) fn check(&mut self, is_busy: bool) -> Option<Silence> {
        let silence = self.timeout.check(self.clock.now(), is_busy);
        if silence.is_none() {
            self.reset();
        }
        silence
    }

    fn reset(&mut self) {
        let due = self.timeout.poll_timeout().and_then(|due| self.clock.instant(due));
        match (due, &mut self.timer) {
            (None, timer) => *timer = None,
            (Some(due), Some(timer)) => timer.as_mut().reset(due),
            (Some(due), timer) => *timer = Some(Box::pin(sleep_until(due))),
        }
    }
}
