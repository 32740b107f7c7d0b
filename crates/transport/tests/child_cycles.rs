//! Servers as child processes that come and go: nothing is left of any of them. One test a process, since it counts what
//! the whole process has.
//!
//! Invariant: A server's process leaves no zombie, no descriptor, no child and no memory behind, however it
//! ends.

#![cfg(target_os = "linux")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a long run says its figures; a test that cannot go on panics"
)]

#[path = "all/common/processes.rs"]
mod processes;

use std::time::Duration;

use anyport_protocol::{Error, Limits, Method, Raw, Revision};
use anyport_service::{Context, Event, Outcome, Principal, Reply, Request, Service};
use anyport_transport::client::{ConnectOptions, Connection, Target, child::Command, connect};
use processes::{Held, children_are};

/// A server of 2025-11-25 that does at a call what it is told in `$CALL`, and at the probe what it is told in `$PROBE`.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
unknown() { printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$1"; }
noise() { i=0; while [ $i -lt 500 ]; do echo "noise $i"; echo '{"jsonrpc":'; echo "error $i" >&2; i=$((i+1)); done; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) eval "$PROBE" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/call*) eval "$CALL" ;;
  esac
done
"#;

const UNKNOWN: &str = r#"unknown "$id""#;
const ANSWER: &str = r#"answer "$id" '{"content":[]}'"#;

/// What becomes of a server: how it is probed, and what it does when it is called.
const FATES: [(&str, &str); 8] = [
    (UNKNOWN, ANSWER),
    (UNKNOWN, "exit 1"),
    ("exit 3", ANSWER),
    // It hangs, and its caller goes away.
    (UNKNOWN, "while :; do sleep 1; done"),
    (UNKNOWN, r#"noise; answer "$id" '{"content":[]}'"#),
    // It crashes with a child that holds its streams, and floods.
    (UNKNOWN, "(while :; do echo flood; echo flood >&2; done) & kill -KILL $$"),
    // A line that does not end.
    (UNKNOWN, "head -c 3000000 /dev/zero | tr '\\0' x; exit 0"),
    // It closes its output and stays.
    (UNKNOWN, "exec >&-; sleep 1000"),
];

async fn start(probe: &str, call: &str) -> Connection {
    let mut command = Command::new("sh").arg("-c").arg(SERVER).env("PROBE", probe).env("CALL", call);
    command.grace = Duration::from_millis(20);
    let opening = ConnectOptions::default().limits(Limits::default().bytes(1 << 20));
    connect(&Target::Command(command), &opening).await.unwrap()
}

fn call(connection: &Connection) -> Reply {
    let params = Raw::parse(r#"{"name":"t"}"#.into(), &Limits::default()).unwrap();
    let context = Context::new(Principal::local(), Revision::NEWEST);
    connection.call(Request::new(Method::ToolsCall, params), context)
}

async fn cycle(round: usize) {
    let fate = round % FATES.len();
    let (probe, action) = FATES[fate];
    let connection = start(probe, action).await;
    let mut reply = call(&connection);
    match fate {
        // Dropped in the middle of its call, the whole connection in every other round.
        3 => {
            drop(reply);
            if round.is_multiple_of(2) {
                return;
            }
        }
        0 | 2 | 4 => assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_)))),
        _ => {
            let Event::Outcome(outcome) = reply.next().await else { panic!("fate {fate}") };
            let error = refused(outcome);
            let reason = error.reason.unwrap().as_str();
            assert!(["upstream_lost", "invalid_upstream"].contains(&reason), "fate {fate}: {error:?}");
        }
    }
    connection.close().await;
}

async fn cycles(count: usize) {
    for round in 0..FATES.len() {
        cycle(round).await;
    }
    children_are(0).await;
    let held = Held::now();
    for round in 0..count {
        cycle(round).await;
    }
    held.back(0, 0).await;
    held.has_not_grown(count);
}

#[tokio::test]
async fn a_hundred_processes_leave_nothing_behind() {
    cycles(100).await;
}

/// Invariant: A server's process leaves no zombie, no descriptor, no child and no memory behind, however it
/// ends.
#[tokio::test]
#[ignore = "takes minutes: cargo test -p anyport-transport --features client-child --test child_cycles -- --ignored"]
async fn a_thousand_processes_leave_nothing_behind() {
    cycles(1_000).await;
}

/// The error of a call that failed, as it is written.
fn refused(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        outcome => panic!("{outcome:?}"),
    }
}
