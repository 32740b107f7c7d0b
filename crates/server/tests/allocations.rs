//! What a call costs. A test binary of its own with one test, since the allocator counts for the whole process.
#![allow(clippy::unwrap_used, reason = "what a test takes for granted may panic")]

use std::alloc::System;

use anyport_protocol::{Limits, Method, Raw, Revision};
use anyport_server::{Context, Server, Tool};
use anyport_service::{Outcome, Principal, Request, Service};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call of a tool with a validated field may allocate inside of the server.
const MAX_ALLOCATIONS: usize = 12;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

#[tokio::test]
async fn a_call_allocates_little_however_many_tools_there_are() {
    for tools in [1, 500, 5_000] {
        let echo = |n: usize| Tool::new(format!("echo{n}")).run(async |Echo { text }: Echo, _: Context| text);
        let builder = (0..tools).fold(Server::builder("s", "1"), |builder, n| builder.tool(echo(n)));
        let server = builder.build().unwrap();
        let context = anyport_service::Context::new(Principal::local(), Revision::NEWEST);
        let text = r#"{"name":"echo0","arguments":{"text":"hello"}}"#;
        let params = Raw::parse(text.into(), &Limits::default()).unwrap();
        let mut allocations = usize::MAX;
        // The first calls fill what is made once, and debug builds look again at what was written.
        for _ in 0..3 {
            let request = Request::new(Method::ToolsCall, params.clone());
            let context = context.clone();
            let region = Region::new(ALLOCATOR);
            let reply = server.call(request, context);
            allocations = region.change().allocations;
            assert!(matches!(reply.into_ready(), Ok(Outcome::Result(_))));
        }
        println!("{tools} tools: {allocations} allocations");
        assert!(allocations <= MAX_ALLOCATIONS, "{allocations}");
    }
}
