use crate::{
    Error, Method, Raw, Revision,
    json::{Elements, Members},
    jsonrpc::{Params, RpcResult, code},
    meta::Meta,
    method::{Kind, Sender},
    revision::{self, Part, Unrepresentable},
};

/// Translates between the newest vocabulary and that of one client.
///
/// It is a value of its own because a message may be large: a driver copies this out of the session and translates without
/// holding its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    revision: Revision,
}

impl Translation {
    /// The translation for a client that speaks `revision`.
    pub fn to(revision: Revision) -> Self {
        Self { revision }
    }

    /// Whether results may have other words for the client than inside.
    pub fn changes_results(self) -> bool {
        self.revision != Revision::NEWEST
    }

    /// The client's revision.
    pub fn revision(self) -> Revision {
        self.revision
    }

    /// Lifts a request that names its revision itself: its params, and the capabilities in its `_meta`.
    ///
    /// # Errors
    /// -32602 if the newest vocabulary cannot express them.
    pub fn lift_request(self, method: &str, params: Params, meta: Meta) -> Result<(Params, Meta), Error> {
        if self.revision == Revision::NEWEST {
            return Ok((params, meta));
        }
        let params = match Method::named(method) {
            Some(method) => self.lift(Part::Params(method), params.into_raw())?.into(),
            None => params,
        };
        let capabilities = meta.client_capabilities;
        let capabilities = capabilities.map(|declared| self.lift(Part::ClientCapabilities, declared));
        Ok((params, Meta { client_capabilities: capabilities.transpose()?, ..meta }))
    }

    fn lift(self, part: Part, raw: Raw) -> Result<Raw, Error> {
        revision::lift(part, self.revision, raw).map_err(invalid_params)
    }

    /// Lowers the outcome of a call of `method`; `None` is a method that the protocol does not have.
    pub fn lower_outcome(self, method: Option<Method>, outcome: RpcResult) -> RpcResult {
        let outcome = outcome.or_else(|error| match method {
            Some(Method::ToolsCall) if !self.revision.has_url_elicitation() => urls_as_text(error),
            _ => Err(error),
        });
        let result = outcome.and_then(|result| match method {
            Some(method) => {
                revision::lower(Part::Result(method), self.revision, result).map_err(invalid_result)
            }
            None => Ok(result),
        });
        result.map_err(|error| revision::lower_error(self.revision, method, error))
    }

    /// Lowers the params of a notification. `None` if the client's revision has no such notification.
    pub fn lower_notification(self, method: Method, params: Raw) -> Option<Raw> {
        let exists = method.exists(Kind::Notification, Sender::Server, self.revision);
        exists.then(|| revision::lower(Part::Notification(method), self.revision, params).ok()).flatten()
    }

    /// Lowers the params of a request to the client.
    ///
    /// # Errors
    /// The client's revision cannot express the request.
    pub(super) fn lower_request(self, method: Method, params: Raw) -> Result<Raw, Error> {
        if !method.exists(Kind::Request, Sender::Server, self.revision) {
            return Err(Error::internal(format!("{} has no {}", self.revision, method.as_str())));
        }
        revision::lower(Part::ServerRequest(method), self.revision, params).map_err(invalid_result)
    }

    /// Lifts the client's answer to the request `method` with `params`, which are those before they were lowered.
    ///
    /// # Errors
    /// The client's own error, or -32602 if its answer cannot be read.
    pub fn lift_answer(self, method: Method, params: &Raw, answer: RpcResult) -> RpcResult {
        answer.and_then(|answer| {
            revision::lift_answer(self.revision, method, params, answer).map_err(invalid_params)
        })
    }
}

/// Turns the error "URL elicitation required" into a tool result that names the URLs.
///
/// -32042 exists since 2025-11-25. The model of an older client reads in words what the user has to visit.
fn urls_as_text(error: Error) -> RpcResult {
    let elicitations = error.data.as_ref().and_then(|data| data.member("elicitations"));
    let elicitations =
        elicitations.filter(|all| error.code == code::URL_ELICITATION_REQUIRED && all.is_array());
    let Some(elicitations) = elicitations else { return Err(error) };
    let mut text = error.message.to_string();
    for elicitation in Elements::of(elicitations.as_str()) {
        let member =
            |name| Members::find(elicitation, name).and_then(|value| elicitations.slice(value).as_string());
        for part in [member("message"), member("url")].into_iter().flatten() {
            text.push('\n');
            text.push_str(&part);
        }
    }
    Ok(serde_json::json!({"content": [{"type": "text", "text": text}], "isError": true}).into())
}

/// The error for params of the client's that cannot be lifted.
pub(super) fn invalid_params(unrepresentable: Unrepresentable) -> Error {
    Error::invalid_params(unrepresentable.to_string())
}

/// The error for something of ours that the client's revision cannot express.
pub(super) fn invalid_result(unrepresentable: Unrepresentable) -> Error {
    Error::internal(unrepresentable.to_string())
}
