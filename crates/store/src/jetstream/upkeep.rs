//! What a member does while the store is open: it says that it is running, measures the clock, and sweeps.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    connection::{Connection, Failed},
    messages::{self, Wanted},
    shared::{Inner, META},
};
use crate::{Answer, Error, Expect, Key, Lease, Store, Write, members::Beats};

/// What a member says.
#[derive(Debug, Deserialize, Serialize)]
struct Beat {
    incarnation: u64,
    /// It is its last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    left: bool,
}

/// How often the clock is measured and expired versions are ended, a little more or less.
const UPKEEP: Duration = Duration::from_secs(60);

/// Starts it. It ends when `closed` changes.
pub(super) fn start(
    store: Weak<Inner>,
    connection: Connection,
    closed: watch::Receiver<()>,
) -> Answer<'static, ()> {
    // A box, since the upkeep uses the store that is being opened here.
    Box::pin(async move {
        let Some(inner) = store.upgrade() else { return Ok(()) };
        let heard = connection.client.subscribe(inner.names.beat("*")).await.map_err(Error::fault)?;
        let subject = inner.names.beat(&inner.members.me().id);
        tokio::spawn(beat(inner.beats.clone(), connection, subject, heard, closed.clone()));
        tokio::spawn(keep_up(store, closed));
        Ok(())
    })
}

/// Says that this member is running, and hears the others. It needs no JetStream, and so no leader.
async fn beat(
    beats: Arc<Beats>,
    connection: Connection,
    subject: String,
    mut heard: async_nats::Subscriber,
    mut closed: watch::Receiver<()>,
) {
    let mut ticks = interval(beats.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let incarnation = beats.me().incarnation;
    let say =
        |left| serde_json::to_vec(&Beat { incarnation, left }).map_or_else(|_| Bytes::new(), Bytes::from);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if connection.is_connected() {
                    let _ = connection.client.publish(subject.clone(), say(false)).await;
                }
            }
            message = heard.next() => {
                let Some(message) = message else { return };
                let Ok(Beat { incarnation, left }) = serde_json::from_slice(&message.payload) else { continue };
                if let Some((_, id)) = message.subject.rsplit_once('.') {
                    beats.heard(id, incarnation, left);
                }
            }
            _ = closed.changed() => break,
        }
    }
    if connection.is_connected() {
        let _ = connection.client.publish(subject, say(true)).await;
        let _ = connection.client.flush().await;
    }
}

/// Measures the clock, and sweeps if no other member does.
async fn keep_up(store: Weak<Inner>, mut closed: watch::Receiver<()>) {
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            _ = closed.changed() => return,
        }
        pause = UPKEEP.mul_f64(0.75 + fastrand::f64() / 2.0);
        let Some(store) = store.upgrade() else { return };
        if store.options.clock.is_some() {
            // A test's, which sweeps itself.
            continue;
        }
        tokio::select! {
            done = once(&store) => {
                if let Err(error) = done {
                    tracing::debug!(%error, "the upkeep of the store failed; it is tried again");
                }
            }
            _ = closed.changed() => return,
        }
    }
}

async fn once(store: &Arc<Inner>) -> Result<(), Error> {
    measure_clock(store).await?;
    let shared: Arc<dyn Store> = store.clone();
    // Given back at once: a lease keeps the store open.
    let Some(lease) = Lease::acquire(&shared, Key::new(&META, "sweeper")).await? else {
        return Ok(());
    };
    let swept = store.sweep_due().await;
    lease.release().await?;
    swept
}

/// Measures by how much the server's clock is ahead: the time at which it wrote a message, against the middle of the wait.
async fn measure_clock(store: &Inner) -> Result<(), Error> {
    let (connection, _) = store.bucket(&Key::all(&META)).await?;
    let key = Key::new(&META, format!("clock/{}", store.members.me().id));
    let write = Write { expect: Expect::Anything, ttl: Some(Duration::from_secs(60 * 60)) };
    let begun = SystemTime::now();
    store.put(&key, Bytes::new(), write).await?;
    let middle = begun + begun.elapsed().unwrap_or_default() / 2;
    let wanted = Wanted { last_of: Some(store.names.key(&key)), ..Wanted::default() };
    let message = messages::message(connection, &store.names.stream(META.name), &wanted).await;
    let Some(message) = message.map_err(Failed::of_read)? else { return Ok(()) };
    let middle = middle.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let written = message.time.unix_timestamp_nanos() / 1_000_000;
    let ahead = i64::try_from(written - i128::try_from(middle).unwrap_or_default()).unwrap_or_default();
    store.ahead.store(ahead, Ordering::Relaxed);
    if ahead.unsigned_abs() > 1_000 {
        tracing::warn!(
            milliseconds = ahead,
            "the clock of the store's server is ahead of this one by this much"
        );
    }
    Ok(())
}
