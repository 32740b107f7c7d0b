//! Results, each written once into one buffer.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Raw,
    json::string,
    meta::key,
    types::{Implementation, JsonObject},
};
use serde::Serialize;

/// The server's identity, as the member of every result's `_meta`; written when the server is built.
///
/// 2026-07-28, basic §_meta: servers SHOULD include `io.modelcontextprotocol/serverInfo` in every result.
#[derive(Clone, Debug)]
pub(crate) struct Identity(Arc<str>);

impl Identity {
    pub(crate) fn of(info: &Implementation) -> Result<Self, serde_json::Error> {
        Ok(Self(format!("{:?}:{}", key::SERVER_INFO, serde_json::to_string(info)?).into()))
    }
}

/// The caching hints of a result: `ttlMs` and `cacheScope` (2026-07-28, caching §Cacheable Model).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    pub(crate) ttl: Duration,
    /// Whether it is the same for all callers.
    pub(crate) public: bool,
}

impl Freshness {
    /// Stale at once, and private.
    pub(crate) const NONE: Self = Self { ttl: Duration::ZERO, public: false };

    /// The same, if `privately` for its caller alone.
    pub(crate) fn limited(self, privately: bool) -> Self {
        Self { public: self.public && !privately, ..self }
    }
}

/// Writes a result object member by member.
pub(crate) struct ResultWriter(Vec<u8>);

impl ResultWriter {
    /// Begins a complete result that takes about `size` bytes.
    pub(crate) fn complete(size: usize) -> Self {
        Self::begin(br#"{"resultType":"complete""#, size)
    }

    /// Begins an `InputRequiredResult`.
    pub(crate) fn input_required(size: usize) -> Self {
        Self::begin(br#"{"resultType":"input_required""#, size)
    }

    fn begin(start: &[u8], size: usize) -> Self {
        let mut out = Vec::with_capacity(start.len() + size + 256);
        out.extend_from_slice(start);
        Self(out)
    }

    /// Begins the member `key`; the caller appends its value.
    pub(crate) fn member(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
        &mut self.0
    }

    /// Writes a member.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        write_json(self.member(key), value)
    }

    /// Writes a member that is text.
    pub(crate) fn text(&mut self, key: &'static str, text: &str) {
        string::write(self.member(key), text);
    }

    /// Writes `ttlMs` and `cacheScope`.
    ///
    /// 2026-07-28, caching §Cacheable Results: "Servers MUST include caching hints on results with `resultType:
    /// "complete"`" of the six cacheable methods.
    pub(crate) fn freshness(&mut self, freshness: Freshness) {
        let ttl = freshness.ttl.as_millis().min(u128::from(u32::MAX)).to_string();
        self.member("ttlMs").extend_from_slice(ttl.as_bytes());
        let scope: &[u8] = if freshness.public { b"\"public\"" } else { b"\"private\"" };
        self.member("cacheScope").extend_from_slice(scope);
    }

    /// Ends the result with its `_meta`.
    pub(crate) fn finish(mut self, identity: &Identity, meta: Option<&JsonObject>) -> Result<Raw, Error> {
        let out = self.member("_meta");
        out.push(b'{');
        out.extend_from_slice(identity.0.as_bytes());
        for (key, value) in meta.into_iter().flatten().filter(|(key, _)| *key != key::SERVER_INFO) {
            out.push(b',');
            string::write(out, key);
            out.push(b':');
            write_json(out, value)?;
        }
        out.extend_from_slice(b"}}");
        Ok(Raw::trusted(self.0))
    }
}

/// Appends `value` as JSON.
pub(crate) fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    serde_json::to_writer(out, value).map_err(|error| {
        tracing::error!(%error, "a result cannot be written as JSON");
        Error::internal(format!("the result cannot be written as JSON: {error}"))
    })
}

/// A finite number as a person writes it: 50, not 50.0.
pub(crate) fn write_number(out: &mut String, number: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let _ = match serde_json::Number::from_f64(number) {
        Some(number) if number.as_f64().is_some_and(|exact| exact.fract() != 0.0 || exact.abs() >= EXACT) => {
            write!(out, "{number}")
        }
        _ => write!(out, "{number:.0}"),
    };
}
