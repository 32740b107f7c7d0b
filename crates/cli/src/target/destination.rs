//! From how a server is named to where a transport finds it.

use anyhow::{Error, Result};
use anyport_transport::client::{
    self, child,
    http::{Endpoint, Fault},
    websocket,
};

#[cfg(unix)]
use super::server::GatewayServer;
use super::{Options, SecretValue, Server, client_certificate::with_certificate};
#[cfg(unix)]
use crate::gateway::socket::{self, Request};
use crate::{logging, render::safe, user_error::UserError};

impl Options {
    /// Where the transport finds the server, and how it is reached; warns each time of a connection that is not secure.
    ///
    /// # Errors
    /// As for [`Server::destination`].
    pub(crate) fn destination(&self, server: &Server) -> Result<client::Target> {
        let destination = server.destination()?;
        if !self.insecure {
            return Ok(destination);
        }
        logging::notice(format!(
            "warning: --insecure: the certificate of {server} is not checked; whoever stands between can read and change \
             everything"
        ));
        Ok(match destination {
            client::Target::Http(endpoint) => {
                client::Target::Http(endpoint.dangerously_accept_any_certificate())
            }
            client::Target::WebSocket(endpoint) => {
                client::Target::WebSocket(endpoint.dangerously_accept_any_certificate())
            }
            other => other,
        })
    }
}

impl Server {
    /// Where the transport finds the server.
    ///
    /// # Errors
    /// When its URL or one of its headers cannot be sent, or nothing here reaches such a server.
    pub(crate) fn destination(&self) -> Result<client::Target> {
        match self {
            Self::Command { program, arguments, environment, cwd, confinement } => {
                let mut command = match confinement {
                    Some(confinement) => confinement.command(program, arguments)?,
                    None => child::Command::new(program).args(arguments.iter().cloned()),
                };
                for (name, value) in environment {
                    command = command.env(name, &value.0);
                }
                if let Some(folder) = cwd {
                    command = command.cwd(folder);
                }
                Ok(client::Target::Command(command))
            }
            Self::Http { url, headers, certificate, .. } => {
                let endpoint = endpoint(url, headers)?;
                with_certificate(certificate.as_deref(), endpoint).map(client::Target::Http)
            }
            Self::WebSocket { url, headers } => websocket(url, headers).map(client::Target::WebSocket),
            #[cfg(unix)]
            Self::Unix(path) => Ok(client::Target::Unix(path.clone())),
            #[cfg(unix)]
            Self::Gateway(server) => Ok(client::Target::Stream(dial(server))),
            #[cfg(not(unix))]
            Self::Unix(_) | Self::Gateway(_) => Err(UserError::usage(
                "there are no Unix sockets here",
                "reach the server in another way: over HTTP, or as a command after --",
            )),
        }
    }
}

/// Connects to the socket of the gateway, which from then on carries the messages of the server.
#[cfg(unix)]
fn dial(server: &GatewayServer) -> client::Dial {
    let server = server.clone();
    client::Dial::new(move || {
        let GatewayServer { socket, name, is_covered, .. } = server.clone();
        async move { socket::open(&socket, &Request::Connect { name, is_covered }).await }
    })
}

fn endpoint(url: &str, headers: &[(String, SecretValue)]) -> Result<Endpoint> {
    let wrong = |fault| wrong("https://host/mcp", &fault);
    let endpoint = Endpoint::new(url).map_err(wrong)?;
    headers
        .iter()
        .try_fold(endpoint, |endpoint, (name, value)| endpoint.header(name, &value.0))
        .map_err(wrong)
}

fn websocket(url: &str, headers: &[(String, SecretValue)]) -> Result<websocket::Endpoint> {
    let wrong = |fault| wrong("wss://host/ws", &fault);
    let endpoint = websocket::Endpoint::new(url).map_err(wrong)?;
    headers
        .iter()
        .try_fold(endpoint, |endpoint, (name, value)| endpoint.header(name, &value.0))
        .map_err(wrong)
}

fn wrong(example: &str, fault: &Fault) -> Error {
    let help = format!("write the URL as {example}, and headers as 'Name: value'");
    UserError::usage(safe::text(&fault.to_string()), help)
}
