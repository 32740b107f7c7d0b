use std::borrow::Cow;

use anyport_protocol::{
    Error, Method,
    json::string,
    jsonrpc::{self, Reason},
};

/// The params of `tools/call`, `prompts/get` or `resources/read`, found in one pass and read no further.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    /// The tool's or prompt's name, the resource's URI.
    pub(crate) name: Cow<'a, str>,
    /// The arguments' JSON, an object.
    pub(crate) arguments: Option<&'a str>,
    /// `inputResponses`, an object.
    pub(crate) responses: Option<&'a str>,
    /// `requestState`.
    pub(crate) state: Option<Cow<'a, str>>,
}

impl<'a> Params<'a> {
    /// Reads the params of `method`.
    ///
    /// # Errors
    /// -32602 when a member is missing or of another type.
    pub(crate) fn read(method: Method, params: &'a jsonrpc::Params) -> Result<Self, Error> {
        let key = method.header_name().unwrap_or("name");
        let (mut name, mut arguments, mut responses, mut state) = (None, None, None, None);
        for member in params.members() {
            let field = match &*member.key() {
                own if own == key => &mut name,
                "arguments" => &mut arguments,
                "inputResponses" => &mut responses,
                "requestState" => &mut state,
                _ => continue,
            };
            *field = Some(member.value);
        }
        let name = name.and_then(text);
        let name = name.ok_or_else(|| {
            Error::invalid_params(format!("{method} needs a {key:?} that is text", method = method.as_str()))
        })?;
        // Some clients write the absence of arguments as null.
        let arguments = arguments.filter(|value| *value != "null");
        if arguments.is_some_and(|value| !value.starts_with('{')) {
            return Err(Error::invalid_params("\"arguments\" must be an object"));
        }
        if responses.is_some_and(|value: &str| !value.starts_with('{')) {
            let error = Error::invalid_params("\"inputResponses\" must be an object of answers by key");
            return Err(error.with_reason(Reason::Malformed));
        }
        let state = match state {
            None => None,
            Some(value) => Some(text(value).ok_or_else(|| {
                Error::invalid_params("\"requestState\" must be the text that we gave out")
                    .with_reason(Reason::Tampered)
            })?),
        };
        Ok(Self { name, arguments, responses, state })
    }

    /// Whether this continues an earlier round. Such a result must not be cached (2026-07-28, caching §Cache Key).
    pub(crate) fn is_retry(&self) -> bool {
        self.responses.is_some() || self.state.is_some()
    }
}

/// The text inside a JSON string.
pub(crate) fn text(value: &str) -> Option<Cow<'_, str>> {
    value.strip_prefix('"')?.strip_suffix('"').map(string::unescape)
}
