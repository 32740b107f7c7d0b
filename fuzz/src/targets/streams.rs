//! Streams of events, as servers send them to clients.

use anyport_transport::client::http::fuzzing::EventStream;
use fastrand::Rng;

/// The first byte chooses the limit of an event, the second the pieces in which the rest arrives. Whatever the pieces are, the
/// stream has the same events, and no more than a few events' room is held.
pub(super) fn events(input: &[u8]) {
    let [limit, seed, stream @ ..] = input else { return };
    let limit = LIMITS[usize::from(*limit) % LIMITS.len()];
    let (whole, _) = EventStream::read([stream], limit);
    assert!(whole.events.iter().all(|(_, data)| data.len() <= limit + SLACK), "an event beyond the limit");
    let mut random = Rng::with_seed(u64::from(*seed));
    let mut rest = stream;
    let pieces = std::iter::from_fn(|| {
        let (piece, behind) = rest.split_at(random.usize(0..=rest.len().min(64)));
        rest = behind;
        // An empty piece is one, too.
        (!rest.is_empty() || !piece.is_empty()).then_some(piece)
    });
    for (pieces, most_held) in [EventStream::read(pieces, limit), EventStream::read(stream.chunks(1), limit)]
    {
        assert_eq!(pieces, whole, "other events, in other pieces");
        // A line, the data before it, the event's type and the last id: each is at most as long as an event may be.
        assert!(most_held <= 4 * (limit + SLACK), "{most_held} bytes are held, with a limit of {limit}");
    }
}

/// Limits of an event, in bytes.
const LIMITS: [usize; 4] = [0, 40, 1000, 1 << 20];

/// A field's name, and the space before its value.
const SLACK: usize = 8;
