use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport_protocol::{Error, Method, Raw, Revision, jsonrpc::Reason};
use tokio::time::{Instant, sleep};

use tower_layer::Layer;

use super::*;
use anyport_metrics::Metrics;
use anyport_service::{
    Context, Event, InputMode, Notification, Outcome, Overload, OverloadCause, Presence, Principal, Reply,
    Request, ServerRequest, Service, SessionId, emit,
};

/// A service that is a function.
struct Fake<F>(F);

impl<F: Fn(Request) -> Reply + Send + Sync + 'static> Service for Fake<F> {
    fn call(&self, request: Request, _: Context) -> Reply {
        (self.0)(request)
    }
}

fn request(method: Method) -> Request {
    Request::new(method, Raw::EMPTY_OBJECT)
}

fn context() -> Context {
    Context::new(Principal::local(), Revision::NEWEST)
}

fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Error(error) => error.reason,
        Outcome::Failed(failure) => failure.to_error().reason,
        outcome => panic!("{outcome:?}"),
    }
}

fn slow(seconds: u64) -> Reply {
    Reply::future(async move {
        sleep(Duration::from_secs(seconds)).await;
        Outcome::Result(Raw::EMPTY_OBJECT)
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_over_its_timeout_ends_and_a_listen_stream_does_not() {
    let service = Timeout::new(Fake(|_| slow(60)), Duration::from_secs(30));
    let started = Instant::now();
    let outcome = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!((reason(outcome), started.elapsed()), (Some(Reason::Timeout), Duration::from_secs(30)));
    let outcome = service.call(request(Method::Listen), context()).outcome().await;
    assert!(matches!(outcome, Outcome::Result(_)));
}

/// Invariant: A timeout stands still while a server request is open.
#[tokio::test(start_paused = true)]
async fn the_timeout_stands_still_while_a_question_is_open() {
    let service = Timeout::new(
        Fake(|_| {
            emit::reply(|emitter| async move {
                sleep(Duration::from_secs(10)).await;
                let (question, answer) = ServerRequest::new(Method::Elicit, Raw::EMPTY_OBJECT);
                emitter.emit(Event::ServerRequest(question)).await;
                let _ = answer.await;
                sleep(Duration::from_secs(60)).await;
                Outcome::Result(Raw::EMPTY_OBJECT)
            })
        }),
        Duration::from_secs(30),
    );
    let started = Instant::now();
    let mut reply = service.call(request(Method::ToolsCall), context());
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    let person = tokio::spawn(async move {
        sleep(Duration::from_secs(300)).await;
        question.responder.answer(Ok(Raw::EMPTY_OBJECT));
    });
    assert_eq!(reason(reply.outcome().await), Some(Reason::Timeout));
    // Ten seconds before the question, twenty after it: thirty in all, the person's five minutes aside.
    assert_eq!(started.elapsed(), Duration::from_secs(330));
    person.await.unwrap();
}

/// Reports progress every `seconds`, for ever.
fn busy(seconds: u64) -> Reply {
    emit::reply(move |emitter| async move {
        loop {
            sleep(Duration::from_secs(seconds)).await;
            let progress = Notification { method: Method::Progress, params: Raw::EMPTY_OBJECT };
            emitter.emit(Event::Notification(progress)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn progress_restarts_a_timeout_with_a_maximum_and_no_other() {
    let metrics = Metrics::new();
    let layer = TimeoutLayer::new(Duration::from_secs(30), &metrics);
    for (layer, seconds, expected) in [
        (layer.clone(), 20, 30),
        (layer.clone().max(Duration::from_secs(100)), 20, 100),
        (layer.clone().max(Duration::from_secs(100)), 40, 30),
        (layer.max(Duration::MAX), 40, 30),
    ] {
        let service = layer.layer(Fake(move |_| busy(seconds)));
        let started = Instant::now();
        let outcome = service.call(request(Method::ToolsCall), context()).outcome().await;
        let ended = (reason(outcome), started.elapsed());
        assert_eq!(ended, (Some(Reason::Timeout), Duration::from_secs(expected)));
    }
    let expired = |limit| metrics.refusals(limit).value();
    assert_eq!((expired("call_timeout"), expired("call_timeout_max")), (3, 1));
}

/// Says something in each moment, so that its reply always has an event.
fn flooding(event: fn() -> Event) -> Reply {
    emit::reply(move |emitter| async move {
        loop {
            emitter.emit(event()).await;
        }
    })
}

/// Invariant: No flood of messages keeps a call from its timeout.
#[tokio::test(start_paused = true)]
async fn a_reply_that_always_has_an_event_ends_in_time_and_only_progress_restarts_its_timeout() {
    fn notification(method: Method) -> Event {
        Event::Notification(Notification { method, params: Raw::EMPTY_OBJECT })
    }
    let log: fn() -> Event = || notification(Method::LogMessage);
    let unknown: fn() -> Event = || Event::Unknown { method: "x/told".into(), params: Raw::EMPTY_OBJECT };
    let progress: fn() -> Event = || notification(Method::Progress);
    let metrics = Metrics::new();
    let layer = TimeoutLayer::new(Duration::from_secs(30), &metrics);
    let with_max = layer.clone().max(Duration::from_secs(100));
    for (layer, event, expected) in [
        (&layer, log, 30),
        (&layer, progress, 30),
        (&with_max, log, 30),
        (&with_max, unknown, 30),
        (&with_max, progress, 100),
    ] {
        let service = layer.layer(Fake(move |_| flooding(event)));
        let started = Instant::now();
        let mut reply = service.call(request(Method::ToolsCall), context());
        let outcome = loop {
            if let Event::Outcome(outcome) = reply.next().await {
                break outcome;
            }
            assert!(started.elapsed() < Duration::from_secs(1_000), "it never ends");
            tokio::time::advance(Duration::from_secs(1)).await;
        };
        let ended = (reason(outcome), started.elapsed());
        assert_eq!(ended, (Some(Reason::Timeout), Duration::from_secs(expected)));
    }
    let expired = |limit| metrics.refusals(limit).value();
    assert_eq!((expired("call_timeout"), expired("call_timeout_max")), (4, 1));
}

/// Invariant: A timeout stands still while a server request is open.
#[tokio::test(start_paused = true)]
async fn progress_during_a_question_counts_from_its_answer_on() {
    let asking = Fake(|_: Request| {
        emit::reply(|emitter| async move {
            let (question, answer) = ServerRequest::new(Method::Elicit, Raw::EMPTY_OBJECT);
            emitter.emit(Event::ServerRequest(question)).await;
            sleep(Duration::from_secs(50)).await;
            let progress = Notification { method: Method::Progress, params: Raw::EMPTY_OBJECT };
            emitter.emit(Event::Notification(progress)).await;
            let _ = answer.await;
            std::future::pending().await
        })
    });
    let service = Timeout::new(asking, Duration::from_secs(30)).max(Duration::from_secs(1000));
    let started = Instant::now();
    let mut reply = service.call(request(Method::ToolsCall), context());
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    let person = tokio::spawn(async move {
        sleep(Duration::from_secs(300)).await;
        question.responder.answer(Ok(Raw::EMPTY_OBJECT));
    });
    assert_eq!(reason(reply.outcome().await), Some(Reason::Timeout));
    assert_eq!(started.elapsed(), Duration::from_secs(330));
    person.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_a_principal_or_else_a_session() {
    let service = ConcurrencyLimit::new(Fake(|_| slow(1)), 10).per_caller(1);
    let (one, two) = (SessionId::next(), SessionId::next());
    let anonymous = || Context::new(Principal::anonymous(), Revision::NEWEST);
    let alice = || Context::new(Principal::named("alice"), Revision::NEWEST);
    let mut open = Vec::new();
    for (context, fits) in [
        (anonymous(), true),
        (anonymous(), false),
        (anonymous().with_session(one), true),
        (anonymous().with_session(two), true),
        (anonymous().with_session(two), false),
        (alice().with_session(one), true),
        (alice().with_session(two), false),
    ] {
        match service.call(request(Method::ToolsCall), context).into_ready() {
            Ok(refused) => assert_eq!((reason(refused), fits), (Some(Reason::Overloaded), false)),
            Err(reply) => {
                assert!(fits);
                open.push(reply);
            }
        }
    }
    assert_eq!(service.running(), 4);
    drop(open);
    assert_eq!(service.running(), 0);
}

/// Invariant: A call whose client has disconnected gives its place to a call that would be refused.
#[tokio::test(start_paused = true)]
async fn a_call_without_its_client_is_ended_for_one_that_would_be_refused() {
    let service = ConcurrencyLimit::new(Fake(|_| slow(60)), 2);
    let call = |context| service.call(request(Method::ToolsCall), context);
    let presences = [Presence::new(), Presence::new()];
    let mut connected: Vec<_> = presences.iter().map(|presence| Some(presence.connected())).collect();
    let calls =
        presences.clone().map(|presence| tokio::spawn(call(context().with_presence(presence)).outcome()));
    tokio::task::yield_now().await;
    assert_eq!(reason(call(context()).outcome().await), Some(Reason::Overloaded), "both are waited for");
    // The second leaves first.
    for number in [1, 0] {
        connected[number] = None;
        sleep(Duration::from_secs(1)).await;
    }
    let third = call(context());
    assert_eq!(service.running(), 2);
    let [first, second] = calls;
    assert_eq!(reason(second.await.unwrap()), Some(Reason::Overloaded));
    assert!(!first.is_finished());
    // Whoever has come back is waited for.
    connected[0] = Some(presences[0].connected());
    assert_eq!(reason(call(context()).outcome().await), Some(Reason::Overloaded));
    assert!(matches!(first.await.unwrap(), Outcome::Result(_)));
    drop(third);
    assert_eq!(service.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_over_the_limit_are_refused_until_one_ends() {
    let service = ConcurrencyLimit::new(Fake(|_| slow(1)), 2);
    let first = service.call(request(Method::ToolsCall), context());
    let second = service.call(request(Method::ToolsCall), context());
    assert_eq!(service.running(), 2);
    let refused = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!(reason(refused), Some(Reason::Overloaded));
    let listen = service.call(request(Method::Listen), context());
    drop(first);
    assert_eq!(service.running(), 1);
    assert!(matches!(
        service.call(request(Method::ToolsCall), context()).outcome().await,
        Outcome::Result(_)
    ));
    drop((second, listen));
    assert_eq!(service.running(), 0);
}

#[tokio::test]
async fn each_principal_has_its_own_rate() {
    let one = NonZeroU32::MIN;
    let quota = Quota::default().per_second(one).burst(one.saturating_add(1));
    let service = RateLimit::new(Fake(|_| Reply::ready(Outcome::Result(Raw::EMPTY_OBJECT))), quota);
    let call = |method, principal| {
        let context = Context::new(principal, Revision::NEWEST);
        service.call(request(method), context).into_ready().unwrap()
    };
    let alice = || Principal::named("alice");
    assert!(matches!(call(Method::ToolsCall, alice()), Outcome::Result(_)));
    assert!(matches!(call(Method::Complete, alice()), Outcome::Result(_)));
    assert_eq!(reason(call(Method::ToolsCall, alice())), Some(Reason::RateLimited));
    for _ in 0..2 {
        assert!(matches!(call(Method::ToolsList, alice()), Outcome::Result(_)), "lists count by themselves");
    }
    assert_eq!(reason(call(Method::ToolsList, alice())), Some(Reason::RateLimited));
    assert!(matches!(call(Method::ToolsCall, Principal::named("bob")), Outcome::Result(_)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_becomes_an_error_that_says_nothing_of_the_inside() {
    let at_once = CatchPanic::new(Fake(|_| panic!("secret")));
    let later = CatchPanic::new(Fake(|_| {
        Reply::future(async {
            sleep(Duration::from_secs(1)).await;
            panic!("secret")
        })
    }));
    for reply in [
        at_once.call(request(Method::ToolsCall), context()),
        later.call(request(Method::ToolsCall), context()),
    ] {
        let Outcome::Error(error) = reply.outcome().await else { panic!() };
        assert_eq!(error.code, -32603);
        assert!(!error.message.contains("secret"));
    }
}

/// Invariant: A ready reply passes every layer without a task and without a stream.
#[tokio::test]
async fn a_ready_reply_passes_every_layer_as_it_is() {
    let one = NonZeroU32::MIN;
    let service = Fake(|_: Request| Reply::ready(Outcome::Result(Raw::EMPTY_OBJECT)));
    let service = CatchPanic::new(service);
    let service = Timeout::new(service, Duration::from_secs(30));
    let service = RateLimit::new(service, Quota::default().per_second(one).burst(one));
    let service = Trace::new(ConcurrencyLimit::new(service, 1));
    assert!(service.call(request(Method::ToolsCall), context()).into_ready().is_ok());
}

/// What is told while a call runs, then how it ends.
fn progress_then(outcome: Outcome) -> Reply {
    emit::reply(|emitter| async move {
        for _ in 0..40 {
            let params = Raw::EMPTY_OBJECT;
            emitter.emit(Event::Notification(Notification { method: Method::Progress, params })).await;
        }
        sleep(Duration::from_secs(1)).await;
        let (question, answer) = ServerRequest::new(Method::Elicit, Raw::EMPTY_OBJECT);
        emitter.emit(Event::ServerRequest(question)).await;
        let _ = answer.await;
        outcome
    })
}

/// Invariant: Progress, server requests, cancellation and ready replies pass middleware unchanged.
#[tokio::test(start_paused = true)]
async fn middleware_lets_pass_untouched_what_is_told_and_asked() {
    let service = Fake(|_: Request| progress_then(Outcome::Result(Raw::EMPTY_OBJECT)));
    let service = Middleware::new(service, async |call: Call, next: Next| next.run(call).await);
    let mut reply = service.call(request(Method::ToolsCall), context());
    for _ in 0..40 {
        assert!(matches!(reply.next().await, Event::Notification(_)));
    }
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    question.responder.answer(Ok(Raw::EMPTY_OBJECT));
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
}

/// Invariant: Progress, server requests, cancellation and ready replies pass middleware unchanged.
#[tokio::test]
async fn middleware_refuses_changes_arguments_and_outcomes_and_sees_questions() {
    let service = Fake(|request: Request| match request.params.member("arguments") {
        Some(arguments) => Reply::ready(Outcome::Result(arguments)),
        None => Reply::ready(Outcome::InputRequired(Raw::EMPTY_OBJECT)),
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let service = Middleware::new(service, async |call: Call, next: Next| match call.principal().name() {
        Some("eve") => Error::internal("not you").with_reason(Reason::Forbidden).into(),
        Some("twice") => {
            next.run(call.clone()).await;
            next.run(call).await
        }
        _ if call.arguments().is_some() => next.run(call.with_arguments(&Raw::string("changed"))).await,
        _ => next.run(call).await,
    });
    let service = Middleware::new(service, move |call: Call, next: Next| {
        let told = told.clone();
        async move {
            let what = (call.method().to_owned(), call.name(), call.revision());
            let outcome = next.run(call).await;
            let asks = matches!(outcome, Outcome::InputRequired(_));
            told.lock().unwrap().push((what, asks));
            outcome
        }
    });
    let call = |principal, params: &str| {
        let params = Raw::parse(params.to_owned().into(), &anyport_protocol::Limits::default()).unwrap();
        let context = Context::new(principal, Revision::NEWEST);
        // Ready calls stay ready.
        service.call(Request::new(Method::ToolsCall, params), context).into_ready().unwrap()
    };
    let params = r#"{"name":"x","arguments":{"a":1},"_meta":{"b":2}}"#;
    assert_eq!(reason(call(Principal::named("eve"), params)), Some(Reason::Forbidden));
    assert_eq!(call(Principal::local(), params), Outcome::Result(Raw::string("changed")));
    assert!(matches!(call(Principal::local(), r#"{"name":"y"}"#), Outcome::InputRequired(_)));
    assert!(matches!(call(Principal::named("twice"), params), Outcome::Result(_)));
    let what = |name: &'static str| ("tools/call".to_owned(), Some(name.into()), Revision::NEWEST);
    let expected = [(what("x"), false), (what("x"), false), (what("y"), true), (what("x"), false)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Invariant: Progress, server requests, cancellation and ready replies pass middleware unchanged.
#[tokio::test(start_paused = true)]
async fn dropping_a_reply_cancels_through_middleware() {
    struct Alive(Arc<()>);
    let alive = Arc::new(());
    let held = alive.clone();
    let service = Fake(move |_: Request| {
        let alive = Alive(held.clone());
        Reply::future(async move {
            sleep(Duration::from_secs(60)).await;
            drop(alive.0);
            Outcome::Result(Raw::EMPTY_OBJECT)
        })
    });
    let service = Middleware::new(service, async |call: Call, next: Next| next.run(call).await);
    let reply = service.call(request(Method::ToolsCall), context());
    assert_eq!(Arc::strong_count(&alive), 3);
    drop(reply);
    assert_eq!(Arc::strong_count(&alive), 2);
}

/// Invariant: Every refusal of a limit is counted under the name of the limit.
#[tokio::test(start_paused = true)]
async fn every_refusal_is_counted_by_the_name_of_its_limit() {
    let metrics = Metrics::new();
    let one = NonZeroU32::MIN;
    let quota = Quota::default().per_second(one).burst(one.saturating_add(1));
    let service = TimeoutLayer::new(Duration::from_secs(30), &metrics).layer(Fake(|_| slow(60)));
    let service = RateLimitLayer::new(quota, &metrics).layer(service);
    let service = ConcurrencyLimitLayer::new(1, &metrics).layer(service);
    let first = service.call(request(Method::ToolsCall), context());
    let refused = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!(reason(refused), Some(Reason::Overloaded));
    drop(first);
    let expired = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!(reason(expired), Some(Reason::Timeout));
    let refused = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!(reason(refused), Some(Reason::RateLimited));
    for limit in ["max_concurrent_calls", "call_timeout", "calls_per_second"] {
        assert_eq!(metrics.refusals(limit).value(), 1, "{limit}");
    }
}

#[tokio::test]
async fn a_limit_beyond_what_the_clock_can_tell_is_none() {
    let service = Timeout::new(Fake(|_| slow(0)), Duration::MAX);
    let outcome = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert!(matches!(outcome, Outcome::Result(_)));
}

/// Invariant: Nothing waits for the reader of a reply that is never read.
#[tokio::test]
async fn what_middleware_left_behind_does_not_wait_for_a_reader() {
    let (end, ended) = tokio::sync::oneshot::channel();
    let end = Mutex::new(Some(end));
    let talking = Fake(|_| {
        emit::reply(|emitter| async move {
            for _ in 0..100 {
                let method = Method::Progress;
                emitter.emit(Event::Notification(Notification { method, params: Raw::EMPTY_OBJECT })).await;
            }
            Outcome::Result(Raw::EMPTY_OBJECT)
        })
    });
    let service = Middleware::new(talking, move |call: Call, next: Next| {
        let end = end.lock().unwrap().take();
        async move {
            tokio::spawn(async move {
                next.run(call).await;
                end.map(|end| end.send(()))
            });
            Outcome::Result(Raw::NULL)
        }
    });
    let outcome = service.call(request(Method::ToolsCall), context()).outcome().await;
    assert_eq!(outcome, Outcome::Result(Raw::NULL));
    assert!(tokio::time::timeout(Duration::from_secs(5), ended).await.is_ok());
}

#[test]
fn an_absent_layer_changes_nothing() {
    let metrics = Metrics::new();
    let layer =
        |limit: Option<usize>| optional(limit.map(|limit| ConcurrencyLimitLayer::new(limit, &metrics)));
    let answer = || Fake(|_: Request| Reply::ready(Outcome::Result(Raw::EMPTY_OBJECT)));
    for (limit, expected) in [(None, None), (Some(0), Some(Reason::Overloaded))] {
        let reply = layer(limit).layer(answer()).call(request(Method::ToolsCall), context());
        let failed = match reply.into_ready().unwrap() {
            Outcome::Result(_) => None,
            outcome => reason(outcome),
        };
        assert_eq!(failed, expected);
    }
}

/// A service of which each call takes a minute, and that lists at once, behind a bulkhead of two calls and one that waits for 5 s.
fn bulkhead(metrics: &Metrics) -> Bulkhead<impl Service> {
    let slow = Fake(|request: Request| match request.known() {
        Some(Method::ToolsList) => Reply::ready(Ok(Raw::EMPTY_OBJECT)),
        _ => slow(60),
    });
    BulkheadLayer::new("files", 2, metrics).queue(1, Duration::from_secs(5)).layer(slow)
}

/// Invariant: A server that hangs takes no more places than its own, and calls beyond them and its queue are refused at once.
#[tokio::test(start_paused = true)]
async fn a_bulkhead_lets_few_calls_wait_and_refuses_the_rest() {
    let metrics = Metrics::new();
    let service = bulkhead(&metrics);
    let calls: Vec<_> = (0..3).map(|_| service.call(request(Method::ToolsCall), context())).collect();
    let refused = service.call(request(Method::ToolsCall), context()).into_ready().unwrap();
    let Outcome::Failed(failure) = refused else { panic!("{refused:?}") };
    let error = failure.to_error();
    assert_eq!(error.reason, Some(Reason::Overloaded));
    assert_eq!(
        error.message,
        "files is busy: 2 calls are running (max_concurrent_calls) and 1 are waiting (max_queued_calls); try again later"
    );
    assert!(error.data.unwrap().as_str().contains(r#""upstream":"files""#));
    let listed = service.call(request(Method::ToolsList), context()).into_ready();
    assert!(matches!(listed, Ok(Outcome::Result(_))), "lists have no place");

    let started = Instant::now();
    let mut ended = Vec::new();
    for call in calls {
        ended.push(tokio::spawn(async move { (call.outcome().await, Instant::now()) }));
    }
    let (late, at) = ended.pop().unwrap().await.unwrap();
    assert_eq!((reason(late.clone()), at - started), (Some(Reason::Overloaded), Duration::from_secs(5)));
    let Outcome::Failed(failure) = late else { panic!("{late:?}") };
    assert!(failure.to_string().contains("none ended in 5 s (queue_timeout)"), "{failure}");
    for ended in ended {
        assert!(matches!(ended.await.unwrap().0, Outcome::Result(_)));
    }
    for limit in ["max_queued_per_upstream", "queue_timeout"] {
        let counted = format!("anyport_limit_refusals_total{{limit=\"{limit}\"}} 1");
        assert!(metrics.render().contains(&counted), "{counted}");
    }
    assert!(matches!(
        service.call(request(Method::ToolsCall), context()).outcome().await,
        Outcome::Result(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_without_a_queue_refuses_at_once() {
    let metrics = Metrics::new();
    let service = BulkheadLayer::new("files", 1, &metrics).layer(Fake(|_: Request| slow(60)));
    let _held = service.call(request(Method::ToolsCall), context());
    let refused = service.call(request(Method::ToolsCall), context()).into_ready().unwrap();
    assert_eq!(reason(refused), Some(Reason::Overloaded));
    assert!(metrics.render().contains("anyport_limit_refusals_total{limit=\"max_calls_per_upstream\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_queued_call_takes_the_place_of_the_first_that_ends_or_is_cancelled() {
    let service = bulkhead(&Metrics::new());
    let _held = service.call(request(Method::ToolsCall), context());
    let cancelled = service.call(request(Method::ToolsCall), context());
    let queued = tokio::spawn(service.call(request(Method::ToolsCall), context()).outcome());
    tokio::task::yield_now().await;
    drop(cancelled);
    assert!(matches!(queued.await.unwrap(), Outcome::Result(_)));
    // One that is cancelled while it waits leaves the queue.
    let _held = service.call(request(Method::ToolsCall), context());
    drop(service.call(request(Method::ToolsCall), context()));
    assert!(
        service.call(request(Method::ToolsCall), context()).into_ready().is_err(),
        "there is room to wait"
    );
}

/// Invariant: A call that has sent nothing until its deadline is reported, and one that has sent something is not.
#[tokio::test(start_paused = true)]
async fn silence_until_the_deadline_is_reported() {
    let progress =
        || Event::Notification(Notification { method: Method::Progress, params: Raw::EMPTY_OBJECT });
    let silent = Arc::new(Mutex::new(Vec::new()));
    let noted = silent.clone();
    let layer = TimeoutLayer::new(Duration::from_secs(30), &Metrics::new())
        .max(Duration::from_secs(100))
        .upstream("files")
        .on_silence(move |_, began| noted.lock().unwrap().push(began));
    let talks = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let says = talks.clone();
    let service = layer.layer(Fake(move |_| {
        let says = says.load(std::sync::atomic::Ordering::Relaxed);
        emit::reply(move |emitter| async move {
            if says {
                emitter.emit(progress()).await;
            }
            std::future::pending().await
        })
    }));
    let began = Instant::now();
    let Outcome::Failed(failure) = service.call(request(Method::ToolsCall), context()).outcome().await else {
        panic!("it ended by itself")
    };
    assert_eq!(failure.to_string(), "the call to files has reported no progress for 30000 ms (call_timeout)");
    assert_eq!(*silent.lock().unwrap(), [began]);
    talks.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        reason(service.call(request(Method::ToolsCall), context()).outcome().await),
        Some(Reason::Timeout)
    );
    drop(service.call(request(Method::ToolsCall), context()));
    assert_eq!(silent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_overload_refuses_new_calls_and_lets_retries_through() {
    let (overload, metrics) = (Overload::default(), Metrics::new());
    let inner = Fake(|_| Reply::ready(Outcome::Result(Raw::EMPTY_OBJECT)));
    let service = LoadShedLayer::new(overload.clone(), &metrics).layer(inner);
    let call = async |request: Request| service.call(request, context()).outcome().await;
    assert!(matches!(call(request(Method::ToolsCall)).await, Outcome::Result(_)));
    let why = "memory is used to 99 %".to_owned();
    overload.set(Some(OverloadCause { limit: "max_memory_percent", why }));
    for method in [Method::ToolsCall, Method::ToolsList, Method::Listen] {
        let outcome = call(request(method)).await;
        let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.to_error().reason, Some(Reason::Overloaded));
        let said = failure.to_string();
        assert_eq!(said, "memory is used to 99 % (max_memory_percent); try again later");
    }
    let passes = async |method: Method, params: &str, mode: InputMode| {
        let params = Raw::parse(params.to_owned().into(), &anyport_protocol::Limits::default()).unwrap();
        let context = context().with_input_mode(mode);
        let outcome = service.call(Request::new(method, params), context).outcome().await;
        matches!(outcome, Outcome::Result(_))
    };
    let state = r#"{"name":"x","requestState":"s"}"#;
    let mut refused = 3;
    for method in [
        Method::Ping,
        Method::Initialize,
        Method::Discover,
        Method::ToolsList,
        Method::ToolsCall,
        Method::PromptsList,
        Method::PromptsGet,
        Method::ResourcesList,
        Method::TemplatesList,
        Method::ResourcesRead,
        Method::Complete,
        Method::Listen,
    ] {
        for (params, mode) in [
            (state, InputMode::InputRequired),
            // Who is asked inline has no state.
            (state, InputMode::Inline),
            (r#"{"name":"x","requestState":5}"#, InputMode::InputRequired),
            (r#"{"name":"x","requestState":null}"#, InputMode::InputRequired),
            (r#"{"name":"x","arguments":{"requestState":"s"}}"#, InputMode::InputRequired),
            (r#"{"name":"x","inputResponses":{"q":{}}}"#, InputMode::InputRequired),
        ] {
            let is_retry = method.may_ask() && params == state && mode == InputMode::InputRequired;
            let expected = is_retry || method == Method::Ping;
            assert_eq!(passes(method, params, mode).await, expected, "{method:?} {params} {mode:?}");
            refused += u64::from(!expected);
        }
    }
    assert_eq!(metrics.refusals("max_memory_percent").value(), refused);
    overload.set(None);
    assert!(matches!(call(request(Method::ToolsCall)).await, Outcome::Result(_)));
}
