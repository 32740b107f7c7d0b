//! One connection to one server, for as long as a command needs it.
//!
//! - [`output`]: where the answer goes.
//! - [`waiting`], [`progress`], [`ask`]: what happens on the terminal while a call runs.
//! - [`errors`], [`opening_errors`]: what a fault of the server's means for the program; [`access`], [`credential`],
//!   [`challenge`]: where it does not let the caller in; [`network`]: where it cannot be reached.
//! - [`recording`]: a session as lines of JSON; [`trace`]: as lines for people; [`observers`]: what sees the messages.

mod access;
pub(crate) mod ask;
pub(crate) mod challenge;
pub(crate) mod connect;
pub(crate) mod credential;
pub(crate) mod errors;
pub(crate) mod network;
mod observers;
pub(crate) mod opening_errors;
mod options;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod recording;
mod trace;
pub(crate) mod waiting;

use std::{
    future::Future,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use anyport::serve::Signals;
use anyport_client::{Builder, Client, Refused};
use anyport_protocol::{Revision, meta::LogLevel, types::Root};
use anyport_transport::client::{Connection, MessageObserver};
use serde_json::json;
use tokio::{sync::watch, time::sleep};

pub(crate) use self::options::Options;
use self::{output::Output, progress::Bar, waiting::Waiting};
use crate::{
    exit::Exit,
    list_cache::{self, Listed},
    logging,
    render::safe,
    target::{Server, Target},
    user_error::UserError,
};

/// A server that answered.
pub(crate) struct ClientSession {
    pub(crate) client: Client,
    pub(crate) revision: Revision,
    pub(crate) transport: &'static str,
    /// As it was named.
    pub(crate) name: String,
    /// How long connecting and negotiation took.
    pub(crate) opened: Duration,
    pub(crate) bar: Bar,
    /// The word of the command line that names it; `None` for a command.
    word: Option<String>,
}

impl ClientSession {
    /// Stores a list of a server that can be named again, for the completions of shells.
    pub(crate) async fn store(&self, listed: Listed<'_>) {
        if let Some(word) = &self.word {
            list_cache::store(word, listed).await;
        }
    }
}

/// Runs `work` with a connection to the server that `target` names, and closes it, also when a signal ends the program.
///
/// # Errors
/// When there is no such server, it cannot be reached, or the work fails.
pub(crate) fn with<F>(
    options: &Options,
    target: Option<&str>,
    work: impl FnOnce(ClientSession, Output) -> F,
) -> Result<ExitCode>
where
    F: Future<Output = Result<Exit>>,
{
    let word = target.map(str::to_owned);
    let target = options.resolve(target)?;
    let options = &options.completed_by(&target);
    if let (Some(found), true) = (&target.found, options.output.verbose > 0) {
        let answers = match &target.server {
            Server::Gateway(server) => format!("; the gateway that runs as process {} answers", server.pid),
            _ => String::new(),
        };
        logging::notice(format!("{} is in {}{answers}", safe::line(&target.name), found.display()));
    }
    run(options, async |held| {
        let located = |error| errors::located(error, &target, &options.server);
        let (mut session, connection) = open(&target, options, options.observer()?).await.map_err(located)?;
        session.word = word;
        held.hold(&connection);
        let bar = session.bar.clone();
        bar.waiting.begin(format!("waiting for {}", target.name));
        let done = work(session, Output::stdout(&options.output)).await;
        bar.clear();
        // A process that we started ends before we do.
        close(&connection).await;
        done.map_err(located)
    })
}

/// Closes a connection, and waits for a process that was started for it.
pub(crate) async fn close(connection: &Connection) {
    let _ = tokio::time::timeout(CLOSING, connection.clone().close()).await;
}

/// How long a server may take to go.
const CLOSING: Duration = Duration::from_secs(5);

/// The connection that a command has, for when a signal ends it.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<OnceLock<Connection>>);

impl Held {
    /// The first connection is the one.
    pub(crate) fn hold(&self, connection: &Connection) {
        let _ = self.0.set(connection.clone());
    }
}

/// Runs `work` to its end, or until a signal. Then its calls are cancelled and its connection is closed as at any other
/// end: the server hears of it, and a program that we started may put its things in order. A second signal waits for
/// nothing.
pub(crate) fn run(options: &Options, work: impl AsyncFnOnce(Held) -> Result<Exit>) -> Result<ExitCode> {
    logging::to_errors(options.output.quiet, options.output.verbose);
    // One thread starts sooner than several, and a command does one thing.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(async {
        let held = Held::default();
        let signal = tokio::select! {
            signal = next_signal() => signal,
            done = work(held.clone()) => return done.map(ExitCode::from),
        };
        if let Some(connection) = held.0.get() {
            tokio::select! {
                () = close(connection) => {}
                _ = next_signal() => {}
            }
        }
        Ok(ExitCode::from(128 + signal))
    });
    // An abandoned prompt may still wait for a key.
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

/// Completes at the next SIGINT, SIGTERM or SIGHUP, with its number. Where signals cannot be listened for they end the
/// program as they always do.
async fn next_signal() -> u8 {
    match Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(_) => std::future::pending().await,
    }
}

/// Connects to a server.
///
/// # Errors
/// When that fails, with what to do.
pub(crate) async fn open(
    target: &Target,
    options: &Options,
    observer: Option<Arc<dyn MessageObserver>>,
) -> Result<(ClientSession, Connection)> {
    let started = Instant::now();
    let waiting = Waiting::new(options.output.quiet);
    waiting.begin(match &target.server {
        Server::Command { program, .. } => format!("starting {program}"),
        server => format!("connecting to {server}"),
    });
    let connection = connect::connect(target, options, observer, waiting.last_line()).await?;
    let session = over(&connection, target, options, started, waiting).await?;
    let session = session.map_err(|error| errors::of_call(&error))?;
    Ok((session, connection))
}

/// A session over a connection that began to be made at `started`; `waiting` has said so.
///
/// # Errors
/// When an option is wrong; within that, when the server does not answer.
pub(crate) async fn over(
    connection: &Connection,
    target: &Target,
    options: &Options,
    started: Instant,
    waiting: Waiting,
) -> Result<Result<ClientSession, anyport_client::Error>> {
    let roots = roots(&options.root)?;
    let bar = Bar::new(options.output.quiet, options.output.verbose > 0, waiting);
    let (asked, was_asked) = watch::channel(false);
    let waits = !roots.is_empty() && !connection.revision().asks_by_result();
    // It was requested when the connection was opened: a repetition would waste a round trip.
    let client = Client::connected(connection.clone()).discovered(connection.discovered().clone());
    let client = self::client(client, options, &bar).on_roots(move || {
        asked.send_replace(true);
        std::future::ready(Ok(roots.clone()))
    });
    let client = client.open().await;
    if let (Ok(client), true) = (&client, waits) {
        settle(client, was_asked).await;
    }
    Ok(client.map(|client| ClientSession {
        client,
        revision: connection.revision(),
        transport: target.server.transport(),
        name: target.name.clone(),
        opened: started.elapsed(),
        bar,
        word: None,
    }))
}

/// Gives an older server the time to ask for roots, and to look at them: some ask as soon as they are initialized, and what
/// they may do follows from the answer. Others ask only during a call, or never, and nothing in the protocol says which; so
/// it is not waited for long, but until the server has read that it is initialized, as its response to a ping shows. Nor does
/// anything say when an answer was looked at: after one there are a few round trips with pauses.
///
/// 2025-11-25, ping §Behavior: "The receiver MUST respond promptly with an empty response". One that does not will say so to
/// what the command is for.
async fn settle(client: &Client, mut asked: watch::Receiver<bool>) {
    let ping = async || client.request("ping", json!({})).timeout(PROMPT).await.is_ok();
    let has_had_its_time = async { tokio::join!(sleep(ASKS_WITHIN), ping()) };
    tokio::select! {
        biased;
        Ok(_) = asked.wait_for(|asked| *asked) => {}
        _ = has_had_its_time => return,
    }
    for _ in 0..TURNS {
        if !ping().await {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// This program as a client: its capabilities, and its answers.
fn client(client: Builder, options: &Options, bar: &Bar) -> Builder {
    let (forms, pages) = (bar.clone(), bar.clone());
    let timeout = options.server.timeout();
    let mut client = client
        .timeout(timeout)
        .timeout_max(timeout.max(LONGEST))
        .on_elicit(move |form| ask::form(form, forms.clone()))
        .on_url_elicitation(move |page| ask::page(page, pages.clone()))
        .on_sampling(async |_| Err(Refused::new("anyport's command line has no model to ask")));
    if options.output.verbose > 0 {
        client = client.on_log(LogLevel::Debug, |message| {
            let logger = message.logger.as_deref().map(|logger| format!("{logger}: ")).unwrap_or_default();
            let data = message.data.as_str().map_or_else(|| message.data.to_string(), str::to_owned);
            logging::notice(safe::line(&format!("server {logger}{data}")));
        });
    }
    client
}

/// How long after the beginning an older server may ask for roots. One that asks at once needs milliseconds; with `--root`,
/// every command waits this long for one that does not.
const ASKS_WITHIN: Duration = Duration::from_millis(250);

/// Round trips in which roots are resolved and looked at.
const TURNS: usize = 4;

/// How long a server has after each of them for what it does beside reading messages, such as looking at files.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a server may take that must answer promptly.
const PROMPT: Duration = Duration::from_secs(5);

/// A call with progress may take this long, unless a longer time is configured.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Folders as the `file:` URIs that the protocol wants.
fn roots(folders: &[PathBuf]) -> Result<Vec<Root>> {
    let one = |folder: &PathBuf| {
        let absolute = folder.canonicalize().ok().filter(|folder| folder.is_dir());
        let absolute = absolute.ok_or_else(|| {
            UserError::usage(format!("--root {} is no folder", folder.display()), "name one that exists")
        })?;
        Ok(Root::new(file_uri(&absolute.to_string_lossy())))
    };
    folders.iter().map(one).collect()
}

fn file_uri(path: &str) -> String {
    use std::fmt::Write as _;
    let mut uri = String::from("file://");
    let path = path.replace('\\', "/");
    if !path.starts_with('/') {
        uri.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b':' => {
                uri.push(char::from(byte));
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_uri() {
        assert_eq!(file_uri("/a b/ü#?"), "file:///a%20b/%C3%BC%23%3F");
        assert_eq!(file_uri("C:\\a"), "file:///C:/a");
        assert!(roots(&["/no/such/folder".into()]).is_err());
    }
}
