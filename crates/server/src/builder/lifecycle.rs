use std::{fmt::Display, future::Future, time::Duration};

use anyport_layers::{Call, Next};
use anyport_metrics::Metrics;

use super::definition::Builder;
use crate::{
    Server,
    middleware::{self, IntoOutcome},
};

/// Hooks, limits of calls, middleware and metrics.
impl Builder {
    /// Adds a hook that runs when the server starts: see [`Server::start`]. Hooks run one after the other, in the order in
    /// which they were added, after the mounted servers have started. A hook must not start or stop the server, which
    /// would wait for itself.
    ///
    /// ```
    /// # use anyport_server::Server;
    /// let server = Server::builder("shop", "1.0.0").on_start(async |_: Server| {
    ///     // ... open what the tools need ...
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// # let _ = server;
    /// ```
    #[must_use]
    pub fn on_start<F, R, E>(mut self, hook: F) -> Self
    where
        F: Fn(Server) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.lifecycle.on_start(move |core| hook(Server::of(core)));
        self
    }

    /// Adds a hook that runs when the server stops: see [`Server::stop`]. Hooks run in reverse order. If one panics, the
    /// panic is logged and the others run.
    #[must_use]
    pub fn on_stop<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Server) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.lifecycle.on_stop(move |core| hook(Server::of(core)));
        self
    }

    /// Sets for how long [`Server::stop`] waits for background work and blocking functions.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.lifecycle.drain = limit;
        self
    }

    /// Sets the maximum number of functions of [`crate::Tool::run_blocking`] that run at a time; at least one.
    #[must_use]
    pub fn max_blocking(mut self, limit: usize) -> Self {
        self.lifecycle.max_blocking = limit;
        self
    }

    /// Sets the maximum number of calls that wait for a blocking function to end; others are refused.
    #[must_use]
    pub fn max_blocking_waiting(mut self, limit: usize) -> Self {
        self.lifecycle.max_blocking_waiting = limit;
        self
    }

    /// Sets the maximum number of futures of [`crate::Context::spawn_background`] that run at a time; others are refused.
    #[must_use]
    pub fn max_background(mut self, limit: usize) -> Self {
        self.lifecycle.max_background = limit;
        self
    }

    /// Sets the maximum depth of calls between tools with [`crate::Context::call`].
    #[must_use]
    pub fn max_call_depth(mut self, limit: usize) -> Self {
        self.lifecycle.max_call_depth = limit;
        self
    }

    /// Sets the timeout of tools without a [`crate::Tool::timeout`] of their own. Unless set, there is none.
    #[must_use]
    pub fn default_timeout(mut self, limit: Duration) -> Self {
        self.lifecycle.default_timeout = Some(limit);
        self
    }

    /// Adds middleware: a function around every request of every method. See [`Middleware`](anyport_layers::Middleware).
    /// The first one that is added is outermost.
    ///
    /// It sees every round of a call that asks. Calls between tools ([`crate::Context::call`]) do not pass through it.
    ///
    /// ```
    /// # use anyport_server::Server;
    /// use anyport_layers::{Call, Next};
    ///
    /// let server = Server::builder("audited", "1.0.0").middleware(async |call: Call, next: Next| {
    ///     let (who, tool) = (call.principal().clone(), call.tool());
    ///     let outcome = next.run(call).await;
    ///     println!("{who} called {tool:?}, failed: {}", outcome.is_error());
    ///     outcome
    /// });
    /// # let _ = server;
    /// ```
    ///
    /// It refuses a call with an error, as a handler does; see [`IntoOutcome`]:
    ///
    /// ```
    /// use anyport_layers::{Call, Next};
    /// use anyport_server::{PermissionDenied, Server};
    /// use anyport_service::Outcome;
    ///
    /// async fn members_only(call: Call, next: Next) -> Result<Outcome, PermissionDenied> {
    ///     if call.tool().is_some() && call.principal().is_anonymous() {
    ///         return Err(PermissionDenied::new("log in to call tools"));
    ///     }
    ///     Ok(next.run(call).await)
    /// }
    ///
    /// let server = Server::builder("club", "1.0.0").middleware(members_only);
    /// # let _ = server;
    /// ```
    #[must_use]
    pub fn middleware<F, R>(mut self, function: F) -> Self
    where
        F: Fn(Call, Next) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.lifecycle.middleware.push(middleware::function(function));
        self
    }

    /// Sets the metrics in which the server counts; unless set, it has its own: see [`Server::metrics`].
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.lifecycle.metrics = metrics.clone();
        self
    }
}
