//! The reader of event streams, for the fuzz targets in `fuzz/`: no part of the interface.

use std::time::Duration;

use bytes::Bytes;

use super::events::Events;

/// The contents of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventStream {
    /// The type and the data of each event.
    pub events: Vec<(Bytes, Bytes)>,
    /// The id that `Last-Event-ID` must say.
    pub last_id: Option<Bytes>,
    /// The time to wait before the client comes back.
    pub retry: Option<Duration>,
    /// Whether an event was larger than the limit; what follows it is not read.
    pub is_refused: bool,
}

impl EventStream {
    /// Reads a stream that arrives in `pieces`, with events of at most `limit` bytes. Returns it with the most bytes that its
    /// reader held between two pieces.
    pub fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Self, usize) {
        let (mut reader, mut stream, mut most_held) = (Events::new(limit), Self::default(), 0);
        for piece in pieces {
            reader.feed(Bytes::copy_from_slice(piece));
            stream.read_events(&mut reader);
            if stream.is_refused {
                break;
            }
            most_held = most_held.max(reader.held());
        }
        stream.last_id = reader.last_id().cloned();
        stream.retry = reader.retry();
        (stream, most_held)
    }

    fn read_events(&mut self, reader: &mut Events) {
        loop {
            match reader.next() {
                Ok(Some(event)) => self.events.push((event.kind, event.data)),
                Ok(None) => return,
                Err(_) => {
                    self.is_refused = true;
                    return;
                }
            }
        }
    }
}
