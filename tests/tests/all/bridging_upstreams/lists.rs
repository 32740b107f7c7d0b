//! Lists: their pages, their time, and whether they changed.

use std::time::Duration;

use anyport_testing::Wire;
use anyport_tests::bridged::{Bridged, Way, legacy, notification};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{A, D, M, bad, good, next, quiet};

#[tokio::test(start_paused = true)]
async fn hints_zero_private() {
    let operations = [
        ("tools/list", json!({}), r#"{"tools":[]}"#),
        ("prompts/list", json!({}), r#"{"prompts":[]}"#),
        ("resources/list", json!({}), r#"{"resources":[]}"#),
        ("resources/templates/list", json!({}), r#"{"resourceTemplates":[]}"#),
        ("resources/read", json!({"uri": "x:a"}), r#"{"contents":[]}"#),
    ];
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({})).await;
            let mut peer = None;
            for (method, params, result) in &operations {
                let call = client.begin(method, params.clone()).unwrap();
                if peer.is_none() {
                    peer = Some(bridged.server().await);
                }
                peer.as_mut().unwrap().hears(method).await.answers(result);
                let result = good(client.end(call).await.unwrap());
                assert_eq!(
                    (&result["ttlMs"], &result["cacheScope"]),
                    (&json!(0), &json!("private")),
                    "{server} {method}"
                );
                assert_eq!(result["resultType"], "complete");
            }
            // What was said once at the beginning can be kept for longer.
            let result = good(client.call("server/discover", json!({})).await.unwrap());
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(60_000), &json!("private")));
        }
    }
}

/// A page of tools of these names.
fn page(names: &[&str], next: Option<&str>) -> Value {
    let tools: Vec<_> =
        names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    let mut page =
        json!({"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private", "x-own": 1});
    if let Some(next) = next {
        page["nextCursor"] = next.into();
    }
    page
}

fn names(list: &Value) -> Vec<&str> {
    list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn looping_cursor() {
    for server in legacy() {
        let mut bridged = quiet(Way::Lines, server);
        let mut client = bridged.client(M, json!({})).await;
        let call = client.begin("tools/list", json!({})).unwrap();
        let mut peer = bridged.server().await;
        // Pages are the server's own, and "" is a cursor.
        peer.hears("tools/list").await.answers(page(&["a"], Some("")));
        assert_eq!(good(client.end(call).await.unwrap())["nextCursor"], "");
        let call = client.begin("tools/list", json!({"cursor": ""})).unwrap();
        let heard = peer.hears("tools/list").await;
        assert_eq!(heard.params(), r#"{"cursor":""}"#);
        heard.answers(page(&["b"], Some("")));
        let answer = client.end(call).await.unwrap();
        assert_eq!(bad(&answer), (-32603, "invalid_upstream"), "{server}");

        // For a session all pages are read: there a longer circle is found, too.
        let mut session = bridged.client(D, json!({})).await;
        let call = session.begin("tools/list", json!({})).unwrap();
        for cursor in ["x", "y", "x"] {
            peer.hears("tools/list").await.answers(page(&["a"], Some(cursor)));
        }
        assert_eq!(bad(&session.end(call).await.unwrap()), (-32603, "invalid_upstream"), "{server}");
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_page() {
    for client_revision in legacy() {
        for server in [A, D, M] {
            let mut bridged = quiet(Way::Lines, server);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            let call = client.begin("tools/list", json!({})).unwrap();
            next(&mut peer, "tools/list").await.answers(page(&["a", "b"], Some("")));
            let heard = next(&mut peer, "tools/list").await;
            assert_eq!(heard.param("cursor"), "");
            heard.answers(page(&["c"], Some("3")));
            next(&mut peer, "tools/list").await.answers(page(&["d"], None));
            let list = good(client.end(call).await.unwrap());
            assert_eq!(names(&list), ["a", "b", "c", "d"], "{client_revision} to {server}");
            assert_eq!((list.get("nextCursor"), list.get("ttlMs")), (None, None), "{list}");
            assert_eq!(list["x-own"], 1);

            // Beyond 1,000 entries it is pages again.
            let many: Vec<_> = (0..1_000).map(|number| format!("t{number}")).collect();
            let many: Vec<_> = many.iter().map(String::as_str).collect();
            let call = client.begin("tools/list", json!({})).unwrap();
            next(&mut peer, "tools/list").await.answers(page(&many, Some("more")));
            let list = good(client.end(call).await.unwrap());
            assert_eq!((names(&list).len(), &list["nextCursor"]), (1_000, &json!("more")));
            let call = client.begin("tools/list", json!({"cursor": "more"})).unwrap();
            next(&mut peer, "tools/list").await.answers(page(&["last"], None));
            assert_eq!(names(&good(client.end(call).await.unwrap())), ["last"]);
        }
    }
}

/// Reads the list of tools, of which the server has these.
async fn list(
    bridged: &mut Bridged,
    client: &mut Wire,
    peer: Option<anyport_tests::bridged::Peer>,
    tools: &[&str],
) -> anyport_tests::bridged::Peer {
    let call = client.begin("tools/list", json!({})).unwrap();
    let mut peer = match peer {
        Some(peer) => peer,
        None => bridged.server().await,
    };
    peer.hears("tools/list").await.answers(page(tools, None));
    assert_eq!(names(&good(client.end(call).await.unwrap())), tools);
    peer
}

#[tokio::test(start_paused = true)]
async fn list_changed_only_if_view_changed() {
    for server in legacy() {
        for client_revision in legacy() {
            let pair = format!("{client_revision} to {server}");
            let mut bridged = quiet(Way::Lines, server);
            let mut plain = bridged.client(client_revision, json!({})).await;
            let mut able = bridged.client(client_revision, json!({"sampling": {}})).await;
            let mut for_plain = list(&mut bridged, &mut plain, None, &["a"]).await;
            let mut for_able = list(&mut bridged, &mut able, None, &["a", "b"]).await;
            plain.skip();
            able.skip();

            let changed = notification("notifications/tools/list_changed", json!({}));
            for peer in [&for_plain, &for_able] {
                peer.says(&changed);
            }
            // What those saw who can be asked nothing is what it was.
            for_plain.hears("tools/list").await.answers(page(&["a"], None));
            for_able.hears("tools/list").await.answers(page(&["a", "c"], None));
            let heard = able.hear().await.unwrap().message;
            assert_eq!(heard["method"], "notifications/tools/list_changed", "{pair}");
            sleep(Duration::from_secs(5)).await;
            good(plain.call("ping", json!({})).await.unwrap());
            assert_eq!(plain.hear().await.unwrap().message["result"], json!({}), "{pair}: nothing before it");

            // A kind of which this client has seen nothing is told, since nobody knows what it knows.
            for_able.says(notification("notifications/prompts/list_changed", json!({})));
            let heard = able.hear().await.unwrap().message;
            assert_eq!(heard["method"], "notifications/prompts/list_changed", "{pair}");
        }
    }
}
