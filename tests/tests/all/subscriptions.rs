//! The one listen stream behind the subscriptions of a legacy session.

use std::sync::{Arc, Mutex};

use anyport::{
    Revision, Service,
    http::Config,
    protocol::{Error, Method, Raw},
    service::{Event, Notification, Outcome, Reply, Request, emit},
};
use anyport_testing::{Link, Wire};
use serde_json::{Value, json};
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedSender, unbounded_channel},
};

/// A server that is slow to acknowledge, as one at the other end of a network is: each listen waits for a permit.
#[derive(Clone, Debug)]
struct Slow {
    permits: Arc<Semaphore>,
    /// The URIs of each listen stream that is open.
    open: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Slow {
    fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), open: Arc::default() }
    }

    fn open(&self) -> Vec<Vec<String>> {
        self.open.lock().unwrap().clone()
    }
}

/// Takes a stream off the list of those that are open.
struct Closing(Slow, Vec<String>);

impl Drop for Closing {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap();
        let place = open.iter().position(|uris| *uris == self.1);
        open.remove(place.unwrap());
    }
}

impl Service for Slow {
    fn call(&self, request: Request, _: anyport::service::Context) -> Reply {
        match request.known() {
            Some(Method::Discover) => {
                let capabilities = json!({"resources": {"subscribe": true, "listChanged": true}});
                let result = json!({"resultType": "complete", "capabilities": capabilities});
                Reply::ready(Ok(Raw::from(result)))
            }
            Some(Method::Listen) => {
                let slow = self.clone();
                emit::reply(|emitter| async move {
                    let filter: Value = request.params.member("notifications").unwrap().decode().unwrap();
                    let uris: Vec<String> =
                        serde_json::from_value(filter["resourceSubscriptions"].clone()).unwrap_or_default();
                    slow.permits.acquire().await.unwrap().forget();
                    slow.open.lock().unwrap().push(uris.clone());
                    let _closing = Closing(slow, uris);
                    let params = Raw::from(json!({ "notifications": filter }));
                    emitter
                        .emit(Event::Notification(Notification { method: Method::Acknowledged, params }))
                        .await;
                    std::future::pending::<Outcome>().await
                })
            }
            _ => Reply::error(Error::method_not_found(&request.method)),
        }
    }
}

async fn wires(slow: &Slow) -> [Wire; 2] {
    let http = Link::http(slow.clone(), Config::default()).await.unwrap();
    [Wire::over(Link::stdio(slow.clone())), Wire::over(http)]
}

#[tokio::test]
async fn subscriptions_that_are_made_at_once_all_hold() {
    for place in 0..2 {
        let slow = Slow::new();
        let mut wire = wires(&slow).await.into_iter().nth(place).unwrap();
        wire.open(Revision::V2025_11_25).await.unwrap();
        let subscribe =
            |wire: &mut Wire, uri| wire.begin("resources/subscribe", json!({ "uri": uri })).unwrap();
        let (one, two) = (subscribe(&mut wire, "a:one"), subscribe(&mut wire, "a:two"));
        // One permit for the stream that every session has, and one for each change of it.
        slow.permits.add_permits(3);
        assert!(wire.end(one).await.unwrap().outcome.is_ok());
        assert!(wire.end(two).await.unwrap().outcome.is_ok());
        assert_eq!(slow.open(), [["a:one", "a:two"]]);
    }
}

#[tokio::test]
async fn a_subscription_survives_the_stream_that_a_session_opens_by_itself() {
    for place in 0..2 {
        let slow = Slow::new();
        let mut wire = wires(&slow).await.into_iter().nth(place).unwrap();
        // `open` says `initialized`, whereupon the session listens to lists; that is not acknowledged yet.
        wire.open(Revision::V2025_06_18).await.unwrap();
        let call = wire.begin("resources/subscribe", json!({"uri": "a:one"})).unwrap();
        slow.permits.add_permits(2);
        assert!(wire.end(call).await.unwrap().outcome.is_ok());
        assert_eq!(slow.open(), [["a:one"]]);
    }
}

/// A server that changes a resource while a stream is opened in place of one that knows of the resource: only the old stream
/// notifies of it, after what it says `before`.
#[derive(Clone, Default)]
struct Changing {
    changes: Arc<Mutex<Option<UnboundedSender<String>>>>,
    before: Option<fn() -> Vec<Event>>,
}

impl Service for Changing {
    fn call(&self, request: Request, context: anyport::service::Context) -> Reply {
        if request.known() != Some(Method::Listen) {
            return Slow::new().call(request, context);
        }
        let (sender, mut changes) = unbounded_channel();
        let before = self.changes.lock().unwrap().replace(sender);
        let said = self.before;
        emit::reply(|emitter| async move {
            let notification = |method, params: Value| {
                Event::Notification(Notification { method, params: Raw::from(params) })
            };
            let filter: Value = request.params.member("notifications").unwrap().decode().unwrap();
            if let Some(before) = before {
                let _ = before.send("a:one".to_owned());
            }
            emitter.emit(notification(Method::Acknowledged, json!({ "notifications": filter }))).await;
            while let Some(uri) = changes.recv().await {
                for event in said.map(|said| said()).unwrap_or_default() {
                    emitter.emit(event).await;
                }
                emitter.emit(notification(Method::ResourceUpdated, json!({ "uri": uri }))).await;
            }
            std::future::pending::<Outcome>().await
        })
    }
}

/// Invariant: A change of a resource that happens while its session subscribes to another one reaches the session's client, whatever its
/// server says before.
#[tokio::test]
async fn a_change_during_another_subscription_is_not_lost() {
    let unknown: fn() -> Vec<Event> =
        || vec![Event::Unknown { method: "notifications/unheard_of".into(), params: Raw::EMPTY_OBJECT }];
    let aside: fn() -> Vec<Event> = || vec![Event::Disconnect { retry: std::time::Duration::ZERO }];
    for before in [None, Some(unknown), Some(aside)] {
        let changing = || Changing { before, ..Changing::default() };
        for revision in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
            let mut links = vec![Link::stdio(changing())];
            if revision > Revision::V2024_11_05 {
                links.push(Link::http(changing(), Config::default()).await.unwrap());
            }
            for link in links {
                let mut wire = Wire::over(link);
                wire.open(revision).await.unwrap();
                for uri in ["a:one", "a:two"] {
                    let subscribed = wire.call("resources/subscribe", json!({ "uri": uri })).await.unwrap();
                    assert!(subscribed.outcome.is_ok(), "{revision}: {subscribed:?}");
                }
                let change = loop {
                    let change = wire.change().await.unwrap();
                    if change["method"] != "notifications/unheard_of" {
                        break change;
                    }
                };
                assert_eq!(change["params"]["uri"], "a:one", "{revision}: {change}");
            }
        }
    }
}
