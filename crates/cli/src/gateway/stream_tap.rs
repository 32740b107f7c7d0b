//! Writes the calls of a gateway and their messages to a command, until it ends.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::socket::TapRequest;
use crate::traffic::{TapFilter, Traffic};

/// Writes what `request` asks for to `stream`, an object a line. A command that reads slowly misses events, and learns how many;
/// calls are never held up.
pub(super) async fn stream_tap(
    mut stream: UnixStream,
    request: TapRequest,
    traffic: &Traffic,
) -> std::io::Result<()> {
    let mut filter = TapFilter::new(request, traffic);
    // Now everything is seen.
    stream.write_all(b"{\"ok\":true}\n").await?;
    let mut nothing = [0; 1];
    loop {
        let events = tokio::select! {
            events = filter.next() => events,
            // A command sends nothing more: it is gone.
            _ = stream.read(&mut nothing) => return Ok(()),
        };
        let Some(events) = events else { return Ok(()) };
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        stream.write_all(lines.as_bytes()).await?;
    }
}
