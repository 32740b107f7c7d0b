//! Whether configured servers answer: all at once, each in a bounded time.

use std::time::{Duration, Instant};

use anyport_client::Client;
use anyport_config::{GATEWAY, Scope, Surroundings};
use anyport_protocol::Revision;
use anyport_transport::client::{self, ConnectOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::known::{Known, SHADOWED};
use crate::{
    client_session::{self, connect::hurried},
    commands::list::some,
    gateway::GatewayFile,
    target::{self, Server, UpstreamFault, redacted, resolved},
};

/// What a check found.
#[derive(Clone, Debug)]
pub(super) enum Health {
    /// The server was not asked, for a reason.
    Skipped(&'static str),
    /// It answered.
    Good { revision: Revision, tools: usize, took: Duration },
    /// It did not.
    Failed(String),
}

/// Why a server of a project is not started.
const OF_PROJECT: &str = "not checked: it is the project's; --project checks it";

impl Health {
    /// Whether the server was not asked because it is a project's.
    pub(super) fn is_of_project(&self) -> bool {
        matches!(self, Self::Skipped(OF_PROJECT))
    }

    /// The finding, for people.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Skipped(why) => (*why).to_owned(),
            Self::Good { revision, tools, took } => {
                let noun = if *tools == 1 { "tool" } else { "tools" };
                format!("ok, {revision} ({}), {tools} {noun}, {} ms", era(*revision), took.as_millis())
            }
            Self::Failed(why) => format!("failed: {}", redacted(why)),
        }
    }

    /// The finding, for programs.
    pub(super) fn as_json(&self) -> Value {
        match self {
            Self::Skipped(why) => json!({"status": "skipped", "reason": why}),
            Self::Good { revision, tools, took } => json!({
                "status": "ok", "revision": revision.as_str(), "era": era(*revision), "tools": tools, "milliseconds": took.as_millis(),
            }),
            Self::Failed(why) => json!({"status": "failed", "error": redacted(why)}),
        }
    }
}

fn era(revision: Revision) -> &'static str {
    if revision.is_stateless() { "modern" } else { "legacy" }
}

/// Checks every server, each within `limit`. Those that a command would not use are not started, nor those of a project unless
/// `projects`: another person may have written the project's file, and would choose which programs are started here.
pub(super) async fn all(
    servers: &[Known],
    surroundings: &Surroundings,
    projects: bool,
    limit: Duration,
) -> Vec<Health> {
    let mut checks = JoinSet::new();
    let mut found: Vec<Health> = Vec::new();
    for (at, known) in servers.iter().enumerate() {
        let server = match &known.server {
            _ if known.is_shadowed => Err(Health::Skipped(SHADOWED)),
            _ if !projects && known.location.scope == Scope::Project => Err(Health::Skipped(OF_PROJECT)),
            Ok(server) if server.disabled => Err(Health::Skipped("disabled")),
            Ok(_) if known.location.client.id == GATEWAY.id => {
                of_gateway(known, surroundings).map_err(Health::Failed)
            }
            Ok(server) => resolved(server, surroundings, &known.location.workspace).map_err(Health::Failed),
            Err(error) => Err(Health::Failed(error.to_string())),
        };
        found.push(match server {
            Err(health) => health,
            Ok(server) => {
                checks.spawn(async move { (at, one(server, limit).await) });
                Health::Failed("the check ended early".into())
            }
        });
    }
    while let Some(done) = checks.join_next().await {
        if let Ok((at, health)) = done {
            found[at] = health;
        }
    }
    found
}

/// How a gateway reaches one of its servers.
fn of_gateway(known: &Known, surroundings: &Surroundings) -> Result<Server, String> {
    let file = GatewayFile::read(&known.location.path, surroundings).map_err(|error| error.to_string())?;
    let config = file.config.upstreams.get(&known.name).ok_or("the file has changed")?;
    let wrong = |fault: UpstreamFault| in_one_line(&fault.to_string());
    target::check_upstream(config, &file).map_err(wrong)?;
    target::of_upstream(config, &file).map_err(wrong)
}

async fn one(server: Server, limit: Duration) -> Health {
    let started = Instant::now();
    match tokio::time::timeout(limit, asked(&server, limit)).await {
        Ok(Ok((revision, tools))) => Health::Good { revision, tools, took: started.elapsed() },
        Ok(Err(why)) => Health::Failed(in_one_line(&why)),
        Err(_) => Health::Failed(format!("no answer in {} s", limit.as_secs())),
    }
}

/// What is wrong, with what the program wrote last.
fn in_one_line(why: &str) -> String {
    why.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn asked(server: &Server, limit: Duration) -> Result<(Revision, usize), String> {
    let mut destination = hurried(server.destination().map_err(|error| error.to_string())?);
    if let client::Target::Command(command) = &mut destination {
        // What several programs say at once helps nobody.
        command.forward_stderr = false;
    }
    let options = ConnectOptions::default()
        .client_info(json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")}))
        .open_timeout(limit);
    let connection = client::connect(&destination, &options).await.map_err(|error| error.to_string())?;
    let revision = connection.revision();
    let client = Client::connected(connection.clone()).discovered(connection.discovered().clone());
    let listed = async {
        let client = client.timeout(limit).open().await?;
        some(client.tools().await)
    };
    let tools = listed.await.map(|tools| tools.len()).map_err(|error| error.to_string());
    client_session::close(&connection).await;
    Ok((revision, tools?))
}
