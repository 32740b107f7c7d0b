//! The signals that ask a program to stop: SIGINT, SIGTERM and SIGHUP.

use std::io;

/// SIGINT, SIGTERM and SIGHUP (the terminal is closed); on systems without signals Ctrl-C.
///
/// From the moment this exists, these signals no longer end the process by themselves. [`serve()`](crate::serve()) uses it
/// for graceful shutdown; a program that waits for something else can use it, too.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` if SIGHUP is ignored, as `nohup` arranges it, so that the program outlives the terminal, or is not caught here.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Catches the signals. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// Returns an error if the system does not allow it.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = match hangup_is_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self { hangup, ..Self::without_hangup()? })
    }

    /// The same without SIGHUP, for which the program has another use.
    ///
    /// # Errors
    /// Returns an error if the system does not allow it.
    pub fn without_hangup() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: None })
    }

    /// Completes at the next signal. Returns its number; the exit code of a program that it ends is 128 more.
    pub async fn next(&mut self) -> u8 {
        const SIGHUP: u8 = 1;
        const SIGTERM: u8 = 15;
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => SIGINT,
            _ = self.terminate.recv() => SIGTERM,
            _ = hangup => SIGHUP,
        }
    }
}

const SIGINT: u8 = 2;

/// Whether SIGHUP is ignored. Only Linux says so without unsafe code; elsewhere SIGHUP keeps its default action.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 == 1)
}

/// Ctrl-C: this system has no signals.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Catches Ctrl-C. Needs a tokio runtime.
    ///
    /// # Errors
    /// Never; on Unix it may fail.
    #[allow(clippy::unnecessary_wraps, reason = "as it is on systems with signals")]
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// The same: there is no SIGHUP.
    ///
    /// # Errors
    /// Never; on Unix it may fail.
    #[allow(clippy::unnecessary_wraps, reason = "as it is on systems with signals")]
    pub fn without_hangup() -> io::Result<Self> {
        Ok(Self)
    }

    /// Completes at the next Ctrl-C. Returns the number that other systems give to it.
    pub async fn next(&mut self) -> u8 {
        // Without a console there is no Ctrl-C.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        SIGINT
    }
}
