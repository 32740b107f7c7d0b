//! Middleware: functions around every call that record, refuse or measure it.
//!
//! ```sh
//! cargo run -p anyport-examples --bin middleware
//! ```

use std::time::Duration;

use anyport::{
    ServeError, Server,
    error::PermissionDenied,
    middleware::{Call, Next},
    serve,
    service::Outcome,
    tool,
};
use tokio::time::Instant;

/// Writes each call with its caller and outcome to standard error.
async fn audit(call: Call, next: Next) -> Outcome {
    // The name of the tool, or of the method if it is another one.
    let (who, what) = (call.principal().clone(), call.tool().unwrap_or(call.request.method.clone()));
    let outcome = next.run(call).await;
    let how = match &outcome {
        // Not the end: the client calls again, with the answers.
        Outcome::InputRequired(_) => "asked",
        outcome if outcome.is_error() => "failed",
        _ => "answered",
    };
    eprintln!("{who} {what} {how}");
    outcome
}

/// Closes the tools for all but a process that holds our standard input, and callers that have proved their name. The model
/// reads why.
async fn known_only(call: Call, next: Next) -> Result<Outcome, PermissionDenied> {
    if call.tool().is_some() && call.principal().is_anonymous() {
        return Err(PermissionDenied::new("only for callers that we know"));
    }
    Ok(next.run(call).await)
}

/// Reports slow calls.
async fn timed(call: Call, next: Next) -> Outcome {
    let (method, begun) = (call.request.method.clone(), Instant::now());
    let outcome = next.run(call).await;
    // Listen streams live as long as their client.
    if begun.elapsed() > Duration::from_secs(1) && method != "subscriptions/listen" {
        eprintln!("{method} took {:?}", begun.elapsed());
    }
    outcome
}

/// Opens the door.
#[tool]
fn open() -> &'static str {
    "come in"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // The first one is outermost: it sees the calls that the others refuse.
    let builder =
        Server::builder("middleware", "1.0.0").middleware(audit).middleware(known_only).middleware(timed);
    serve(builder.add(open).build()?).stdio().await
}
