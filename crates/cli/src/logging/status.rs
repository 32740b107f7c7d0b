//! The status line: the last line of a terminal, which says what is waited for, and is erased before anything else is written.

use std::io::{self, IsTerminal as _, Write as _, stderr};

use anyport_service::sync::Lock;
use terminal_size::{Width, terminal_size_of};

use crate::render::table;

/// What stands on the terminal below everything that was written.
static STATUS: Lock<Status> = Lock::new(Status { is_shown: false, writes: 0 });

struct Status {
    is_shown: bool,
    writes: u64,
}

/// Whether standard error is a terminal whose lines can be erased.
pub(crate) fn is_possible() -> bool {
    stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// Shows `text` in place of what the status line was. Text that is wider than the terminal is cut: a wrapped line could not be
/// erased.
pub(crate) fn show(text: &str) {
    let width = terminal_size_of(stderr()).map_or(80, |(Width(width), _)| usize::from(width));
    let mut status = STATUS.lock();
    let text = table::cut(text, width.saturating_sub(1));
    // A missing reader is not a reason to fail.
    status.is_shown = stderr().write_all(format!("{ERASE}{text}").as_bytes()).is_ok();
}

/// Erases the status line.
pub(crate) fn erase() {
    STATUS.lock().erase();
}

/// Writes something else to the terminal, where the status line stood.
pub(super) fn instead<T>(write: impl FnOnce() -> T) -> T {
    let mut status = STATUS.lock();
    status.erase();
    status.writes += 1;
    write()
}

/// The number of times that something was written: as long as it stays the same, the terminal is silent.
pub(crate) fn writes() -> u64 {
    STATUS.lock().writes
}

/// Writes the answer of a command to `to`, which may be the same terminal.
pub(crate) fn answer(to: &mut dyn io::Write, text: &str) -> io::Result<()> {
    instead(|| to.write_all(text.as_bytes()).and_then(|()| to.flush()))
}

impl Status {
    fn erase(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = stderr().write_all(ERASE.as_bytes());
        }
    }
}

/// To the beginning of the line, and erase to its end.
const ERASE: &str = "\r\x1b[K";
