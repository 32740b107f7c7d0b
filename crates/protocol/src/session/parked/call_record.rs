use std::time::Duration;

use crate::{
    Error, Raw,
    jsonrpc::{Reason, RpcResult},
};

/// The record of an ended call, for later retries.
#[derive(Clone, Debug, PartialEq)]
pub enum CallRecord {
    /// Its caller has been given an outcome.
    Done {
        /// The retry that was given it: its round, and the digest of its answers. `None`: the first request was.
        retry: Option<(u32, [u8; 32])>,
        /// The outcome, if it is small enough to be given out again.
        outcome: Option<RpcResult>,
        /// Until when it is.
        until: Duration,
    },
    /// No request received an outcome, and none will.
    Abandoned(Reason),
}

/// The largest outcome that is stored for a repetition.
pub(super) const REPLAY_BYTES: usize = 64 << 10;

impl CallRecord {
    /// Returns the outcome for a retry at `now`. `name` is the called tool, prompt or resource.
    ///
    /// # Errors
    /// -32602 with the reason, or -32603 where the server failed and not the caller.
    pub fn answer(&self, now: Duration, round: u32, digest: [u8; 32], name: &str) -> RpcResult {
        match self {
            Self::Done { retry, outcome: Some(outcome), until }
                if *retry == Some((round, digest)) && now < *until =>
            {
                outcome.clone()
            }
            Self::Done { .. } => Err(refused(Reason::Consumed, name)),
            Self::Abandoned(reason) => Err(refused(*reason, name)),
        }
    }

    /// Drops an outcome that is not given out any more.
    pub(super) fn prune(&mut self, now: Duration) {
        if let Self::Done { outcome, until, .. } = self
            && *until <= now
        {
            *outcome = None;
        }
    }
}

/// The error for a retry of a call that no longer exists.
pub(super) fn refused(reason: Reason, name: &str) -> Error {
    let what = match reason {
        Reason::Consumed => "this requestState was used before, with its answers",
        Reason::Expired => "the call waited too long for its answers (park_ttl)",
        Reason::Cancelled => "the call was cancelled",
        Reason::TooLarge => "what the call led to is too large to be kept (parked_bytes)",
        Reason::UpstreamLost => "the server went away before it answered",
        _ => "the call that this requestState belongs to is not known here any more",
    };
    let message = format!("{what}; call {name:.128} again without requestState");
    match reason {
        Reason::TooLarge | Reason::UpstreamLost => Error::internal(message),
        _ => Error::invalid_params(message),
    }
    .with_reason(reason)
}

/// How many bytes an outcome takes.
pub(super) fn size(outcome: &RpcResult) -> usize {
    match outcome {
        Ok(result) => result.as_str().len(),
        Err(error) => error.message.len() + error.data.as_ref().map_or(0, |data: &Raw| data.as_str().len()),
    }
}
