use std::time::Duration;

use super::call_id::CallId;
use crate::meta::LogLevel;

/// The log level of a legacy session. It belongs to the session, where a modern server has one per request: it is raised to
/// the most verbose level that a call wants, and lowered some time after the last such call.
#[derive(Debug)]
pub(super) struct SessionLogLevel {
    /// The last level that the server got. Before, the server chooses the level.
    level: Option<LogLevel>,
    /// The request that raises it, until it is answered.
    raising: Option<CallId>,
    /// When a call last wanted log messages.
    wanted: Duration,
    /// When the server is made quiet again.
    due: Option<Duration>,
    hold: Duration,
}

/// What is left on for an operator when no call wants log messages.
const QUIET: LogLevel = LogLevel::Warning;

/// So that looking again costs nothing while a call wants log messages, whatever is configured.
const MIN_HOLD: Duration = Duration::from_millis(10);

impl SessionLogLevel {
    pub(super) fn new(hold: Duration) -> Self {
        Self { level: None, raising: None, wanted: Duration::ZERO, due: None, hold: hold.max(MIN_HOLD) }
    }

    /// Whether the server chooses the level: it never got one.
    pub(super) fn is_server_default(&self) -> bool {
        self.level.is_none()
    }

    /// When [`SessionLogLevel::lower`] is due.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.due
    }

    /// A call wants log messages from `level` on. Returns whether `logging/setLevel` must precede it.
    pub(super) fn raise(&mut self, now: Duration, level: LogLevel) -> bool {
        self.wanted = now;
        if self.level.is_some_and(|now| now <= level) {
            return false;
        }
        self.level = Some(level);
        if level < QUIET && self.due.is_none() {
            self.due = now.checked_add(self.hold);
        }
        true
    }

    /// `request` tells the server the level.
    pub(super) fn raising(&mut self, request: CallId) {
        self.raising = Some(request);
    }

    /// The request that a call waits for before it is sent.
    pub(super) fn awaited(&self) -> Option<CallId> {
        self.raising
    }

    /// `request` was answered, or will not be: whatever became of it, calls go on.
    pub(super) fn answered(&mut self, request: CallId) {
        if self.raising == Some(request) {
            self.raising = None;
        }
    }

    /// Returns the level to set once no call wants log messages any more.
    pub(super) fn lower(&mut self, now: Duration, still_wanted: bool) -> Option<LogLevel> {
        self.due.filter(|due| *due <= now)?;
        if still_wanted {
            self.wanted = now;
        }
        // Beyond the clock is never.
        self.due = self.wanted.checked_add(self.hold);
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.due = None;
        self.level = Some(QUIET);
        self.level
    }

    /// The level to set in a renewed session, where the server chooses again.
    pub(super) fn restored(&self) -> Option<LogLevel> {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_level_is_raised_to_the_most_verbose_one_and_lowered_after_the_last_that_wanted_it() {
        let mut log = SessionLogLevel::new(HOLD);
        assert!(log.is_server_default() && log.raise(at(0), LogLevel::Info));
        assert!(!log.raise(at(10), LogLevel::Error), "a less severe level covers it");
        assert!(log.raise(at(20), LogLevel::Debug));
        assert_eq!(log.timeout(), Some(at(60)));
        assert_eq!(log.lower(at(60), false), None);
        assert_eq!(log.timeout(), Some(at(80)), "after the last");
        assert_eq!(log.lower(at(80), true), None, "a call that is in flight still wants them");
        assert_eq!(log.lower(at(140), false), Some(QUIET));
        assert!(log.timeout().is_none() && log.restored() == Some(QUIET));
        assert!(log.raise(at(141), LogLevel::Info));
    }

    #[test]
    fn a_hold_beyond_the_clock_is_for_ever_and_what_is_quiet_is_not_lowered() {
        let mut log = SessionLogLevel::new(Duration::MAX);
        assert!(log.raise(at(1), LogLevel::Debug) && log.timeout().is_none());
        let mut log = SessionLogLevel::new(HOLD);
        assert!(log.raise(at(1), LogLevel::Error) && log.timeout().is_none());
    }
}
