//! The server that has everything keeps to the specification, as the kit that users have reads it.
//!
//! Invariant: The conformance rules for users' servers pass for all examples and for the server that has
//! everything.

use anyport::with_legacy_clients;
use anyport_testing::{
    Link,
    conformance::{Breach, Conformance},
};
use anyport_tests::everything::{Probe, server};

#[tokio::test]
async fn the_server_that_has_everything_conforms() {
    let check = Conformance::new().except(&["test:///broken", "test:///gone", "test:///private"]);
    let stdio = async || Ok(Link::stdio(with_legacy_clients(server(&Probe::default()).unwrap())));
    let http = async || {
        Link::http(with_legacy_clients(server(&Probe::default()).unwrap()), Default::default()).await
    };
    let mut breaches = check.breaches(stdio).await;
    breaches.extend(check.breaches(http).await);
    let told: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
