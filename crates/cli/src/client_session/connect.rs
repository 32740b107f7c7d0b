//! From how a server is named to a connection.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use anyport_auth::SignInLimits;
use anyport_metrics::Metrics;
use anyport_transport::client::{self, ConnectOptions, Connection, MessageObserver, child::LastLine};
use serde_json::json;

use super::{Options, opening_errors::failed};
use crate::{
    sign_in::with_login,
    target::{Surroundings, Target},
};

/// Connects to the server; `last_line` receives what a program says last.
///
/// # Errors
/// When that fails, with what to do.
pub(super) async fn connect(
    target: &Target,
    options: &Options,
    observer: Option<Arc<dyn MessageObserver>>,
    last_line: LastLine,
) -> Result<Connection> {
    let mut destination = hurried(options.server.destination(&target.server)?);
    let (account, limits) = (options.server.account.as_deref(), SignInLimits::default());
    let limits = (limits, &Metrics::new());
    destination = with_login(destination, &target.server, account, &Surroundings::here(), limits);
    if let client::Target::Command(command) = &mut destination {
        command.last_line = Some(last_line);
    }
    match client::connect(&destination, &opening(options, observer)).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(failed(&error, target, options).await),
    }
}

/// The command has written its result when its server is stopped.
pub(crate) fn hurried(mut destination: client::Target) -> client::Target {
    if let client::Target::Command(command) = &mut destination {
        command.linger = LINGER;
    }
    destination
}

/// How long a program may take to end by itself. Many never do.
const LINGER: Duration = Duration::from_millis(300);

/// How a connection of this program is opened.
pub(crate) fn opening(options: &Options, tap: Option<Arc<dyn MessageObserver>>) -> ConnectOptions {
    let timeout = options.server.timeout();
    let defaults = ConnectOptions::default();
    // A server of which nothing else is wanted may take as long for its first answer as for any other.
    let probe_timeout = match options.server.revision {
        Some(_) => timeout,
        None => defaults.probe_timeout,
    };
    defaults
        .probe_timeout(probe_timeout)
        .revision(options.server.revision)
        .capabilities(json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}))
        .client_info(json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")}))
        .open_timeout(timeout)
        .tap(tap)
}
