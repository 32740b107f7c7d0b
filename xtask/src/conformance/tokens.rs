//! Tokens of the suite, for servers that let nobody else call.
//!
//! The suite cannot present a token to a server, so a proxy in front of the server adds one to each request. It has two of the same
//! user and takes turns, since what is somebody's belongs to him, not to one of his tokens.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
};

use crate::{
    Failure,
    process::{self, Server},
};

/// The variable with the secret that tokens are signed with.
const VARIABLE: &str = "JWT_SECRET";
const SECRET: &str = "a-secret-of-32-bytes-for-a-test.";

/// The server's URL for clients, who reach it by the proxy at `port`: the suite names its origin.
pub(super) fn public_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// What the file of a gateway says of all this.
pub(super) fn configuration(port: u16) -> String {
    let url = public_url(port);
    format!(
        "[gateway]\npublic_url = {url:?}\n[auth]\nsecret = {{ from = \"env:{VARIABLE}\" }}\nrequire = [\"mcp\"]\n"
    )
}

/// Tells a server the secret.
pub(super) fn give_secret(command: &mut Command) -> &mut Command {
    command.env(VARIABLE, SECRET)
}

/// Starts the proxy, at `in_front`, before the server at `port`.
///
/// # Errors
/// When `anyport token` fails, or the proxy does not start.
pub(super) fn add(
    mut proxy: Command,
    anyport: &Path,
    [in_front, port]: [u16; 2],
    log: &Path,
) -> Result<Server, Failure> {
    let token = |time: &str| -> Result<String, Failure> {
        let mut command = Command::new(anyport);
        let words = ["token", "suite", "--secret", "env:JWT_SECRET", "--scope", "mcp", "--expires", time];
        let token = process::stdout(give_secret(command.args(words)))?;
        Ok(String::from_utf8(token)?.trim().to_owned())
    };
    let tokens = [token("1h")?, token("2h")?].join(" ");
    proxy.args([in_front.to_string(), port.to_string()]).env("TOKENS", tokens);
    Server::start(&mut proxy, in_front, log)
}

/// Sees that the server refuses whoever has no token; else all that the suite finds would prove nothing.
///
/// # Errors
/// When it does not refuse with status 401.
pub(super) fn check_stranger(port: u16) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let request = format!("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match is_refusal(&answer) {
        true => Ok(()),
        false => Err(format!("the server answers a stranger without 401:\n{answer}").into()),
    }
}

fn is_refusal(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 401 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_status_401_counts_as_a_refusal() {
        assert!(is_refusal("HTTP/1.1 401 Unauthorized\r\n\r\n"));
        assert!(!is_refusal("HTTP/1.1 200 OK\r\n\r\n401") && !is_refusal(""));
    }
}
