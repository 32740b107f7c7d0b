use anyport_service::{Principal, SessionId};

use super::*;

fn limited(fake: &Fake, max_tokens: usize, otherwise: OnLargeResult) -> Federation {
    federation([member("a", fake).result_limit(ResultLimit { max_tokens, otherwise })])
}

/// A call of a tool that answers `content`.
fn big(content: Value) -> Request {
    tool("a_big", json!({ "content": content }))
}

async fn of(federation: &Federation, request: Request, context: Context) -> Outcome {
    federation.call(request, context).outcome().await
}

#[tokio::test(start_paused = true)]
async fn only_results_of_limited_members_are_cut() {
    let (fake, free) = (Fake::new(&["big"]), Fake::new(&["big"]));
    let a =
        member("a", &fake).result_limit(ResultLimit { max_tokens: 100, otherwise: OnLargeResult::Truncate });
    let federation = federation([a, member("b", &free)]);
    let text = "a".repeat(1_000);
    let content = json!([{"type": "text", "text": text}]);
    let cut = result(&federation, big(content.clone())).await;
    assert!(cut["content"][1]["text"].as_str().unwrap().contains("max_result_tokens"), "{cut}");
    let whole = result(&federation, tool("b_big", json!({"content": content}))).await;
    assert_eq!(whole["content"], content);
    let small = json!([{"type": "text", "text": "small"}]);
    assert_eq!(result(&federation, big(small.clone())).await["content"], small);
}

/// Invariant: A result that was spilled is read by the caller of its tool alone.
#[tokio::test(start_paused = true)]
async fn a_spilled_result_is_a_resource_of_its_caller() {
    let fake = Fake::new(&["big"]);
    let federation = limited(&fake, 200, OnLargeResult::Spill);
    let selected = federation.virtual_server(VirtualServer::new("s").include("a_*"));
    let content = json!([
        {"type": "text", "text": "a".repeat(5_000)},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "file:///r", "text": "here"}},
    ]);
    let named = |name: &str| Context::new(Principal::named(name.to_owned()), MODERN);
    let Outcome::Result(spilled) = of(&selected, big(content), named("ann")).await else { panic!() };
    let spilled: Value = spilled.decode().unwrap();
    let blocks = spilled["content"].as_array().unwrap();
    let (preview, link) = (&blocks[0], blocks.last().unwrap());
    assert!(preview["text"].as_str().unwrap().len() > 100, "{spilled}");
    assert_eq!((&link["type"], &link["name"]), (&json!("resource_link"), &json!("result-of-big")));
    let uri = link["uri"].as_str().unwrap();
    assert!(
        blocks[blocks.len() - 2]["text"].as_str().unwrap().contains(uri),
        "clients without links see it, too"
    );
    let read = || request(Method::ResourcesRead, json!({"uri": uri}));
    for federation in [&federation, &selected] {
        let Outcome::Result(whole) = of(federation, read(), named("ann")).await else { panic!() };
        let whole: Value = whole.decode().unwrap();
        assert_eq!((&whole["contents"][0]["uri"], &whole["cacheScope"]), (&json!(uri), &json!("private")));
        assert_eq!(whole["contents"][0]["text"].as_str().unwrap().len(), 5_000);
        assert_eq!(whole["contents"][1]["blob"], "AAAA");
        assert_eq!(whole["contents"][2], json!({"uri": "a+file:///r", "text": "here"}));
    }
    for other in [named("bob"), modern(), legacy().with_session(SessionId::next())] {
        let Outcome::Error(refused) = of(&federation, read(), other).await else { panic!() };
        assert_eq!(refused.code, -32602);
    }
    assert_eq!(fake.requests(Method::ResourcesRead).len(), 0, "it is not the member's");
}

#[tokio::test(start_paused = true)]
async fn a_federation_that_spills_has_resources() {
    let fake = Fake::new(&["big"]).with_tools_alone();
    for (otherwise, has) in [(OnLargeResult::Truncate, false), (OnLargeResult::Spill, true)] {
        let described = result(&limited(&fake, 200, otherwise), request(Method::Discover, json!({}))).await;
        assert_eq!(described["capabilities"].get("resources").is_some(), has);
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_member_is_limited_as_others_are() {
    let limit = ResultLimit { max_tokens: 100, otherwise: OnLargeResult::Refuse };
    let sole = member("a", &Fake::new(&["big"])).naming(Naming::default().prefix("")).result_limit(limit);
    let federation = Federation::builder("gateway", "1").member(sole).build().unwrap();
    let content = json!([{"type": "text", "text": "a".repeat(1_000)}]);
    let refused = result(&federation, tool("big", json!({"content": content}))).await;
    assert_eq!(refused["isError"], true, "{refused}");
}
