use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Error, Limits, Raw, Revision, meta::LogLevel, param_header::ParamHeaders};
use tokio::{sync::Semaphore, time::sleep};

use super::*;
use anyport_metrics::REFUSALS;
use anyport_service::{InputMode, Notification, ServerRequest};

/// Answers each call with its number, in the way that the tool's name says, once it may.
#[derive(Clone)]
struct Fake {
    calls: Arc<AtomicUsize>,
    /// Calls that wait take one of these.
    go: Arc<Semaphore>,
}

impl Fake {
    fn new() -> Self {
        Self { calls: Arc::default(), go: Arc::new(Semaphore::new(0)) }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn go(&self) {
        self.go.add_permits(1);
    }
}

fn result(number: usize) -> Outcome {
    Outcome::Result(json(&format!(r#"{{"resultType":"complete","n":{number}}}"#)))
}

fn json(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

impl Service for Fake {
    fn call(&self, request: Request, _: Context) -> Reply {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let go = self.go.clone();
        let failed = json(&format!(r#"{{"content":[],"isError":true,"n":{number}}}"#));
        let name = request.name().unwrap_or_default();
        match &*name {
            "fails" => Reply::ready(Outcome::Result(failed)),
            "refuses" => Reply::error(Error::internal("no")),
            "asks back" => Reply::ready(Outcome::InputRequired(Raw::EMPTY_OBJECT)),
            "large" => Reply::ready(Outcome::Result(Raw::string(&"x".repeat(5_000)))),
            "tells" | "asks" => emit::reply(move |emitter| async move {
                let (question, _answer) = ServerRequest::new(Method::Elicit, Raw::EMPTY_OBJECT);
                let told = Notification { method: Method::Progress, params: Raw::EMPTY_OBJECT };
                let event =
                    if &*name == "asks" { Event::ServerRequest(question) } else { Event::Notification(told) };
                emitter.emit(event).await;
                go.acquire().await.unwrap().forget();
                result(number)
            }),
            "waits" | "waits and fails" => Reply::future(async move {
                go.acquire().await.unwrap().forget();
                if &*name == "waits" { result(number) } else { Outcome::Result(failed) }
            }),
            _ => Reply::ready(result(number)),
        }
    }
}

/// A cache around a fake, of every tool but "now".
fn cache(limits: CacheLimits) -> (Cache<Fake>, Fake) {
    let fake = Fake::new();
    (Cache::new(fake.clone(), limits, |tool, _| (tool != "now").then_some(0)), fake)
}

fn context() -> Context {
    Context::new(Principal::named("ada"), Revision::NEWEST)
}

fn request(params: &str) -> Request {
    Request::new(Method::ToolsCall, json(params))
}

fn named(name: &str) -> Request {
    request(&format!(r#"{{"name":"{name}"}}"#))
}

/// The number of the call whose result this is.
fn number(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Result(result) => result.member("n").unwrap().decode().unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn ask(cache: &impl Service, request: Request) -> u64 {
    number(cache.call(request, context()).outcome().await)
}

#[tokio::test(start_paused = true)]
async fn an_equal_call_is_answered_from_memory_until_its_time_is_over() {
    let (cache, fake) = cache(CacheLimits::default());
    let asked = r#"{"name":"add","arguments":{"a":1,"b":2}}"#;
    let again = r#"{"_meta":{"progressToken":7},"arguments":{ "b":2.0, "a":1 },"name":"add"}"#;
    assert_eq!(ask(&cache, request(asked)).await, 1);
    // What is kept is ready.
    assert_eq!(number(cache.call(request(again), context()).into_ready().unwrap()), 1);
    sleep(Duration::from_millis(299_999)).await;
    assert_eq!(ask(&cache, request(again)).await, 1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(ask(&cache, request(again)).await, 2);
    assert_eq!((fake.calls(), cache.handle().len()), (2, 1));
}

/// Invariant: A cached answer is given to an equal request of the same caller and revision only.
#[tokio::test]
async fn whatever_an_answer_may_go_by_makes_another_question() {
    let (cache, fake) = cache(CacheLimits::default());
    let headers = |value: &[u8]| {
        let mut headers = ParamHeaders::default();
        headers.push("region".into(), value.to_vec());
        headers
    };
    let others = [
        context(),
        Context::new(Principal::named("bob"), Revision::NEWEST),
        Context::new(Principal::anonymous(), Revision::NEWEST),
        Context::new(Principal::local(), Revision::NEWEST),
        Context::new(Principal::named("local"), Revision::NEWEST),
        Context::new(Principal::named("ada"), Revision::V2025_11_25)
            .with_input_mode(InputMode::InputRequired),
        context().with_input_mode(InputMode::Inline),
        context().with_log_level(Some(LogLevel::Info)),
        context().with_log_level(Some(LogLevel::Debug)),
        context().with_client(json(r#"{"elicitation":{}}"#), None),
        context().with_param_headers(ParamHeaders::default()),
        context().with_param_headers(headers(b"eu")),
        context().with_param_headers(headers(b"us")),
    ];
    for round in [1, 1] {
        for (index, context) in others.iter().enumerate() {
            let outcome = cache.call(named("add"), context.clone()).outcome().await;
            assert_eq!(number(outcome), index as u64 + round);
        }
    }
    let requests = [
        r#"{"name":"sub"}"#,
        r#"{"name":"add","arguments":{"a":1}}"#,
        r#"{"name":"add","arguments":{"a":"1"}}"#,
        r#"{"name":"add","arguments":{"b":1}}"#,
    ];
    for text in requests {
        let before = fake.calls();
        ask(&cache, request(text)).await;
        ask(&cache, request(text)).await;
        assert_eq!(fake.calls(), before + 1, "{text}");
    }
    // Who the client says it is, and an absent object of arguments, change nothing.
    let client = context().with_client(Raw::EMPTY_OBJECT, Some(json(r#"{"name":"c","version":"1"}"#)));
    let outcome = cache.call(request(r#"{"name":"add","arguments":{}}"#), client).outcome().await;
    assert_eq!(number(outcome), 1);
}

#[tokio::test]
async fn what_is_no_call_of_such_a_tool_passes_by() {
    let (cache, fake) = cache(CacheLimits::default());
    for params in [
        r#"{"name":"now"}"#,
        r#"{"name":"add","requestState":"s"}"#,
        r#"{"name":"add","inputResponses":{}}"#,
        r#"{"name":"add","unheard":"of"}"#,
        r#"{"name":7}"#,
        "{}",
    ] {
        let before = fake.calls();
        ask(&cache, request(params)).await;
        ask(&cache, request(params)).await;
        assert_eq!(fake.calls(), before + 2, "{params}");
    }
    let before = fake.calls();
    for _ in 0..2 {
        let read = Request::new(Method::PromptsGet, json(r#"{"name":"add"}"#));
        cache.call(read, context()).outcome().await;
    }
    assert_eq!((fake.calls(), cache.handle().len()), (before + 2, 0));
}

#[tokio::test]
async fn neither_failures_nor_what_is_told_or_asked_is_kept() {
    let (cache, fake) = cache(CacheLimits::default());
    for name in ["fails", "refuses", "asks back", "tells", "asks"] {
        for _ in 0..3 {
            let before = fake.calls();
            fake.go();
            cache.call(named(name), context()).outcome().await;
            assert_eq!(fake.calls(), before + 1, "{name}");
            let taken = fake.go.try_acquire().map(|permit| permit.forget());
            assert_eq!(taken.is_err(), matches!(name, "tells" | "asks"), "{name}");
        }
    }
    assert!(cache.handle().is_empty());
}

#[tokio::test(start_paused = true)]
async fn equal_calls_at_the_same_time_run_once() {
    let (cache, fake) = cache(CacheLimits::default());
    for (name, kept) in [("waits", true), ("waits and fails", false)] {
        let before = fake.calls();
        let calls: Vec<_> = (0..10).map(|_| cache.call(named(name), context())).collect();
        fake.go();
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.push(call.outcome().await);
        }
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fake.calls(), before + 1, "{name}");
        // A failure is shared by those who waited, and by nobody later.
        fake.go();
        let later = cache.call(named(name), context()).outcome().await;
        assert_eq!(later == outcomes[0], kept, "{name}");
        fake.go.forget_permits(1);
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_first_is_cancelled_another_goes_on_for_all() {
    let (cache, fake) = cache(CacheLimits::default());
    let mut calls: Vec<_> = (0..5).map(|_| cache.call(named("waits"), context())).collect();
    drop(calls.remove(0));
    let mut running: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.outcome())).collect();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.calls(), 2);
    // And again, until one is left. Which of them has taken the place is not ours to know.
    for aborted in 3..=5 {
        running.remove(0).abort();
        sleep(Duration::from_secs(1)).await;
        assert!(fake.calls() <= aborted);
    }
    fake.go();
    let last = running.remove(0).await.unwrap();
    assert_eq!(number(last.clone()), fake.calls() as u64);
    assert_eq!(cache.call(named("waits"), context()).outcome().await, last);
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_call_that_tells_or_asks_runs_by_itself_and_at_once() {
    let (cache, fake) = cache(CacheLimits::default());
    for name in ["tells", "asks"] {
        // Both are registered before either is read; only the first runs.
        let before = fake.calls();
        let mut replies = [cache.call(named(name), context()), cache.call(named(name), context())];
        for reply in &mut replies {
            assert!(matches!(reply.next().await, Event::Notification(_) | Event::ServerRequest(_)), "{name}");
        }
        assert_eq!(fake.calls(), before + 2);
        let [first, second] = replies.map(|reply| {
            fake.go();
            tokio::spawn(reply.outcome())
        });
        assert_ne!(number(first.await.unwrap()), number(second.await.unwrap()));
    }
    assert!(cache.handle().is_empty());
}

/// Invariant: After the cache is cleared, no older answer is stored or returned.
#[tokio::test(start_paused = true)]
async fn after_clear_nothing_older_is_kept_or_waited_for() {
    let (cache, fake) = cache(CacheLimits::default());
    let clear = cache.handle();
    assert_eq!(ask(&cache, named("add")).await, 1);
    clear.clear();
    assert_eq!((clear.len(), clear.bytes()), (0, 0));
    assert_eq!(ask(&cache, named("add")).await, 2);

    let old = tokio::spawn(cache.call(named("waits"), context()).outcome());
    clear.clear();
    let new = tokio::spawn(cache.call(named("waits"), context()).outcome());
    assert_eq!(fake.calls(), 4);
    fake.go();
    assert_eq!(number(old.await.unwrap()), 3);
    // What began before is not kept, and stands in nobody's way.
    assert_eq!(clear.len(), 0);
    fake.go();
    assert_eq!(number(new.await.unwrap()), 4);
    assert_eq!(ask(&cache, named("waits")).await, 4);
}

#[tokio::test]
async fn what_is_kept_is_bounded_by_entries_and_by_bytes_and_the_oldest_goes() {
    let metrics = Metrics::new();
    let limits = CacheLimits::default().entries(3);
    let (by_entries, _) = cache(limits);
    let by_entries = by_entries.metrics(&metrics);
    for tool in ["a", "b", "c", "a", "d"] {
        ask(&by_entries, named(tool)).await;
    }
    assert_eq!(by_entries.handle().len(), 3);
    // "b" was not asked for longest.
    assert_eq!(ask(&by_entries, named("a")).await, 1);
    assert_eq!(ask(&by_entries, named("b")).await, 5);
    let value = |name: &str| metrics.snapshot().into_iter().find(|sample| sample.name == name).unwrap().value;
    assert_eq!(value("anyport_cache_hits_total"), 2);
    assert_eq!(value("anyport_cache_misses_total"), 5);
    assert_eq!(value("anyport_cache_evictions_total"), 2);

    let limits = CacheLimits::default().bytes(20_000);
    let (by_bytes, fake) = cache(limits);
    let by_bytes = by_bytes.metrics(&metrics);
    for index in 0..1_000 {
        ask(&by_bytes, named(&format!("tool{index}"))).await;
        assert!(by_bytes.handle().bytes() <= 20_000);
    }
    assert!(by_bytes.handle().len() > 20);
    let kept = by_bytes.handle().len();
    for _ in 0..2 {
        by_bytes.call(named("large"), context()).outcome().await;
    }
    assert_eq!((fake.calls(), by_bytes.handle().len()), (1_002, kept), "it drove nothing out");
    assert_eq!(value(REFUSALS), 2);
}

#[tokio::test]
async fn who_may_not_see_a_tool_any_more_gets_nothing_of_it_and_a_new_version_is_another_tool() {
    let fake = Fake::new();
    let (visible, version) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(1)));
    let (seen, now) = (visible.clone(), version.clone());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = asked.clone();
    let cache = Cache::new(fake.clone(), CacheLimits::default(), move |tool, caller| {
        told.lock().unwrap().push(format!("{tool} {caller}"));
        seen.load(Ordering::SeqCst).then(|| now.load(Ordering::SeqCst))
    });
    assert_eq!(ask(&cache, named("add")).await, 1);
    assert_eq!(ask(&cache, named("add")).await, 1);
    visible.store(false, Ordering::SeqCst);
    assert_eq!(ask(&cache, named("add")).await, 2);
    visible.store(true, Ordering::SeqCst);
    assert_eq!(ask(&cache, named("add")).await, 1);
    version.store(2, Ordering::SeqCst);
    assert_eq!(ask(&cache, named("add")).await, 3);
    assert_eq!(*asked.lock().unwrap(), ["add name:ada"; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_dropped_leaves_the_others_alone() {
    let (cache, fake) = cache(CacheLimits::default());
    let first = cache.call(named("waits"), context());
    let second = cache.call(named("waits"), context());
    drop(second);
    fake.go();
    assert_eq!(number(first.outcome().await), 1);
    assert_eq!((ask(&cache, named("waits")).await, fake.calls()), (1, 1));
}
