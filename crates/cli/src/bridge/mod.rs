//! `anyport bridge`: one server, for clients of any revision over any transport.

mod arguments;
mod banner;
pub(crate) mod guard;
mod probe;

use std::{io::IsTerminal as _, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use anyport::{
    layer::{CatchPanicLayer, ServiceBuilder},
    stack,
};
use anyport_gateway::{Bridge, CatalogRecord};
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_service::Service;
use anyport_transport::{BufferedBytes, client::ConnectOptions};
use anyport_upstream::{TransportConnector, Upstream};

pub(crate) use self::arguments::Arguments;
use self::{
    banner::Banner,
    probe::{Probe, ServerState},
};
use crate::{
    listen::{self, Limits, Transport},
    logging,
    program::{self, Missing},
    server_id::server_id,
    state_dir, store,
    target::{Server, Surroundings, Target},
};

/// Bridges until a stop is requested.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    arguments.listen.check()?;
    for idle in arguments.listen.idle() {
        tracing::warn!("{idle}");
    }
    let target = arguments.server.resolve(arguments.target.as_deref(), &Surroundings::here())?;
    // The clients receive the error as well. The program may be installed meanwhile.
    if let Server::Command { program, environment, cwd, .. } = &target.server
        && let Err(Missing { problem, help }) = program::find(program, environment, cwd.as_deref())
    {
        tracing::warn!("the server cannot be started: {problem}; {help}");
    }
    listen::run(async || bridge(&arguments, &target).await)
}

async fn bridge(arguments: &Arguments, target: &Target) -> Result<()> {
    let supported: Arc<[Revision]> = arguments.listen.era.revisions().into();
    let limits = Limits::with(&arguments.listen.limit);
    let metrics = Metrics::new();
    let kept = listen::key(arguments.listen.state_dir.clone());
    let catalog = kept.as_ref().and_then(|key| catalog(arguments, target, key, &metrics));
    let key = match kept {
        Some(key) => key,
        None => Key::random().context("no key for the state of open questions")?,
    };
    let buffers = BufferedBytes::new(limits.buffers, &metrics);
    let upstream = upstream(arguments, target, &limits, Sealer::new(&key), &buffers, &metrics)?;
    let bridge = Bridge::new(upstream.clone(), supported.clone(), catalog);
    let (closed, ended) = (upstream.clone(), upstream);
    let serving = anyport::serve::serve_service(layered(bridge, arguments, &limits, &metrics))
        // Ends the listen streams, which have no end of their own.
        .on_stopping(move |_| closed.close())
        // What was started for us ends with us.
        .on_stopped(async move || ended.shut_down().await);
    // A client on standard input calls at once.
    let is_listening =
        [Transport::Http, Transport::Unix].iter().any(|&transport| arguments.listen.speaks(transport));
    let is_probed = is_listening
        && !matches!(target.server, Server::Command { .. })
        && arguments.server.revision.is_none_or(Revision::is_stateless);
    let probe = match is_probed {
        true => Some(Probe::start(
            arguments.server.destination(&target.server)?,
            ConnectOptions::default().open_timeout(arguments.server.timeout()),
        )),
        false => None,
    };
    listen::serve(serving, &arguments.listen, supported, &limits, buffers, async |address, path| {
        let (terminal, mut probe) = (std::io::stderr().is_terminal(), probe);
        let server = match &mut probe {
            Some(probe) => probe.state().await,
            None => ServerState::Untried,
        };
        logging::notice(Banner { target, arguments, server, address, path, terminal });
        if let Some(probe) = probe {
            probe.report_late();
        }
    })
    .await
}

/// The record of the server's lists. Without a folder for the program's state they are kept in memory.
fn catalog(arguments: &Arguments, target: &Target, key: &Key, metrics: &Metrics) -> Option<CatalogRecord> {
    let state = state_dir::folder(arguments.listen.state_dir.clone())?;
    let store = Arc::new(store::open(&state, metrics));
    Some(CatalogRecord::new(store, server_id(&target.server, key)))
}

fn upstream(
    arguments: &Arguments,
    target: &Target,
    limits: &Limits,
    sealer: Sealer,
    buffers: &BufferedBytes,
    metrics: &Metrics,
) -> Result<Upstream> {
    let opening = ConnectOptions::default()
        .revision(arguments.server.revision)
        .open_timeout(arguments.server.timeout());
    // What a client does not read is not read from the server either.
    let opening = opening.buffers(buffers.clone());
    let reach =
        TransportConnector::new(guard::guarded(arguments.server.destination(&target.server)?), opening);
    let connections = match target.server {
        // Each is a process of its own.
        Server::Command { .. } => 8,
        _ => limits.upstream.connections,
    };
    let connections = limits.bridge.connections.unwrap_or(connections);
    Ok(Upstream::builder(&target.name, reach)
        .limits(limits.upstream.connections(connections))
        .dialogues(limits.legacy_clients)
        .park(sealer, limits.park.call_timeout_max(call_timeout_max(arguments, limits)))
        .metrics(metrics)
        .build())
}

/// The time that a call may take although it reports progress: not less than one without progress may take.
fn call_timeout_max(arguments: &Arguments, limits: &Limits) -> Duration {
    limits.bridge.call_timeout_max.max(arguments.server.call_timeout())
}

/// The layers around the bridge, from the outside in.
fn layered(
    bridge: Bridge,
    arguments: &Arguments,
    limits: &Limits,
    metrics: &Metrics,
) -> impl Service + use<> {
    // A server that reports progress may take longer than one that is silent.
    let (silent, max) = (arguments.server.call_timeout(), call_timeout_max(arguments, limits));
    let edge = limits.edge.quota(limits.quota).call_timeout(silent).call_timeout_max(max);
    ServiceBuilder::new()
        .layer(stack::edge(&edge, metrics))
        // A fault of ours fails one call, not the process.
        .layer(CatchPanicLayer)
        .service(bridge)
}
