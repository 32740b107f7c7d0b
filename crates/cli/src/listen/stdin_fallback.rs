//! Serves JSON-RPC on standard input without `--stdio`.
//!
//! A client that starts the program with a pipe as its input, and writes MCP to it, has forgotten a flag, and would
//! wait for ever. Any other input belongs to another program: a terminal, a file, `/dev/null`, the input of a loop in a
//! shell.

use std::{future::Future, io, thread};

use anyport_protocol::{
    Limits, Raw,
    json::{Elements, Members},
};
use anyport_service::Service;
use anyport_transport::stdio;
use tokio::sync::oneshot;

use crate::logging;

/// Answers what comes on standard input, if it is a pipe or socket and its first line is JSON-RPC, until it ends or `stop`
/// completes. Else it returns, having taken no more than that line, and of one that does not begin like JSON no more than
/// its first byte.
///
/// # Errors
/// When a thread cannot be started.
pub(super) async fn answer(
    service: impl Service,
    config: stdio::Config,
    mut stop: impl Future<Output = ()> + Send + Unpin,
) -> io::Result<()> {
    let Some(input) = pipe() else { return Ok(()) };
    let (send, receive) = oneshot::channel();
    let limits = config.limits;
    // A thread of its own, which ends with the process: it may wait for ever.
    thread::Builder::new().name("stray input".into()).spawn(move || {
        let mut input = input;
        let line = first_line(&mut input, limits.bytes);
        let _ = send.send(line.filter(|line| is_json_rpc(line, &limits)).map(|line| (line, input)));
    })?;
    let found = tokio::select! {
        found = receive => found.ok().flatten(),
        () = &mut stop => return Ok(()),
    };
    let Some((line, input)) = found else {
        tracing::debug!("what comes on standard input is no JSON-RPC, and is left alone");
        return Ok(());
    };
    logging::notice(
        "note: MCP comes on standard input, and is answered on standard output; say --stdio to serve nothing else and to \
         end with the client",
    );
    let input = io::Read::chain(io::Cursor::new(line), input);
    stdio::serve_on(service, config, stop, input, io::stdout()).await
}

/// Standard input without a buffer, if it is a pipe or a socket.
#[cfg(unix)]
fn pipe() -> Option<std::fs::File> {
    use std::os::{fd::AsFd as _, unix::fs::FileTypeExt as _};
    let input = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let kind = input.metadata().ok()?.file_type();
    (kind.is_fifo() || kind.is_socket()).then_some(input)
}

/// The kind of input cannot be known without calls that we do not make.
#[cfg(not(unix))]
fn pipe() -> Option<std::fs::File> {
    None
}

/// The first line with its end, if it begins like JSON and has no more than `limit` bytes. Byte by byte: what stands behind
/// it may be for others.
fn first_line(input: &mut impl io::Read, limit: usize) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return (!line.is_empty()).then_some(line),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        }
        match byte[0] {
            b' ' | b'\t' | b'\r' | b'\n' if line.is_empty() => continue,
            b'{' | b'[' => {}
            _ if line.is_empty() => return None,
            _ => {}
        }
        line.push(byte[0]);
        if byte[0] == b'\n' || line.len() > limit {
            return (line.len() <= limit).then_some(line);
        }
    }
}

/// Whether the line is a message, or a batch that begins with one.
fn is_json_rpc(line: &[u8], limits: &Limits) -> bool {
    let Ok(message) = Raw::parse(line.to_vec().into(), limits) else { return false };
    let first =
        if message.is_array() { Elements::of(message.as_str()).next() } else { Some(message.as_str()) };
    first.and_then(|message| Members::find(message, "jsonrpc")) == Some("\"2.0\"")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;

    #[test]
    fn no_more_is_taken_than_the_first_line_and_of_other_text_its_first_byte() {
        for (text, first, rest) in [
            ("{\"a\":1}\n{\"b\":2}\n", Some("{\"a\":1}\n"), "{\"b\":2}\n"),
            ("\n \t\r\n[1]\nmore", Some("[1]\n"), "more"),
            ("{\"a\":1}", Some("{\"a\":1}"), ""),
            ("one\ntwo\n", None, "ne\ntwo\n"),
            ("\"text\"\n", None, "text\"\n"),
            ("", None, ""),
        ] {
            let mut input = Cursor::new(text);
            assert_eq!(first_line(&mut input, 100), first.map(|line| line.as_bytes().to_vec()), "{text:?}");
            let mut left = String::new();
            input.read_to_string(&mut left).unwrap();
            assert_eq!(left, rest, "{text:?}");
        }
        assert_eq!(first_line(&mut Cursor::new("[".repeat(200)), 100), None);
    }

    #[test]
    fn a_line_is_json_rpc_if_it_says_so() {
        let is = |line: &str| is_json_rpc(line.as_bytes(), &Limits::default());
        assert!(is("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"));
        assert!(is("[{\"method\":\"x\",\"jsonrpc\": \"2.0\"}]"));
        for other in [
            "{}",
            "[]",
            "{\"jsonrpc\":\"1.0\"}",
            "{\"jsonrpc\":\"2.0\"",
            "[1]",
            "{\"a\":{\"jsonrpc\":\"2.0\"}}",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
