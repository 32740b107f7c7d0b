//! What a running gateway says of its server.

use std::time::Duration;

use anyhow::Result;

use super::report::Report;
use crate::{
    client_session::opening_errors::GONE,
    gateway::{
        socket::{self, Request},
        status::{GatewayStatus, ServerState},
    },
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
    let answer = socket::ask(socket, &Request::Status, PATIENCE);
    let status: GatewayStatus = match answer.and_then(|answer| Ok(serde_json::from_value(answer)?)) {
        Ok(status) => status,
        Err(error) => {
            report.failed("gateway", format!("the gateway does not answer: {error}"), GONE)?;
            return Ok(false);
        }
    };
    let Some(state) = status.servers.into_iter().find(|state| state.name == *name) else {
        report.failed("gateway", format!("{gateway}, and has no server {name} any more"), GONE)?;
        return Ok(false);
    };
    let (is, since, transport) = (state.state.word(), state.since, safe::line(&state.transport));
    let detail = format!("{gateway}; {name} is {is} since {since}, over {transport}");
    match state.last_error.filter(|_| state.state == ServerState::Down) {
        Some(why) => {
            let help = format!(
                "the next steps connect it anew; `anyport doctor --direct {name}` goes without the gateway"
            );
            report.doubtful("gateway", format!("{detail}: {}", safe::line(&why)), help)?;
        }
        None => report.ok("gateway", detail)?,
    }
    Ok(true)
}
