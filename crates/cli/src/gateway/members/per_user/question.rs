//! How a caller is asked to sign in, and what it answers.

use anyport_protocol::{
    Error, Method, Raw,
    json::Splice,
    jsonrpc::{Params, Reason, code},
};
use anyport_service::{Context, Outcome, Request};
use serde_json::json;

/// What a caller has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The user has agreed to open the page.
    Accepted,
    /// The user has declined.
    Declined,
    /// The user has done neither.
    Cancelled,
    /// It is no answer to an elicitation.
    Malformed,
}

impl Answer {
    /// The answer that `request` brings to a question of ours, which `asked` knows by its key, and the request without it.
    ///
    /// 2026-07-28, patterns/mrtr §InputResponses: "a map where keys correspond to the keys in the `inputRequests` map".
    pub(super) fn take<A>(
        request: Request,
        asked: impl Fn(&str) -> Option<A>,
    ) -> (Request, Option<(Self, A)>) {
        let answers = request.params.member("inputResponses");
        let found = answers.and_then(|answers| {
            let mut members = answers.members();
            let (key, asked) = members.find_map(|member| Some((member.key(), asked(&member.key())?)))?;
            let answer = answers.member(&key)?;
            let others = Splice::retain(&answers, |other| other != key).finish();
            Some((Self::read(&answer), asked, others))
        });
        let Some((read, asked, others)) = found else { return (request, None) };
        let params = Splice::retain(request.params.raw(), |key| key != "inputResponses");
        let params = match others.members().next() {
            Some(_) => params.with("inputResponses", &others),
            None => params,
        };
        (Request { params: Params::from(params.finish()), ..request }, Some((read, asked)))
    }

    fn read(answer: &Raw) -> Self {
        let action = answer.member("action").and_then(|action| action.as_string());
        match action.as_deref() {
            Some("accept") => Self::Accepted,
            Some("decline") => Self::Declined,
            Some("cancel") => Self::Cancelled,
            _ => Self::Malformed,
        }
    }
}

/// Why a caller is asked to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It has no login that is good.
    SignedOut,
    /// The server has refused the token of a login before it was of any use.
    Refused,
    /// The login lacks these scopes.
    Lacking(String),
}

impl Why {
    /// The scopes that the login lacks.
    pub(super) fn lacking(&self) -> &str {
        match self {
            Self::Lacking(scopes) => scopes,
            _ => "",
        }
    }
}

/// The question to a caller that has not signed in at the server `name`.
pub(super) struct Question<'a> {
    pub(super) name: &'a str,
    /// What people call the server.
    pub(super) title: &'a str,
    /// What was called.
    pub(super) request: &'a Request,
    /// Whether that was the tool to sign in.
    pub(super) is_offered_tool: bool,
    pub(super) why: Why,
}

impl Question<'_> {
    /// Sends the user to `page`: by an elicitation with this key if the caller of `context` can be asked, else by words.
    ///
    /// 2026-07-28, client/elicitation §URL Mode Elicitation for OAuth Flows: "The MCP server sends a URL mode elicitation request to
    /// the client with a URL that can start the authorization flow".
    pub(super) fn ask(&self, (page, key): (&str, &str), context: &Context) -> Outcome {
        let message = self.message();
        let visits = context.profile().elicitation_url;
        let method = self.request.known();
        if visits && method.is_some_and(Method::may_ask) && !self.continues() {
            let params = json!({"mode": "url", "message": message, "url": page});
            let question = json!({"method": Method::Elicit.as_str(), "params": params});
            let required = json!({"resultType": "input_required", "inputRequests": {key: question}});
            return Outcome::InputRequired(required.into());
        }
        let text = format!(
            "{} Open this address in a browser, sign in there, and call again: {page}",
            self.problem()
        );
        if method == Some(Method::ToolsCall) {
            return self.result(&text, !self.is_offered_tool);
        }
        // 2025-11-25, client/elicitation §URL Elicitation Required Error: the error "MUST include a list of elicitations that are
        // required to complete before the original can be retried". Other revisions do not have it.
        let elicitation = json!({"mode": "url", "elicitationId": id(page), "url": page, "message": message});
        let elicitations = Raw::from(json!([elicitation]));
        let is_known_there = visits && !context.revision().is_stateless();
        let data =
            Splice::new().with("upstream", &Raw::string(self.name)).with("elicitations", &elicitations);
        let error = Error::internal(text).with_data(data.finish());
        Outcome::Error(match is_known_there {
            true => Error { code: code::URL_ELICITATION_REQUIRED, ..error },
            // No HTTP status either: the caller has proven to us who it is.
            false => error,
        })
    }

    /// What the user is asked for.
    fn message(&self) -> String {
        let title = self.title;
        match self.why {
            Why::SignedOut => {
                format!("Sign in at {title}, so that your calls go on with your own account there.")
            }
            Why::Refused => format!("{} Sign in there once more.", self.problem()),
            Why::Lacking(_) => {
                format!(
                    "{} Sign in there again, allow what you are asked for, and the call goes on.",
                    self.problem()
                )
            }
        }
    }

    /// What a call fails for.
    fn problem(&self) -> String {
        let title = self.title;
        match self.why {
            Why::SignedOut => format!("You are not signed in at {title}."),
            Why::Refused => format!(
                "{title} has not accepted the login that you made last. If that happens again, whoever runs this gateway finds the \
                 reason in its log."
            ),
            Why::Lacking(_) => format!("This call needs more than you have allowed at {title} so far."),
        }
    }

    /// The outcome for a caller that has given `answer` and has not signed in.
    pub(super) fn refused(&self, answer: &Answer) -> Outcome {
        let text = match answer {
            Answer::Malformed => {
                let why = "inputResponses: an answer has no action accept, decline or cancel";
                return Outcome::Error(Error::invalid_params(why).with_reason(Reason::Malformed));
            }
            Answer::Declined => format!("the user declined to sign in at {}", self.title),
            _ => format!("the user has not signed in at {}", self.title),
        };
        match self.request.known() {
            Some(Method::ToolsCall) => self.result(&text, true),
            _ => Outcome::Error(self.error(text, Reason::Declined)),
        }
    }

    /// The outcome for a caller that no browser can belong to.
    pub(super) fn impossible(&self, why: &str) -> Outcome {
        Outcome::Error(self.error(why.to_owned(), Reason::Forbidden))
    }

    fn error(&self, text: String, reason: Reason) -> Error {
        let data = Splice::new().with("upstream", &Raw::string(self.name)).finish();
        Error::internal(text).with_data(data).with_reason(reason)
    }

    /// A failed tool is a result for the model.
    fn result(&self, text: &str, is_error: bool) -> Outcome {
        Outcome::Result(result(text, is_error))
    }

    /// Whether the call was asked something by the server already, and its state would be lost with another question.
    fn continues(&self) -> bool {
        ["requestState", "inputResponses"].iter().any(|name| self.request.params.member(name).is_some())
    }
}

/// The result of a tool.
pub(super) fn result(text: &str, is_error: bool) -> Raw {
    let content = json!([{"type": "text", "text": text}]);
    json!({"resultType": "complete", "content": content, "isError": is_error}).into()
}

/// The id of the elicitation of `page`: the last part of its address, which no other caller has.
fn id(page: &str) -> &str {
    let from = page.len().saturating_sub(ID);
    page.get(from..).unwrap_or(page)
}

/// The length of the ids of elicitations.
const ID: usize = 22;

#[cfg(test)]
mod tests {
    use anyport_protocol::Revision;
    use anyport_service::Principal;

    use super::*;

    const KEY: &str = "sign-in-sealed";
    const PAGE: &str = "https://mcp.example/connect?id=sealed-link-of-one-caller-and-server";

    fn request(method: Method, params: serde_json::Value) -> Request {
        Request::new(method, Raw::from(params))
    }

    fn asked(request: &Request, revision: Revision, capabilities: serde_json::Value) -> Outcome {
        let context = Context::new(Principal::named("ada"), revision).with_client(capabilities.into(), None);
        let question =
            Question { name: "far", title: "Far", request, is_offered_tool: false, why: Why::SignedOut };
        question.ask((PAGE, KEY), &context)
    }

    #[test]
    fn only_the_own_answer_is_taken_out_of_a_retry() {
        let answers = json!({KEY: {"action": "accept"}, "q1": {"action": "decline"}});
        let retry =
            request(Method::ToolsCall, json!({"name": "x", "inputResponses": answers, "requestState": "s"}));
        let asked = |key: &str| (key == KEY).then_some(());
        let (rest, answer) = Answer::take(retry, asked);
        assert_eq!(answer, Some((Answer::Accepted, ())));
        assert_eq!(
            rest.params.raw().as_str(),
            r#"{"name":"x","requestState":"s","inputResponses":{"q1":{"action":"decline"}}}"#
        );
        let (rest, answer) = Answer::take(rest, asked);
        assert!(answer.is_none() && rest.params.member("inputResponses").is_some());
        for (given, expected) in [
            (json!({"action": "decline"}), Answer::Declined),
            (json!({"action": "cancel"}), Answer::Cancelled),
            (json!({"action": 1}), Answer::Malformed),
            (json!("accept"), Answer::Malformed),
        ] {
            let retry = request(Method::PromptsGet, json!({"name": "x", "inputResponses": {KEY: given}}));
            let (rest, answer) = Answer::take(retry, asked);
            assert_eq!((answer, rest.params.raw().as_str()), (Some((expected, ())), r#"{"name":"x"}"#));
        }
    }

    /// Invariant: A caller is asked to visit a URL only as its revision and its capabilities have it; every other one gets the URL in words.
    #[test]
    fn callers_are_asked_as_they_can_be() {
        let (visits, form) = (json!({"elicitation": {"url": {}}}), json!({"elicitation": {"form": {}}}));
        let call = request(Method::ToolsCall, json!({"name": "x"}));
        let prompt = request(Method::PromptsGet, json!({"name": "x"}));
        let complete = request(Method::Complete, json!({"ref": {"type": "ref/prompt", "name": "x"}}));
        let retry = request(Method::PromptsGet, json!({"name": "x", "requestState": "of the server"}));
        for revision in [Revision::NEWEST, Revision::V2025_11_25] {
            for request in [&call, &prompt] {
                assert!(
                    matches!(asked(request, revision, visits.clone()), Outcome::InputRequired(_)),
                    "{revision}"
                );
            }
        }
        let words = |request: &Request, revision, capabilities: &serde_json::Value| match asked(
            request,
            revision,
            capabilities.clone(),
        ) {
            Outcome::Result(result) => (0, result.as_str().to_owned()),
            Outcome::Error(error) => {
                (error.code, error.data.map(|data| data.as_str().to_owned()).unwrap_or_default())
            }
            outcome => panic!("{outcome:?}"),
        };
        for (request, revision, capabilities, code) in [
            (&call, Revision::NEWEST, &form, 0),
            (&call, Revision::V2025_11_25, &form, 0),
            (&call, Revision::V2024_11_05, &json!({}), 0),
            (&prompt, Revision::V2025_06_18, &form, code::INTERNAL_ERROR),
            (&complete, Revision::V2025_11_25, &visits, code::URL_ELICITATION_REQUIRED),
            (&complete, Revision::NEWEST, &visits, code::INTERNAL_ERROR),
            (&retry, Revision::NEWEST, &visits, code::INTERNAL_ERROR),
        ] {
            let (found, said) = words(request, revision, capabilities);
            assert!(found == code && said.contains(PAGE), "{revision}: {found} {said}");
        }
    }
}
