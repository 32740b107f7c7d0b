//! Reading the messages of a stream, always from the server that leads it.

use std::{collections::HashMap, time::Duration};

use async_nats::jetstream::{
    Context, ErrorCode,
    consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
    message::StreamMessage,
    stream::RawMessage,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{
    connection::{Connection, Failed},
    message::Stored,
};
use crate::Error;

/// A request for one message.
#[derive(Default, Serialize)]
pub(super) struct Wanted {
    #[serde(rename = "seq", skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<u64>,
    #[serde(rename = "last_by_subj", skip_serializing_if = "Option::is_none")]
    pub(super) last_of: Option<String>,
    #[serde(rename = "next_by_subj", skip_serializing_if = "Option::is_none")]
    pub(super) next_of: Option<String>,
}

#[derive(Deserialize)]
struct Got {
    message: RawMessage,
}

/// A request for the state of a stream, with the subjects that match.
#[derive(Serialize)]
struct WantedSubjects<'a> {
    subjects_filter: &'a str,
    offset: usize,
}

/// A stream with subjects, and how many messages each has.
#[derive(Deserialize)]
pub(super) struct Subjects {
    pub(super) state: SubjectsState,
    #[serde(default)]
    pub(super) total: usize,
}

#[derive(Deserialize)]
pub(super) struct SubjectsState {
    pub(super) bytes: u64,
    pub(super) messages: u64,
    #[serde(default)]
    pub(super) subjects: Option<HashMap<String, u64>>,
}

/// A message of a [`scan`].
pub(super) struct Scanned {
    pub(super) subject: String,
    pub(super) stored: Stored,
    /// When the server wrote it, in seconds since 1970.
    pub(super) written: i64,
}

/// What a [`scan`] reads.
pub(super) struct Scan {
    pub(super) stream: String,
    pub(super) filter: String,
    pub(super) from: DeliverPolicy,
    pub(super) without_values: bool,
}

/// How many messages are asked for at once.
const BATCH: usize = 256;
/// How long a consumer may wait for its next page. What a sweep does with one takes its time.
const IDLE: Duration = Duration::from_secs(60);

/// Reads one message; `None` if there is none.
pub(super) async fn message(
    connection: &Connection,
    stream: &str,
    wanted: &Wanted,
) -> Result<Option<StreamMessage>, Failed> {
    match connection.ask(format!("STREAM.MSG.GET.{stream}"), wanted).await {
        Ok(Got { message }) => StreamMessage::try_from(message).map(Some).map_err(Failed::Other),
        Err(failed) if failed.code() == Some(ErrorCode::NO_MESSAGE_FOUND) => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// The state of a stream and one page of the subjects that match, from `offset` on.
pub(super) async fn subjects(
    connection: &Connection,
    stream: &str,
    filter: &str,
    offset: usize,
) -> Result<Subjects, Failed> {
    let wanted = WantedSubjects { subjects_filter: filter, offset };
    connection.ask(format!("STREAM.INFO.{stream}"), &wanted).await
}

/// Reads at most `limit` messages in the order of the stream.
pub(super) async fn scan(connection: &Connection, scan: Scan, limit: usize) -> Result<Vec<Scanned>, Error> {
    let mut scanning = Scanning::begin(connection, scan).await?;
    let mut found = Vec::new();
    while found.len() < limit {
        let page = scanning.page(limit - found.len()).await?;
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    Ok(found)
}

/// A [`Scan`] that is read page by page, so that a stream of any size takes bounded memory.
pub(super) struct Scanning {
    context: Context,
    consumer: Consumer<pull::Config>,
    stream: String,
    pending: u64,
}

impl Scanning {
    pub(super) async fn begin(connection: &Connection, scan: Scan) -> Result<Self, Error> {
        let config = pull::Config {
            deliver_policy: scan.from,
            ack_policy: AckPolicy::None,
            filter_subject: scan.filter,
            headers_only: scan.without_values,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: IDLE,
            ..pull::Config::default()
        };
        let context = connection.context.clone();
        let consumer = context.create_consumer_on_stream(config, &scan.stream).await.map_err(unreachable)?;
        let pending = consumer.cached_info().num_pending;
        Ok(Self { context, consumer, stream: scan.stream, pending })
    }

    /// The next messages, at most `limit`; none at the end.
    pub(super) async fn page(&mut self, limit: usize) -> Result<Vec<Scanned>, Error> {
        let mut found = Vec::new();
        if self.pending == 0 {
            return Ok(found);
        }
        let batch = BATCH.min(limit);
        let mut messages = self.consumer.fetch().max_messages(batch).messages().await.map_err(unreachable)?;
        while let Some(message) = messages.next().await {
            let message = message.map_err(Error::Fault)?;
            let info = message.info().map_err(Error::Fault)?;
            self.pending = info.pending;
            found.push(Scanned {
                stored: Stored::new(info.stream_sequence, message.headers.as_ref(), message.payload.clone()),
                written: info.published.unix_timestamp(),
                subject: message.subject.to_string(),
            });
        }
        Ok(found)
    }
}

impl Drop for Scanning {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (context, stream) = (self.context.clone(), std::mem::take(&mut self.stream));
        let name = self.consumer.cached_info().name.clone();
        runtime.spawn(async move {
            // It would end by itself.
            let _ = context.delete_consumer_from_stream(name, &stream).await;
        });
    }
}

/// A consumer could not be made or asked: the connection, or the leader of the stream, is away.
pub(super) fn unreachable(error: impl std::error::Error) -> Error {
    tracing::debug!(%error, "a stream of the store could not be read");
    Error::Unreachable
}
