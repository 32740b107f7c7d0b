//! The program on a terminal: its three streams lead to a pseudo terminal, and the test sees the screen and presses keys.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    num::NonZero,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::PATIENCE;

/// A running program, and the terminal that it is on.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts `command` on a terminal with so many columns.
    pub(crate) fn start(command: Command, columns: u16) -> Self {
        Self::with(command, columns, |command, end| {
            command.stdin(end()).stdout(end()).stderr(end());
        })
    }

    /// Starts `command` with standard error alone on a terminal.
    pub(crate) fn errors(command: Command, columns: u16) -> Self {
        Self::with(command, columns, |command, end| {
            command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(end());
        })
    }

    fn with(
        mut command: Command,
        columns: u16,
        connect: impl FnOnce(&mut Command, &dyn Fn() -> OwnedFd),
    ) -> Self {
        const ROWS: u16 = 60;
        let grid = (NonZero::new(ROWS).unwrap(), NonZero::new(columns).unwrap());
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let end =
            || -> OwnedFd { File::options().read(true).write(true).open(Path::new(&path)).unwrap().into() };
        connect(&mut command, &end);
        command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR");
        let child = command.spawn().unwrap();
        // The command would keep its ends open.
        drop(command);
        let seen = Seen { screen: vt100::Parser::new(grid.0, grid.1, 0), bytes: Vec::new() };
        let seen = Arc::new(Mutex::new(seen));
        let keyboard = File::from(terminal);
        let (output, all) = (keyboard.try_clone().unwrap(), seen.clone());
        let reader = thread::spawn(move || watch(output, &all));
        Self { child, keyboard, seen, reader: Some(reader) }
    }

    /// The screen as text, without empty lines at its end.
    pub(crate) fn screen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let text = seen.screen.screen().contents();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// Waits until the screen has `text`, and returns the screen.
    pub(crate) fn until(&self, text: &str) -> String {
        self.until_it(text, |screen| screen.contains(text))
    }

    /// Waits until the screen has `text` and nothing else.
    pub(crate) fn until_is(&self, text: &str) -> String {
        self.until_it(text, |screen| screen == text)
    }

    /// Waits until the last of several lines is `text`, and returns the screen.
    pub(crate) fn until_last_line(&self, text: &str) -> String {
        self.until_it(text, |screen| screen.rsplit_once('\n').is_some_and(|(_, last)| last == text))
    }

    fn until_it(&self, text: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "there is no {text:?} on the screen:\n{screen}");
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the program ends, and returns its exit code, the screen, and all that was written to the terminal.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.screen());
            thread::park_timeout(Duration::from_millis(10));
        };
        self.reader.take().unwrap().join().unwrap();
        let bytes = String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned();
        (status.code(), self.screen(), bytes)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notes all that is written until the last program has closed the terminal, and says where the cursor is when asked.
fn watch(mut terminal: File, seen: &Mutex<Seen>) {
    let mut piece = [0; 4096];
    // At its end a terminal has an error instead of nothing.
    while let Ok(read @ 1..) = terminal.read(&mut piece) {
        let piece = &piece[..read];
        let mut seen = seen.lock().unwrap();
        seen.bytes.extend_from_slice(piece);
        seen.screen.process(piece);
        if piece.windows(4).any(|four| four == b"\x1b[6n") {
            let (row, column) = seen.screen.screen().cursor_position();
            let _ = write!(terminal, "\x1b[{};{}R", row + 1, column + 1);
        }
    }
}
