//! `anyport serve`: documents as an MCP server. With a file of servers it is the [gateway].

mod arguments;
mod banner;
mod cache;
mod embedded_docs;

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use anyport::{
    layer::{
        CatchPanicLayer, LegacyClientLayer, LoadShedLayer, RateLimitLayer, RunningCalls, ServiceBuilder,
        optional,
    },
    stack,
};
use anyport_audit::{AuditLog, RecordLayer, UpstreamLayer};
use anyport_config::gateway::{AuditConfig, LogConfig};
use anyport_knowledge::{Folders, Knowledge, Options, folder::FolderError};
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_server::Server;
use anyport_service::{Overload, Service};
use anyport_telemetry::ServerSpanLayer;
use anyport_transport::{BufferedBytes, http::FurtherEndpoints};

#[cfg(test)]
pub(crate) use self::arguments::TIMEOUT;
pub(crate) use self::arguments::{Arguments, NAME};
use self::banner::Banner;
use crate::{
    audit::{self, AuditSettings},
    gateway,
    health::{Bounds, HealthReporter, Looking, of_documents},
    listen::{self, Limits},
    logging, state_dir,
    store::status_of,
    telemetry,
    upstream_factory::Observers,
    user_error::UserError,
};

/// Serves until a stop is requested.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(file) = arguments.gateway_file() {
        return gateway::run(arguments, &file);
    }
    arguments.listen.start_log(&LogConfig::default(), Path::new("."), &[])?;
    arguments.listen.check()?;
    for idle in arguments.listen.idle() {
        tracing::warn!("{idle}");
    }
    // Before signals are caught: until something is served, they may end the process as they always do.
    let documents = documents(&arguments)?;
    listen::run(async || serve(&arguments, documents).await)
}

async fn serve(arguments: &Arguments, documents: Documents) -> Result<()> {
    let Documents { source, folders, knowledge } = documents;
    let supported: Arc<[Revision]> = arguments.listen.era.revisions().into();
    let limits = Limits::with(&arguments.listen.limit);
    let options = Options::default()
        .max_answer_chars(limits.documents.max_answer_chars)
        .languages(arguments.languages.clone())
        .domains(arguments.domains.clone())
        .tools(arguments.tools(folders.is_empty()));
    let name = &arguments.name;
    let builder = anyport_knowledge::builder_with(&knowledge, name, &supported, None, options);
    let server = match arguments.listen.keys()? {
        Some(keys) => builder.sealer(keys.sealer),
        None => builder,
    };
    let server = limits.of_server(server).build().context("the documents cannot be served")?;
    let store = arguments.listen.open_store(server.metrics())?;
    if let Some(store) = &store {
        store.reached(limits.store.wait).await?;
    }
    let audit = audit(arguments, &limits, server.metrics()).await?;
    let telemetry = telemetry::start(telemetry::settings(None)?, limits.telemetry, server.metrics())?;
    let (ended_audit, ended_telemetry, drain) = (audit.clone(), telemetry.clone(), limits.http.drain);
    logging::count_in(server.metrics());
    let observers = Observers {
        audit: audit.clone(),
        call_log: audit::call_log(&AuditConfig::default()),
        telemetry,
        metrics: server.metrics().clone(),
        overload: Overload::default(),
        running: RunningCalls::default(),
    };
    let service = layered(server.clone(), &knowledge, arguments, &limits, &observers);
    let (closed, buffers) = (knowledge.clone(), BufferedBytes::new(limits.buffers, server.metrics()));
    let metrics = server.metrics().clone();
    let serving = anyport::serve(server).service(service).on_stopped(async move || {
        closed.close();
        audit::close(ended_audit).await;
        telemetry::close(ended_telemetry, drain).await;
    });
    let (bounds, looked_at) = (Bounds::of(&limits, arguments.listen.max_connections), knowledge.clone());
    let dependencies = move || -> Looking {
        let documents = of_documents(&looked_at);
        Box::pin(async { documents.into_iter().collect() })
    };
    let operators = arguments.listen.operators(Vec::new());
    let reporter = HealthReporter::new(&metrics, bounds, observers.overload.clone(), operators, dependencies);
    let settings = listen::Settings {
        supported,
        limits: &limits,
        metrics: &metrics,
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
        let (progress, count) = (knowledge.progress(), knowledge.library().len());
        let reading = progress.reading.then_some(progress.documents);
        let (source, folders, terminal) = (&*source, &*folders, std::io::stderr().is_terminal());
        let store = status_of(store.as_ref()).await;
        logging::notice(Banner {
            source,
            folders,
            count,
            reading,
            address,
            path,
            arguments,
            store,
            terminal,
        });
    })
    .await
}

/// The audit log, if it is wanted.
async fn audit(arguments: &Arguments, limits: &Limits, metrics: &Metrics) -> Result<Option<AuditLog>> {
    let Some(settings) = AuditSettings::chosen(arguments.listen.audit) else { return Ok(None) };
    let Some((store, key)) = arguments.listen.open_store(metrics)?.zip(arguments.listen.audit_key()?) else {
        let help = "name one that can be written with --state-dir DIR: the audit log is kept there";
        return Err(UserError::usage("there is no folder for the program's state", help));
    };
    audit::start(settings, Some(store.store), &key, limits.audit, metrics).await.map(Some)
}

/// The layers around the server, from the outside in.
fn layered(
    server: Server,
    knowledge: &Knowledge,
    arguments: &Arguments,
    limits: &Limits,
    observers: &Observers,
) -> impl Service + use<> {
    let Observers { audit, call_log, telemetry, metrics, overload, running } = observers;
    let edge = limits.edge.call_timeout(arguments.timeout().0);
    let cache = arguments
        .cache()
        .map(|ttl| cache::layer(server.clone(), knowledge.clone(), limits.cache.ttl(ttl)).metrics(metrics));
    ServiceBuilder::new()
        // Outermost, so that its spans cover all of a call, and the audit log has its trace.
        .layer(optional(telemetry.clone().map(ServerSpanLayer::new)))
        // Outside whatever refuses calls, so that refusals are logged and recorded.
        .layer(call_log.clone())
        .layer(optional(audit.clone().map(RecordLayer::new)))
        .layer(stack::edge_with(
            &edge,
            running.clone(),
            Some(LoadShedLayer::new(overload.clone(), metrics)),
            Some(RateLimitLayer::new(limits.quota, metrics)),
            metrics,
        ))
        // Handlers send requests as results; legacy clients receive them inline.
        .layer(LegacyClientLayer::new(limits.legacy_clients, metrics))
        // Read-only tools are cached; rate limit and timeout apply all the same.
        .layer(optional(cache))
        // Logs say where the call went. Where the audit log is required, a record of the call comes before it.
        .layer(UpstreamLayer::new(&*arguments.name))
        // A handler that panics fails its call, not the process.
        .layer(CatchPanicLayer)
        .service(server)
}

/// The documents, and where they come from.
struct Documents {
    /// In words.
    source: String,
    /// None for Anyport's own documentation.
    folders: Vec<PathBuf>,
    knowledge: Knowledge,
}

fn documents(arguments: &Arguments) -> Result<Documents> {
    let beside = PathBuf::from("docs");
    let mut folders = arguments.folders();
    if folders.is_empty() && beside.is_dir() {
        folders.push(beside);
    }
    if folders.is_empty() {
        let source = "Anyport's own documentation (no --docs given, and there is no ./docs)".to_owned();
        return Ok(Documents { source, folders, knowledge: Knowledge::of(embedded_docs::library()) });
    }
    let source = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let limits = Limits::with(&arguments.listen.limit);
    let mut loading = limits.of_documents(Folders::new(&folders[0]));
    for folder in &folders[1..] {
        loading = loading.and(folder);
    }
    for extension in &arguments.ext {
        loading = loading.extension(extension);
    }
    let index_dir = state_dir::folder(arguments.listen.state_dir.clone()).map(|folder| folder.join("index"));
    let opened = Knowledge::open(loading, limits.of_knowledge(index_dir));
    let knowledge = opened.map_err(|error| {
        let help = format!("{}: --docs DIR", FolderError::help(&error));
        UserError::failed(error.to_string(), help)
    })?;
    if knowledge.library().is_empty() && !knowledge.progress().reading {
        tracing::warn!(
            "no documents in {source}: their names end in .md or .markdown; --ext takes other endings"
        );
    }
    Ok(Documents { source, folders, knowledge })
}
