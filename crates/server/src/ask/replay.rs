//! States that may be used once.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, MutexGuard},
};

use anyport_protocol::{Error, failure::Failure, jsonrpc::Reason};
use anyport_service::{Outcome, sync::Lock};

/// The most states that are remembered at a time; each until it expires.
pub(crate) const MAX_REPLAYS: usize = 100_000;
/// The longest outcome that is stored for a repetition.
pub(crate) const MAX_OUTCOME_BYTES: usize = 64 << 10;
/// The largest size of all stored outcomes.
pub(crate) const MAX_REPLAY_BYTES: usize = 32 << 20;

/// Remembers which states with [`crate::Context::once`] results came back, and with which answers, until they
/// expire. So what happened once cannot be forked: the same answers lead to the same outcome, and others to none.
///
/// 2026-07-28, patterns/mrtr §Server Requirements: "Servers for which a given `requestState` must be consumed at most
/// once (e.g., one-time redemptions) MUST enforce that invariant server-side."
#[derive(Clone, Debug, Default)]
pub(crate) struct Replays(Arc<Lock<Table>>);

#[derive(Debug, Default)]
struct Table {
    used: HashMap<[u8; 32], Used>,
    bytes: usize,
}

#[derive(Debug)]
struct Used {
    expires: u64,
    answers: [u8; 32],
    outcome: Kept,
}

#[derive(Debug)]
enum Kept {
    /// The call did not end: it runs, or its client went away.
    Open {
        running: bool,
    },
    Outcome(Outcome),
    /// The outcome is too long to be stored.
    Gone,
}

/// The action for a retry's state.
#[derive(Debug)]
pub(crate) enum Replay {
    /// Run the call, and keep its outcome.
    Run(Running),
    /// It ended like this.
    Known(Outcome),
}

impl Replays {
    /// Uses the state `id`, good until `expires`, with `answers`.
    pub(crate) fn enter(
        &self,
        id: [u8; 32],
        expires: u64,
        answers: [u8; 32],
        now: u64,
    ) -> Result<Replay, Error> {
        let mut table = self.lock();
        if table.used.len() >= MAX_REPLAYS {
            table.purge(now);
        }
        let full = table.used.len() >= MAX_REPLAYS;
        match table.used.entry(id) {
            Entry::Vacant(_) if full => {
                let message = format!("more than {MAX_REPLAYS} calls wait to expire; try again later");
                return Err(Error::internal(message).with_reason(Reason::Overloaded));
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Used { expires, answers, outcome: Kept::Open { running: true } });
            }
            Entry::Occupied(mut used) => {
                let used = used.get_mut();
                match &mut used.outcome {
                    _ if used.answers != answers => return Err(consumed("with other answers")),
                    Kept::Outcome(outcome) => return Ok(Replay::Known(outcome.clone())),
                    Kept::Gone => return Err(consumed("and its outcome was too long to be kept")),
                    Kept::Open { running: true } => return Err(consumed("and that call is running")),
                    Kept::Open { running } => *running = true,
                }
            }
        }
        Ok(Replay::Run(Running { replays: self.clone(), id }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }
}

impl Table {
    fn purge(&mut self, now: u64) {
        self.used.retain(|_, used| used.expires > now);
        self.bytes = self.used.values().map(|used| used.outcome.bytes()).sum();
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        match self {
            Self::Outcome(outcome) => bytes(outcome),
            Self::Open { .. } | Self::Gone => 0,
        }
    }
}

/// A call that used a state. Dropping it without an outcome lets the client try again with the same answers.
#[derive(Debug)]
pub(crate) struct Running {
    replays: Replays,
    id: [u8; 32],
}

impl Running {
    /// Keeps how the call ended.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        let mut table = self.replays.lock();
        let size = bytes(outcome);
        let fits = size <= MAX_OUTCOME_BYTES && table.bytes + size <= MAX_REPLAY_BYTES;
        if let Some(used) = table.used.get_mut(&self.id) {
            used.outcome = if fits { Kept::Outcome(outcome.clone()) } else { Kept::Gone };
            table.bytes += if fits { size } else { 0 };
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut table = self.replays.lock();
        if let Some(Used { outcome: Kept::Open { running }, .. }) = table.used.get_mut(&self.id) {
            *running = false;
        }
    }
}

fn bytes(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Result(raw) | Outcome::InputRequired(raw) => raw.as_str().len(),
        Outcome::Failed(_) => size_of::<Failure>(),
        Outcome::Error(error) => {
            error.message.len() + error.data.as_ref().map_or(0, |data| data.as_str().len())
        }
    }
}

fn consumed(how: &str) -> Error {
    Error::invalid_params(format!("the requestState was used already, {how}")).with_reason(Reason::Consumed)
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Raw;

    use super::*;

    fn run(replays: &Replays, id: u8, answers: u8) -> Result<Replay, Option<Reason>> {
        replays.enter([id; 32], 1_000, [answers; 32], 0).map_err(|error| error.reason)
    }

    #[test]
    fn the_same_answers_lead_to_the_same_outcome_and_others_to_none() {
        let replays = Replays::default();
        let Ok(Replay::Run(running)) = run(&replays, 1, 1) else { panic!() };
        assert_eq!(run(&replays, 1, 1).unwrap_err(), Some(Reason::Consumed), "while it runs");
        let outcome = Outcome::Result(Raw::EMPTY_OBJECT);
        running.ended(&outcome);
        drop(running);
        assert!(matches!(run(&replays, 1, 1), Ok(Replay::Known(known)) if known == outcome));
        assert_eq!(run(&replays, 1, 2).unwrap_err(), Some(Reason::Consumed));
        assert!(matches!(run(&replays, 2, 2), Ok(Replay::Run(_))));
    }

    #[test]
    fn a_call_that_was_cancelled_can_be_made_again_with_the_same_answers_only() {
        let replays = Replays::default();
        drop(run(&replays, 1, 1).unwrap());
        assert!(run(&replays, 1, 2).is_err());
        assert!(matches!(run(&replays, 1, 1), Ok(Replay::Run(_))));
    }

    #[test]
    fn memory_is_bounded() {
        let replays = Replays::default();
        let Ok(Replay::Run(running)) = run(&replays, 1, 1) else { panic!() };
        running.ended(&Outcome::Result(Raw::string(&"x".repeat(MAX_OUTCOME_BYTES))));
        assert_eq!(run(&replays, 1, 1).unwrap_err(), Some(Reason::Consumed));
        assert_eq!(replays.lock().bytes, 0);
        for index in 0..MAX_REPLAYS as u64 {
            let mut id = [9; 32];
            id[..8].copy_from_slice(&index.to_le_bytes());
            let _ = replays.enter(id, 500, [0; 32], 0);
        }
        assert_eq!(run(&replays, 3, 1).unwrap_err(), Some(Reason::Overloaded));
        assert!(replays.enter([3; 32], 2_000, [0; 32], 600).is_ok(), "the others have expired");
        assert!(run(&replays, 1, 1).is_err(), "this one has not");
    }
}
