//! Tokens that are bound to a key or a certificate.

use std::time::Duration;

use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_service::Authorization;
use anyport_transport::http::{
    ClientCertificate, Credential, CredentialError, CredentialVerifier as _, DpopSupport, PublicPath, Scheme,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, request::Parts};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::fixture::{
    ISSUER, RESOURCE, TestKey, bearer, claims, head, key_set, now, present, ready, refusal, retry_after,
};
use crate::resource_server::{Jwt, VerifierLimits};

type Verified = Result<Authorization, CredentialError>;

/// An issuer, a client, and a token of the issuer that is bound to the client's key.
struct Bound {
    verifier: Jwt,
    client: TestKey,
    token: String,
}

impl Bound {
    fn new(with: impl FnOnce(Jwt) -> Jwt) -> Self {
        let (issuer, client) = (TestKey::new("1"), TestKey::new("client"));
        let verifier = with(Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap());
        let token = issuer.sign(&claims(json!({ "cnf": { "jkt": thumbprint(&client) } })));
        Self { verifier, client, token }
    }

    /// The claims of a good proof with `changes`; `null` takes one away.
    fn claims(&self, changes: &Value) -> Value {
        let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.token.as_bytes()));
        let mut jti = [0; 8];
        getrandom::fill(&mut jti).unwrap();
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode(jti), "htm": "POST", "htu": RESOURCE, "iat": now(), "ath": ath,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn proof(&self, changes: &Value) -> String {
        self.client
            .sign_with(json!({ "typ": "dpop+jwt", "jwk": public(&self.client) }), &self.claims(changes))
    }

    fn present(&self, proofs: &[&str]) -> Verified {
        ready(self.verifier.verify(&dpop(&self.token), &with_proofs(proofs), RESOURCE))
    }
}

fn public(key: &TestKey) -> Value {
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    jwk
}

fn thumbprint(key: &TestKey) -> String {
    crate::crypto::verify::install();
    serde_json::from_value::<Jwk>(key.jwk()).unwrap().thumbprint(ThumbprintHash::SHA256).unwrap()
}

fn dpop(token: &str) -> Credential {
    Credential::new(Scheme::Dpop, token)
}

fn with_proofs(proofs: &[&str]) -> Parts {
    let mut head = head();
    for proof in proofs {
        head.headers.append("dpop", HeaderValue::from_str(proof).unwrap());
    }
    head
}

#[test]
fn a_bound_token_is_accepted_with_a_fresh_proof_each_time() {
    let bound = Bound::new(|jwt| jwt);
    for _ in 0..3 {
        bound.present(&[&bound.proof(&json!({}))]).unwrap();
    }
    // A stream that is open does not prove anything again.
    ready(bound.verifier.verify_again(&dpop(&bound.token), RESOURCE)).unwrap();
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_bound_token_is_refused_as_bearer_and_an_unbound_one_as_dpop() {
    let bound = Bound::new(|jwt| jwt);
    for _ in 0..2 {
        assert!(refusal(present(&bound.verifier, &bound.token)).contains("bound to a key"));
    }
    let proof = bound.proof(&json!({}));
    let as_bearer = ready(bound.verifier.verify(&bearer(&bound.token), &with_proofs(&[&proof]), RESOURCE));
    assert!(refusal(as_bearer).contains("bound to a key"));
    let issuer = TestKey::new("1");
    let verifier = Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap();
    let unbound = issuer.sign(&claims(json!({})));
    let as_dpop = ready(verifier.verify(&dpop(&unbound), &with_proofs(&[&proof]), RESOURCE));
    assert!(refusal(as_dpop).contains("not bound"));
    let strict = Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap().dpop(DpopSupport::Required);
    assert!(
        strict.dpop_support() == DpopSupport::Required
            && refusal(present(&strict, &unbound)).contains("must be")
    );
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_proof_is_for_one_request_of_one_token_now() {
    let bound = Bound::new(|jwt| jwt);
    for (changes, why) in [
        (json!({ "htm": "GET" }), "htm"),
        (json!({ "htm": "post" }), "htm"),
        (json!({ "htu": "https://mcp.example.com/other" }), "htu"),
        (json!({ "htu": "http://mcp.example.com/mcp" }), "htu"),
        (json!({ "htu": "https://mcp.example.com:444/mcp" }), "htu"),
        (json!({ "htu": "/mcp" }), "htu"),
        (json!({ "ath": "x" }), "ath"),
        (json!({ "iat": now() - 301 }), "iat"),
        (json!({ "iat": now() + 65 }), "iat"),
        (json!({ "iat": "now" }), "lacks"),
        (json!({ "jti": null }), "lacks"),
        (json!({ "htm": null }), "lacks"),
        (json!({ "htu": null }), "lacks"),
        (json!({ "iat": null }), "lacks"),
        (json!({ "ath": null }), "lacks"),
    ] {
        let refused = refusal(bound.present(&[&bound.proof(&changes)]));
        assert!(refused.contains(why), "{changes}: {refused}");
    }
    for good in [
        json!({ "htu": format!("{RESOURCE}?a=1#b") }),
        json!({ "htu": "HTTPS://MCP.example.com:443/mcp" }),
        json!({ "iat": now() - 200 }),
        json!({ "iat": now() + 55 }),
    ] {
        bound.present(&[&bound.proof(&good)]).unwrap();
    }
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_proof_is_for_the_url_that_clients_know() {
    let bound = Bound::new(|jwt| jwt);
    let present = |path: &str, htu: &str| {
        let mut head = with_proofs(&[&bound.proof(&json!({ "htu": htu }))]);
        head.uri = path.parse().unwrap();
        head.extensions.insert(PublicPath("/team".into()));
        ready(bound.verifier.verify(&dpop(&bound.token), &head, RESOURCE))
    };
    for path in ["/mcp", "/mcp/tools", "/sse"] {
        present(path, &format!("https://mcp.example.com/team{path}")).unwrap();
        assert!(refusal(present(path, &format!("https://mcp.example.com{path}"))).contains("htu"), "{path}");
    }
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_proof_is_signed_by_the_key_that_it_shows_and_the_token_names() {
    let bound = Bound::new(|jwt| jwt);
    let (thief, good) = (TestKey::new("client"), bound.claims(&json!({})));
    let header = |typ: &str, jwk: Value| json!({ "typ": typ, "jwk": jwk });
    let mut private = public(&bound.client);
    private["d"] = json!("c2VjcmV0");
    for (proof, why) in [
        (thief.sign_with(header("dpop+jwt", public(&thief)), &good), "another key"),
        (thief.sign_with(header("dpop+jwt", public(&bound.client)), &good), "not signed by its key"),
        (bound.client.sign_with(header("JWT", public(&bound.client)), &good), "typ"),
        (bound.client.sign_with(json!({ "jwk": public(&bound.client) }), &good), "typ"),
        (bound.client.sign_with(json!({ "typ": "dpop+jwt" }), &good), "no key"),
        (bound.client.sign_with(header("dpop+jwt", private), &good), "private part"),
        (
            bound.client.sign_with(header("dpop+jwt", json!({ "kty": "oct", "k": "AAAA" })), &good),
            "private part",
        ),
        (bound.token.clone(), "typ"),
        ("nonsense".to_owned(), "no signed JWT"),
        (format!("{}x", bound.proof(&json!({}))), "not signed by its key"),
    ] {
        let refused = refusal(bound.present(&[&proof]));
        assert!(refused.contains(why), "{refused}, where {why} was expected");
    }
    let (one, two) = (bound.proof(&json!({})), bound.proof(&json!({})));
    assert!(refusal(bound.present(&[])).contains("one header"));
    assert!(refusal(bound.present(&[&one, &two])).contains("one header"));
}

/// Limit: dpop_proof_age.
#[tokio::test(start_paused = true)]
async fn a_proof_is_used_once() {
    let bound = Bound::new(|jwt| jwt);
    let proof = bound.proof(&json!({ "jti": "once" }));
    bound.present(&[&proof]).unwrap();
    tokio::time::advance(Duration::from_secs(299)).await;
    assert!(refusal(bound.present(&[&proof])).contains("used before"));
    assert!(refusal(bound.present(&[&bound.proof(&json!({ "jti": "once" }))])).contains("used before"));
    bound.present(&[&bound.proof(&json!({}))]).unwrap();
}

/// Limit: max_dpop_proofs.
#[tokio::test(start_paused = true)]
async fn bad_proofs_are_not_remembered_and_good_ones_up_to_a_limit() {
    let metrics = Metrics::new();
    let bound = Bound::new(|jwt| jwt.limits(VerifierLimits::default().max_dpop_proofs(2)).metrics(&metrics));
    for _ in 0..10 {
        refusal(bound.present(&[&bound.proof(&json!({ "ath": "x" }))]));
    }
    for _ in 0..2 {
        bound.present(&[&bound.proof(&json!({}))]).unwrap();
    }
    retry_after(bound.present(&[&bound.proof(&json!({}))]));
    assert_eq!(metrics.refusals("max_dpop_proofs").value(), 1);
    tokio::time::advance(Duration::from_secs(301)).await;
    bound.present(&[&bound.proof(&json!({}))]).unwrap();
}

/// Limit: max_dpop_proofs_per_caller.
/// Invariant: A caller that presents too many DPoP proofs is refused alone.
#[tokio::test(start_paused = true)]
async fn a_caller_fills_its_own_share_of_the_proofs_whatever_keys_it_has() {
    let (metrics, issuer) = (Metrics::new(), TestKey::new("1"));
    let limits = VerifierLimits::default().max_dpop_proofs(10).max_dpop_proofs_per_caller(3);
    let verifier = Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap().limits(limits).metrics(&metrics);
    let mut bound = Bound { verifier, client: TestKey::new("client"), token: String::new() };
    let mut present = |subject: &str| {
        bound.client = TestKey::new("client");
        let cnf = json!({ "jkt": thumbprint(&bound.client) });
        bound.token = issuer.sign(&claims(json!({ "sub": subject, "cnf": cnf })));
        bound.present(&[&bound.proof(&json!({}))])
    };
    for _ in 0..3 {
        present("attacker").unwrap();
    }
    for _ in 0..20 {
        retry_after(present("attacker"));
    }
    assert_eq!(metrics.refusals("max_dpop_proofs_per_caller").value(), 20);
    present("other").unwrap();
    tokio::time::advance(Duration::from_secs(301)).await;
    present("attacker").unwrap();
}

#[test]
fn a_proof_has_the_nonce_that_it_was_given() {
    let sealer = Sealer::new(&Key::random().unwrap());
    let bound = Bound::new(|jwt| jwt.dpop_nonces(sealer.clone()));
    let Err(CredentialError::UseNonce(nonce)) = bound.present(&[&bound.proof(&json!({}))]) else {
        panic!("no nonce")
    };
    bound.present(&[&bound.proof(&json!({ "nonce": nonce }))]).unwrap();
    let old = (now() - 400) * 1000;
    let old = sealer.seal("dpop-nonce", &old.to_be_bytes()).unwrap();
    for bad in [old, "made up".into(), sealer.seal("other", &(now() * 1000).to_be_bytes()).unwrap()] {
        let refused = bound.present(&[&bound.proof(&json!({ "nonce": bad }))]);
        assert!(matches!(refused, Err(CredentialError::UseNonce(_))), "{refused:?}");
    }
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_token_that_is_bound_to_a_certificate_needs_the_connection_that_has_it() {
    let issuer = TestKey::new("1");
    let verifier = Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap();
    let sha256 = [7; 32];
    let token = issuer.sign(&claims(json!({ "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(sha256) } })));
    let with = |certificate: Option<[u8; 32]>| {
        let mut head = head();
        head.extensions.extend(
            certificate
                .map(|sha256| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(ClientCertificate { sha256 });
                    extensions
                })
                .unwrap_or_default(),
        );
        ready(verifier.verify(&bearer(&token), &head, RESOURCE))
    };
    with(Some(sha256)).unwrap();
    assert!(refusal(with(None)).contains("certificate"));
    assert!(refusal(with(Some([8; 32]))).contains("certificate"));
}

/// Invariant: A token that is bound to a key is of no use without that key.
#[test]
fn a_token_that_is_bound_in_an_unknown_way_is_refused() {
    let issuer = TestKey::new("1");
    let verifier = Jwt::keys(ISSUER, &key_set(&[&issuer])).unwrap();
    for cnf in [
        json!({}),
        json!({ "kid": "1" }),
        json!({ "jwk": {} }),
        json!({ "jkt": "x", "kid": "1" }),
        json!({ "x5t#S256": "short" }),
    ] {
        let refused = refusal(present(&verifier, &issuer.sign(&claims(json!({ "cnf": cnf })))));
        assert!(refused.contains("cnf"), "{cnf}: {refused}");
    }
    refusal(present(&verifier, &issuer.sign(&claims(json!({ "cnf": "x" })))));
}
