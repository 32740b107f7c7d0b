use std::sync::Mutex;

use anyport_protocol::{Revision, jsonrpc::ConnectionRefusal};
use anyport_service::{Principal, emit};
use serde_json::json;

use super::*;
use crate::subscriptions::Offers;

/// A modern server of which only streams are seen.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// The resources of each request to listen.
    requests: Vec<Vec<String>>,
    /// How long an acknowledgement takes.
    takes: Duration,
    refuses: Option<Error>,
    /// Wakes the last stream when the next one is acknowledged: it then notifies of its first resource, so much later.
    replaced: Arc<Notify>,
    late: Duration,
}

impl Service for Server {
    fn call(&self, request: Request, _: Context) -> Reply {
        let filter = SubscriptionFilter::read(request.params.raw()).unwrap();
        let mut seen = self.0.lock().unwrap();
        seen.requests.push(filter.uris.iter().map(ToString::to_string).collect());
        if let Some(error) = seen.refuses.clone() {
            return Reply::error(error);
        }
        let (takes, late) = (seen.takes, seen.late);
        let replaced = Arc::<Notify>::default();
        let before = std::mem::replace(&mut seen.replaced, replaced.clone());
        emit::reply(move |emitter| async move {
            sleep(takes).await;
            let params = filter.params();
            before.notify_one();
            emitter.emit(Event::Notification(Notification { method: Method::Acknowledged, params })).await;
            replaced.notified().await;
            sleep(late).await;
            if let Some(uri) = filter.uris.first() {
                let params = Raw::from(json!({ "uri": &**uri }));
                emitter
                    .emit(Event::Notification(Notification { method: Method::ResourceUpdated, params }))
                    .await;
            }
            std::future::pending().await
        })
    }
}

impl Server {
    fn requests(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().requests.clone()
    }
}

/// The streams of one place, and their listeners.
struct Place {
    streams: ListenStreams,
    listen: Listen,
    outdated: Arc<Notify>,
}

impl Place {
    fn new() -> Self {
        let streams = ListenStreams::new(UpstreamLimits::default());
        Self { streams, listen: Listen::new(), outdated: Arc::default() }
    }

    /// Connects to `server`; returns the number of the connection.
    fn link(&self, server: &Server) -> u64 {
        let context = Context::new(Principal::local(), Revision::V2026_07_28);
        let lists = SubscriptionFilter { tools: true, ..SubscriptionFilter::default() };
        let number = self.streams.linked(StreamLink {
            service: Arc::new(server.clone()),
            context: context.clone(),
            lists: lists.clone(),
            listen: self.listen.clone(),
            outdated: self.outdated.clone(),
        });
        self.listen.linked_by(Arc::new(self.streams.clone()), context, Offers { lists, subscribe: true });
        number
    }

    fn listen(&self, uris: &[&str]) -> Reply {
        let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": uris}});
        self.streams.listen(&self.listen, &Request::new(Method::Listen, Raw::from(filter)))
    }

    /// A listener to the list, whose stream is open.
    async fn listener(&self) -> Reply {
        let mut reply = self.listen(&[]);
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        reply
    }
}

async fn told(reply: &mut Reply) -> Method {
    match timeout(Duration::from_secs(30), reply.next()).await.expect("nothing is said") {
        Event::Notification(told) => told.method,
        event => panic!("{event:?}"),
    }
}

/// Subscribes to `uri` after this time.
async fn subscribed_after(place: &Place, time: Duration, uri: &str) -> Instant {
    sleep(time).await;
    let outcome = place.streams.subscribe(uri.into()).outcome().await;
    assert!(matches!(outcome, Outcome::Result(_)), "{uri}: {outcome:?}");
    Instant::now()
}

/// Invariant: Whoever subscribes while a listen stream is replaced is acknowledged with it, or with the next one.
#[tokio::test(start_paused = true)]
async fn subscribers_that_come_while_a_stream_is_replaced_are_acknowledged() {
    // Within the time in which changes are collected, while the server takes its time, and right after.
    for second in [1, 5, 9, 10, 15, 50, 100, 111] {
        let (place, server) = (Place::new(), Server::default());
        place.link(&server);
        let _lists = place.listener().await;
        server.0.lock().unwrap().takes = Duration::from_millis(100);
        let begun = Instant::now();
        let both = async {
            tokio::join!(
                subscribed_after(&place, Duration::ZERO, "test://a"),
                subscribed_after(&place, Duration::from_millis(second), "test://b"),
            )
        };
        let (a, b) = timeout(Duration::from_secs(5), both).await.unwrap_or_else(|_| panic!("{second} ms"));
        assert!(
            a - begun <= Duration::from_millis(250) && b - begun <= Duration::from_millis(350),
            "{second} ms"
        );
        let requests = server.requests();
        assert_eq!(requests.last().unwrap(), &["test://a", "test://b"], "{second} ms");
        assert_eq!(requests.len(), if second <= 10 { 2 } else { 3 }, "{second} ms: {requests:?}");
    }
}

/// Invariant: A change of a resource that was said on a listen stream just before it was replaced reaches its listeners.
#[tokio::test(start_paused = true)]
async fn a_change_on_a_stream_that_is_replaced_is_not_lost() {
    for late in [5, 700] {
        let (place, server) = (Place::new(), Server::default());
        server.0.lock().unwrap().late = Duration::from_millis(late);
        place.link(&server);
        let mut listener = place.listen(&["test://a"]);
        assert_eq!(told(&mut listener).await, Method::Acknowledged);
        subscribed_after(&place, Duration::ZERO, "test://b").await;
        assert_eq!(server.requests().last().unwrap(), &["test://a", "test://b"]);
        assert_eq!(told(&mut listener).await, Method::ResourceUpdated, "{late} ms");
    }
}

/// The end of a connection may become known after the next one is there.
#[tokio::test(start_paused = true)]
async fn the_late_end_of_a_connection_leaves_the_streams_of_the_next_one() {
    let (place, first, second) = (Place::new(), Server::default(), Server::default());
    let number = place.link(&first);
    let mut listener = place.listener().await;
    place.listen.lost(1);
    place.link(&second);
    place.streams.lost(number);
    assert_eq!(told(&mut listener).await, Method::ToolsChanged, "the list may be another one");
    subscribed_after(&place, Duration::ZERO, "test://a").await;
    assert_eq!(second.requests().last().unwrap(), &["test://a"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_the_revision_of_a_stream_is_connected_to_anew() {
    let (place, server) = (Place::new(), Server::default());
    place.link(&server);
    let _lists = place.listener().await;
    let refusal = Some(ConnectionRefusal::UnsupportedRevision);
    server.0.lock().unwrap().refuses = Some(Error { refusal, ..Error::internal("what?") });
    let outdated = place.outdated.clone();
    let waits = tokio::spawn(async move { outdated.notified().await });
    let outcome = place.streams.subscribe("test://a".into()).outcome().await;
    assert!(matches!(&outcome, Outcome::Failed(failure) if failure.is_lost_connection()), "{outcome:?}");
    timeout(Duration::from_secs(1), waits).await.unwrap().unwrap();
}
