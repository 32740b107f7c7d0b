//! `anyport serve --config FILE`: many servers behind one endpoint.
//!
//! - [`file`]: reads the file, with advice for its faults.
//! - [`members`]: the servers and documents of the file, as members of the federation.
//! - [`own_address`]: whether a server of the file is this gateway.
//! - [`running`]: what runs: the file, the members, and those that were replaced.
//! - [`reload`]: reads the file again when it has changed, and replaces what is different; [`hangup`]: the signal for it.
//! - [`ancestors`]: the gateways that started this program.
//! - `socket`: the protocol of the local socket on which commands reach a running gateway, and its client.
//! - `control`: answers what comes on that socket; `status`: what it says of the gateway and its servers; `covered_service`: a server
//!   without the gateway's secrets.
//! - `stream_logs`: writes the logs of servers to those commands.
//! - `stream_tap`: writes the calls of the gateway to them.
//! - `direct`: one server of the gateway, by itself, for those commands.
//! - [`banner`]: what is served, and where.

mod ancestors;
mod banner;
#[cfg(unix)]
mod control;
#[cfg(unix)]
mod covered_service;
#[cfg(unix)]
mod direct;
mod file;
mod hangup;
mod members;
mod own_address;
mod reload;
mod running;
#[cfg(unix)]
pub(crate) mod socket;
#[cfg(unix)]
pub(crate) mod status;
#[cfg(unix)]
mod stream_logs;
#[cfg(unix)]
mod stream_tap;

use std::{io::IsTerminal as _, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use anyport_config::{Surroundings, gateway::GatewayConfig};
use anyport_gateway::{
    ToolSearch,
    federation::{Federation, VirtualServer},
};
use anyport_service::Service;
use anyport_transport::http::{ClientHeaderNames, FurtherEndpoint};
use tokio::sync::mpsc;

pub(crate) use self::{
    ancestors::{SERVED_FILES, nearest_file, serve as is_served_above, served_files, trusted_nearest_file},
    file::{GatewayFile, pinned_as},
};
use self::{banner::Banner, file::virtual_path, hangup::Hangup, members::Members, running::Running};
use crate::{
    listen::{self, Addresses, Limits, Transport},
    logging,
    serve::Arguments,
    upstream_factory::{self, UpstreamFactory},
    user_error::UserError,
};

/// Serves what the file at `path` describes, until a stop is requested.
pub(crate) fn run(arguments: &Arguments, path: &Path) -> Result<ExitCode> {
    arguments.refuse_document_options()?;
    let mut file = GatewayFile::read(path, &Surroundings::here())?;
    if ancestors::serve(&file.path) {
        let problem = format!(
            "this program was started for {}, and would start itself without end",
            file.path.display()
        );
        return Err(UserError::usage(problem, "name another file, or folders of documents"));
    }
    file.ask_for_inputs(None)?;
    listen::run(async || serve(arguments, file).await)
}

async fn serve(arguments: &Arguments, file: GatewayFile) -> Result<()> {
    let limits = Limits::with(&[&*file.limits()?, &*arguments.listen.limit].concat());
    let factory = Arc::new(UpstreamFactory::new(&arguments.listen, limits)?);
    let members = Members::new(&file, None, arguments, &factory)?;
    let federation = federation(&file.config, arguments, &members, &factory)?;
    members.start().await?;
    let (limits, metrics) = (&factory.limits, &factory.metrics);
    let further = file.config.servers.keys().zip(virtual_servers(&file.config)).map(|(name, selection)| {
        let has_search = file.config.servers[name].tool_search;
        let service = searched(federation.virtual_server(selection), has_search);
        FurtherEndpoint::new(virtual_path(name), upstream_factory::layered(service, limits, metrics))
    });
    let further: Vec<_> = further.collect();
    let (service, ended) = (
        upstream_factory::layered(
            searched(federation.clone(), file.config.gateway.tool_search),
            limits,
            metrics,
        ),
        federation.clone(),
    );
    #[cfg(unix)]
    let direct = {
        let connections = arguments.listen.max_connections;
        direct::DirectAccess::new(federation.clone(), &factory, connections, running::RETIRE)
    };
    let client_headers = ClientHeaderNames::default();
    client_headers.set(members.forwarded_headers());
    let running = Arc::new(Running::new(file, federation, members, client_headers.clone()));
    let (closing, stopped) = (running.clone(), running.clone());
    let (hangup, drain) = (Hangup::new(), factory.limits.http.drain);
    let mut serving = anyport::serve::serve_service(service);
    if hangup.is_caught() {
        serving = serving.without_hangup();
    }
    let serving = serving
        // Ends the listen streams, which have no end of their own.
        .on_stopping(move |_| {
            ended.close();
            closing.close();
        })
        // What was started for us ends with us.
        .on_stopped(async move || stopped.shut_down(drain).await);
    let (supported, buffers) = (factory.supported().clone(), factory.buffers.clone());
    let settings = listen::Settings {
        supported,
        limits,
        buffers,
        further,
        client_headers: Some(client_headers),
        observer: Some(Arc::new(factory.traffic.clone())),
    };
    let (restart, restarts) = mpsc::channel(1);
    #[cfg(unix)]
    let control = {
        let (logs, traffic) = (factory.logs.clone(), factory.traffic.clone());
        control::Control::open(arguments.listen.state_dir.clone(), direct, logs, traffic).map(Arc::new)
    };
    #[cfg(unix)]
    if let Some(control) = &control {
        tokio::spawn(control.clone().serve(running.clone(), restart));
    }
    #[cfg(not(unix))]
    let _restart = restart;
    let served = listen::serve(serving, &arguments.listen, settings, async |address, path| {
        let (terminal, file) = (std::io::stderr().is_terminal(), running.file());
        #[cfg(unix)]
        if let Some(control) = &control {
            let addresses = Addresses { arguments: &arguments.listen, address, path };
            control.listens(address, addresses.url().filter(|_| arguments.listen.speaks(Transport::Http)));
        }
        logging::notice(Banner { file: &file, arguments, address, path, terminal });
    });
    tokio::select! {
        served = served => served,
        // It never ends by itself.
        never = running.follow((hangup, restarts), arguments, &factory) => match never {},
    }
}

/// The federation, with tool search before it if that is wanted.
fn searched(federation: Federation, has_search: bool) -> Arc<dyn Service> {
    if has_search { Arc::new(ToolSearch::new(federation)) } else { Arc::new(federation) }
}

/// The federation of `members`.
fn federation(
    config: &GatewayConfig,
    arguments: &Arguments,
    members: &Members,
    factory: &UpstreamFactory,
) -> Result<Federation> {
    let name = config.gateway.name.as_deref().unwrap_or(&arguments.name);
    let mut builder = Federation::builder(name, env!("CARGO_PKG_VERSION"))
        .revisions(factory.supported().clone())
        .limits(factory.limits.federation)
        .metrics(&factory.metrics)
        .sealer(factory.sealer());
    if let Some(instructions) = &config.gateway.instructions {
        builder = builder.instructions(instructions);
    }
    members
        .all()
        .fold(builder, |builder, member| builder.member(member))
        .build()
        .context("the gateway cannot be built")
}

/// The selections of the virtual servers, in the order of the file.
fn virtual_servers(config: &GatewayConfig) -> impl Iterator<Item = VirtualServer> {
    config.servers.iter().map(|(name, server)| {
        let all = VirtualServer::new(name);
        let included = server.include.iter().fold(all, VirtualServer::include);
        let selected = server.exclude.iter().fold(included, VirtualServer::exclude);
        match &server.instructions {
            Some(instructions) => selected.instructions(instructions),
            None => selected,
        }
    })
}
