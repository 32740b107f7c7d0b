//! One server behind [`Upstream`], as a program that fails in every way: it is connected again each time, and nothing is
//! left of it. One test a process, since it counts what the whole process has.
//!
//! Invariant: A server's process leaves no zombie, no descriptor, no child and no memory behind, however it
//! ends.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and says what it counted"
)]

#[path = "../../transport/tests/all/common/processes.rs"]
mod processes;

use std::time::Duration;

use anyport_protocol::{Limits, Method, Raw, Revision};
use anyport_service::{Context, Outcome, Principal, Reply, Request, Service as _};
use anyport_transport::client::{ConnectOptions, Target, child::Command};
use anyport_upstream::{TransportConnector, Upstream, UpstreamLimits};
use processes::{Held, children_are};

/// A server of 2025-11-25 whose tools do what their names say.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
noise() { i=0; while [ $i -lt 500 ]; do echo "noise $i"; echo '{"jsonrpc":'; echo "error $i" >&2; i=$((i+1)); done; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"name":"echo"'*) answer "$id" '{"content":[]}' ;;
    *'"name":"crash"'*) exit 1 ;;
    *'"name":"hang"'*) ;;
    *'"name":"garbage"'*) noise; answer "$id" '{"content":[]}' ;;
    *'"name":"flood"'*) (while :; do echo flood; echo flood >&2; done) & kill -KILL $$ ;;
    *'"name":"long"'*) head -c 3000000 /dev/zero | tr '\0' x; exit 0 ;;
  esac
done
"#;

fn call(upstream: &Upstream, tool: &str) -> Reply {
    let params = Raw::parse(format!(r#"{{"name":"{tool}"}}"#).into(), &Limits::default()).unwrap();
    let context = Context::new(Principal::local(), Revision::V2025_11_25);
    upstream.call(Request::new(Method::ToolsCall, params), context)
}

/// Why a call failed; nothing where it did not.
async fn reason(upstream: &Upstream, tool: &str) -> &'static str {
    match call(upstream, tool).outcome().await {
        Outcome::Result(_) => "",
        Outcome::Error(error) => error.reason.unwrap().as_str(),
        Outcome::Failed(failure) => failure.to_error().reason.unwrap().as_str(),
        other => panic!("{other:?}"),
    }
}

async fn cycle(upstream: &Upstream, round: usize) {
    match round % 5 {
        0 => assert_eq!(reason(upstream, "crash").await, "outcome_unknown"),
        1 => {
            let hangs = call(upstream, "hang");
            assert_eq!(reason(upstream, "echo").await, "", "another call hangs as well");
            drop(hangs);
        }
        2 => assert_eq!(reason(upstream, "garbage").await, ""),
        3 => assert_eq!(reason(upstream, "flood").await, "outcome_unknown"),
        _ => assert_eq!(reason(upstream, "long").await, "invalid_upstream"),
    }
    for _ in 0..5000 {
        match reason(upstream, "echo").await {
            "" => return,
            // What is about to end may be sent a last call.
            "upstream_down" | "outcome_unknown" => tokio::time::sleep(Duration::from_millis(2)).await,
            other => panic!("round {round}: {other}"),
        }
    }
    panic!("round {round}: it stays away");
}

async fn cycles(count: usize) {
    let mut command = Command::new("sh").arg("-c").arg(SERVER);
    command.grace = Duration::from_millis(50);
    let opening = ConnectOptions::default().limits(Limits::default().bytes(1 << 20));
    let limits = UpstreamLimits::default().backoff(Duration::from_millis(2));
    let upstream = Upstream::builder("sh", TransportConnector::new(Target::Command(command), opening))
        .limits(limits)
        .build();
    for round in 0..10 {
        cycle(&upstream, round).await;
    }
    children_are(1).await;
    let held = Held::now();
    for round in 0..count {
        cycle(&upstream, round).await;
    }
    held.back(1, 0).await;
    held.has_not_grown(count);
    upstream.shut_down().await;
    // Its three streams are closed as well.
    held.back(0, 3).await;
}

#[tokio::test]
async fn a_hundred_failures_leave_nothing_behind() {
    cycles(100).await;
}

#[tokio::test]
#[ignore = "takes minutes: cargo test -p anyport-upstream --test failing_children -- --ignored"]
async fn a_thousand_failures_leave_nothing_behind() {
    cycles(1_000).await;
}
