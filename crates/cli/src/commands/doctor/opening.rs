//! The server's first response: whether it accepts the caller, and its revision.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use anyport_service::sync::Lock;
use anyport_transport::client::{
    self, CloseReason, ConnectError, ConnectOptions, Connection, HttpExchange, MessageObserver,
};
use serde_json::Value;
use url::Url;

use super::{
    access::{self, Way},
    network,
    report::Report,
};
use crate::{
    client_session::{
        self, connect,
        credential::Credential,
        network::over_tls,
        opening_errors::{GONE, INSTALLED, SPEAKS_STDIO, words},
    },
    target::{SecretValue, Server, Target},
};

/// A server that answered.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// When it was begun to be opened.
    pub(super) started: Instant,
}

/// Opens a connection as every command does, and says how far that led.
pub(super) async fn open(
    report: &mut Report,
    target: &Target,
    destination: &client::Target,
    options: &client_session::Options,
) -> Result<Option<Opened>> {
    let ear = Arc::new(Ear { observer: options.observer()?, heard: Lock::default() });
    let started = Instant::now();
    let tried = client::connect(destination, &connect::opening(options, Some(ear.clone()))).await;
    let took = started.elapsed();
    let way = on_the_web(&target.server);
    report.begin();
    match (tried, way) {
        (Ok(connection), way) => {
            match way {
                Some(way) => access::granted(report, &way).await?,
                None => begun(report, &target.server)?,
            }
            report.took(took);
            report.ok("speak", "it speaks MCP")?;
            let era = if connection.revision().is_stateless() { "modern" } else { "legacy" };
            report.ok("revision", format!("{} ({era})", connection.revision()))?;
            Ok(Some(Opened { connection, started }))
        }
        (Err(ConnectError::Unauthorized { challenge, .. }), Some(way)) => {
            let credential = Credential::of(&options.server, target);
            access::unauthorized(report, &way, credential.as_ref(), challenge.as_deref()).await?;
            Ok(None)
        }
        (Err(ConnectError::Forbidden { words, challenge, .. }), Some(way)) => {
            access::forbidden(report, &way, &words, challenge.as_deref()).await?;
            Ok(None)
        }
        // It was there a moment ago.
        (Err(ConnectError::Http(fault)), _) if network::step_of(&fault) != "speak" => {
            network::failed(report, &fault)?;
            Ok(None)
        }
        (Err(error), way) => {
            let finding = Finding::of(&error, &target.server, &ear);
            if way.is_some() {
                report.skipped("well-known", "")?;
                report.skipped("issuer", "")?;
                report.skipped("auth", "")?;
            } else if !["start", "connect"].contains(&finding.step) {
                begun(report, &target.server)?;
            }
            let elsewhere = match way {
                Some(Way { url, headers, .. })
                    if finding.step == "speak" && !matches!(error, ConnectError::Silent(_)) =>
                {
                    elsewhere(url, headers).await
                }
                _ => None,
            };
            report.took(took);
            if finding.step == "revision" {
                report.ok("speak", "it speaks MCP")?;
            }
            report.failed(finding.step, finding.detail, elsewhere.unwrap_or(finding.help))?;
            Ok(None)
        }
    }
}

/// The way to a server of the web.
fn on_the_web(server: &Server) -> Option<Way<'_>> {
    match server {
        Server::Http { url, headers, login, .. } => Some(Way { url, headers, login: login.as_deref() }),
        Server::WebSocket { url, headers } => Some(Way { url, headers, login: None }),
        Server::Unix(_) | Server::Command { .. } | Server::Gateway(_) => None,
    }
}

/// The step before anything is said.
fn begun(report: &mut Report, server: &Server) -> Result<()> {
    match server {
        Server::Command { .. } => report.ok("start", "it runs"),
        _ => report.ok("connect", "it takes the connection"),
    }
}

/// Why nothing was agreed.
struct Finding {
    step: &'static str,
    detail: String,
    help: String,
}

impl Finding {
    fn of(error: &ConnectError, server: &Server, ear: &Ear) -> Self {
        let heard = ear.heard.lock();
        let is_command = matches!(server, Server::Command { .. });
        let step = match error {
            ConnectError::NoProgram { .. } | ConnectError::Spawn { .. } => "start",
            ConnectError::Unreachable { .. } => "connect",
            ConnectError::Ended(_) if is_command && heard.messages == 0 && heard.garbage.is_none() => "start",
            ConnectError::Refused { .. } => "revision",
            ConnectError::Revision { .. } if heard.messages > 0 => "revision",
            _ => "speak",
        };
        let mut detail = words(error, server);
        let garbage = heard.garbage.as_deref().filter(|_| heard.messages == 0 && step != "revision");
        if let (Some(garbage), true) = (garbage, is_command) {
            detail += &format!("\nit writes to standard output what is no MCP: {garbage}");
        }
        if heard.echo {
            return Self {
                step: "speak",
                detail: "it sends back whatever it is sent".into(),
                help: SPEAKS_STDIO.into(),
            };
        }
        Self { step, detail, help: help_for(error, step, server, garbage.is_some()) }
    }
}

fn help_for(error: &ConnectError, step: &str, server: &Server, garbage: bool) -> String {
    match (error, server) {
        (_, Server::Command { .. }) if garbage => {
            format!("only messages may be written to standard output, logs to standard error; {SPEAKS_STDIO}")
        }
        (ConnectError::Revision { wanted: Some(_), .. }, _) => {
            "leave out --revision, or demand one that it speaks".into()
        }
        (ConnectError::Revision { .. }, _) => "the server needs a newer release, or this program does".into(),
        (ConnectError::Silent(_), Server::Command { .. }) => {
            format!("{SPEAKS_STDIO}; {INSTALLED}: --timeout SECONDS")
        }
        (ConnectError::Silent(_), _) => {
            "it takes messages and does not answer: is it an MCP server? more time: --timeout SECONDS".into()
        }
        (ConnectError::Ended(CloseReason::Exited { .. }), _) => {
            "its last words may say why; it has only the variables that -e gives it, and a few harmless ones"
                .into()
        }
        (ConnectError::Spawn { .. }, _) => "a script needs a first line that names its interpreter".into(),
        (ConnectError::Unreachable { .. }, Server::Gateway(_)) => GONE.into(),
        (ConnectError::Unreachable { .. }, _) => {
            "the server that made the socket may be gone: start it again".into()
        }
        (_, Server::Http { .. } | Server::WebSocket { .. }) if step == "speak" => {
            "correct the path: many servers answer at /mcp, older ones at /sse".into()
        }
        _ => "the server's own log may tell more".into(),
    }
}

/// Whether the server is at another URL of the same place.
async fn elsewhere(url: &str, headers: &[(String, SecretValue)]) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    if let Some(secure) = over_tls(url).await {
        return Some(format!("this port speaks TLS: try {secure}"));
    }
    let paths: &[&str] =
        if parsed.scheme().starts_with("ws") { &["/ws", "/mcp", "/"] } else { &["/mcp", "/", "/sse"] };
    for path in paths.iter().filter(|path| **path != parsed.path()) {
        let mut other = parsed.clone();
        other.set_path(path);
        let server = Server::url(other.as_str(), headers.to_vec()).ok()?;
        let opening = ConnectOptions::default().probe_timeout(GLANCE / 2).open_timeout(GLANCE);
        if let Ok(connection) = client::connect(&server.destination().ok()?, &opening).await {
            connection.close().await;
            return Some(format!("the server is at another path: {server}"));
        }
    }
    None
}

/// How long another URL may take.
const GLANCE: Duration = Duration::from_secs(3);

/// Hears what the server says before anything is agreed.
struct Ear {
    observer: Option<Arc<dyn MessageObserver>>,
    heard: Lock<Heard>,
}

#[derive(Default)]
struct Heard {
    messages: usize,
    /// Whether one of them was our own.
    echo: bool,
    /// The beginning of the first that was no message.
    garbage: Option<String>,
}

impl MessageObserver for Ear {
    fn sent(&self, message: &[u8]) {
        if let Some(observer) = &self.observer {
            observer.sent(message);
        }
    }

    fn http(&self, exchange: &HttpExchange<'_>) {
        if let Some(observer) = &self.observer {
            observer.http(exchange);
        }
    }

    fn received(&self, message: &[u8]) {
        if let Some(observer) = &self.observer {
            observer.received(message);
        }
        let mut heard = self.heard.lock();
        let value: Value = serde_json::from_slice(message).unwrap_or_default();
        if value.is_array() || value.get("jsonrpc").is_some() {
            heard.messages += 1;
            // No server asks for these.
            heard.echo |= ["server/discover", "initialize"].iter().any(|method| value["method"] == *method);
        } else if heard.garbage.is_none() {
            heard.garbage = Some(String::from_utf8_lossy(message).chars().take(SHOWN).collect());
        }
    }
}

/// How much of what is no message is shown.
const SHOWN: usize = 120;
