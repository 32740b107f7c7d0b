//! The pool of calls to servers over HTTP: `http_pool`, `http_pool_per_host` and `http_pool_timeout`.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyport_metrics::{Metrics, REFUSALS};
use anyport_protocol::{Method, Raw, Revision, failure::Failure};
use anyport_service::{Event, Outcome, Reply, Request, Service as _};
use anyport_transport::{
    client::{
        ConnectOptions, Connection,
        http::{AccessRefusal, Authorizer, Endpoint, HttpPool, HttpPoolLimits, SignInFailed},
    },
    http::Config,
};
use http::HeaderValue;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{
    ours::{call, context, open, opening, text},
    script::{Asked, STALLS, Script, answer, events, json as body, legacy, modern, response},
};
use crate::common::{Server, within};

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// A pool and its numbers.
struct Pool {
    options: ConnectOptions,
    metrics: Metrics,
}

impl Pool {
    fn new(total: usize, per_host: usize, wait: Duration) -> Self {
        let metrics = Metrics::new();
        let limits = HttpPoolLimits::default().total(total).per_host(per_host).acquire_timeout(wait);
        let options = opening(None).http_pool(HttpPool::new(limits, &metrics));
        Self { options, metrics }
    }

    fn value(&self, name: &str) -> i64 {
        self.metrics.snapshot().iter().find(|sample| sample.name == name).map_or(0, |sample| sample.value)
    }

    /// The calls that have a place, and those that wait.
    fn now(&self) -> [i64; 2] {
        ["anyport_http_pool_in_use", "anyport_http_pool_waiting"].map(|name| self.value(name))
    }

    fn streams(&self) -> i64 {
        self.value("anyport_http_pool_streams")
    }

    async fn is(&self, now: [i64; 2]) {
        until(|| self.now() == now).await;
    }

    async fn connect(&self, url: &str, revision: Revision) -> Connection {
        let endpoint = Endpoint::new(url).unwrap().without_proxy();
        within(open(&endpoint, &self.options.clone().revision(revision))).await.unwrap()
    }
}

async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Never in a test.
const LONG: Duration = Duration::from_secs(3_600);

/// A server whose calls of the tool `hang` are never answered, and those of other tools at once.
async fn server() -> Script {
    Script::start(|asked| {
        handshake(asked).unwrap_or_else(|| match asked.body["params"]["name"].as_str() {
            Some("hang") => String::new(),
            // Its answer has come, and its stream stays open.
            Some("stall") => format!("{}{STALLS}", events("")),
            _ => body(&answer(asked, "x")),
        })
    })
    .await
}

fn handshake(asked: &Asked) -> Option<String> {
    match asked.header("mcp-protocol-version") {
        Some("2026-07-28") => modern(asked),
        _ => legacy(asked, "s"),
    }
}

/// A call that runs until it is dropped.
fn begin(connection: &Connection, tool: &str) -> JoinHandle<Outcome> {
    tokio::spawn(call(connection, tool, json!({})).outcome())
}

async fn answered(connection: &Connection) {
    assert_eq!(text(&within(call(connection, "echo", json!({})).outcome()).await), "x");
}

#[tokio::test]
async fn a_call_beyond_the_places_of_its_host_waits_and_others_do_not() {
    let (one, other) = (server().await, server().await);
    for era in ERAS {
        let pool = Pool::new(100, 1, LONG);
        // Connections of one host share its places.
        let [first, second] = [pool.connect(&one.url(), era).await, pool.connect(&one.url(), era).await];
        let elsewhere = pool.connect(&other.url(), era).await;
        let running = begin(&first, "hang");
        pool.is([1, 0]).await;
        let waiting = begin(&second, "echo");
        pool.is([1, 1]).await;
        answered(&elsewhere).await;
        // A call that is dropped gives its place back.
        running.abort();
        assert_eq!(text(&within(waiting).await.unwrap()), "x", "{era}");
        pool.is([0, 0]).await;
    }
}

#[tokio::test]
async fn a_call_that_waits_and_is_dropped_leaves_nothing_behind() {
    let server = server().await;
    let pool = Pool::new(1, 1, LONG);
    let connection = pool.connect(&server.url(), Revision::V2026_07_28).await;
    let running = begin(&connection, "stall");
    pool.is([1, 0]).await;
    let waiting = begin(&connection, "echo");
    pool.is([1, 1]).await;
    waiting.abort();
    pool.is([1, 0]).await;
    running.abort();
    pool.is([0, 0]).await;
    answered(&connection).await;
    assert!(!server.asked().iter().any(|asked| asked.body["params"]["name"] == "late"));
}

/// Invariant: A call that gets no connection in time was never sent, and says how full the pool is.
#[tokio::test]
async fn a_call_that_waits_too_long_was_never_sent_and_says_what_is_in_use() {
    let [one, other] = [server().await, server().await];
    for (era, (total, per_host, reached)) in
        ERAS.into_iter().flat_map(|era| [(era, (1, 30, "http_pool")), (era, (100, 1, "http_pool_per_host"))])
    {
        let pool = Pool::new(total, per_host, Duration::from_millis(20));
        let url = if reached == "http_pool" { one.url() } else { other.url() };
        let first = pool.connect(&url, era).await;
        let running = begin(&first, "hang");
        pool.is([1, 0]).await;
        // What the places of all hosts are used for by one host, others wait for, too.
        let connection = pool.connect(&other.url(), era).await;
        let failed = within(call(&connection, "late", json!({"secret": "hunter2"})).outcome()).await;
        let Outcome::Failed(failure) = failed else { panic!("{failed:?}") };
        let Failure::Overloaded { limit, why } = *failure else { panic!("{failure:?}") };
        assert_eq!(limit, "http_pool_timeout");
        let of_host = if reached == "http_pool" { 0 } else { 1 };
        let host = format!("http://{}", other.address);
        let words = [
            format!("{host} is busy: the call was not sent, since it had no place within 0.0"),
            format!("{host}: {of_host} of {per_host} in use (http_pool_per_host), 1 waiting"),
            format!("all hosts: 1 of {total} in use (http_pool), 1 waiting"),
            format!("or raise {reached}"),
        ];
        assert!(words.iter().all(|words| why.contains(words)), "{era}: {why} has not all of {words:?}");
        assert!(!why.contains("/mcp") && !why.contains("hunter2"), "{why}");
        let late = pool.metrics.snapshot().into_iter().find(|sample| {
            sample.name == REFUSALS && sample.label.is_some_and(|(_, limit)| limit == "http_pool_timeout")
        });
        assert_eq!(late.unwrap().value, 1);
        running.abort();
        pool.is([0, 0]).await;
        answered(&connection).await;
    }
    assert!(!other.asked().iter().any(|asked| asked.body["params"]["name"] == "late"));
}

/// Takes the next server request of a call.
async fn question(reply: &mut Reply) -> anyport_service::ServerRequest {
    match within(reply.next()).await {
        Event::ServerRequest(question) => question,
        event => panic!("{event:?}"),
    }
}

/// Invariant: A call never waits for the connection that it holds itself: answers, cancellations and notifications pass a full pool.
#[tokio::test]
async fn answers_and_cancellations_pass_a_full_pool() {
    let server = Server::start(Config::default().sse(true)).await;
    for (path, revision) in [
        ("/mcp", Revision::V2025_03_26),
        ("/mcp", Revision::V2025_06_18),
        ("/mcp", Revision::V2025_11_25),
        ("/sse", Revision::V2024_11_05),
    ] {
        let pool = Pool::new(1, 1, LONG);
        let connection = pool.connect(&format!("http://{}{path}", server.address), revision).await;
        let mut asking = call(&connection, "ask", json!({"questions": 2}));
        let first = question(&mut asking).await;
        // It waits for its user, which takes no place from others.
        pool.is([0, 0]).await;
        let echoed = within(call(&connection, "echo", json!({"text": "a"})).outcome()).await;
        assert_eq!(text(&echoed), "a", "{revision}");
        // Calls of another server on the same host fill the pool.
        let full = Script::start_at("127.0.0.1", |asked| {
            handshake(asked).unwrap_or_else(|| match asked.method() {
                "tools/call" => String::new(),
                _ => response("202 Accepted", &[], ""),
            })
        })
        .await;
        let busy = pool.connect(&full.url(), Revision::V2025_11_25).await;
        let running = begin(&busy, "hang");
        until(|| full.asked().iter().any(|asked| asked.method() == "tools/call")).await;
        assert_eq!(pool.now(), [1, 0], "{revision}");
        first.responder.answer(Ok(json!({"roots": []}).into()));
        let second = question(&mut asking).await;
        second.responder.answer(Ok(json!({"roots": []}).into()));
        let Event::Outcome(outcome) = within(asking.next()).await else { panic!("{revision}") };
        assert_eq!(text(&outcome), r#"{"roots":[]};{"roots":[]}"#, "{revision}");
        // The server learns that a call is cancelled, which is a message of its own here.
        let waiting = begin(&busy, "hang");
        pool.is([1, 1]).await;
        running.abort();
        until(|| full.asked().iter().any(|asked| asked.method() == "notifications/cancelled")).await;
        waiting.abort();
        pool.is([0, 0]).await;
    }
}

#[tokio::test]
async fn streams_that_stay_open_take_no_place() {
    let server = Server::start(Config::default().sse(true)).await;
    for (path, revision) in
        [("/mcp", Revision::V2025_11_25), ("/sse", Revision::V2024_11_05), ("/mcp", Revision::V2026_07_28)]
    {
        let pool = Pool::new(1, 1, LONG);
        let connection = pool.connect(&format!("http://{}{path}", server.address), revision).await;
        let listening = revision.is_stateless().then(|| {
            let filter = Raw::from(json!({"notifications": {"toolsListChanged": true}}));
            tokio::spawn(connection.call(Request::new(Method::Listen, filter), context()).outcome())
        });
        until(|| pool.streams() == 1).await;
        assert_eq!(pool.now(), [0, 0], "{revision}");
        let echoed = within(call(&connection, "echo", json!({"text": "a"})).outcome()).await;
        assert_eq!(text(&echoed), "a", "{revision}");
        if let Some(listening) = listening {
            listening.abort();
        }
        within(connection.close()).await;
        until(|| pool.streams() == 0).await;
    }
}

/// A login that is over once its user says so.
struct Login {
    refusals: Semaphore,
    is_signed_in: Semaphore,
}

impl Authorizer for Login {
    fn authorization(&self) -> Option<HeaderValue> {
        (self.is_signed_in.available_permits() > 0).then(|| HeaderValue::from_static("Bearer token"))
    }

    fn prepare(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> {
        None
    }

    fn refused(
        &self,
        refusal: AccessRefusal,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SignInFailed>> + Send + '_>> {
        if refusal.sent.is_some() {
            return Box::pin(ready(Ok(false)));
        }
        self.refusals.add_permits(1);
        Box::pin(async { Ok(self.is_signed_in.acquire().await.is_ok()) })
    }
}

#[tokio::test]
async fn a_call_that_waits_for_a_login_takes_no_place() {
    let server = Script::start(|asked| {
        let is_allowed = asked.header("authorization").is_some() || asked.method() != "tools/call";
        match is_allowed {
            true => handshake(asked).unwrap_or_else(|| body(&answer(asked, "x"))),
            false => response("401 Unauthorized", &["WWW-Authenticate: Bearer"], ""),
        }
    })
    .await;
    for era in ERAS {
        let pool = Pool::new(1, 1, LONG);
        let login = Arc::new(Login { refusals: Semaphore::new(0), is_signed_in: Semaphore::new(0) });
        let endpoint = Endpoint::new(&server.url()).unwrap().without_proxy().authorizer(login.clone());
        let options = pool.options.clone().revision(era);
        let connection = within(open(&endpoint, &options)).await.unwrap();
        let calls = [begin(&connection, "echo"), begin(&connection, "echo")];
        // Both are refused, though there is one place.
        until(|| login.refusals.available_permits() == 2).await;
        pool.is([0, 0]).await;
        login.is_signed_in.add_permits(1);
        for call in calls {
            assert_eq!(text(&within(call).await.unwrap()), "x", "{era}");
        }
        pool.is([0, 0]).await;
    }
}
