//! `anyport bridge`: one server, for clients of any revision over any transport.

mod arguments;
mod banner;
mod probe;

use std::{io::IsTerminal as _, path::Path, process::ExitCode, sync::Arc};

use anyhow::Result;
use anyport::layer::Layer as _;
use anyport_audit::UpstreamLayer;
use anyport_auth::DEFAULT_ACCOUNT;
use anyport_config::gateway::LogConfig;
use anyport_protocol::Revision;
use anyport_service::Service;
use anyport_transport::{
    client::{self, ConnectOptions},
    http::FurtherEndpoints,
};
use anyport_upstream::IsolationPolicy;

pub(crate) use self::arguments::Arguments;
use self::{
    banner::Banner,
    probe::{Probe, ServerState},
};
use crate::{
    audit::{self, AuditSettings},
    health::{Bounds, HealthReporter, Looking, of_upstream},
    listen::{self, Limits, Transport},
    logging,
    login_help::LoginHelp,
    program::{self, Missing},
    sign_in::with_login,
    store::status_of,
    target::{Server, Surroundings, Target, login_command_of},
    telemetry,
    upstream_factory::{self, UpstreamFactory, UpstreamOptions},
    upstream_limits::CallDeadlines,
};

/// Bridges until a stop is requested.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    arguments.listen.start_log(&LogConfig::default(), Path::new("."), &[])?;
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
    let mut factory = UpstreamFactory::new(&arguments.listen, Limits::with(&arguments.listen.limit))?;
    factory.reach_store().await?;
    factory.start_audit(AuditSettings::chosen(arguments.listen.audit)).await?;
    factory.start_telemetry(telemetry::settings(None)?)?;
    let audit = factory.audit.clone();
    let (ended_audit, ended_telemetry) = (audit.clone(), factory.telemetry.clone());
    let limits = &factory.limits;
    let deadlines = CallDeadlines { first_byte: None, silent: arguments.server.call_timeout(), max: None };
    let login_help = login_help(arguments, target);
    let bridge = factory.bridge(UpstreamOptions {
        name: &target.name,
        server: &target.server,
        target: destination(arguments, target, &factory)?,
        revision: arguments.server.revision.or(target.revision),
        open_timeout: arguments.server.timeout(),
        deadlines,
        connections: None,
        isolation: IsolationPolicy::default(),
        is_logged: false,
        handshakes: 1,
        idle_stop: None,
        entry: None,
        login_help: login_help.as_ref().map(LoginHelp::text),
        is_of_caller: false,
    });
    let upstream = bridge.upstream().clone();
    let (closed, ended) = (upstream.clone(), upstream.clone());
    let service: Arc<dyn Service> = Arc::new(factory.timeout(&bridge, deadlines).layer(bridge));
    let service = LoginHelp::around(login_help, service);
    let service = UpstreamLayer::new(&*target.name).layer(service);
    let service = upstream_factory::layered(service, &factory.observers(), limits);
    let drain = limits.http.drain;
    let serving = anyport::serve::serve_service(service)
        // Ends the listen streams, which have no end of their own.
        .on_stopping(move |_| closed.close())
        // What was started for us ends with us.
        .on_stopped(async move || {
            ended.shut_down().await;
            audit::close(ended_audit).await;
            telemetry::close(ended_telemetry, drain).await;
        });
    // A client on standard input calls at once.
    let is_probed = is_listening(arguments)
        && !matches!(target.server, Server::Command { .. })
        && arguments.server.revision.is_none_or(Revision::is_stateless);
    let probe = match is_probed {
        true => Some(Probe::start(
            destination(arguments, target, &factory)?,
            ConnectOptions::default().open_timeout(arguments.server.timeout()),
        )),
        false => None,
    };
    let (supported, buffers) = (factory.supported().clone(), factory.buffers.clone());
    let looked_at = (target.name.clone(), upstream.clone());
    let dependencies = move || -> Looking {
        let (name, upstream) = &looked_at;
        let dependency = (name.clone(), of_upstream(upstream));
        Box::pin(async { [dependency].into_iter().collect() })
    };
    let operators = arguments.listen.operators(Vec::new());
    let bounds = Bounds::of(limits, arguments.listen.max_connections);
    let overload = factory.overload.clone();
    let reporter = HealthReporter::new(&factory.metrics, bounds, overload, operators, dependencies);
    let settings = listen::Settings {
        supported,
        limits,
        metrics: &factory.metrics,
        buffers,
        further: FurtherEndpoints::default(),
        client_headers: None,
        caller_tokens: None,
        observer: None,
        audit: audit.clone(),
        authorization_server: None,
        operations: Arc::new(reporter),
        caller_logins: None,
    };
    listen::serve(serving, &arguments.listen, settings, async |address, path| {
        let (terminal, mut probe) = (std::io::stderr().is_terminal(), probe);
        let server = match &mut probe {
            Some(probe) => probe.state().await,
            None => ServerState::Untried,
        };
        let store = status_of(factory.open_store()).await;
        logging::notice(Banner { target, arguments, store, server, address, path, terminal });
        if let Some(probe) = probe {
            probe.report_late();
        }
    })
    .await
}

/// What clients are told to do where only a login at the server helps; `None` if no login does.
fn login_help(arguments: &Arguments, target: &Target) -> Option<LoginHelp> {
    let command = login_command_of(target)?;
    if arguments.listen.is_shared() {
        return Some(LoginHelp::for_others(&target.name));
    }
    let is_used = arguments.server.account.is_some() || !is_listening(arguments);
    Some(match is_used {
        true => LoginHelp::new(&format!("sign in: {command}; then call again")),
        false => LoginHelp::new(&format!(
            "sign in: {command}; and start the bridge with --account {DEFAULT_ACCOUNT}"
        )),
    })
}

/// Whether clients reach the bridge in other ways than by standard input.
fn is_listening(arguments: &Arguments) -> bool {
    [Transport::Http, Transport::Unix].iter().any(|&transport| arguments.listen.speaks(transport))
}

/// Where the transport finds the server. The client that has started the bridge calls it with the login of its user; whoever connects
/// over a network does so only if the user has said so by `--account`.
fn destination(arguments: &Arguments, target: &Target, factory: &UpstreamFactory) -> Result<client::Target> {
    let destination = arguments.server.destination(&target.server)?;
    let account = arguments.server.account.as_deref();
    Ok(match account.is_some() || !is_listening(arguments) {
        true => {
            let limits = (factory.limits.sign_in, &factory.metrics);
            with_login(destination, &target.server, account, &Surroundings::here(), limits)
        }
        false => destination,
    })
}
