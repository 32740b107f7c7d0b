//! The rest of an event stream that was cut.

use std::time::Duration;

use hyper::body::Incoming as Body;

use super::{
    headers::RequestHeaders,
    received::{Refusal, is_stream},
    shared::Line,
};

/// What asking for the rest of a stream has led to.
pub(super) enum Resumed {
    /// The rest, or the stream that comes in its place.
    Stream(Body),
    /// A response of success that is not an event stream.
    NoStream,
    /// The server refuses: asking again is in vain.
    Refused(Refusal),
    /// The server has failed or was not reached, and may not next time.
    Failed(String),
}

/// Asks for the rest of a stream, with the headers of a GET, after the pause that the stream has asked for.
///
/// 2025-11-25, transports §Resumability and Redelivery: the client "SHOULD issue an HTTP GET to the MCP endpoint, and include
/// the `Last-Event-ID` header"; §Sending Messages: it "MUST respect the `retry` field, waiting the given number of
/// milliseconds before attempting to reconnect". Each failure in a row doubles the pause.
pub(super) async fn resume(line: &Line, headers: &RequestHeaders, pause: Duration, failures: u32) -> Resumed {
    tokio::time::sleep(doubled(pause, failures)).await;
    let response = match line.get(headers).await {
        Ok(response) if is_stream(&response) => return Resumed::Stream(response.into_body()),
        Ok(response) if response.status().is_success() => return Resumed::NoStream,
        Ok(response) => response,
        Err(fault) => return Resumed::Failed(fault.to_string()),
    };
    let refusal = Refusal::of(response, &line.reading).await;
    match refusal.status.is_client_error() {
        true => Resumed::Refused(refusal),
        false => Resumed::Failed(words_of(&refusal)),
    }
}

/// Why there is no rest of a stream, in words.
pub(super) fn words_of(refusal: &Refusal) -> String {
    format!("asked to go on, {}", refusal.words())
}

/// The pause before a stream is asked for again: `retry` is the server's, which may say 0 and end each stream at once.
pub(super) fn pause(retry: Option<Duration>, least: Duration) -> Duration {
    retry.unwrap_or(RETRY).max(least)
}

/// The pause where the server does not say.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The shortest pause, whatever the server says: a server that says 0 and sends nothing more would be asked without one.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(50);

/// `pause`, doubled for each of the `failures` in a row, up to [`MAX_DOUBLINGS`].
///
/// It is not a `Backoff`, which may wait less than its first pause: a server's `retry` must be waited for as it is.
pub(super) fn doubled(pause: Duration, failures: u32) -> Duration {
    pause * 2u32.pow(failures.min(MAX_DOUBLINGS))
}

/// How often a pause is doubled.
const MAX_DOUBLINGS: u32 = 5;
