//! A plain call: what nobody here knows crosses as it came.

use super::*;

/// What a client of M writes itself, and what the bridge writes for it.
const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#;

/// Members that no schema knows, and numbers and letters that can be written in several ways.
const ARGUMENTS: &str = r#"{"n":1.0,"u":"\u00e9","x-own":[1e2,{"b":1,"a":2}]}"#;
const CONTENT: &str = r#"[{"type":"text","text":"\u00e9","x-own":1.0}]"#;

/// Which of an older server's results it is: what the server said of itself when its session began.
const SERVER: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"server","version":"1"}"#;

#[tokio::test(start_paused = true)]
async fn call_forwards_same_bytes() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(M, json!({})).await;
        let params = format!(
            r#"{{"name":"echo","arguments":{ARGUMENTS},"x-own":1e2,"_meta":{{"traceparent":"00-1-2-01","acme/x":1.0,{META}}}}}"#
        );
        client.tell(&request(r#""a\u00e9""#, "tools/call", params)).unwrap();
        let mut server = bridged.server().await;
        let asked = server.hears("tools/call").await;
        let expected = format!(
            r#"{{"_meta":{{"traceparent":"00-1-2-01","acme/x":1.0,{META}}},"name":"echo","arguments":{ARGUMENTS},"x-own":1e2}}"#
        );
        assert_eq!(asked.params(), expected, "{way:?}");
        let result = format!(
            r#"{{"resultType":"complete","content":{CONTENT},"x-own":{{}},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"server","version":"1"}},"acme/y":1.0}}}}"#
        );
        asked.answers(&result);
        let heard = client.hear().await.unwrap().text;
        assert_eq!(heard, format!(r#"{{"jsonrpc":"2.0","id":"a\u00e9","result":{result}}}"#));
        server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn call_gains_result_type() {
    for (revision, way) in legacy_ways() {
        let mut bridged = bridge(way, revision);
        let mut client = bridged.client(M, json!({})).await;
        let params = format!(
            r#"{{"name":"echo","arguments":{ARGUMENTS},"_meta":{{"traceparent":"00-1-2-01",{META}}}}}"#
        );
        client.tell(&request(r#""a""#, "tools/call", params)).unwrap();
        let mut server = bridged.server().await;
        let asked = server.hears("tools/call").await;
        let expected =
            format!(r#"{{"name":"echo","arguments":{ARGUMENTS},"_meta":{{"traceparent":"00-1-2-01"}}}}"#);
        assert_eq!(asked.params(), expected, "{revision} {way:?}");
        asked.answers(format!(r#"{{"content":{CONTENT},"x-own":{{}}}}"#));
        let heard = client.hear().await.unwrap().text;
        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":"a","result":{{"content":{CONTENT},"x-own":{{}},"resultType":"complete","_meta":{{{SERVER}}}}}}}"#
        );
        assert_eq!(heard, expected, "{revision} {way:?}");
        server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn call_loses_hop_members() {
    let result = |member: &str, value: &str, hop: &str| {
        format!(r#"{{{hop}"{member}":{value},"_meta":{{"acme/y":1.0}}}}"#)
    };
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = bridge(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let mut server = bridged.server().await;
            for (method, named, member, value) in [
                ("tools/call", r#""name":"echo""#, "content", CONTENT),
                ("resources/read", r#""uri":"a:b""#, "contents", r#"[{"uri":"a:b","text":"t","x-own":1.0}]"#),
            ] {
                let params = format!(r#"{{{named},"arguments":{ARGUMENTS},"_meta":{{"acme/x":1.0}}}}"#);
                client.tell(&request(7, method, params)).unwrap();
                let asked = server.hears(method).await;
                let info = r#"{"name":"anyport-testing","version":"0.1.0"}"#;
                let expected = format!(
                    r#"{{"_meta":{{"acme/x":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{info},"io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/logLevel":"info"}},{named},"arguments":{ARGUMENTS}}}"#
                );
                assert_eq!(asked.params(), expected, "{revision} {way:?}");
                let hop = r#""resultType":"complete","ttlMs":5,"cacheScope":"public","#;
                let full = result(member, value, hop).replace(
                    r#""acme/y""#,
                    r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"acme/y""#,
                );
                asked.answers(full);
                let heard = client.hear().await.unwrap().text;
                let bare = result(member, value, "");
                assert_eq!(
                    heard,
                    format!(r#"{{"jsonrpc":"2.0","id":7,"result":{bare}}}"#),
                    "{revision} {way:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_pairs_keep_unknown_members() {
    for (from, (to, way)) in legacy().flat_map(|from| legacy_ways().map(move |to| (from, to))) {
        let mut bridged = bridge(way, to);
        let mut client = bridged.client(from, json!({})).await;
        let mut server = bridged.server().await;
        let pair = format!("{from} to {to} {way:?}");
        let params =
            format!(r#"{{"name":"echo","arguments":{ARGUMENTS},"x-own":1e2,"_meta":{{"acme/x":1.0}}}}"#);
        client.tell(&request(r#""7""#, "tools/call", &params)).unwrap();
        let asked = server.hears("tools/call").await;
        let heard: Value = serde_json::from_str(asked.params()).unwrap();
        assert_eq!(heard, serde_json::from_str::<Value>(&params).unwrap(), "{pair}");
        assert_eq!(member(asked.params(), "arguments"), ARGUMENTS, "{pair}");
        let result = format!(r#"{{"content":{CONTENT},"x-own":{{"z":1.0}},"_meta":{{"acme/y":1.0}}}}"#);
        asked.answers(&result);
        let heard = client.hear().await.unwrap().text;
        assert_eq!(heard, format!(r#"{{"jsonrpc":"2.0","id":"7","result":{result}}}"#), "{pair}");
        // Nor do errors change between servers and clients of one era.
        client.tell(&request(8, "tools/call", &params)).unwrap();
        let error = r#"{"code":-32099,"message":"no \u00e9","data":{"x":1.0}}"#;
        let asked = server.hears("tools/call").await;
        let failure = anyport_tests::bridged::failure(asked.id(), error);
        asked.ends(&failure);
        let heard = client.hear().await.unwrap().message;
        let expected = json!({"code": -32099, "message": "no é", "data": {"x": 1.0}});
        assert_eq!((&heard["id"], &heard["error"]), (&json!(8), &expected), "{pair}");
    }
}
