//! What a command waits for, said on a terminal after a second of silence: `calling hang … 12 s`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyport_service::sync::Lock;
use anyport_transport::client::child::LastLine;
use tokio::{task::AbortHandle, time::sleep};

use crate::{logging::status, render::safe, target::redacted};

/// Says on the status line what is waited for. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Waiting(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_shown: bool,
    last_line: LastLine,
    wait: Lock<Option<Wait>>,
}

/// Something that is waited for.
#[derive(Debug)]
struct Wait {
    what: String,
    since: Instant,
    /// When something was last written to the terminal, and the number of writes then.
    silent_since: Instant,
    writes: u64,
    /// The task that says it.
    task: AbortHandle,
}

impl Waiting {
    /// Nothing yet; `quiet`: nothing is said at all.
    pub(crate) fn new(quiet: bool) -> Self {
        let is_shown = !quiet && status::is_possible();
        Self(Arc::new(Shared { is_shown, last_line: LastLine::default(), wait: Lock::default() }))
    }

    /// Where the server, if it is a program, notes what it says last.
    pub(crate) fn last_line(&self) -> LastLine {
        self.0.last_line.clone()
    }

    /// Waits for `what` from now on, until [`end`](Self::end).
    pub(crate) fn begin(&self, what: impl Into<String>) {
        self.end();
        if !self.0.is_shown {
            return;
        }
        let now = Instant::now();
        let shared = Arc::downgrade(&self.0);
        let task = tokio::spawn(async move {
            loop {
                sleep(TICK).await;
                let Some(shared) = shared.upgrade() else { return };
                shared.tick();
            }
        });
        let what = safe::line(&what.into());
        let wait =
            Wait { what, since: now, silent_since: now, writes: status::writes(), task: task.abort_handle() };
        *self.0.wait.lock() = Some(wait);
    }

    /// Waits no longer.
    pub(crate) fn end(&self) {
        if let Some(wait) = self.0.wait.lock().take() {
            wait.task.abort();
            status::erase();
        }
    }

    /// Does something on the terminal, such as asking a person, in which nothing else may be said.
    pub(crate) fn paused<T>(&self, work: impl FnOnce() -> T) -> T {
        let wait = self.0.wait.lock().take();
        status::erase();
        let done = work();
        if let Some(mut wait) = wait {
            wait.silent_since = Instant::now();
            *self.0.wait.lock() = Some(wait);
        }
        done
    }
}

impl Shared {
    fn tick(&self) {
        let mut wait = self.wait.lock();
        let line =
            wait.as_mut().and_then(|wait| wait.at(Instant::now(), status::writes(), &self.last_line.get()));
        // Under the lock: what ends the wait erases the line after it was shown.
        if let Some(line) = line {
            status::show(&redacted(&line));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(wait) = self.wait.get_mut().take() {
            wait.task.abort();
            status::erase();
        }
    }
}

impl Wait {
    /// What is said at `now`, after so many writes to the terminal; `None` before it was silent for a second.
    fn at(&mut self, now: Instant, writes: u64, last_line: &str) -> Option<String> {
        if std::mem::replace(&mut self.writes, writes) != writes {
            self.silent_since = now;
        }
        if now.duration_since(self.silent_since) < SILENCE {
            return None;
        }
        let waited = now.duration_since(self.since).as_secs();
        // Its colours are those of another line.
        let said = safe::line(anstream::adapter::strip_str(last_line).to_string().trim());
        let said = if said.is_empty() { said } else { format!("  {said}") };
        Some(format!("{} … {waited} s{said}", self.what))
    }
}

/// The silence after which a person wonders what is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// How often the line is written anew.
const TICK: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_is_said_after_a_second_of_silence() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let task = tokio::spawn(async {}).abort_handle();
        let mut wait =
            Wait { what: "calling hang".into(), since: start, silent_since: start, writes: 0, task };
        assert_eq!(wait.at(at(999), 0, ""), None);
        assert_eq!(wait.at(at(1_000), 0, "").as_deref(), Some("calling hang … 1 s"));
        let said = "\u{1b}[33mhalf\u{1b}[0m done";
        assert_eq!(wait.at(at(2_500), 0, said).as_deref(), Some("calling hang … 2 s  half done"));
        // Something was written; that is no silence.
        assert_eq!(wait.at(at(3_000), 1, ""), None);
        assert_eq!(wait.at(at(3_900), 1, ""), None);
        assert_eq!(wait.at(at(12_000), 1, "").as_deref(), Some("calling hang … 12 s"));
    }
}
