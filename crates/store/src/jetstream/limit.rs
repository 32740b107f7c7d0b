//! The limit of a bucket.

use super::{
    connection::{Connection, Failed},
    message::OVERHEAD,
    messages::{self, Wanted},
    shared::{Inner, Open},
};
use crate::{Error, Keep, Key};

impl Inner {
    /// The bytes of ids and values in a stream: what the server counts, less what every message has besides.
    pub(super) fn content(&self, bucket: &str, bytes: u64, messages: u64) -> u64 {
        let besides = OVERHEAD + self.names.bucket(bucket).len() as u64;
        bytes.saturating_sub(messages.saturating_mul(besides))
    }

    /// Checks that a version of this size has room.
    pub(super) async fn make_room(
        &self,
        connection: &Connection,
        open: &Open,
        key: &Key,
        bytes: u64,
    ) -> Result<(), Error> {
        let most = key.bucket.max_bytes;
        if open.room.is_fresh() && open.room.bytes().saturating_add(bytes) <= most {
            return Ok(());
        }
        let (stream, subject) = (self.names.stream(key.bucket.name), self.names.key(key));
        let found = match messages::subjects(connection, &stream, &subject, 0).await {
            // The write makes the stream again.
            Err(failed) if failed.code().is_some() => return Ok(()),
            found => found.map_err(Failed::of_read)?,
        };
        let used = self.content(key.bucket.name, found.state.bytes, found.state.messages);
        open.room.set(used);
        if used.saturating_add(bytes) <= most {
            return Ok(());
        }
        let versions = found.state.subjects.and_then(|subjects| subjects.get(&subject).copied()).unwrap_or(0);
        let replaced = match key.bucket.keep {
            Keep::Newest(count) if versions >= u64::from(count.max(1)) => {
                let oldest = Wanted { first: Some(1), next_of: Some(subject), ..Wanted::default() };
                let oldest =
                    messages::message(connection, &stream, &oldest).await.map_err(Failed::of_read)?;
                oldest.map_or(0, |oldest| (key.id.len() + oldest.payload.len()) as u64)
            }
            _ => 0,
        };
        if used.saturating_sub(replaced).saturating_add(bytes) <= most { Ok(()) } else { Err(Error::Full) }
    }
}
