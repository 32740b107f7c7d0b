//! Invariant: Several listeners cost a legacy server one subscription, and it is restored after a loss.

use std::{collections::BTreeSet, sync::Mutex};

use anyport_protocol::Revision;
use anyport_service::Principal;
use serde_json::{Value, json};
use tokio::time::{advance, sleep};

use super::*;

/// A legacy server of which only subscriptions are seen.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    refuses: BTreeSet<String>,
    /// URIs whose subscription is answered after so many seconds.
    slow: HashMap<String, u64>,
    /// For all of them that are no others: how long an answer takes, and how many were under way at once.
    takes: Duration,
    open: usize,
    most: usize,
}

impl Service for Server {
    fn call(&self, request: Request, _: Context) -> Reply {
        let uri = request.params.member("uri").unwrap().as_string().unwrap().to_string();
        let mut seen = self.0.lock().unwrap();
        let method = request.method.trim_start_matches("resources/");
        seen.requests.push(format!("{method} {uri}"));
        if seen.refuses.contains(&uri) {
            return Reply::error(Error::invalid_params("no"));
        }
        match seen.slow.get(&uri).copied() {
            Some(seconds) if method == "subscribe" => Reply::future(async move {
                sleep(Duration::from_secs(seconds)).await;
                Outcome::Result(Raw::EMPTY_OBJECT)
            }),
            _ if seen.takes.is_zero() => Reply::ready(Ok(Raw::EMPTY_OBJECT)),
            _ => {
                let (takes, all) = (seen.takes, self.0.clone());
                seen.open += 1;
                seen.most = seen.most.max(seen.open);
                Reply::future(async move {
                    sleep(takes).await;
                    all.lock().unwrap().open -= 1;
                    Outcome::Result(Raw::EMPTY_OBJECT)
                })
            }
        }
    }
}

impl Server {
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

fn all() -> Offers {
    let lists = SubscriptionFilter { tools: true, prompts: true, resources: true, uris: Vec::new() };
    Offers { lists, subscribe: true }
}

fn linked(listen: &Listen, server: &Server) {
    let context = Context::new(Principal::local(), Revision::V2025_11_25);
    listen.linked(Arc::new(server.clone()), context, all());
}

fn listening(server: &Server) -> Listen {
    let listen = Listen::new();
    linked(&listen, server);
    listen
}

fn to(uris: &[&str]) -> Raw {
    json!({"notifications": {"resourceSubscriptions": uris}}).into()
}

fn change(method: Method, params: Value) -> Notification {
    Notification { method, params: params.into() }
}

fn updated(uri: &str) -> Notification {
    change(Method::ResourceUpdated, json!({"uri": uri}))
}

async fn next(reply: &mut Reply) -> (Method, Value) {
    match timeout(Duration::from_secs(30), reply.next()).await.expect("nothing was told") {
        Event::Notification(told) => (told.method, told.params.decode().unwrap()),
        event => panic!("{event:?}"),
    }
}

async fn acknowledged(reply: &mut Reply) -> Value {
    let (method, params) = next(reply).await;
    assert_eq!(method, Method::Acknowledged);
    params["notifications"].clone()
}

async fn silent(reply: &mut Reply) {
    let told = timeout(Duration::from_millis(1), reply.next()).await;
    assert!(told.is_err(), "{told:?}");
}

/// Lets everything run that can, without time passing but for a moment.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn listen_subscribes_once() {
    let server = Server::default();
    let listen = listening(&server);
    let mut first = listen.open(&to(&["test://a", "test://a"]));
    let mut second = listen.open(&to(&["test://a", "test://b"]));
    assert_eq!(acknowledged(&mut first).await, json!({"resourceSubscriptions": ["test://a"]}));
    assert_eq!(acknowledged(&mut second).await, json!({"resourceSubscriptions": ["test://a", "test://b"]}));
    assert_eq!(server.requests(), ["subscribe test://a", "subscribe test://b"]);

    drop(first);
    sleep(LINGER * 2).await;
    assert_eq!(server.requests(), [""; 0], "somebody still listens");
    drop(second);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(server.requests(), [""; 0], "who is back within 5 s finds it");
    let mut third = listen.open(&to(&["test://a"]));
    acknowledged(&mut third).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(server.requests(), ["unsubscribe test://b"]);
    drop(third);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(server.requests(), ["unsubscribe test://a"]);
    assert!(listen.is_idle());
}

#[tokio::test(start_paused = true)]
async fn listen_fans_out() {
    let server = Server::default();
    let listen = listening(&server);
    let mut a = listen.open(&to(&["test://a"]));
    let mut folder = listen.open(&to(&["test://a", "test://f/"]));
    let mut tools = listen.open(&json!({"notifications": {"toolsListChanged": true}}).into());
    acknowledged(&mut a).await;
    acknowledged(&mut folder).await;
    assert_eq!(acknowledged(&mut tools).await, json!({"toolsListChanged": true}));

    listen.said(&change(Method::ResourceUpdated, json!({"uri": "test://a", "x-more": [1]})));
    assert_eq!(next(&mut a).await.1, json!({"uri": "test://a", "x-more": [1]}), "as it came");
    assert_eq!(next(&mut folder).await.1["uri"], "test://a");
    listen.said(&updated("test://f/g"));
    assert_eq!(next(&mut folder).await.1["uri"], "test://f/g", "a part of what was subscribed to");
    listen.said(&updated("test://ab"));
    listen.said(&change(Method::ToolsChanged, json!({})));
    listen.said(&change(Method::PromptsChanged, json!({})));
    assert_eq!(next(&mut tools).await.0, Method::ToolsChanged);
    silent(&mut tools).await;
    silent(&mut a).await;
    silent(&mut folder).await;

    drop(folder);
    listen.said(&updated("other://name-of-the-same"));
    assert_eq!(next(&mut a).await.1["uri"], "other://name-of-the-same", "nobody else can be meant");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_listener_waits_once() {
    let server = Server::default();
    let listen = listening(&server);
    let mut one = listen.open(&to(&["test://f"]));
    acknowledged(&mut one).await;
    for number in 0..10_000 {
        listen.said(&updated("test://f"));
        listen.said(&updated(&format!("test://f/{number}")));
    }
    let mut told = 0;
    while timeout(Duration::from_millis(1), one.next()).await.is_ok() {
        told += 1;
    }
    assert!((2..=258).contains(&told), "{told}");
}

#[tokio::test(start_paused = true)]
async fn ack_without_late_uri() {
    let server = Server::default();
    {
        let mut seen = server.0.lock().unwrap();
        seen.refuses.insert("test://refused".into());
        seen.slow.insert("test://late".into(), 10);
        seen.slow.insert("test://slow".into(), 1);
    }
    let listen = listening(&server);
    let begun = Instant::now();
    let uris = ["test://a", "test://late", "test://refused", "test://slow"];
    let mut reply = listen.open(&to(&uris));
    listen.said(&updated("test://a"));
    let honoured = acknowledged(&mut reply).await;
    assert_eq!(honoured, json!({"resourceSubscriptions": ["test://a", "test://slow"]}));
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(
        next(&mut reply).await.1["uri"],
        "test://a",
        "what came before the acknowledgement is told after it"
    );
    server.requests();
    sleep(Duration::from_secs(9)).await;
    assert_eq!(server.requests(), ["unsubscribe test://late"], "as soon as it is answered");
}

#[tokio::test(start_paused = true)]
async fn a_uri_that_is_never_answered_is_unsubscribed() {
    let server = Server::default();
    server.0.lock().unwrap().slow.insert("test://never".into(), 1_000_000);
    let listen = listening(&server);
    let mut reply = listen.open(&to(&["test://never"]));
    assert_eq!(acknowledged(&mut reply).await, json!({}));
    sleep(ANSWER_WITHIN).await;
    assert_eq!(server.requests(), ["subscribe test://never", "unsubscribe test://never"]);
}

#[tokio::test(start_paused = true)]
async fn reconnect_restores_and_notifies() {
    let server = Server::default();
    let listen = listening(&server);
    let wanted = json!({"notifications": {"promptsListChanged": true, "resourceSubscriptions": ["test://a", "test://b"]}});
    let mut reply = listen.open(&wanted.into());
    let left = listen.open(&to(&["test://c"]));
    acknowledged(&mut reply).await;
    settle().await;
    drop(left);
    server.requests();

    listen.lost(1);
    let mut late = listen.open(&to(&["test://b"]));
    advance(Duration::from_secs(1)).await;
    silent(&mut late).await;
    linked(&listen, &server);
    assert_eq!(next(&mut reply).await.0, Method::PromptsChanged, "the list may be another one");
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a"})));
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://b"})));
    silent(&mut reply).await;
    assert_eq!(acknowledged(&mut late).await, json!({"resourceSubscriptions": ["test://b"]}));
    silent(&mut late).await;
    assert_eq!(server.requests(), ["subscribe test://a", "subscribe test://b"], "nobody listens to c");
}

#[tokio::test(start_paused = true)]
async fn who_was_promised_what_cannot_be_restored_hears_the_end() {
    let server = Server::default();
    let listen = listening(&server);
    let mut reply = listen.open(&to(&["test://a"]));
    acknowledged(&mut reply).await;
    listen.lost(1);
    server.0.lock().unwrap().refuses.insert("test://a".into());
    linked(&listen, &server);
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_told_and_nothing_is_subscribed_to_again() {
    let server = Server::default();
    let listen = listening(&server);
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a", "test://b"]});
    let mut reply = listen.open(&json!({ "notifications": wanted }).into());
    acknowledged(&mut reply).await;
    server.requests();
    listen.missed(false);
    assert_eq!(next(&mut reply).await.0, Method::ToolsChanged);
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a"})));
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://b"})));
    silent(&mut reply).await;
    assert_eq!(server.requests(), [""; 0], "the subscriptions hold");
    // One that does not is taken back, as no message can.
    listen.withdrawn(&"test://b".into());
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
}

#[tokio::test(start_paused = true)]
async fn no_changes_of_lists_are_promised_by_a_server_without_a_stream_for_them() {
    let server = Server::default();
    let listen = listening(&server);
    let lists = || json!({"notifications": {"toolsListChanged": true}}).into();
    let promised = |told: (Method, Value)| told.1["notifications"]["toolsListChanged"] == json!(true);
    let (mut heard, mut of_a_resource) = (listen.open(&lists()), listen.open(&to(&["test://a"])));
    assert!(promised(next(&mut heard).await));
    acknowledged(&mut of_a_resource).await;
    listen.silent();
    assert!(matches!(heard.next().await, Event::Outcome(Outcome::Result(_))), "no message takes it back");
    silent(&mut of_a_resource).await;
    let mut later = listen.open(&lists());
    assert!(!promised(next(&mut later).await));
    listen.silent();
    silent(&mut later).await;
    // It may yet notify of a change, during a call.
    listen.said(&change(Method::ToolsChanged, json!({})));
    assert_eq!(next(&mut later).await.0, Method::ToolsChanged);
    // The stream is there again.
    listen.missed(false);
    assert_eq!(next(&mut later).await.0, Method::ToolsChanged);
    assert!(promised(next(&mut listen.open(&lists())).await));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_follows_its_end_is_asked_for_after_it() {
    let server = Server::default();
    let listen = listening(&server);
    let mut reply = listen.open(&to(&["test://a"]));
    acknowledged(&mut reply).await;
    drop(reply);
    server.requests();
    let action = Action::Unsubscribe("test://a".into());
    {
        let mut inside = listen.lock();
        assert_eq!(inside.machine.at(Instant::now() + LINGER), std::slice::from_ref(&action));
    }
    let mut again = listen.open(&to(&["test://a"]));
    silent(&mut again).await;
    assert_eq!(server.requests(), [""; 0], "the end is not answered yet");
    let next = listen.lock().machine.answered(&action, Answer::Done);
    assert_eq!(next, Some(Action::Subscribe("test://a".into())));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_subscriptions_is_not_asked() {
    let server = Server::default();
    let listen = Listen::new();
    let context = Context::new(Principal::local(), Revision::V2025_11_25);
    let discovered = json!({"capabilities": {"tools": {"listChanged": true}, "resources": {}}});
    listen.linked(Arc::new(server.clone()), context, Offers::of(&discovered.into()));
    let wanted =
        json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["test://a"]});
    let mut reply = listen.open(&json!({"notifications": wanted}).into());
    assert_eq!(acknowledged(&mut reply).await, json!({"toolsListChanged": true}));
    assert_eq!(server.requests(), [""; 0]);
    listen.end();
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_filter_is_told_so() {
    let listen = listening(&Server::default());
    for wrong in [json!({}), json!({"notifications": []}), json!({"notifications": {"toolsListChanged": 1}})]
    {
        assert!(
            matches!(listen.open(&wrong.into()).outcome().await, Outcome::Error(error) if error.code == -32602)
        );
    }
}

/// Invariant: One listener, or one list, of a server does not use up the requests, pages and time of others.
#[tokio::test(start_paused = true)]
async fn one_listener_of_everything_takes_neither_the_connection_nor_all_of_its_requests() {
    let server = Server::default();
    server.0.lock().unwrap().takes = Duration::from_millis(10);
    let listen = listening(&server);
    let uris: Vec<_> = (0..5_000).map(|number| format!("test://{number:04}")).collect();
    let mut reply = listen.open(&to(&uris.iter().map(String::as_str).collect::<Vec<_>>()));
    let honoured = acknowledged(&mut reply).await;
    assert_eq!(honoured["resourceSubscriptions"].as_array().unwrap().len(), 1_000);
    assert_eq!(server.requests().len(), 1_000);
    assert!(server.0.lock().unwrap().most <= REQUESTS);
    listen.said(&updated("test://0999"));
    assert_eq!(next(&mut reply).await.1["uri"], "test://0999");
    drop(reply);
    sleep(LINGER * 2).await;
    assert_eq!(server.requests().len(), 1_000);
    assert!(listen.is_idle());
}
