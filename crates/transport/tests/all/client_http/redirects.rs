//! Redirects: which are followed, and what is made of what other hosts answer.
//!
//! Invariant: What a call carries is sent to the host of its server alone, and a redirect leads to no address of another
//! class.

use anyport_protocol::{Revision, failure::Failure};
use anyport_service::Outcome;
use anyport_transport::client::{Connection, http::Endpoint};
use serde_json::json;

use super::{
    ours::{call, open, opening, text},
    script::{Asked, Script, answer, events, json as body, legacy, modern, response},
};
use crate::common::within;

fn at(url: &str) -> Endpoint {
    Endpoint::new(url).unwrap().without_proxy()
}

/// A redirect to `url`.
fn sent_on(url: &str) -> String {
    response("307 Temporary Redirect", &[&format!("Location: {url}"), "Content-Length: 0"], "")
}

/// A modern server that is reached, and redirects its calls to `url`.
async fn redirecting(url: String) -> (Script, Connection) {
    let script = Script::start(move |asked| modern(asked).unwrap_or_else(|| sent_on(&url))).await;
    let connection = within(open(&at(&script.url()), &opening(None))).await.unwrap();
    (script, connection)
}

async fn refused(connection: &Connection) -> String {
    match within(call(connection, "echo", json!({"secret": "s"})).outcome()).await {
        Outcome::Failed(failure) => {
            assert!(matches!(*failure, Failure::OutcomeUnknown(_)), "the first server has it: {failure:?}");
            failure.to_string()
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_call_is_not_sent_on_to_another_host() {
    for host in ["127.0.0.2", "127.1.2.3"] {
        let other = Script::start_at(host, |asked| body(&answer(asked, "stolen"))).await;
        let (script, connection) = redirecting(other.url()).await;
        let words = refused(&connection).await;
        assert!(words.contains(&script.url()) && words.contains(&other.url()), "{words}");
        assert!(words.contains("not sent on to another host"), "{words}");
        assert!(other.asked().is_empty(), "it is not even asked");
    }
    // A name is another host than its address, and whatever it leads to.
    for url in ["http://localhost:9/mcp", "http://169.254.169.254/latest", "https://192.168.1.1/mcp"] {
        let (_script, connection) = redirecting(url.into()).await;
        let words = refused(&connection).await;
        assert!(words.contains(url) && words.contains("another host"), "{words}");
    }
}

#[tokio::test]
async fn a_call_is_sent_on_within_its_host() {
    let other = Script::start(|asked| body(&answer(asked, "moved"))).await;
    let (_script, connection) = redirecting(other.url()).await;
    for _ in 0..2 {
        assert_eq!(text(&within(call(&connection, "echo", json!({})).outcome()).await), "moved");
    }
    assert_eq!(other.asked().len(), 2);
}

#[tokio::test]
async fn what_another_origin_refuses_is_not_repeated() {
    let secret = "the secret of a neighbour";
    let page = move |_: &Asked| {
        let challenge = "WWW-Authenticate: Bearer realm=\"neighbour\"";
        response("404 Not Found", &["Content-Type: text/plain", "Retry-After: 987654", challenge], secret)
    };
    let other = Script::start(page).await;
    let (script, connection) = redirecting(other.url()).await;
    let Outcome::Error(error) = within(call(&connection, "echo", json!({})).outcome()).await else {
        panic!("it is refused")
    };
    let words = format!("{error:?}");
    assert!(words.contains(&script.url()) && words.contains(&other.url()), "{words}");
    for foreign in ["secret", "neighbour", "987654"] {
        assert!(!words.contains(foreign), "{foreign}: {words}");
    }

    // A document is fetched from other hosts as well; their refusal says nothing either.
    let other = Script::start_at("127.0.0.2", page).await;
    let url = other.url();
    let script = Script::start(move |_| sent_on(&url)).await;
    let words = within(at(&script.url()).fetch()).await.unwrap_err().to_string();
    assert!(words.contains(&script.url()) && words.contains(&other.url()), "{words}");
    for foreign in ["secret", "neighbour", "987654", "Not Found"] {
        assert!(!words.contains(foreign), "{foreign}: {words}");
    }
}

#[tokio::test]
async fn a_404_of_another_origin_is_no_lost_session() {
    let gone = |_: &Asked| response("404 Not Found", &["Content-Length: 0"], "");
    for host in ["127.0.0.1", "127.0.0.2"] {
        let other = Script::start_at(host, gone).await;
        let url = other.url();
        let script = Script::start(move |asked| match (asked.verb.as_str(), asked.method()) {
            // Both the calls of the session and its stream.
            ("POST", "tools/call") | ("GET", _) => sent_on(&url),
            _ => legacy(asked, "one").unwrap_or_else(|| events("")),
        })
        .await;
        let opening = opening(Some(Revision::V2025_11_25));
        let connection = within(open(&at(&script.url()), &opening)).await.unwrap();
        let outcome = within(call(&connection, "echo", json!({})).outcome()).await;
        let words = match &outcome {
            Outcome::Failed(failure) => failure.to_string(),
            Outcome::Error(error) => error.message.to_string(),
            outcome => panic!("{outcome:?}"),
        };
        assert!(words.contains(&script.url()) && words.contains(&other.url()), "{words}");
        let opened = script.asked().iter().filter(|asked| asked.method() == "initialize").count();
        assert_eq!(opened, 1, "{host}: no session was lost");
    }
}

#[tokio::test]
async fn nothing_is_sent_on_to_an_address_of_another_class() {
    let here = Script::start(|_| response("200 OK", &["Content-Type: text/plain"], "of this machine")).await;
    for to in [here.url(), format!("http://localhost:{}/mcp", here.address.port())] {
        let url = to.clone();
        let proxy = Script::start(move |_| sent_on(&url)).await;
        // Only the proxy knows where this is; it is none of this machine.
        let endpoint = Endpoint::new("http://server.example/mcp").unwrap();
        let endpoint = endpoint.proxy(format!("http://{}", proxy.address));
        let words = within(endpoint.fetch()).await.unwrap_err().to_string();
        let both = words.contains("http://server.example/mcp") && words.contains(&to);
        assert!(both && words.contains("leads to this machine"), "{words}");
    }
    assert!(here.asked().is_empty());
    // From this machine neither to its network, nor out.
    for (to, why) in [
        ("http://10.255.255.1/x", "into a private network"),
        ("http://169.254.169.254/latest", "to a link-local address"),
        ("http://192.0.2.1/x", "into a private network"),
        ("http://1.1.1.1/x", "out to the public internet"),
    ] {
        let script = Script::start(move |_| sent_on(to)).await;
        let words = within(at(&script.url()).fetch()).await.unwrap_err().to_string();
        assert!(words.contains(&script.url()) && words.contains(to) && words.contains(why), "{words}");
    }
    // Within its class it is.
    let neighbour = Script::start_at("127.0.0.2", |_| response("200 OK", &["Content-Length: 2"], "ok")).await;
    let url = neighbour.url();
    let script = Script::start(move |_| sent_on(&url)).await;
    assert_eq!(within(at(&script.url()).fetch()).await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_chain_of_redirects_within_a_foreign_origin_leads_to_no_other_class() {
    for (to, why) in [("/last", None), ("http://10.255.255.1/x", Some("into a private network"))] {
        let foreign = Script::start_at("127.0.0.2", move |asked| match asked.target.as_str() {
            "/first" => sent_on("/second"),
            "/second" => sent_on(to),
            _ => response("200 OK", &["Content-Length: 2"], "ok"),
        })
        .await;
        let url = format!("http://{}/first", foreign.address);
        let script = Script::start(move |_| sent_on(&url)).await;
        let fetched = within(at(&script.url()).fetch()).await;
        let targets: Vec<_> = foreign.asked().into_iter().map(|asked| asked.target).collect();
        assert_eq!(targets[..2], ["/first", "/second"]);
        match (why, fetched) {
            (None, fetched) => assert_eq!(fetched.unwrap().body, "ok"),
            (Some(why), fetched) => {
                let words = fetched.unwrap_err().to_string();
                assert!(words.contains(to) && words.contains(why), "{words}");
            }
        }
    }
}
