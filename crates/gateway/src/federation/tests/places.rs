//! How many calls of a tool run at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyport_metrics::Metrics;
use anyport_service::{Reply, emit};
use tokio::sync::Semaphore;

use super::*;

/// A member whose tool `slow` waits for a permit.
#[derive(Clone)]
struct Slow {
    fake: Fake,
    go: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

impl Service for Slow {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.name().as_deref() != Some("slow") {
            return self.fake.call(request, context);
        }
        let slow = self.clone();
        emit::reply(|emitter| async move {
            slow.running.fetch_add(1, Ordering::SeqCst);
            slow.go.acquire().await.unwrap().forget();
            slow.running.fetch_sub(1, Ordering::SeqCst);
            emitter.relay(slow.fake.call(request, context)).await
        })
    }
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Invariant: A tool takes no more places of its server than its limit says, whatever the revision.
#[tokio::test(start_paused = true)]
async fn a_tool_takes_its_own_places_and_leaves_the_others() {
    let slow = Slow {
        fake: Fake::new(&["slow", "other"]),
        go: Arc::new(Semaphore::new(0)),
        running: Arc::default(),
    };
    let metrics = Metrics::new();
    let places = ToolPlaces::new(1, seconds(5)).each_tool(100).tool("slow", 2);
    let member = Member::new("a", Arc::new(slow.clone())).tool_places(places);
    let federation = Federation::builder("gateway", "1").metrics(&metrics).member(member).build().unwrap();
    tools(&federation).await;
    let call = |context: Context| {
        let federation = federation.clone();
        tokio::spawn(async move { federation.call(tool("a_slow", json!({})), context).outcome().await })
    };
    for context in [modern(), legacy(), caller(Revision::V2024_11_05, json!({}))] {
        let running = [call(context.clone()), call(context.clone())];
        settle().await;
        let waiting = call(context.clone());
        settle().await;
        assert_eq!(slow.running.load(Ordering::SeqCst), 2);
        let refused = federation.call(tool("a_slow", json!({})), context.clone()).outcome().await;
        let Outcome::Failed(refused) = refused else { panic!("{refused:?}") };
        let refused = refused.to_error();
        let message = "the tool slow of a is busy: 2 calls are running (max_concurrent_calls)";
        assert!(refused.message.contains(message), "{refused:?}");
        let data: Value = refused.data.unwrap().decode().unwrap();
        assert_eq!(data["reason"], "overloaded");
        let other = federation.call(tool("a_other", json!({})), context.clone()).outcome().await;
        assert!(matches!(other, Outcome::Result(_)), "other tools have their places: {other:?}");
        slow.go.add_permits(3);
        for call in running.into_iter().chain([waiting]) {
            assert!(matches!(call.await.unwrap(), Outcome::Result(_)));
        }
    }
    let text = metrics.render();
    assert!(text.contains("max_calls_per_tool\"} 3"), "{text}");
}
