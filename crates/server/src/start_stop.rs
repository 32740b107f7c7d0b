//! Starting and stopping a server, with what is mounted in it.

use anyport_metrics::Metrics;
use tokio::spawn;

use crate::{
    Server, StartError,
    core::{Boxed, Core},
};

impl Server {
    /// Runs what [`crate::Builder::on_start`] gave, in that order; once, however many clones of the server and callers of
    /// this there are. All wait for the one start, and are told how it ended. A start that failed can be tried again: it
    /// goes on with the hook that failed.
    ///
    /// Transports know nothing of it: whoever serves calls this before, and [`Server::stop`] after. Calls do not start the
    /// server: in one that was never started they work, and the hooks have not run.
    ///
    /// What is mounted starts first. However many servers it is mounted in, it starts once, and stops when the last of them
    /// has stopped; if someone also started it by itself, when they stop it.
    ///
    /// The start goes on when this future is dropped.
    ///
    /// # Errors
    /// When a hook fails or panics, or the server was stopped; and in a hook of the server's own, which would wait for
    /// itself.
    pub async fn start(&self) -> Result<(), StartError> {
        if self.core().lifecycle.is_in_hook() {
            let reason = "a hook of the server starts it, and would wait for itself".to_owned();
            return Err(StartError::Hook { reason });
        }
        self.core().lifecycle.hold();
        self.begin_start().await
    }

    /// Starts it for any caller.
    pub(crate) fn begin_start(&self) -> Boxed<Result<(), StartError>> {
        let (core, seen) = (self.core().clone(), self.core().lifecycle.failures());
        Box::pin(async move {
            let start = async move {
                let mounted = start_mounted(&core);
                core.lifecycle.start(&core, seen, mounted).await
            };
            spawn(start).await.unwrap_or_else(|error| Err(StartError::Hook { reason: error.to_string() }))
        })
    }

    /// Stops it, if it runs and neither was started by itself nor is mounted in a server that runs.
    pub(crate) fn stop_if_unneeded(&self) -> Boxed<()> {
        let server = self.clone();
        Box::pin(async move {
            let core = server.core();
            let is_needed = core.hosts().iter().any(|host| host.lifecycle.is_running());
            if core.lifecycle.is_running() && !is_needed && !core.lifecycle.is_held() {
                server.stop().await;
            }
        })
    }

    /// Ends the server for good: ends all listen streams ([`Server::close`]), waits for background work and blocking
    /// functions as long as [`crate::Builder::drain`] says, drops background work that still runs, and then runs what
    /// [`crate::Builder::on_stop`] gave, in reverse order. These run once, and only if the server was started, or at least
    /// one hook of a start was called.
    ///
    /// Call it when the transports have drained: it does not end calls. The end goes on when this future is dropped; who
    /// calls it again waits for the same end. A hook of the server's own would wait for itself, so there it does nothing
    /// but say so in the log.
    pub async fn stop(&self) {
        if self.core().lifecycle.is_in_hook() {
            return tracing::error!(
                "a hook of the server stops it, and would wait for itself: it is not stopped"
            );
        }
        let core = self.core().clone();
        let stop = async move {
            core.events().close();
            let resources = &core.env.resources;
            let work = (&resources.background, &resources.blocking);
            core.lifecycle.stop(&core, work, leave_mounted(&core)).await;
        };
        if let Err(error) = spawn(stop).await {
            tracing::error!(%error, "the server did not stop");
        }
    }

    /// Returns the metrics: refusals by limit, and gauges of what runs. Those given to [`crate::Builder::metrics`],
    /// else the server's own.
    pub fn metrics(&self) -> &Metrics {
        &self.core().lifecycle.metrics
    }
}

/// Starts the servers that are mounted in `core`.
async fn start_mounted(core: &Core) -> Result<(), String> {
    for mounted in &core.mounts {
        let started = mounted.server.begin().await;
        started.map_err(|error| format!("the mounted server {:?}: {error}", mounted.core().about.name))?;
    }
    Ok(())
}

/// Stops the mounted servers that nothing else needs, the last first.
async fn leave_mounted(core: &Core) {
    for mounted in core.mounts.iter().rev() {
        mounted.server.leave().await;
    }
}
