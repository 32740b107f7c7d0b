//! From how a server is named to a connection.

use std::sync::Arc;

use anyhow::{Error, Result};
use anyport_protocol::Raw;
use anyport_transport::client::{self, ConnectError, Connection, Opening, Tap};
use serde_json::json;

use super::{Options, recording::Recorder};
use crate::{
    exit::Exit,
    failure::Advice,
    render::safe,
    target::{Server, Target},
};

/// Connects to the server.
///
/// # Errors
/// When that fails, with what to do.
pub(super) async fn connect(
    target: &Target,
    options: &Options,
    recorder: Option<Arc<Recorder>>,
) -> Result<Connection> {
    let opening = Opening {
        revision: options.server.revision,
        // What an older server is told once; each call of a modern one says it anew.
        capabilities: Raw::from(json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})),
        client_info: Raw::from(json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")})),
        open_timeout: options.server.timeout,
        tap: recorder.map(|recorder| recorder as Arc<dyn Tap>),
        ..Opening::default()
    };
    let destination = destination(&target.server)?;
    client::connect(&destination, &opening).await.map_err(|error| failed(&error))
}

fn destination(server: &Server) -> Result<client::Target> {
    match server {
        Server::Command { program, arguments, environment, cwd } => {
            let mut command = client::child::Command::new(program).args(arguments.iter().cloned());
            for (name, value) in environment {
                command = command.env(name, &value.0);
            }
            if let Some(folder) = cwd {
                command = command.cwd(folder);
            }
            Ok(client::Target::Command(command))
        }
        Server::Http { url, headers } => {
            let wrong = |fault: client::http::Fault| {
                Advice::usage(safe::text(&fault.to_string()), "correct the URL or the header")
            };
            let mut endpoint = client::http::Endpoint::new(url).map_err(wrong)?;
            for (name, value) in headers {
                endpoint = endpoint.header(name, &value.0).map_err(wrong)?;
            }
            Ok(client::Target::Http(endpoint))
        }
        #[cfg(unix)]
        Server::Unix(path) => Ok(client::Target::Unix(path.clone())),
        other => Err(Error::new(Advice::new(
            Exit::Usage,
            format!("servers cannot be reached over {} here", other.transport()),
            "reach it in another way: over HTTP, or as a command after --",
        ))),
    }
}

fn failed(error: &ConnectError) -> Error {
    let (exit, help) = match error {
        ConnectError::Revision { .. } => (Exit::Failed, "leave out --revision, or demand one that it speaks"),
        ConnectError::Refused { .. } => {
            (Exit::Failed, "--verbose shows what was said; the server's own log may tell more")
        }
        ConnectError::NoProgram { .. } | ConnectError::Spawn { .. } => {
            (Exit::Unreachable, "check the command, and the folder with --cwd")
        }
        ConnectError::Unauthorized { .. } => {
            (Exit::Auth, "keep the token in a variable, and give --bearer env:NAME")
        }
        ConnectError::Silent(_) => (Exit::Unreachable, "give it more time with --timeout SECONDS"),
        _ => (Exit::Unreachable, "--verbose shows what was said; the server's own log may tell more"),
    };
    Error::new(Advice::new(exit, safe::text(&error.to_string()), help))
}
