//! Whether a server can be reached.

use std::time::Duration;

use anyport_protocol::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    pool::Pool,
    slot::{Down, State},
};

/// Whether a server can be reached, as its connections say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamHealth {
    /// There is no connection, and the last one did not fail.
    Idle,
    /// It is connected.
    Connected {
        /// The begin of its oldest connection.
        since: Timestamp,
    },
    /// It cannot be reached: its circuit is open.
    Down {
        /// The first failure.
        since: Timestamp,
        /// Why the last attempt failed.
        why: String,
        /// When it is tried again; `None`: never.
        retry_at: Option<Timestamp>,
    },
}

impl Pool {
    /// Whether the server can be reached. One connection is enough.
    pub(crate) fn health(&self) -> UpstreamHealth {
        let mut health = UpstreamHealth::Idle;
        for slot in self.slots() {
            match &*slot.state.borrow() {
                State::Up(up) => {
                    let begin = Timestamp::now() - signed(up.since.elapsed());
                    let since = match health {
                        UpstreamHealth::Connected { since } => since.min(begin),
                        _ => begin,
                    };
                    health = UpstreamHealth::Connected { since };
                }
                State::Down(down) | State::Reconnecting(down) if health == UpstreamHealth::Idle => {
                    health = down_since(down).unwrap_or(health);
                }
                _ => {}
            }
        }
        health
    }
}

/// The health of a server with a place that is `down`; `None` if it is not the server's fault.
fn down_since(down: &Down) -> Option<UpstreamHealth> {
    let Failure::Unavailable { since, why, .. } = &down.failure else { return None };
    let until = |at: Instant| Timestamp::now() + signed(at.saturating_duration_since(Instant::now()));
    let retry_at = down.retry_at.map(until);
    Some(UpstreamHealth::Down { since: *since, why: why.clone(), retry_at })
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO)
}
