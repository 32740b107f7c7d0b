//! Converts a connection that failed to open to a failure of the program: what is wrong, where, and what to do.

use anyhow::Error;
use anyport_protocol::{Revision, failure::Failure, jsonrpc::code};
use anyport_transport::client::{
    CloseReason, ConnectError,
    http::{Fault, without_secrets},
};
use url::Url;

use super::{
    Options,
    access::{self, Login},
    credential::Credential,
    errors::{self, RECORD},
    network::{help_for, over_tls},
};
use crate::{
    exit::Exit,
    program::{self, Missing},
    render::safe,
    target::{Server, Target},
    user_error::UserError,
};

/// The failure of the program that `error` is, with the advice.
pub(super) async fn failed(error: &ConnectError, target: &Target, options: &Options) -> Error {
    let server = &target.server;
    if let (ConnectError::Http(Fault::Lost { .. }), Server::Http { url, .. } | Server::WebSocket { url, .. }) =
        (error, server)
        && let Some(secure) = over_tls(url).await
    {
        let problem = format!("{server} leads to a port that speaks TLS");
        return Error::new(UserError::new(Exit::Unreachable, problem, format!("try {secure}")));
    }
    let credential = Credential::of(&options.server, target);
    let UserError { problem, help, exit, answer, .. } = user_error(
        error,
        server,
        options.server.revision,
        (credential.as_ref(), &Login::at(target, &options.server)),
    );
    let told = UserError::new(exit, safe::text(&problem), safe::text(&help));
    Error::new(UserError { answer, ..told })
}

fn user_error(
    error: &ConnectError,
    server: &Server,
    demanded: Option<Revision>,
    (credential, login): (Option<&Credential>, &Login),
) -> UserError {
    let unreachable = |help: String| {
        // Some servers refuse in words of their own what they do not speak.
        let help = match demanded {
            Some(_) => format!("{help}; or leave out --revision"),
            None => help,
        };
        UserError::new(Exit::Unreachable, words(error, server), help)
    };
    match error {
        ConnectError::Unauthorized { at, challenge, .. } => {
            access::unauthorized(at, None, challenge.as_deref(), (credential, login))
        }
        ConnectError::Forbidden { challenge, .. } => {
            access::forbidden(error.to_string(), challenge.as_deref(), (credential, Some(login)))
        }
        ConnectError::Refused { error: answer, .. } => {
            let help = match demanded {
                Some(_) => "leave out --revision: then the newest that both sides speak is used",
                None => RECORD,
            };
            let problem = match demanded {
                Some(demanded) if is_of_revision(answer.code) => {
                    format!(
                        "{server} does not speak {demanded} (--revision {demanded}): {}",
                        words(error, server)
                    )
                }
                _ => words(error, server),
            };
            UserError { answer: Some(errors::answer(answer)), ..UserError::new(Exit::Failed, problem, help) }
        }
        ConnectError::Revision { spoken, wanted: Some(wanted) } => {
            let problem =
                format!("{server} does not speak {wanted} (--revision {wanted}); it speaks {spoken}");
            let help = match spoken.parse::<Revision>() {
                Ok(spoken) => format!("leave out --revision, or give --revision {spoken}"),
                Err(_) => "leave out --revision".into(),
            };
            UserError::new(Exit::Failed, problem, help)
        }
        ConnectError::Revision { .. } => {
            let help = "the server needs a newer release, or this program does";
            UserError::new(Exit::Failed, words(error, server), help)
        }
        ConnectError::NoProgram { .. } | ConnectError::Spawn { .. } => match missing(server) {
            Some(Missing { problem, help }) => UserError::new(Exit::Unreachable, problem, help),
            None => unreachable("check the command, and the folder with --cwd".into()),
        },
        ConnectError::Http(Fault::SignIn { is_temporary: true, .. }) => UserError::new(
            Exit::Unreachable,
            words(error, server),
            "try again later: the login itself is kept",
        ),
        ConnectError::Http(Fault::SignIn { .. }) => {
            UserError::new(Exit::Auth, words(error, server), format!("sign in again: {}", login.command()))
        }
        ConnectError::Http(fault) => unreachable(match fault {
            Fault::Lost { .. } => format!("the server's own log may tell more; {DOCTOR}"),
            fault => help_for(fault),
        }),
        ConnectError::Status { status: 429, .. } => unreachable("try again later".into()),
        ConnectError::Status { status: 500.., .. } => {
            unreachable(format!("the server's own log may tell more; {DOCTOR}"))
        }
        ConnectError::Silent(_) => unreachable(match server {
            Server::Command { .. } => format!("{SPEAKS_STDIO}; {INSTALLED}: --timeout SECONDS"),
            _ => "is it an MCP server? Give it more time with --timeout SECONDS".into(),
        }),
        ConnectError::Ended(CloseReason::Exited { stderr, .. }) if stderr.trim().is_empty() => {
            unreachable(SPEAKS_STDIO.into())
        }
        ConnectError::Ended(CloseReason::Exited { .. }) => unreachable(
            "its output above may say why; pass variables that it needs with -e NAME=VALUE".into(),
        ),
        ConnectError::Unreachable { .. } if matches!(server, Server::Gateway(_)) => unreachable(GONE.into()),
        ConnectError::Unreachable { .. } => {
            unreachable("start the server, or correct the path of its socket".into())
        }
        _ => unreachable(other_place(server)),
    }
}

/// What is wrong, with where the server is; without names of this program's parts.
pub(crate) fn words(error: &ConnectError, server: &Server) -> String {
    match error {
        ConnectError::Unreachable { source, .. } if matches!(server, Server::Gateway(_)) => {
            format!("{server} cannot be reached: {source}")
        }
        ConnectError::Silent(after) => format!("{server} did not answer within {}", errors::seconds(*after)),
        ConnectError::Failed { failure, .. } => match failure.root() {
            Failure::InvalidPeer(why) => format!("{server}: {}", errors::without_settings(why)),
            failure => format!("{server}: {}", errors::without_settings(&failure.to_string())),
        },
        ConnectError::Refused { method, error } => {
            format!("{server} answered {method} with an error: {}", errors::words(error))
        }
        ConnectError::Ended(reason) => {
            format!("{server} went away before a revision was negotiated: {reason}")
        }
        ConnectError::Revision { spoken, .. } => {
            format!("{server} speaks {spoken}, which is no revision known here")
        }
        error => error.to_string(),
    }
}

/// Whether a server refuses so what it takes for a request of another revision.
fn is_of_revision(code: i64) -> bool {
    [code::METHOD_NOT_FOUND, code::UNSUPPORTED_PROTOCOL_VERSION].contains(&code)
}

/// Why the program of a server is not there, if it is not.
fn missing(server: &Server) -> Option<Missing> {
    let Server::Command { program, environment, cwd, .. } = server else { return None };
    program::find(program, environment, cwd.as_deref()).err()
}

/// Where the server may be instead.
fn other_place(server: &Server) -> String {
    let (Server::Http { url, .. } | Server::WebSocket { url, .. }) = server else {
        return format!("{SPEAKS_STDIO}; {RECORD}");
    };
    let usual = Url::parse(&without_secrets(url)).ok().and_then(|mut usual| {
        let is_usual = usual.path() == "/mcp" && usual.scheme().starts_with("http");
        usual.set_path("/mcp");
        let written = usual.as_str();
        // A WebSocket is where clients of HTTP are refused, and the other way round.
        let written =
            written.strip_prefix("ws").map_or_else(|| written.to_owned(), |rest| format!("http{rest}"));
        (!is_usual).then_some(written)
    });
    match usual {
        Some(usual) => format!("most servers answer at /mcp: try {usual}; {DOCTOR}"),
        None => format!("most servers answer at /mcp, older ones at /sse: correct the URL; {DOCTOR}"),
    }
}

/// What to do where a gateway does not lead to a server.
pub(crate) const GONE: &str =
    "`anyport status` shows the running gateways and their servers; --direct needs no gateway";
const DOCTOR: &str = "`anyport doctor` goes the way to it step by step, and says where it ends";
/// What a program may lack that does not speak.
pub(crate) const SPEAKS_STDIO: &str =
    "some programs must be told to speak MCP on standard input and output, with --stdio or the like";
/// Why a program may take long.
pub(crate) const INSTALLED: &str = "what is installed when it first runs needs more time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_place_is_named_without_secrets_where_it_is_another() {
        let place = |url: &str| other_place(&Server::url(url, Vec::new()).unwrap());
        assert!(place("https://me:pw@a.example/?key=s").contains("try https://a.example/mcp; "));
        assert!(place("wss://a.example/mcp").contains("try https://a.example/mcp; "));
        assert!(place("https://a.example/mcp").contains("/sse"));
    }
}
