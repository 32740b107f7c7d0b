//! What a running gateway says of its server.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::report::Report;
use crate::{
    client_session::opening_errors::GONE,
    gateway::socket::{self, Request},
    render::safe,
    target::GatewayServer,
};

/// The time in which the gateway must answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the gateway for the state of its server. The way leads on also to a server that is down: the next step connects it.
pub(super) async fn find(report: &mut Report, server: &GatewayServer) -> Result<bool> {
    report.begin();
    let GatewayServer { file, pid, socket, name, .. } = server;
    let gateway = format!("process {pid} serves {}", file.display());
    let status = match socket::ask(socket, &Request::Status, PATIENCE) {
        Ok(status) => status,
        Err(error) => {
            report.failed("gateway", format!("the gateway does not answer: {error}"), GONE)?;
            return Ok(false);
        }
    };
    let servers = status["servers"].as_array().into_iter().flatten();
    let Some(state) = servers.into_iter().find(|state| state["name"] == **name) else {
        report.failed("gateway", format!("{gateway}, and has no server {name} any more"), GONE)?;
        return Ok(false);
    };
    let word = |value: &Value| safe::line(value.as_str().unwrap_or("unknown"));
    let [is, since, transport] = ["state", "since", "transport"].map(|key| word(&state[key]));
    let detail = format!("{gateway}; {name} is {is} since {since}, over {transport}");
    match state["last_error"].as_str().filter(|_| state["state"] == "down") {
        Some(why) => {
            let help = format!(
                "the next steps connect it anew; `anyport doctor --direct {name}` goes without the gateway"
            );
            report.doubtful("gateway", format!("{detail}: {}", safe::line(why)), help)?;
        }
        None => report.ok("gateway", detail)?,
    }
    Ok(true)
}
