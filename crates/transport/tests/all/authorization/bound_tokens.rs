//! What becomes of tokens that are bound to keys (RFC 9449), by what the verifier supports.

use anyport_transport::http::DpopSupport;
use serde_json::{Value, json};

use super::{config, verifier::Scripted};
use crate::common::{
    Server,
    client::{Verb, call},
};

/// The schemes of the challenges, and the code of the error that each names.
fn challenges(headers: &[(String, String)]) -> Vec<(&str, Option<&str>)> {
    let challenges = headers.iter().filter(|(name, _)| name == "www-authenticate");
    challenges
        .map(|(_, value)| {
            let scheme = value.split(' ').next().unwrap_or_default();
            let error = value.split_once("error=\"").and_then(|(_, rest)| rest.split('"').next());
            (scheme, error)
        })
        .collect()
}

#[tokio::test]
async fn a_bound_token_is_accepted_unless_it_is_refused_and_offered_where_clients_shall_know() {
    use DpopSupport::{Accepted, Offered, Refused, Required};
    let bearer = ("Bearer", None);
    let dpop = ("DPoP", None);
    let metadata = |algorithms: bool, required: bool| {
        (algorithms.then(|| json!(["ES256", "EdDSA"])), required.then(|| json!(true)))
    };
    for (support, bound, offered, of_proof, document) in [
        (Refused, 401, vec![bearer], vec![bearer], metadata(false, false)),
        (Accepted, 200, vec![bearer], vec![("DPoP", Some("invalid_dpop_proof"))], metadata(false, false)),
        (
            Offered,
            200,
            vec![bearer, dpop],
            vec![bearer, ("DPoP", Some("invalid_dpop_proof"))],
            metadata(true, false),
        ),
        (Required, 200, vec![dpop], vec![("DPoP", Some("invalid_dpop_proof"))], metadata(true, true)),
    ] {
        let server = Server::start(config(&Scripted::with_dpop(support))).await;
        let echo = || call(1, "echo", json!({"text": "x"}));
        let response = server.ask(&echo().add("Authorization", "DPoP bound")).await;
        assert_eq!(response.status, bound, "{support:?}");
        let anonymous = server.ask(&echo()).await;
        assert_eq!((anonymous.status, challenges(&anonymous.headers)), (401, offered), "{support:?}");
        let unproven = server.ask(&echo().add("Authorization", "DPoP unproven")).await;
        assert_eq!((unproven.status, challenges(&unproven.headers)), (401, of_proof), "{support:?}");
        let path = "/.well-known/oauth-protected-resource/mcp";
        let published: Value = server.ask(&Verb::new("GET", path)).await.json();
        let member = |name: &str| published.get(name).cloned();
        let says = (member("dpop_signing_alg_values_supported"), member("dpop_bound_access_tokens_required"));
        assert_eq!(says, document, "{support:?}");
    }
}

#[tokio::test]
async fn a_caller_with_a_bound_token_learns_in_its_scheme_which_scope_is_missing() {
    let server = Server::start(config(&Scripted::default())).await;
    let files = Verb { target: "/s/files/mcp".into(), ..call(1, "echo", json!({"text": "x"})) };
    let refused = server.ask(&files.add("Authorization", "DPoP bound-read")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        challenges(&refused.headers),
        [("Bearer", None), ("DPoP", Some("insufficient_scope"))],
        "{refused:?}"
    );
}
