//! The changes of a bucket: one consumer per bucket and member, however many watches there are.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_nats::jetstream::{
    ErrorCode, Message,
    consumer::{DeliverPolicy, pull},
};
use futures_util::StreamExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    connection::{Connection, Failed},
    message::Stored,
    messages::unreachable,
    shared::Inner,
    streams::{self, Known, REMEMBERED},
    subject,
};
use crate::{Bucket, Change, Error, Key};

/// What follows a bucket.
pub(super) struct Follower {
    store: Weak<Inner>,
    connection: Connection,
    bucket: &'static Bucket,
    stream: String,
    /// What the subjects of its keys begin with.
    before: String,
    /// When the stream was made.
    created: i128,
    /// The last message that was reported.
    reported: u64,
    /// Changes when the store is closed.
    closed: watch::Receiver<()>,
}

type Messages = pull::Ordered;

/// The pause before the consumer is made again; it is not the same for all members.
const PAUSE: Duration = Duration::from_millis(200);

impl Inner {
    /// Reports the changes of a bucket from now on.
    pub(super) async fn follow(self: &Arc<Self>, bucket: &'static Bucket) -> Result<(), Error> {
        let (connection, open) = self.bucket(&Key::all(bucket)).await?;
        open.follower
            .get_or_try_init(|| async {
                let stream = self.names.stream(bucket.name);
                let info = streams::info(connection, &stream).await.map_err(Failed::of_read)?;
                let Known { created, last, .. } = Known::of(&info);
                let follower = Follower {
                    store: Arc::downgrade(self),
                    connection: connection.clone(),
                    bucket,
                    stream,
                    before: self.names.bucket(bucket.name),
                    created,
                    reported: last,
                    closed: self.closed(),
                };
                let connections = connection.connections();
                let messages = follower.messages().await?;
                tokio::spawn(follower.run(messages, connections));
                Ok(())
            })
            .await
            .map(|_| ())
    }
}

impl Follower {
    /// What comes after the last message that was reported.
    async fn messages(&self) -> Result<Messages, Error> {
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: self.reported.saturating_add(1),
            },
            ..pull::OrderedConfig::default()
        };
        let made = self.connection.context.create_consumer_on_stream(config, &self.stream).await;
        made.map_err(unreachable)?.messages().await.map_err(unreachable)
    }

    async fn run(mut self, mut messages: Messages, mut connections: u64) {
        let mut closed = self.closed.clone();
        loop {
            tokio::select! {
                () = self.report(&mut messages, connections) => {}
                _ = closed.changed() => return,
            }
            let since = Instant::now();
            drop(messages);
            tokio::select! {
                again = self.resume(since) => match again {
                    Some(again) => (messages, connections) = again,
                    None => return,
                },
                _ = closed.changed() => return,
            }
        }
    }

    /// Reports until the consumer fails, or the connection is another.
    async fn report(&mut self, messages: &mut Messages, connections: u64) {
        let connection = self.connection.clone();
        let other = async {
            tokio::select! {
                () = connection.lost() => {}
                () = connection.reconnected(connections) => {}
            }
        };
        let mut other = std::pin::pin!(other);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = &mut other => return,
            };
            match message {
                Some(Ok(message)) => self.publish(&message),
                Some(Err(error)) => {
                    tracing::debug!(%error, bucket = self.bucket.name, "the store's changes are followed anew");
                    return;
                }
                None => return,
            }
        }
    }

    fn publish(&mut self, message: &Message) {
        let (Some(store), Ok(info)) = (self.store.upgrade(), message.info()) else { return };
        self.reported = self.reported.max(info.stream_sequence);
        let stored = Stored::new(info.stream_sequence, message.headers.as_ref(), message.payload.clone());
        let Some(id) = message.subject.strip_prefix(&*self.before).and_then(subject::id) else { return };
        let key = Key::new(self.bucket, id);
        let change = if stored.is_deletion {
            Change::Deleted(key, stored.version)
        } else {
            // What has expired meanwhile is reported when it is swept.
            let Some(entry) = stored.live(store.now()) else { return };
            Change::Put(key, entry)
        };
        store.watchers.publish(&change);
    }

    /// Makes the consumer again. Has watches begin again if changes were lost, since `since`.
    async fn resume(&mut self, since: Instant) -> Option<(Messages, u64)> {
        loop {
            sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
            self.connection.reconnected(0).await;
            let connections = self.connection.connections();
            let store = self.store.upgrade()?;
            let known = match streams::info(&self.connection, &self.stream).await {
                Ok(info) => Known::of(&info),
                Err(failed) => {
                    if failed.code() == Some(ErrorCode::STREAM_NOT_FOUND) {
                        let _ = store.make_again(&self.connection, self.bucket).await;
                    }
                    continue;
                }
            };
            let is_lost = known.created != self.created
                || known.last < self.reported
                || since.elapsed() > REMEMBERED / 2;
            if is_lost {
                (self.created, self.reported) = (known.created, known.last);
            }
            let Ok(messages) = self.messages().await else { continue };
            if is_lost {
                store.watchers.reset();
            }
            return Some((messages, connections));
        }
    }
}
