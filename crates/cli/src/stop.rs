//! When to stop.

use std::future::Future;

use tokio::sync::watch;

use crate::logging;

/// Stops every part of the program.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Phase>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// No new work; what runs may finish.
    Stopping,
    /// At once, by the signal of this number.
    Cut(u8),
}

impl Stop {
    /// Stops at the first SIGINT or SIGTERM, or when the terminal is closed (SIGHUP). A second signal ends the program
    /// at once.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let stop = Self(watch::Sender::new(Phase::Running));
        let signalled = stop.clone();
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            signals.next().await;
            logging::notice("stopping; running calls may finish, a second signal cuts them");
            signalled.stop();
            let signal = signals.next().await;
            signalled.0.send_replace(Phase::Cut(signal));
        });
        Ok(stop)
    }

    /// Stops.
    pub(crate) fn stop(&self) {
        self.0.send_replace(Phase::Stopping);
    }

    /// Completes when it is time to stop.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut phase = self.0.subscribe();
        async move { drop(phase.wait_for(|phase| *phase != Phase::Running).await) }
    }

    /// Completes when nothing is to be waited for any more, with the number of the signal that said so.
    pub(crate) async fn cut(&self) -> u8 {
        let mut phase = self.0.subscribe();
        loop {
            if let Phase::Cut(signal) = *phase.borrow_and_update() {
                return signal;
            }
            if phase.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Completes at the next SIGINT, SIGTERM or SIGHUP, with its number. Where signals cannot be listened for they end the program as
/// they always do.
pub(crate) async fn signal() -> u8 {
    match Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(_) => std::future::pending().await,
    }
}

const SIGINT: u8 = 2;

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// Nothing, where `nohup` has seen to it that the program goes on.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = match hangup_is_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
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

/// Whether the program should outlive the terminal (`nohup`). Only Linux shows this without unsafe code; elsewhere the
/// signal has its default effect.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// The number that other systems give to what Ctrl-C sends.
    async fn next(&mut self) -> u8 {
        // Without a console there is no Ctrl-C.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        SIGINT
    }
}
