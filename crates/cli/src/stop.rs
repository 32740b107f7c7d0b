//! When to stop.

use std::future::Future;

use tokio::sync::watch;

/// Tells every part of the program to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    /// Stops at the first SIGINT or SIGTERM. A second one ends the process at once: the first has asked nicely.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let stop = Self(watch::Sender::new(false));
        let signalled = stop.clone();
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            signals.next().await;
            tracing::info!("stopping; running calls may finish");
            signalled.stop();
            signals.next().await;
            std::process::abort();
        });
        Ok(stop)
    }

    /// Stops.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Completes when it is time to stop.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.0.subscribe();
        async move { drop(stopped.wait_for(|stopped| *stopped).await) }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a console there is nobody to press Ctrl-C.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
