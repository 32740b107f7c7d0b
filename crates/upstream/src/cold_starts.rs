//! Programs that start: only so many at once, so that a fleet of them does not starve itself.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};
use tokio::{sync::Semaphore, time::timeout};

use crate::{ConnectError, Connected, Connector, OpenRequest};

/// The bound of the servers that start at once, of any number of upstreams. Clones are the same bound.
#[derive(Clone)]
pub struct ColdStarts {
    places: Arc<Semaphore>,
    delayed: Counter,
}

/// How long a program counts as one that starts. One that takes longer waits for something else than the processor, or hangs, and
/// must not keep others from starting.
const STARTING: Duration = Duration::from_secs(10);

impl ColdStarts {
    /// At most `max` at once.
    pub fn new(max: usize, metrics: &Metrics) -> Self {
        let delayed =
            metrics.counter("anyport_upstream_starts_delayed", "Starts of programs that waited for others");
        Self { places: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))), delayed }
    }

    /// The connector `inner` of a program, under this bound.
    pub fn bounded(&self, inner: impl Connector) -> impl Connector {
        Bounded { inner, starts: self.clone() }
    }

    /// Runs `connecting`, which starts a program, once there is a place.
    async fn run<T>(self, connecting: impl Future<Output = T>) -> T {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                self.delayed.increment();
                self.places.acquire_owned().await.ok()
            }
        };
        tokio::pin!(connecting);
        if let Ok(connected) = timeout(STARTING, &mut connecting).await {
            return connected;
        }
        drop(place);
        connecting.await
    }
}

/// A connector under the bound.
struct Bounded<C> {
    inner: C,
    starts: ColdStarts,
}

impl<C: Connector> Connector for Bounded<C> {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        Box::pin(self.starts.clone().run(self.inner.connect(client)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// The seconds after which `count` programs of which each takes `seconds` have started, in their order.
    async fn starts(starts: &ColdStarts, count: u64, seconds: u64) -> Vec<u64> {
        let begun = Instant::now();
        let all: Vec<_> = (0..count)
            .map(|_| {
                tokio::spawn(starts.clone().run(async move { sleep(Duration::from_secs(seconds)).await }))
            })
            .collect();
        let mut ended = Vec::new();
        for one in all {
            one.await.unwrap();
            ended.push(begun.elapsed().as_secs());
        }
        ended
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_start_at_once_and_one_that_takes_long_does_not_count() {
        let metrics = Metrics::new();
        let bound = ColdStarts::new(2, &metrics);
        assert_eq!(starts(&bound, 5, 4).await, [4, 4, 8, 8, 12]);
        assert_eq!(bound.delayed.value(), 3);
        assert_eq!(starts(&bound, 3, 60).await, [60, 60, 70]);
    }
}
