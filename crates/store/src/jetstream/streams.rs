//! One stream per bucket: made if it is not there, and read back, since a server drops without a word what it does not know.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType},
};

use super::{
    connection::{Connection, Failed},
    subject::Names,
};
use crate::{Bucket, Error, Keep};

/// What is known of the stream of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// When the server made it: another time is another stream.
    pub(super) created: i128,
    /// On how many servers each message is.
    pub(super) replicas: usize,
    /// Whether a message can have an age at which the server removes it.
    pub(super) has_message_ttl: bool,
    pub(super) last: u64,
    pub(super) bytes: u64,
    pub(super) messages: u64,
}

/// How long a deletion can be read by those that have not seen it, and what has expired waits to be swept.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How long the server knows the id of a write. Writes are repeated for 2 s.
const REPEATED: Duration = Duration::from_secs(30);
/// The replicas if none are configured and the cluster has them.
const REPLICAS: usize = 3;

/// Sees that the stream of a bucket is there as it must be.
pub(super) async fn ensure(
    connection: &Connection,
    names: &Names,
    bucket: &'static Bucket,
    replicas: Option<usize>,
) -> Result<Known, Error> {
    let wanted = config(names, bucket, replicas.unwrap_or(REPLICAS));
    let info = match info(connection, &wanted.name).await {
        Ok(info) => info,
        Err(failed) if failed.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
            create(connection, &wanted, replicas).await?
        }
        Err(failed) => return Err(failed.of_read()),
    };
    let differences = differences(&wanted, &info.config);
    if !differences.is_empty() {
        return Err(Error::fault(format!(
            "the stream {} has other settings than its bucket needs: {}",
            wanted.name,
            differences.join(", ")
        )));
    }
    let info = limit(connection, &wanted, info, replicas).await?;
    Ok(Known::of(&info))
}

/// Asks for a stream's settings and state.
pub(super) async fn info(connection: &Connection, stream: &str) -> Result<Info, Failed> {
    connection.ask(format!("STREAM.INFO.{stream}"), &()).await
}

impl Known {
    pub(super) fn of(info: &Info) -> Self {
        Self {
            created: info.created.unix_timestamp_nanos(),
            replicas: info.config.num_replicas,
            has_message_ttl: info.config.allow_message_ttl,
            last: info.state.last_sequence,
            bytes: info.state.bytes,
            messages: info.state.messages,
        }
    }
}

fn config(names: &Names, bucket: &Bucket, replicas: usize) -> Config {
    let headroom = bucket.max_bytes / 4 + (1 << 20);
    Config {
        name: names.stream(bucket.name),
        subjects: vec![format!("{}>", names.bucket(bucket.name))],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_consumers: -1,
        max_messages_per_subject: match bucket.keep {
            Keep::All => -1,
            Keep::Newest(count) => i64::from(count.max(1)),
        },
        // The limit of the bucket is counted without headers and what the server adds; this one holds whatever members do.
        max_bytes: i64::try_from(bucket.max_bytes.saturating_add(headroom)).unwrap_or(i64::MAX),
        max_age: bucket.max_age.map_or(Duration::ZERO, |age| age + REMEMBERED),
        duplicate_window: REPEATED,
        num_replicas: replicas,
        allow_message_ttl: true,
        description: Some("a bucket of Anyport's store".to_owned()),
        ..Config::default()
    }
}

async fn create(connection: &Connection, wanted: &Config, replicas: Option<usize>) -> Result<Info, Error> {
    let subject = format!("STREAM.CREATE.{}", wanted.name);
    let made = connection.ask(subject.clone(), wanted).await;
    // Fewer servers than replicas: 10005 no peers, 10074 no cluster, 10023 resources.
    let is_too_many =
        |failed: &Failed| failed.code().is_some_and(|code| matches!(code.0, 10_005 | 10_074 | 10_023));
    match made {
        Err(failed) if replicas.is_none() && is_too_many(&failed) => {
            let alone = Config { num_replicas: 1, ..wanted.clone() };
            connection.ask(subject, &alone).await.map_err(|failed| no_room(wanted, failed))
        }
        // Another member was faster.
        Err(failed) if failed.code() == Some(ErrorCode::STREAM_NAME_EXIST) => {
            info(connection, &wanted.name).await.map_err(Failed::of_read)
        }
        made => made.map_err(|failed| no_room(wanted, failed)),
    }
}

/// What a stream that was not made means: servers reserve what it may hold.
fn no_room(wanted: &Config, failed: Failed) -> Error {
    match failed.of_read() {
        Error::Full => Error::fault(format!(
            "the servers do not have the {} MiB that the stream {} may hold",
            wanted.max_bytes >> 20,
            wanted.name
        )),
        error => error,
    }
}

/// What of a stream's settings makes it no bucket.
fn differences(wanted: &Config, found: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, is_equal: bool, found: String| {
        if !is_equal {
            differences.push(format!("{what} is {found}"));
        }
    };
    differ("subjects", found.subjects == wanted.subjects, format!("{:?}", found.subjects));
    differ("storage", found.storage == wanted.storage, format!("{:?}", found.storage));
    differ("retention", found.retention == wanted.retention, format!("{:?}", found.retention));
    differ("discard", found.discard == wanted.discard, format!("{:?}", found.discard));
    let (per, wanted_per) = (found.max_messages_per_subject.max(-1), wanted.max_messages_per_subject);
    differ("max_msgs_per_subject", per == wanted_per || (per == 0 && wanted_per == -1), per.to_string());
    differ("discard_new_per_subject", !found.discard_new_per_subject, "true".to_owned());
    differ("max_msgs", found.max_messages <= 0, found.max_messages.to_string());
    differ("max_msg_size", found.max_message_size <= 0, found.max_message_size.to_string());
    differ("no_ack", !found.no_ack, "true".to_owned());
    differ("sealed", !found.sealed, "true".to_owned());
    differ("deny_purge", !found.deny_purge, "true".to_owned());
    differ("mirror", found.mirror.is_none(), "set".to_owned());
    differ("sources", found.sources.as_ref().is_none_or(Vec::is_empty), "set".to_owned());
    differ("subject_transform", found.subject_transform.is_none(), "set".to_owned());
    differences
}

/// Gives a stream the limits of this release, and the replicas that were asked for.
async fn limit(
    connection: &Connection,
    wanted: &Config,
    info: Info,
    replicas: Option<usize>,
) -> Result<Info, Error> {
    let found = &info.config;
    let replicas = replicas.unwrap_or(found.num_replicas);
    if (found.max_bytes, found.max_age, found.num_replicas) == (wanted.max_bytes, wanted.max_age, replicas) {
        return Ok(info);
    }
    let changed = Config {
        max_bytes: wanted.max_bytes,
        max_age: wanted.max_age,
        num_replicas: replicas,
        ..found.clone()
    };
    connection.ask(format!("STREAM.UPDATE.{}", wanted.name), &changed).await.map_err(Failed::of_read)
}
