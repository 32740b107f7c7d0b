//! Scopes that prompts and resources need.
//!
//! Invariant: A prompt or resource that needs a scope is of no use to a caller without it, in whatever spelling and by whatever method.

use anyport_service::{Authorization, Event, Principal};

use super::*;

fn scoped(revision: Revision, scopes: &[&str]) -> Context {
    let ann = Principal::named("ann");
    Context::authorized(Authorization::scoped(ann, scopes.iter().copied()), revision)
        .with_client(json!({}).into(), None)
}

fn guarded(fake: &Fake) -> Federation {
    fake.set("prompts", json!([{"name": "plan"}, {"name": "hello"}]));
    fake.set(
        "resources",
        json!([{"uri": "file:///secret/a", "name": "a"}, {"uri": "file:///open", "name": "o"}]),
    );
    fake.set("resourceTemplates", json!([{"uriTemplate": "file:///{path}", "name": "t"}]));
    let naming = Naming::default().require_for_resources("file:///secret/*", "data:read");
    federation([
        member("a", fake).naming(naming.prompt("plan", ItemOverride::default().require("plans:read")))
    ])
}

#[tokio::test(start_paused = true)]
async fn a_prompt_or_resource_needs_its_scopes_in_every_revision() {
    let fake = Fake::new(&[]);
    let federation = guarded(&fake);
    let read = |uri: &str| request(Method::ResourcesRead, json!({"uri": uri}));
    let prompt = |name: &str| request(Method::PromptsGet, json!({"name": name}));
    let complete = |reference: Value| {
        let argument = json!({"name": "path", "value": ""});
        request(Method::Complete, json!({"ref": reference, "argument": argument}))
    };
    let of_prompt = |name: &str| complete(json!({"type": "ref/prompt", "name": name}));
    let of_template = || complete(json!({"type": "ref/resource", "uri": "a+file:///{path}"}));
    for revision in Revision::ALL {
        for (request, scope) in [
            (prompt("a_plan"), "plans:read"),
            (of_prompt("a_plan"), "plans:read"),
            (read("a+file:///secret/a"), "data:read"),
            (read("a+file:///SECRET/a"), "data:read"),
            (read("a+file:///open/../secret/a"), "data:read"),
            (read("a+file:///s%65cret/a"), "data:read"),
            (of_template(), "data:read"),
        ] {
            let said = format!("{revision:?} {request:?}");
            let refused = federation.call(request.clone(), scoped(revision, &["other"])).outcome().await;
            let Outcome::Error(refused) = refused else { panic!("{said}: {refused:?}") };
            let data: Value = refused.data.unwrap().decode().unwrap();
            assert_eq!((refused.code, &data["scopes"]), (40_300, &json!([scope])), "{said}");
            let outcome = federation.call(request, scoped(revision, &[scope])).outcome().await;
            assert!(matches!(outcome, Outcome::Result(_)), "{said}: {outcome:?}");
        }
        for request in [prompt("a_hello"), of_prompt("a_hello"), read("a+file:///open")] {
            let outcome = federation.call(request, scoped(revision, &[])).outcome().await;
            assert!(matches!(outcome, Outcome::Result(_)), "{outcome:?}");
        }
        let listed = names(&federation, Method::ResourcesList, scoped(revision, &[])).await;
        assert_eq!(listed, ["a+file:///secret/a", "a+file:///open"], "it is listed, as tools are");
    }
    assert_eq!(fake.requests(Method::PromptsGet).len(), 2 * Revision::ALL.len());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_a_resource_does_not_hear_of_it() {
    let fake = Fake::new(&[]);
    let federation = guarded(&fake);
    for (scopes, expected) in [
        (&[][..], json!(["a+file:///open"])),
        (&["data:read"], json!(["a+file:///secret/a", "a+file:///open"])),
    ] {
        let uris = json!(["a+file:///secret/a", "a+file:///open"]);
        let listen = request(Method::Listen, json!({"notifications": {"resourceSubscriptions": uris}}));
        let mut reply = federation.call(listen, scoped(MODERN, scopes));
        let Event::Notification(acknowledged) = reply.next().await else { panic!() };
        let acknowledged: Value = acknowledged.params.decode().unwrap();
        assert_eq!(acknowledged["notifications"]["resourceSubscriptions"], expected);
    }
}
