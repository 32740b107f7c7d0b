//! From how a server is named to a connection.

use std::sync::Arc;

use anyhow::{Error, Result};
use anyport_protocol::Raw;
use anyport_transport::client::{self, ConnectError, Connection, Opening, Tap};
use serde_json::json;

use super::{Options, recording::Recorder};
use crate::{exit::Exit, failure::Advice, render::safe, target::Target};

/// Connects to the server.
///
/// # Errors
/// When that fails, with what to do.
pub(super) async fn connect(
    target: &Target,
    options: &Options,
    recorder: Option<Arc<Recorder>>,
) -> Result<Connection> {
    let tap = recorder.map(|recorder| recorder as Arc<dyn Tap>);
    let destination = target.server.destination()?;
    client::connect(&destination, &opening(options, tap)).await.map_err(|error| failed(&error))
}

/// How a connection of this program is opened.
pub(crate) fn opening(options: &Options, tap: Option<Arc<dyn Tap>>) -> Opening {
    Opening {
        revision: options.server.revision,
        // What an older server is told once; each call of a modern one says it anew.
        capabilities: Raw::from(json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})),
        client_info: Raw::from(json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")})),
        open_timeout: options.server.timeout,
        tap,
        ..Opening::default()
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
        ConnectError::Forbidden { .. } => (
            Exit::Auth,
            "ask whoever runs the server for the permission, or give another token with --bearer env:NAME",
        ),
        ConnectError::Silent(_) => (Exit::Unreachable, "give it more time with --timeout SECONDS"),
        _ => (Exit::Unreachable, "--verbose shows what was said; the server's own log may tell more"),
    };
    Error::new(Advice::new(exit, safe::text(&error.to_string()), help))
}
