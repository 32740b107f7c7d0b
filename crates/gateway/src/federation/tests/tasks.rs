//! Tasks, which a federation does not carry.
//!
//! Invariant: No request about a task reaches a server past the rules of a gateway.

use anyport_adapters::LegacyClientLimits;
use anyport_policy::{Effect, Expression, Policy, Rule};
use anyport_protocol::jsonrpc::Params;

use super::*;

/// The methods of the core of 2025-11-25 and of the extension.
const METHODS: [&str; 5] = ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update"];

async fn refused(federation: &Federation, fake: &Fake) {
    for revision in Revision::ALL {
        for method in METHODS {
            let params = Params::from(Raw::from(json!({"taskId": "1", "name": "a_read"})));
            let request = Request { method: method.into(), params };
            let outcome = federation.call(request, caller(revision, json!({}))).outcome().await;
            let Outcome::Error(error) = outcome else { panic!("{method}: {outcome:?}") };
            assert_eq!(error.code, -32_601, "{method}");
        }
    }
    for method in [Method::TasksGet, Method::TasksResult, Method::TasksList, Method::TasksCancel] {
        assert!(fake.requests(method).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_about_a_task_reaches_no_member() {
    let (a, b) = (Fake::new(&["read"]), Fake::new(&["read"]));
    refused(&two(&a, &b), &a).await;
    // One member whose names stay as they are, behind a rule.
    let alone = || member("a", &a).naming(Naming::default().prefix(""));
    let governed = Federation::builder("gateway", "1").member(alone()).build().unwrap();
    let none = Rule::new("none", Expression::parse("false").unwrap(), Effect::Deny);
    governed.set_policy(Policy::new([none]), LegacyClientLimits::default());
    refused(&governed, &a).await;
    let cached = Federation::builder("gateway", "1").member(alone().cache(MemberCache::new(seconds(1))));
    refused(&cached.build().unwrap(), &a).await;
}

#[tokio::test(start_paused = true)]
async fn neither_side_learns_that_the_other_has_tasks() {
    let a = Fake::new(&["read"]);
    let federation = two(&a, &Fake::new(&[]));
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let outcome =
        federation.call(request(Method::Discover, json!({})), caller(MODERN, tasks.clone())).outcome().await;
    let Outcome::Result(described) = outcome else { panic!("{outcome:?}") };
    assert!(!described.as_str().contains("tasks"), "{described:?}");
    let request = tool("a_read", json!({}));
    assert!(matches!(federation.call(request, caller(MODERN, tasks)).outcome().await, Outcome::Result(_)));
}
