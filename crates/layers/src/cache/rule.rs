use std::time::Duration;

use anyport_protocol::Raw;

/// How the answer of one request is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    /// The version of what answers. Answers of another version are never given.
    pub(super) version: u64,
    /// What the answer depends on beside the request and its caller.
    pub(super) facts: Vec<u8>,
    ttl: Duration,
    is_stated: bool,
}

impl CacheRule {
    /// Keeps the answer for `ttl`, and no longer than it states itself (`ttlMs`). `version` is that of what answers: if that is replaced
    /// by something else of its name, it must be another number.
    pub fn new(version: u64, ttl: Duration) -> Self {
        Self { version, facts: Vec::new(), ttl, is_stated: false }
    }

    /// Keeps only an answer that states how long it holds, since its kind has a member for that.
    #[must_use]
    pub fn only_stated(self) -> Self {
        Self { is_stated: true, ..self }
    }

    /// Gives an answer to requests with the same `facts` only, beside those that every key has.
    #[must_use]
    pub fn facts(self, facts: Vec<u8>) -> Self {
        Self { facts, ..self }
    }

    /// How long `result` is kept, from the start of its call.
    ///
    /// 2026-07-28, server/utilities/caching §Time-to-live: "If `ttlMs` is absent, clients SHOULD assume a default of `0`"; "If `ttlMs` is
    /// negative, clients SHOULD ignore it and treat it as `0`".
    pub(super) fn ttl_of(&self, result: &Raw) -> Duration {
        match stated(result) {
            Some(stated) => stated.min(self.ttl),
            None if self.is_stated => Duration::ZERO,
            None => self.ttl,
        }
    }
}

/// How long a result says that it holds, if it says so.
pub(super) fn stated(result: &Raw) -> Option<Duration> {
    let milliseconds: f64 = result.member("ttlMs")?.decode().unwrap_or(0.0);
    Some(Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or_default())
}
