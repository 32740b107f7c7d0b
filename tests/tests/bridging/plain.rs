//! A plain call: what nobody here knows crosses as it came.

use anyport::Revision;
use anyport_tests::bridged::{Bridged, Way, legacy, member};
use serde_json::json;

const M: Revision = Revision::V2026_07_28;

#[tokio::test(start_paused = true)]
async fn call_gains_result_type() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = Bridged::over(way, server);
            let mut client = bridged.client(M, json!({})).await;
            client.tell(r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{"n":1.0,"u":"\u00e9","x-own":[1e2]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#).unwrap();
            let mut peer = bridged.server().await;
            let asked = peer.hears("tools/call").await;
            assert_eq!(asked.params(), r#"{"name":"echo","arguments":{"n":1.0,"u":"\u00e9","x-own":[1e2]}}"#);
            asked.answers(r#"{"content":[{"type":"text","text":"\u00e9","x-own":1.0}],"x-own":{}}"#);
            let heard = client.hear().await.unwrap();
            assert_eq!(member(&heard.text, "id"), r#""a""#);
            let result = r#"{"content":[{"type":"text","text":"\u00e9","x-own":1.0}],"x-own":{},"resultType":"complete"}"#;
            assert_eq!(member(&heard.text, "result"), result, "{server} {way:?}");
        }
    }
}
