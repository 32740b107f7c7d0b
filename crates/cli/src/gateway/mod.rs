//! `anyport serve --config FILE`: many servers behind one endpoint.
//!
//! - [`file`]: reads the file, with advice for its faults.
//! - [`guards`]: the guards and masks of the file; [`lookup`]: what guards look up on this system.
//! - [`members`]: the servers and documents of the file, as members of the federation.
//! - [`policy_doubts`]: conditions of the policy that no call can fulfil.
//! - [`own_address`]: whether a server of the file is this gateway.
//! - [`running`]: what runs: the file, the members, and those that were replaced.
//! - [`own`]: what the gateway offers itself: [`health`], how it is; [`contexts`], conversations.
//! - [`served`]: what clients reach. [`factories`]: makes members under the limits of now.
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
mod contexts;
#[cfg(unix)]
mod control;
#[cfg(unix)]
mod covered_service;
#[cfg(unix)]
mod direct;
mod factories;
mod file;
mod guards;
mod hangup;
mod health;
mod lookup;
mod member_names;
mod members;
mod own;
mod own_address;
mod policy_doubts;
mod reload;
mod running;
mod served;
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
use anyport_config::{
    Surroundings,
    gateway::{GatewayConfig, LogConfig},
};
use anyport_gateway::federation::Federation;
use anyport_transport::http::ClientHeaderNames;
use tokio::sync::mpsc;

pub(crate) use self::{
    ancestors::{SERVED_FILES, nearest_file, serve as is_served_above, served_files, trusted_nearest_file},
    file::{GatewayFile, pinned_as},
};
use self::{
    banner::Banner,
    contexts::GatewayContexts,
    factories::Factories,
    hangup::Hangup,
    health::GatewayHealth,
    members::{Members, ReachedServers},
    own::OwnMembers,
    running::Running,
    served::Served,
};
use crate::{
    audit,
    listen::{self, Addresses, Limits, Transport},
    logging,
    serve::Arguments,
    store::status_of,
    target, telemetry,
    upstream_factory::UpstreamFactory,
    user_error::UserError,
};

/// Serves what the file at `path` describes, until a stop is requested.
pub(crate) fn run(mut arguments: Arguments, path: &Path) -> Result<ExitCode> {
    let file = GatewayFile::read(path, &Surroundings::here());
    // What the file says of the log holds for what is said of the file.
    match &file {
        Ok(file) => {
            let limits = file.limits().unwrap_or_default();
            arguments.listen.start_log(&file.config.log, file.folder(), &limits)?;
        }
        Err(_) => arguments.listen.start_log(&LogConfig::default(), Path::new("."), &[])?,
    }
    arguments.listen.check()?;
    for idle in arguments.listen.idle() {
        tracing::warn!("{idle}");
    }
    arguments.refuse_document_options()?;
    let mut file = file?;
    if ancestors::serve(&file.path) {
        let problem = format!(
            "this program was started for {}, and would start itself without end",
            file.path.display()
        );
        return Err(UserError::usage(problem, "name another file, or folders of documents"));
    }
    if file.config.is_of_client {
        target::warn_of_unused_keys(&file.path, &Surroundings::here().cwd, None);
    }
    file.ask_for_inputs(None)?;
    arguments.listen.adopt(&file.config, file.folder())?;
    arguments.listen.store.adopt(&file.config.store, file.surroundings());
    arguments.listen.check_required_scopes(&file.config)?;
    file.warn_of_policy_doubts();
    listen::run(async || serve(&arguments, file).await)
}

async fn serve(arguments: &Arguments, file: GatewayFile) -> Result<()> {
    let limits =
        Limits::with(&[&*file.limits()?, &*arguments.listen.limit].concat()).rates(&file.config.limits);
    let mut factory = UpstreamFactory::new(&arguments.listen, limits)?;
    factory.reach_store().await?;
    factory.call_log = audit::call_log(&file.config.audit);
    factory.start_audit(file.audit(arguments.listen.audit)).await?;
    factory.start_telemetry(telemetry::settings(Some((&file.config.telemetry, file.surroundings())))?)?;
    let factory = Arc::new(factory);
    let audit = factory.audit.clone();
    let (ended_audit, ended_telemetry) = (audit.clone(), factory.telemetry.clone());
    let file = Arc::new(file);
    let file_of_start = file.clone();
    let members = Members::new(&file, ReachedServers::all(&file).await, None, arguments, &factory)?;
    let federation = federation(&file.config, arguments, &members, &factory)?;
    federation.set_guards(file.guards(factory.limits.guards)?, file.masking()?);
    target::set_log_mask(file.log_mask()?);
    logging::filter::set(file.log_filter()?);
    let operators = arguments.listen.operators(file.config.health.require.clone());
    let health = GatewayHealth::new(&federation, &factory, arguments.listen.max_connections, operators)?;
    let own = OwnMembers { health, contexts: GatewayContexts::new(&factory) };
    federation.set_members(members.all().chain(own.all(&file.config)?))?;
    federation.set_policy(file.policy(factory.limits.policy)?, factory.limits.legacy_clients);
    members.start().await?;
    let (limits, ended) = (&factory.limits, federation.clone());
    let served = Served::new(&federation, &file.config, &arguments.name, limits, &factory.observers());
    let (service, further) = (served.service(), served.further());
    let factories = Factories::new(factory.clone());
    #[cfg(unix)]
    let direct = {
        let connections = arguments.listen.max_connections;
        direct::DirectAccess::new(federation.clone(), factories.clone(), connections, running::RETIRE)
    };
    let client_headers = ClientHeaderNames::default();
    client_headers.set(members.forwarded_headers());
    members.announce_callers(&factory);
    let running =
        Arc::new(Running::new(file, members, federation, (served, own), factories, client_headers.clone()));
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
        .on_stopped(async move || {
            stopped.shut_down(drain).await;
            audit::close(ended_audit).await;
            telemetry::close(ended_telemetry, drain).await;
        });
    let (supported, buffers) = (factory.supported().clone(), factory.buffers.clone());
    let authorization_server =
        listen::authorization_server(&arguments.listen, &further, limits, &factory.metrics)?;
    let settings = listen::Settings {
        supported,
        limits,
        metrics: &factory.metrics,
        buffers,
        further,
        client_headers: Some(client_headers),
        caller_tokens: Some(factory.caller_tokens.clone()),
        observer: Some(Arc::new(factory.traffic.clone())),
        audit: audit.clone(),
        authorization_server,
        operations: running.health().clone(),
        caller_logins: factory.caller_logins.clone(),
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
        let (terminal, file, members) = (std::io::stderr().is_terminal(), running.file(), running.members());
        #[cfg(unix)]
        if let Some(control) = &control {
            let addresses = Addresses { arguments: &arguments.listen, address, path };
            control.listens(address, addresses.url().filter(|_| arguments.listen.speaks(Transport::Http)));
        }
        let store = status_of(factory.open_store()).await;
        logging::notice(Banner { file: &file, members: &members, arguments, address, path, store, terminal });
    });
    let located = |error| file_of_start.located(error);
    tokio::select! {
        served = served => served.map_err(located),
        // It never ends by itself.
        never = running.follow((hangup, restarts), arguments) => match never {},
    }
}

/// The federation of `members`.
fn federation(
    config: &GatewayConfig,
    arguments: &Arguments,
    members: &Members,
    factory: &UpstreamFactory,
) -> Result<Federation> {
    let name = config.gateway.name.as_deref().unwrap_or(&arguments.name);
    let builder = Federation::builder(name, env!("CARGO_PKG_VERSION"))
        .revisions(factory.supported().clone())
        .limits(factory.limits.federation)
        .rate_limiter(factory.limits.rates.limiter())
        .cache(factory.limits.cache)
        .metrics(&factory.metrics)
        .sealer(factory.sealer());
    members
        .all()
        .fold(builder, |builder, member| builder.member(member))
        .build()
        .context("the gateway cannot be built")
}
