//! The reserved members of `_meta` (2026-07-28, basic §_meta).

use std::str::FromStr;

use crate::{Error, Raw, json::string};

/// `_meta` of 2026-07-28 by name.
pub mod key {
    /// The revision that a request speaks.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The client's name and version, as it declares them.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The client's capabilities.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// From which severity on the client wants log messages of this request.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The server's name and version, as it declares them.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which listen request a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Which task a legacy message belongs to.
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// Opts a request into progress notifications.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context: what vendors of tracing add to it.
    pub const TRACESTATE: &str = "tracestate";
    /// W3C baggage.
    pub const BAGGAGE: &str = "baggage";
    /// Ours, in a tool's result that `isError`: what kind of failure it is, for a program.
    pub const ERROR: &str = "dev.anyport/error";
    /// Ours, beside [`ERROR`]: what is wrong with which argument.
    pub const FAULTS: &str = "dev.anyport/faults";
    /// Ours, of a tool: which category it belongs to.
    pub const CATEGORY: &str = "dev.anyport/category";
    /// Ours, of a tool: its own version.
    pub const VERSION: &str = "dev.anyport/version";
    /// Ours, of a tool: examples of its arguments, a list.
    pub const EXAMPLES: &str = "dev.anyport/examples";
    /// Ours, of a tool: what it needs to work, a list of texts.
    pub const REQUIREMENTS: &str = "dev.anyport/requirements";

    /// Whether `name` may be the name of a member of `_meta`: after a prefix, `com.example/`, or alone.
    ///
    /// 2026-07-28, basic §_meta: "Labels MUST start with a letter and end with a letter or digit; interior characters can be
    /// letters, digits, or hyphens", and of what follows the prefix: "Unless empty, MUST begin and end with an alphanumeric
    /// character", "MAY contain hyphens, underscores, dots, and alphanumerics in between".
    pub fn is_valid(name: &str) -> bool {
        let (prefix, name) = name.split_once('/').map_or((None, name), |(prefix, name)| (Some(prefix), name));
        let has_ends = |text: &str, first: fn(&u8) -> bool| {
            let bytes = text.as_bytes();
            bytes.first().is_some_and(first) && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        };
        let is_label = |label: &str| {
            has_ends(label, u8::is_ascii_alphabetic)
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = match name {
            "" => prefix.is_some(),
            name => has_ends(name, u8::is_ascii_alphanumeric) && name.bytes().all(is_inside),
        };
        is_name && prefix.is_none_or(|prefix| prefix.split('.').all(is_label))
    }
}

/// The reserved members of one request's `_meta`, as text; they share the request's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// [`key::PROTOCOL_VERSION`].
    pub protocol_version: Option<Raw>,
    /// [`key::CLIENT_INFO`].
    pub client_info: Option<Raw>,
    /// [`key::CLIENT_CAPABILITIES`].
    pub client_capabilities: Option<Raw>,
    /// [`key::LOG_LEVEL`].
    pub log_level: Option<Raw>,
    /// [`key::PROGRESS_TOKEN`].
    pub progress_token: Option<Raw>,
    /// [`key::TRACEPARENT`].
    pub traceparent: Option<Raw>,
}

impl Meta {
    /// Reads the `_meta` of a request's params.
    pub fn of(params: Option<&Raw>) -> Self {
        params.and_then(|params| params.member("_meta")).map_or_else(Self::default, |meta| Self::read(&meta))
    }

    /// Reads a `_meta` object.
    pub fn read(object: &Raw) -> Self {
        let mut meta = Self::default();
        for member in object.members() {
            meta.take(&member.key(), || object.slice(member.value));
        }
        meta
    }

    /// Takes one member, if it is a reserved one.
    pub(crate) fn take(&mut self, name: &str, value: impl FnOnce() -> Raw) {
        let field = match name {
            key::PROTOCOL_VERSION => &mut self.protocol_version,
            key::CLIENT_INFO => &mut self.client_info,
            key::CLIENT_CAPABILITIES => &mut self.client_capabilities,
            key::LOG_LEVEL => &mut self.log_level,
            key::PROGRESS_TOKEN => &mut self.progress_token,
            key::TRACEPARENT => &mut self.traceparent,
            _ => return,
        };
        *field = Some(value());
    }

    /// Whether any member is here that only a stateless request carries.
    pub fn is_stateless(&self) -> bool {
        self.protocol_version.is_some() || self.client_capabilities.is_some() || self.client_info.is_some()
    }

    /// The lowest severity of log messages that the client wants.
    ///
    /// # Errors
    /// -32602 for a level that does not exist (2026-07-28, logging §Error Handling).
    pub fn level(&self) -> Result<Option<LogLevel>, Error> {
        let Some(raw) = &self.log_level else { return Ok(None) };
        let level = raw.as_str().trim_matches('"').parse();
        level.map(Some).map_err(|UnknownLevel| {
            Error::invalid_params(format!(
                "unknown log level {raw:.32}; use one of {}",
                LogLevel::NAMES.join(", ")
            ))
        })
    }

    /// The progress token, checked: a string or an integer (2026-07-28, progress §Progress Flow).
    ///
    /// # Errors
    /// -32602 for anything else.
    pub fn token(&self) -> Result<Option<Raw>, Error> {
        match &self.progress_token {
            Some(raw) if crate::Id::of(raw.clone()).is_none() => {
                Err(Error::invalid_params("_meta.progressToken must be a string or an integer"))
            }
            token => Ok(token.clone()),
        }
    }
}

/// Severity of a log message (RFC 5424 §6.2.1), least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are RFC 5424's")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Every level's name, least severe first.
    pub const NAMES: [&str; 8] =
        ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl serde::Serialize for LogLevel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for LogLevel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|UnknownLevel| serde::de::Error::unknown_variant(&name, &Self::NAMES))
    }
}

/// The text is the name of no log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level")]
pub struct UnknownLevel;

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        use LogLevel::*;
        let all = [Debug, Info, Notice, Warning, Error, Critical, Alert, Emergency];
        all.into_iter().find(|level| level.as_str() == name).ok_or(UnknownLevel)
    }
}

/// The prefix and suffix around a header value that is Base64 (2026-07-28, streamable-http §Value Encoding).
const SENTINEL: (&str, &str) = ("=?base64?", "?=");

/// Reads a header value that may be in the Base64 sentinel form. `None` when it claims to be and is not.
pub fn decode_header(value: &str) -> Option<std::borrow::Cow<'_, str>> {
    use base64::Engine as _;
    let value = value.trim_ascii();
    let inside = value.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1));
    let Some(inside) = inside else { return Some(value.into()) };
    let bytes = base64::engine::general_purpose::STANDARD.decode(inside).ok()?;
    String::from_utf8(bytes).ok().map(Into::into)
}

/// Writes a value as a header value, in the Base64 sentinel form where plain ASCII cannot say it.
pub fn encode_header(value: &str) -> std::borrow::Cow<'_, str> {
    use base64::Engine as _;
    let plain = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t'))
        && value.trim_matches([' ', '\t']) == value
        && !(value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1));
    if plain {
        return value.into();
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(value);
    format!("{}{encoded}{}", SENTINEL.0, SENTINEL.1).into()
}

/// The text of a JSON string, or the digits, `true` or `false` of another primitive: what a header mirrors.
pub fn header_text(value: &Raw) -> std::borrow::Cow<'_, str> {
    match value.as_str().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => string::unescape(inside),
        None => value.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn params(text: &'static str) -> Raw {
        Raw::parse(text.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn names_are_those_of_the_specification() {
        for name in [
            "a",
            "A1",
            "progressToken",
            "traceparent",
            "com.example/a",
            "com.example/a_b-c.d",
            "com.example/",
            "io.modelcontextprotocol/serverInfo",
            "openai/outputTemplate",
            "x-y.z1/9",
        ] {
            assert!(key::is_valid(name), "{name}");
        }
        for name in [
            "",
            "/a",
            "/",
            "_a",
            "a_",
            "a-",
            ".a",
            "a b",
            "ä",
            "com..example/a",
            "com.example./a",
            ".com/a",
            "1com/a",
            "com-/a",
            "-com/a",
            "com.exa_mple/a",
            "com.example/a/b",
            "com.example/_a",
            "a\n",
            "a:b",
        ] {
            assert!(!key::is_valid(name), "{name}");
        }
        for name in [
            key::PROTOCOL_VERSION,
            key::RELATED_TASK,
            key::PROGRESS_TOKEN,
            key::BAGGAGE,
            key::ERROR,
            key::CATEGORY,
            key::REQUIREMENTS,
        ] {
            assert!(key::is_valid(name), "{name}");
        }
    }

    #[test]
    fn reserved_members_are_found_among_others() {
        let params = params(
            r#"{"_meta":{"x":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":"p",
               "io.modelcontextprotocol/logLevel":"warning","io.modelcontextprotocol/clientCapabilities":{}}}"#,
        );
        let meta = Meta::of(Some(&params));
        assert_eq!(meta.protocol_version.as_ref().unwrap().as_str(), "\"2026-07-28\"");
        assert_eq!(meta.level(), Ok(Some(LogLevel::Warning)));
        assert_eq!(meta.token().unwrap().unwrap().as_str(), "\"p\"");
        assert!(meta.is_stateless() && !Meta::of(None).is_stateless());
    }

    #[test]
    fn bad_levels_and_tokens_are_invalid_params() {
        let meta = Meta::of(Some(&params(
            r#"{"_meta":{"io.modelcontextprotocol/logLevel":"loud","progressToken":1.5}}"#,
        )));
        assert_eq!(meta.level().unwrap_err().code, -32602);
        assert_eq!(meta.token().unwrap_err().code, -32602);
    }

    #[test]
    fn header_values_are_encoded_as_the_specification_shows() {
        for (plain, encoded) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode_header(plain), encoded);
            assert_eq!(decode_header(encoded).unwrap(), plain);
        }
        for broken in ["=?base64?SGVsbG8?=", "=?base64?!!!?=", "=?base64?/w==?="] {
            assert_eq!(decode_header(broken), None, "{broken}");
        }
        assert_eq!(decode_header("SGVsbG8=").unwrap(), "SGVsbG8=");
    }
}
