//! Starting and stopping a server, with what is mounted in it.

use anyport_metrics::Metrics;
use tokio::spawn;

use crate::{
    Server, StartError,
    core::{Boxed, Core},
};

impl Server {
    /// Starts the server: runs the hooks of [`crate::Builder::on_start`] in order, once for all its clones. Concurrent
    /// callers wait for the same start and get the same result. After a failure, the next start continues with the hook
    /// that failed.
    ///
    /// Transports do not call it: the program calls it before serving, and [`Server::stop`] afterwards. Calls do not start
    /// the server: without a start they work, but no hook has run.
    ///
    /// Mounted servers start first. A server that is mounted several times starts once and stops when the last of its
    /// hosts has stopped, or, if it was also started by itself, when it is stopped by itself.
    ///
    /// The start continues if this future is dropped.
    ///
    /// # Errors
    /// Returns an error if a hook fails or panics, if the server was stopped, or if one of its own hooks calls this, which
    /// would wait for itself.
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

    /// Stops the server for good: ends all listen streams ([`Server::close`]), waits for background work and blocking
    /// functions for at most [`crate::Builder::drain`], drops background work that still runs, and then runs the hooks of
    /// [`crate::Builder::on_stop`] in reverse order. The hooks run once, and only if the server was started or at least
    /// one hook of a start was called.
    ///
    /// Call it after the transports have drained: it does not end calls. The stop continues if this future is dropped;
    /// another caller waits for the same stop. If one of the server's own hooks calls it, it only logs an error, since it
    /// would wait for itself.
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

    /// The metrics of the server: refusals by limit, and gauges of what runs. They are those of
    /// [`crate::Builder::metrics`], or the server's own.
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
