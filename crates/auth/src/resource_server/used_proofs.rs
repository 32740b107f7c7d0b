//! The DPoP proofs that were used, so that none is used twice.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_service::Principal;
use anyport_transport::http::CredentialError;
use tokio::time::Instant;

use super::{cache::TokenHash, limits::VerifierLimits, refusal::unavailable};

/// The proofs of the last minutes, of all callers of one issuer.
///
/// RFC 9449, section 11.1: "In order to guard against memory exhaustion attacks, a server that is tracking `jti` values should
/// reject DPoP proof JWTs with unnecessarily large `jti` values or store only a hash thereof." Each caller has a share of the table, by its principal and not by its key: a caller can make as many keys as it
/// likes. So a caller that presents too many proofs is refused alone.
pub(super) struct UsedProofs {
    limits: VerifierLimits,
    table: Mutex<Table>,
    refusals: Refusals,
}

/// What counts refusals.
struct Refusals {
    of_all: Counter,
    of_caller: Counter,
}

#[derive(Default)]
struct Table {
    proofs: HashSet<TokenHash>,
    order: VecDeque<UsedProof>,
    /// The number of proofs of each caller that has any.
    callers: HashMap<Principal, usize>,
}

struct UsedProof {
    proof: TokenHash,
    caller: Principal,
    until: Instant,
}

/// Why a proof is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It was used before.
    Used,
    /// There is no room to remember it.
    Full(CredentialError),
}

impl UsedProofs {
    pub(super) fn new(limits: VerifierLimits, metrics: &Metrics) -> Self {
        let refusals = Refusals {
            of_all: metrics.refusals("max_dpop_proofs"),
            of_caller: metrics.refusals("max_dpop_proofs_per_caller"),
        };
        Self { limits, table: Mutex::default(), refusals }
    }

    /// Notes that `caller` has used `proof`, until `until`.
    ///
    /// # Errors
    /// If the proof was used before, or too many are remembered.
    pub(super) fn note(
        &self,
        proof: TokenHash,
        caller: &Principal,
        now: Instant,
        until: Instant,
    ) -> Result<(), Refusal> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_before(now);
        if table.proofs.contains(&proof) {
            return Err(Refusal::Used);
        }
        let of_caller = table.callers.get(caller).copied().unwrap_or_default();
        if of_caller >= self.limits.max_dpop_proofs_per_caller {
            self.refusals.of_caller.increment();
            return Err(full("too many proofs of this caller are remembered (max_dpop_proofs_per_caller)"));
        }
        if table.proofs.len() >= self.limits.max_dpop_proofs {
            self.refusals.of_all.increment();
            return Err(full("too many proofs are remembered (max_dpop_proofs)"));
        }
        table.proofs.insert(proof);
        table.callers.insert(caller.clone(), of_caller + 1);
        table.order.push_back(UsedProof { proof, caller: caller.clone(), until });
        Ok(())
    }
}

impl Table {
    fn forget_before(&mut self, now: Instant) {
        while let Some(old) = self.order.pop_front_if(|old| old.until < now) {
            self.proofs.remove(&old.proof);
            if let Some(count) = self.callers.get_mut(&old.caller) {
                *count -= 1;
                if *count == 0 {
                    self.callers.remove(&old.caller);
                }
            }
        }
    }
}

fn full(why: &'static str) -> Refusal {
    Refusal::Full(unavailable(why, RETRY))
}

/// The time after which some proofs may have been forgotten.
const RETRY: Duration = Duration::from_secs(10);
