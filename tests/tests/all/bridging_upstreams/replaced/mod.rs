//! A server over HTTP that comes back in the other era, on the same port: it was upgraded, or that was taken back.

mod site;

use std::{sync::Arc, time::Duration};

use anyport::{
    Revision,
    layer::Layer as _,
    memory,
    stack::{EdgeLimits, edge},
};
use anyport_adapters::ParkLimits;
use anyport_gateway::Bridge;
use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_service::Service;
use anyport_testing::{Link, Wire};
use anyport_transport::client::{ConnectOptions, Target, http::Endpoint};
use anyport_upstream::{TransportConnector, Upstream};
use serde_json::json;
use tokio::time::timeout;

use self::site::Site;
use super::{D, M, good, tool};

const UPDATED: &str = "notifications/resources/updated";

/// A bridge before the site.
fn bridge(site: &Site) -> Arc<dyn Service> {
    let endpoint = Endpoint::new(&format!("http://{}/mcp", site.address)).unwrap().without_proxy();
    let connector = TransportConnector::new(Target::Http(endpoint), ConnectOptions::default());
    let sealer = Sealer::new(&Key::from_bytes([7; 32]));
    let upstream = Upstream::builder("server", connector).park(sealer, ParkLimits::default()).build();
    let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
    let bridge = Bridge::new(upstream, supported.into(), None);
    Arc::new(edge(&EdgeLimits::default(), &Metrics::new()).layer(bridge))
}

/// A client of the bridge that listens to `x:a`.
async fn listener(bridge: &Arc<dyn Service>, revision: Revision) -> Wire {
    let supported = Revision::ALL.into_iter().rev().collect::<Vec<_>>();
    let link = Link::memory(bridge.clone(), memory::Config::default().supported(supported));
    let mut client = Wire::over(link).patience(Duration::from_secs(20));
    client.open(revision).await.unwrap();
    if revision == M {
        let filter = json!({"notifications": {"resourceSubscriptions": ["x:a"]}});
        client.tell(&client.message(41, "subscriptions/listen", filter).to_string()).unwrap();
        hears(&mut client, "notifications/subscriptions/acknowledged").await;
    } else {
        good(client.call("resources/subscribe", json!({"uri": "x:a"})).await.unwrap());
    }
    client
}

/// Waits until the client hears `method`.
async fn hears(client: &mut Wire, method: &str) {
    let heard = async { while client.hear().await.unwrap().message["method"] != method {} };
    timeout(Duration::from_secs(20), heard).await.unwrap_or_else(|_| panic!("the client hears no {method}"));
}

async fn calls(client: &mut Wire, revision: Revision, pair: &str) {
    let answer = client.call("tools/call", tool("pay")).await.unwrap();
    let result = answer.outcome.unwrap_or_else(|refusal| panic!("{pair}: {refusal:?}"));
    assert_eq!(result["content"][0]["text"], revision.as_str(), "{pair}");
}

/// Invariant: A server over HTTP that comes back in the other era is connected to anew: calls are answered, each carried out
/// once, and the listeners of both eras go on.
#[tokio::test]
async fn calls_and_listeners_go_on_with_a_server_of_the_other_era() {
    for (before, after) in [(D, M), (M, D)] {
        let site = Site::start(before).await;
        let bridge = bridge(&site);
        let (mut legacy, mut modern) = (listener(&bridge, D).await, listener(&bridge, M).await);
        // There and back.
        for (number, revision) in [(1, before), (2, after), (3, before)] {
            let pair = format!("{before} to {after}, server {number}");
            for client in [&mut legacy, &mut modern] {
                calls(client, revision, &pair).await;
                calls(client, revision, &pair).await;
            }
            // A call that was refused is there as well: it was not carried out.
            assert!((4..=6).contains(&site.heard(number, "tools/call")), "{pair}");
            if number > 1 {
                // What may have changed meanwhile.
                hears(&mut legacy, UPDATED).await;
                hears(&mut modern, UPDATED).await;
            }
            for client in [&mut legacy, &mut modern] {
                client.skip();
            }
            site.change("x:a");
            hears(&mut legacy, UPDATED).await;
            hears(&mut modern, UPDATED).await;
            site.replace(if revision == before { after } else { before });
        }
    }
}

#[tokio::test]
async fn listeners_go_on_with_a_server_of_the_other_era_though_nobody_calls() {
    for (before, after) in [(D, M), (M, D)] {
        let site = Site::start(before).await;
        let bridge = bridge(&site);
        let (mut legacy, mut modern) = (listener(&bridge, D).await, listener(&bridge, M).await);
        for revision in [after, before] {
            site.replace(revision);
            for _ in ["what may have changed meanwhile", "a change"] {
                hears(&mut legacy, UPDATED).await;
                hears(&mut modern, UPDATED).await;
                legacy.skip();
                modern.skip();
                site.change("x:a");
            }
            hears(&mut legacy, UPDATED).await;
            hears(&mut modern, UPDATED).await;
        }
    }
}
