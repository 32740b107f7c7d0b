//! From how a server is named to a connection.

use std::{sync::Arc, time::Duration};

use anyhow::{Error, Result};
use anyport_protocol::suggest::did_you_mean;
use anyport_transport::client::{
    self, ConnectError, ConnectOptions, Connection, MessageObserver, child::LastLine,
};
use serde_json::json;

use super::Options;
use crate::{exit::Exit, program::programs, render::safe, target::Target, user_error::UserError};

/// Connects to the server; `last_line` receives what a program says last.
///
/// # Errors
/// When that fails, with what to do.
pub(super) async fn connect(
    target: &Target,
    options: &Options,
    observer: Option<Arc<dyn MessageObserver>>,
    last_line: LastLine,
) -> Result<Connection> {
    let mut destination = hurried(options.server.destination(&target.server)?);
    if let client::Target::Command(command) = &mut destination {
        command.last_line = Some(last_line);
    }
    client::connect(&destination, &opening(options, observer))
        .await
        .map_err(|error| failed(&error, options.server.revision.is_some()))
}

/// The command has written its result when its server is stopped.
pub(crate) fn hurried(mut destination: client::Target) -> client::Target {
    if let client::Target::Command(command) = &mut destination {
        command.linger = LINGER;
    }
    destination
}

/// How long a program may take to end by itself. Many never do.
const LINGER: Duration = Duration::from_millis(300);

/// How a connection of this program is opened.
pub(crate) fn opening(options: &Options, tap: Option<Arc<dyn MessageObserver>>) -> ConnectOptions {
    ConnectOptions::default()
        .revision(options.server.revision)
        .capabilities(json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}))
        .client_info(json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")}))
        .open_timeout(options.server.timeout())
        .tap(tap)
}

/// Returns the advice for `error`; `demanded`: whether only one revision was allowed.
fn failed(error: &ConnectError, demanded: bool) -> Error {
    const LEAVE_OUT: &str = "leave out --revision: the server may speak others; its own log may tell more";
    const DOCTOR: &str = "`anyport doctor` goes the way to it step by step, and says where it ends";
    if let ConnectError::NoProgram { program, .. } = error
        && let Some(name) = program.to_str().filter(|name| !name.contains(std::path::MAIN_SEPARATOR))
        && let Some(path) = std::env::var_os("PATH")
        && let Some(near) = did_you_mean(name, programs(&path).iter().map(String::as_str))
    {
        return Error::new(UserError::new(
            Exit::Unreachable,
            safe::text(&error.to_string()),
            safe::line(&near),
        ));
    }
    let (exit, help) = match error {
        ConnectError::Revision { .. } => (Exit::Failed, "leave out --revision, or demand one that it speaks"),
        ConnectError::Refused { .. } => {
            (Exit::Failed, if demanded { LEAVE_OUT } else { super::errors::RECORD })
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
        _ => (Exit::Unreachable, DOCTOR),
    };
    Error::new(UserError::new(exit, safe::text(&error.to_string()), help))
}
