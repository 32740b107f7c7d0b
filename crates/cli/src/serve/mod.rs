//! `anyport serve`: documents as an MCP server.

mod arguments;
mod banner;
mod book;
mod cache;
mod limits;
mod stray;

use std::{
    io::IsTerminal as _, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration,
};

use anyhow::{Context as _, Result};
use anyport_knowledge::{Folders, Knowledge, Options, folder::FolderError};
use anyport_protocol::Revision;
use anyport_server::Server;
use anyport_service::{
    Service,
    bridge::Shim,
    layer::{CacheLimits, CatchPanic, Concurrency, Rate, Timeout, Trace},
    seal::Key,
};
use anyport_transport::{
    http::{Authentication, Compat, Config, Listener, Refused, Token},
    stdio, unix,
};

pub(crate) use self::arguments::Arguments;
use self::{arguments::Transport, banner::Banner, limits::Limits};
use crate::{failure::Advice, logging, state, stop::Stop};

/// Serves until it is told to stop.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    arguments.check()?;
    for idle in arguments.idle() {
        tracing::warn!("{idle}");
    }
    // Before signals are caught: until something is served, they may end the process as they always do.
    let documents = documents(&arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    let ended = runtime.block_on(async {
        let stop = Stop::on_signals().context("cannot listen for signals")?;
        tokio::select! {
            biased;
            signal = stop.cut() => Ok(ExitCode::from(128 + signal)),
            served = serve(&arguments, documents, &stop) => served.map(|()| ExitCode::SUCCESS),
        }
    });
    // What still runs has had its time; dropping the runtime would wait for it.
    runtime.shutdown_background();
    ended
}

async fn serve(arguments: &Arguments, documents: Documents, stop: &Stop) -> Result<()> {
    let Documents { source, folders, knowledge } = documents;
    let supported: Arc<[Revision]> = arguments.era.revisions().into();
    let limits = Limits::with(&arguments.limit);
    let options = Options {
        max_answer_chars: limits.max_answer_chars,
        languages: arguments.languages.clone(),
        domains: arguments.domains.clone(),
    };
    let (name, key) = (&arguments.name, key(arguments));
    let server = anyport_knowledge::builder_with(&knowledge, name, &supported, key, options);
    let server = limits.of_server(server).build().context("the documents cannot be served")?;
    let service = Arc::new(stack(server.clone(), &knowledge, arguments, &limits));
    let (closing, closed) = (stop.stopped(), server.clone());
    tokio::spawn(async move {
        closing.await;
        // Ends the listen streams, which have no end of their own.
        closed.close();
    });

    let listener = match arguments.speaks(Transport::Http) {
        true => Some(listen(arguments, supported.clone(), &limits).await?),
        false => None,
    };
    let address = listener.as_ref().map(Listener::address).transpose()?;
    let socket = match arguments.speaks(Transport::Unix) {
        true => Some(listen_locally(arguments, supported.clone(), &limits).await?),
        false => None,
    };
    let path = socket.as_ref().map(unix::Listener::path);
    // Every address is ours by now: what one that is in use prevents has not begun.
    server.start().await?;
    let (progress, count) = (knowledge.progress(), knowledge.library().len());
    let reading = progress.reading.then_some(progress.documents);
    let (source, folders, terminal) = (&*source, &*folders, std::io::stderr().is_terminal());
    logging::notice(Banner { source, folders, count, reading, address, path, arguments, terminal });

    let http = async {
        match listener {
            Some(listener) => {
                listener.serve(service.clone(), stop.stopped()).await.context("HTTP serving failed")
            }
            None => Ok(()),
        }
    };
    let unix = async {
        match socket {
            Some(socket) => socket
                .serve(service.clone(), stop.stopped())
                .await
                .context("serving on the Unix socket failed"),
            None => Ok(()),
        }
    };
    let stdio = async {
        let config = stdio::Config {
            supported: supported.clone(),
            limits: limits.http.message,
            max_open_requests: limits.max_open_requests,
            drain: limits.http.drain,
        };
        if arguments.speaks(Transport::Stdio) {
            stdio::serve(service.clone(), config, stop.stopped()).await.context("stdio serving failed")?;
            // The client that started us is gone, and with it the reason to run.
            stop.stop();
            return Ok(());
        }
        // Its end is nothing to us: what was to be served is served elsewhere.
        stray::answer(service.clone(), config, || stop.stopped())
            .await
            .context("answering standard input failed")
    };
    let served = tokio::try_join!(http, unix, stdio).map(drop);
    server.stop().await;
    knowledge.close();
    served
}

/// How long running calls may go on when the program is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// What stands around the server, innermost first.
fn stack(server: Server, knowledge: &Knowledge, arguments: &Arguments, limits: &Limits) -> impl Service {
    // What any of them refuses is counted beside what the server refuses.
    let metrics = server.metrics().clone();
    let knows = server.clone();
    // A handler that panics fails its call, not the process.
    let service = CatchPanic::new(server);
    // What only reads is not asked again for the same; limits of rate and time hold all the same.
    let service: Box<dyn Service> = match arguments.cache() {
        Some(ttl) => {
            let limits = CacheLimits { ttl, ..limits.cache };
            Box::new(cache::around(service, knows, knowledge.clone(), limits).metrics(&metrics))
        }
        None => Box::new(service),
    };
    // Handlers ask by result; clients of older revisions are asked live.
    let service = Shim::new(service, limits.shim).metrics(&metrics);
    // A call that hangs is ended; the time a person takes to answer does not count.
    let service = Timeout::new(service, arguments.timeout.0).metrics(&metrics);
    // One caller alone cannot take all there is.
    let service = Rate::new(service, limits.quota).metrics(&metrics);
    // What runs at once is bounded, so that what runs stays fast.
    let service = Concurrency::new(service, limits.max_concurrent_calls).metrics(&metrics);
    // Outermost, so that it sees what every other layer answers.
    Trace::new(service)
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
        return Ok(Documents { source, folders, knowledge: Knowledge::of(book::library()) });
    }
    let source = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let limits = Limits::with(&arguments.limit);
    let mut loading = limits.of_documents(Folders::new(&folders[0]));
    for folder in &folders[1..] {
        loading = loading.and(folder);
    }
    for extension in &arguments.ext {
        loading = loading.extension(extension);
    }
    let index_dir = state::folder(arguments.state_dir.clone()).map(|folder| folder.join("index"));
    let opened = Knowledge::open(loading, limits.of_knowledge(index_dir));
    let knowledge = opened.map_err(|error| {
        let help = FolderError::help(&error);
        Advice::failed(error.to_string(), help)
    })?;
    if knowledge.library().is_empty() && !knowledge.progress().reading {
        tracing::warn!(
            "no documents in {source}: their names end in .md or .markdown; --ext takes other endings"
        );
    }
    Ok(Documents { source, folders, knowledge })
}

/// The key for state that travels through clients. Without a place to keep it, it lives as long as the process.
fn key(arguments: &Arguments) -> Option<Key> {
    let folder = state::folder(arguments.state_dir.clone())?;
    match state::key(&folder) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the key is not kept: clients in mid-dialogue must start over after a restart; set --state-dir");
            None
        }
    }
}

async fn listen(arguments: &Arguments, supported: Arc<[Revision]>, limits: &Limits) -> Result<Listener> {
    let authentication = match arguments.token()? {
        Some(secret) => Authentication::Tokens(vec![Token::new("token", &secret.read()?)]),
        None => Authentication::Anonymous,
    };
    let (mut allow_hosts, mut allow_origins) = (arguments.allow_host.clone(), arguments.allow_origin.clone());
    if let Some(public) = &arguments.public_url {
        allow_hosts.push(public.host.clone());
        allow_origins.push(public.origin.clone());
    }
    // Who comes by the very address that we listen on means us: no page of another site has it as its name.
    if !arguments.host.is_unspecified() {
        let name = SocketAddr::new(arguments.host, 0).to_string();
        allow_hosts.extend(name.trim_end_matches(":0").parse());
    }
    let websocket = limits.websocket.clone();
    let limits =
        anyport_transport::http::Limits { max_connections: arguments.max_connections, ..limits.http.clone() };
    let config = Config {
        supported,
        allow_hosts,
        allow_origins,
        authentication,
        sse: arguments.speaks(Transport::Sse),
        public_prefix: arguments.public_url.as_ref().map(|public| public.prefix.clone()).unwrap_or_default(),
        websocket: arguments.speaks(Transport::Websocket).then_some(websocket),
        compat: Compat::new(arguments.compat.iter().copied()),
        plain: true,
        limits,
        ..Config::default()
    };
    let address = SocketAddr::new(arguments.host, arguments.port);
    let listener = Listener::bind(address, config, arguments.dangerously_allow_anonymous).await;
    listener.map_err(|refused| match refused {
        Refused::Open(_) => Advice::usage(
            refused.to_string(),
            "give --auth-token env:NAME or file:PATH, or say --dangerously-allow-anonymous",
        ),
        Refused::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => Advice::failed(
            format!("port {} is in use", arguments.port),
            "stop what uses it, choose another with --port, or let the system choose with --port 0",
        ),
        Refused::Bind { .. } => Advice::failed(
            anyhow::Error::from(refused).to_string(),
            "choose an address of this machine with --host and a free port with --port",
        ),
    })
}

async fn listen_locally(
    arguments: &Arguments,
    supported: Arc<[Revision]>,
    limits: &Limits,
) -> Result<unix::Listener> {
    let (path, chosen) = arguments.unix_path()?;
    if let Some(folder) = path.parent().filter(|_| !chosen) {
        state::private_folder(folder).map_err(|error| {
            let problem = format!("cannot make the folder {} for the Unix socket: {error}", folder.display());
            Advice::failed(problem, "say where the socket is to be with --unix-path")
        })?;
    }
    let limits = limits.unix(arguments.max_connections);
    let config = unix::Config { supported, limits, ..unix::Config::default() };
    unix::Listener::bind(&path, config).await.map_err(|refused| {
        let help = match &refused {
            unix::Refused::InUse(_) => "stop what uses it, or choose another place with --unix-path",
            unix::Refused::NotASocket(_) => "move it away, or choose another place with --unix-path",
            unix::Refused::TooLong(_) => "choose a shorter path with --unix-path",
            unix::Refused::Unsupported => "leave out --transport unix",
            unix::Refused::Bind { .. } => {
                "choose a folder that exists and that you may write to with --unix-path"
            }
        };
        Advice::failed(anyhow::Error::from(refused).to_string(), help)
    })
}
