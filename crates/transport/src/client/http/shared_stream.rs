//! Streams of the whole connection: that of a session, and the one stream of HTTP+SSE.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyport_protocol::{
    failure::{CloseReason, Failure},
    jsonrpc::Message,
    session::client::{Input, Origin},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    driver::WeakConnection,
    headers::RequestHeaders,
    received::{Broken, EventStream, Messages, is_stream},
    resume::{RETRY, RETRY_MIN, Resumed, doubled, pause, resume},
    shared::{Session, Shared, Undelivered},
};

/// Makes a session usable: sends `notifications/initialized`, opens the stream on which the server sends what belongs to no
/// request, and reads that from now on. A server without such a stream answers 405.
pub(super) async fn open_session(connection: WeakConnection, shared: Arc<Shared>, generation: u32) {
    let (session, initialized) = {
        let mut route = shared.route.lock();
        route.session = Session { generation, id: route.opened.take() };
        shared.generation.send_replace(generation);
        (route.session.clone(), route.initialized.take())
    };
    if let Some(initialized) = initialized
        && let Err(why) = shared.deliver(initialized).await
    {
        return refuse(&connection, generation, why);
    }
    let headers = shared.route.lock().in_session(RequestHeaders::events(None));
    // A server may say nothing at all until there is something to say: then the stream is awaited beside the calls.
    let first = match timeout(OPEN_TIMEOUT, shared.line.get(&headers)).await {
        Ok(Ok(response)) if is_stream(&response) => {
            let stream = EventStream::new(response.into_body(), shared.line.reading.answer_max);
            Some(stream.counted(shared.line.stream()))
        }
        Ok(Ok(_)) => {
            silent(&connection, true);
            return ready(&connection, generation, Ok(()));
        }
        Ok(Err(_)) | Err(_) => None,
    };
    silent(&connection, false);
    ready(&connection, generation, Ok(()));
    let first = first.map(|stream| Messages::of_stream(stream, &shared.line.reading));
    let mut current = shared.generation.subscribe();
    // Of a session that was lost nothing more is heard.
    tokio::select! {
        _ = current.wait_for(|current| *current != generation) => {}
        () = read_session(&connection, &shared, &session, first) => {}
    }
}

/// The session of this generation is usable, or is not.
fn ready(connection: &WeakConnection, generation: u32, result: Result<(), Failure>) {
    if let Some(connection) = connection.upgrade() {
        connection.handle(Input::SessionReady { generation, result });
    }
}

/// Notes whether the server has the stream of a session. 2025-11-25, transports §Listening for Messages from the Server: it
/// "**MUST** either return `Content-Type: text/event-stream` in response to this HTTP GET, or else return HTTP 405 Method Not
/// Allowed, indicating that the server does not offer an SSE stream at this endpoint".
fn silent(connection: &WeakConnection, is_silent: bool) {
    if let Some(connection) = connection.upgrade() {
        connection.set_silent(is_silent);
    }
}

/// The server did not take `notifications/initialized`, so its session is none.
fn refuse(connection: &WeakConnection, generation: u32, why: Undelivered) {
    let Some(open) = connection.upgrade() else { return };
    if open.session().is_some() {
        let failure = Failure::NotSent(CloseReason::lost(why.words()));
        return ready(connection, generation, Err(failure));
    }
    open.driver.give_up(&open, why.into_connect_error());
}

/// Reads the stream of a session, again and again.
async fn read_session(
    connection: &WeakConnection,
    shared: &Shared,
    session: &Session,
    mut messages: Option<Messages>,
) {
    let mut failures = 0;
    let begun = Instant::now();
    loop {
        while let Some(open) = &mut messages {
            match open.next().await {
                Err(Broken::Cut(_)) => break,
                Err(Broken::Invalid(why)) => {
                    tracing::warn!(why, "the server's own stream cannot be read, and is opened anew");
                    messages = None;
                }
                read => {
                    failures = 0;
                    if !take(connection, read) {
                        return;
                    }
                }
            }
        }
        let events = messages.as_ref().and_then(Messages::stream).map(|stream| &stream.events);
        let (last_id, retry) =
            events.map_or((None, None), |events| (events.last_id().cloned(), events.retry()));
        // A stream that keeps failing is asked for ever more seldom.
        let pause = pause(retry, if failures > 0 { RETRY } else { RETRY_MIN });
        let headers = RequestHeaders::events(last_id.as_ref());
        let revision = shared.route.lock().revision;
        let headers = headers.in_session(session.id.as_ref(), revision);
        match resume(&shared.line, &headers, pause, failures).await {
            Resumed::Stream(body) => {
                silent(connection, false);
                match &mut messages {
                    Some(messages) => messages.resume(body),
                    None => {
                        let stream = EventStream::new(body, shared.line.reading.answer_max)
                            .counted(shared.line.stream());
                        messages = Some(Messages::of_stream(stream, &shared.line.reading));
                    }
                }
            }
            // A session that was opened before this stream was: the server does not know it any more.
            Resumed::Refused(refusal)
                if messages.is_some() && refusal.ends_session()
                    || session.id.is_some() && refusal.is_lost_session() =>
            {
                return lost(connection, shared, session.generation, begun).await;
            }
            // There is no such stream, or the next call finds out what is wrong.
            Resumed::Refused(_) => return silent(connection, true),
            Resumed::NoStream | Resumed::Failed(_) => {
                failures += 1;
                if failures >= SILENT_AFTER {
                    silent(connection, true);
                }
            }
        }
    }
}

/// Tells the connection that a session is lost. If sessions keep being lost soon, that is told ever more seldom: each is
/// opened anew.
async fn lost(connection: &WeakConnection, shared: &Shared, generation: u32, begun: Instant) {
    let before = if begun.elapsed() >= LONG { 0 } else { shared.short_sessions.load(Ordering::Relaxed) };
    shared.short_sessions.store(before.saturating_add(1), Ordering::Relaxed);
    if before > 0 {
        sleep(doubled(RETRY, before - 1)).await;
    }
    if let Some(connection) = connection.upgrade() {
        connection.handle(Input::SharedStreamLost { generation });
    }
}

/// Reads the one stream of HTTP+SSE; the connection ends with it.
pub(super) async fn read_only_stream(connection: WeakConnection, mut messages: Messages) {
    let why = loop {
        match messages.next().await {
            Err(Broken::Cut(why)) => break format!("the server's stream is over: {why}"),
            Err(Broken::Invalid(why)) => break why,
            read => {
                if !take(&connection, read) {
                    return;
                }
            }
        }
    };
    if let Some(connection) = connection.upgrade() {
        connection.handle(Input::Closed(CloseReason::lost(why)));
    }
}

/// Gives a message to the connection. Returns whether that still exists.
fn take(connection: &WeakConnection, read: Result<Message, Broken>) -> bool {
    let Some(connection) = connection.upgrade() else { return false };
    match read {
        Ok(message) => connection.handle(Input::received(Origin::Shared, message)),
        Err(Broken::Malformed(message)) => {
            connection.handle(Input::Malformed { origin: Origin::Shared, message: *message });
        }
        Err(Broken::Cut(_) | Broken::Invalid(_) | Broken::Overloaded(_)) => {}
    }
    true
}

/// How often the stream of a session is asked for in vain until it counts as missing.
const SILENT_AFTER: u32 = 3;

/// How long the first call waits for the stream of a session to be open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// A session that lived for so long was not lost soon.
const LONG: Duration = Duration::from_secs(10);
