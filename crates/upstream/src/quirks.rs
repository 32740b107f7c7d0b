//! Quirks of servers that others wrote: what their SDKs say in known sentences where the protocol has no error for it.
//!
//! A server of both eras has handlers that can ask its client in one of them alone. In the other they fail, with an error
//! of the server's own that only its text distinguishes. Each text is one row of [`QUIRKS`].
//!
//! Anybody's words may stand in the text of a failed tool: that of a page that it has read, say. So a text counts only if
//! the whole of it is the SDK's, and where the SDK reports an error of the protocol, only in such an error.

use anyport_protocol::{
    Error, Method, Raw, Revision,
    json::{Elements, Members, Splice},
    jsonrpc::code,
};
use anyport_service::Outcome;
use bytestring::ByteString;

use crate::era::Era;

/// How an SDK says that a handler can ask its client in the other era alone.
pub(crate) struct Quirk {
    /// The SDK and the function that says it, with the version in which the sentence was found.
    pub(crate) sdk: &'static str,
    /// The whole text. `<method>` is a method of MCP, `<revision>` a revision, and `<name>` any name on one line.
    sentence: &'static str,
    /// What the SDK puts before the sentence, depending on the handler.
    prefixes: &'static [&'static str],
    /// The kind of response that has the sentence.
    said_in: SaidIn,
    /// The era in which the handler can ask.
    pub(crate) asks_in: Era,
}

/// The kind of response in which an SDK says that a handler cannot ask.
#[derive(Clone, Copy)]
enum SaidIn {
    /// In an error of this code.
    Error(i64),
    /// In any error, or as the one text of a failed tool.
    ErrorOrFailedTool,
}

/// Before the text of an exception that is not FastMCP's own.
const FASTMCP: &[&str] = &[
    "",
    "Error calling tool '<name>': ",
    "Error rendering prompt '<name>': ",
    "Error reading resource '<name>': ",
];

/// `Display` of rmcp's `ServiceError` and `ElicitationError`.
const RMCP: &[&str] = &["", "Mcp error: -32600: ", "Service error: Mcp error: -32600: "];

static QUIRKS: [Quirk; 9] = [
    Quirk {
        sdk: "FastMCP 4.1, `Context.elicit`",
        sentence: "elicitation via server-initiated requests is unavailable on 2026-07-28 connections.",
        prefixes: FASTMCP,
        said_in: SaidIn::ErrorOrFailedTool,
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "Python SDK 2.3, `NoBackChannelError`: `elicit`, `create_message` and `list_roots` of a session",
        sentence: "Cannot send '<method>': this transport context has no back-channel for server-initiated requests.",
        prefixes: FASTMCP,
        said_in: SaidIn::ErrorOrFailedTool,
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `MethodNotSupportedByProtocolVersion`: `elicitInput`, `createMessage`, `listRoots`",
        sentence: "Server-to-client requests are not available on protocol revision <revision>: '<method>' cannot be sent \
                   while serving a request on that revision. Return inputRequired({ ... }) from the handler instead — the \
                   client fulfils the embedded requests and retries the original request (multi round-trip requests).",
        prefixes: &[""],
        said_in: SaidIn::ErrorOrFailedTool,
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `UrlElicitationRequiredError`",
        sentence: "URL elicitation cannot be signalled by throwing UrlElicitationRequiredError on protocol revision \
                   <revision>: return inputRequired({ inputRequests: { …: inputRequired.elicitUrl(...) } }) from the handler \
                   instead. The urlElicitationRequired error (-32042) of earlier revisions is not available on this \
                   revision.",
        prefixes: &[""],
        said_in: SaidIn::Error(code::INTERNAL_ERROR),
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "Rust SDK (rmcp) 3.9, requests of a `Peer<RoleServer>`: `create_elicitation`, `create_message`, `list_roots`",
        sentence: "server-to-client requests are not allowed on protocol 2026-07-28 or later; return InputRequiredResult \
                   instead",
        prefixes: RMCP,
        said_in: SaidIn::ErrorOrFailedTool,
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "FastMCP 4.1, a tool that returns `InputRequiredResult`",
        sentence: "Tool '<name>' returned an InputRequiredResult to request client input, but the multi-round-trip result \
                   type (SEP-2322) only exists at MCP 2026-07-28; this connection negotiated '<revision>'. Use ctx.elicit() \
                   for server-initiated input on handshake-era connections.",
        prefixes: &[""],
        said_in: SaidIn::Error(code::INVALID_PARAMS),
        asks_in: Era::Modern,
    },
    Quirk {
        sdk: "FastMCP 4.1, a prompt or resource that returns `InputRequiredResult`",
        sentence: " '<name>' returned an InputRequiredResult to request client input, but the multi-round-trip result type \
                   (SEP-2322) only exists at MCP 2026-07-28; this connection negotiated '<revision>'.",
        prefixes: &["Prompt", "Resource"],
        said_in: SaidIn::Error(code::INVALID_PARAMS),
        asks_in: Era::Modern,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `inputRequired` without its shim for legacy clients",
        sentence: "Handler for <method> returned an input-required result, but this request is served on protocol revision \
                   <revision>, which has no input_required vocabulary",
        prefixes: &[""],
        said_in: SaidIn::Error(code::INTERNAL_ERROR),
        asks_in: Era::Modern,
    },
    Quirk {
        sdk: "Rust SDK (rmcp) 3.9, a handler that returns `InputRequiredResult`",
        sentence: "InputRequiredResult requires negotiated protocol version 2026-07-28 or newer",
        prefixes: &[""],
        said_in: SaidIn::Error(code::INVALID_REQUEST),
        asks_in: Era::Modern,
    },
];

/// The size of a failed tool's result beyond which its text is not read, in bytes: none of the sentences is that long.
const MAX_READ: usize = 16 << 10;

/// The quirk of a call that ended with `outcome` in the era `tried`, if its handler can ask only in the other one.
pub(crate) fn of(tried: Era, outcome: &Outcome) -> Option<&'static Quirk> {
    let mut quirks = QUIRKS.iter().filter(|quirk| quirk.asks_in != tried);
    match outcome {
        Outcome::Error(error) => quirks.find(|quirk| match quirk.said_in {
            SaidIn::Error(code) => code == error.code && quirk.is_said_by(&error.message),
            SaidIn::ErrorOrFailedTool => quirk.is_said_by(&error.message),
        }),
        Outcome::Result(result) => {
            let text = only_text_of_failed(result)?;
            quirks.find(|quirk| matches!(quirk.said_in, SaidIn::ErrorOrFailedTool) && quirk.is_said_by(&text))
        }
        _ => None,
    }
}

/// The revision in which a server can ask about a call that failed with `text`, if the whole text is a known sentence of
/// an SDK that can only ask in the other era.
pub fn revision_to_ask_in(text: &str) -> Option<Revision> {
    // An upstream of our own may have said already what can be done.
    let text = text.split_once(EXPLANATION).map_or(text, |(said, _)| said.trim_end_matches("; "));
    let quirk = QUIRKS.iter().find(|quirk| quirk.is_said_by(text))?;
    Some(match quirk.asks_in {
        Era::Modern => Revision::NEWEST,
        Era::Legacy => Revision::NEWEST_LEGACY,
    })
}

impl Quirk {
    /// Whether the whole of `text` is the sentence, after one of its prefixes.
    fn is_said_by(&self, text: &str) -> bool {
        let sentence = |text| after(self.sentence, text) == Some("");
        self.prefixes.iter().filter_map(|prefix| after(prefix, text)).any(sentence)
    }
}

/// What follows in `text` after the words of `template`.
fn after<'t>(mut template: &str, mut text: &'t str) -> Option<&'t str> {
    while let Some((words, (kind, rest))) =
        template.split_once('<').and_then(|(words, rest)| Some((words, rest.split_once('>')?)))
    {
        text = text.strip_prefix(words)?;
        // The value ends where the template goes on; no template ends with one.
        let next = rest.split('<').next().filter(|next| !next.is_empty())?;
        let (value, _) = text.split_once(next)?;
        let fits = match kind {
            "method" => Method::named(value).is_some(),
            "revision" => value.parse::<Revision>().is_ok(),
            _ => !value.contains('\n'),
        };
        text = fits.then(|| &text[value.len()..])?;
        template = rest;
    }
    text.strip_prefix(template)
}

/// The text of a tool that failed, if its content is one block of text and nothing else.
fn only_text_of_failed(result: &Raw) -> Option<ByteString> {
    let is_failed = result.as_str().len() <= MAX_READ
        && result.member("isError").is_some_and(|is_error| is_error.as_str() == "true");
    let content = result.member("content").filter(|content| is_failed && content.is_array())?;
    let mut blocks = Elements::of(content.as_str());
    let block = blocks.next().filter(|_| blocks.next().is_none())?;
    let is_text = Members::find(block, "type") == Some(r#""text""#);
    Members::find(block, "text").filter(|_| is_text).and_then(|text| content.slice(text).as_string())
}

/// The outcome of a call that failed so and was not made again, with a sentence that says what can be done.
pub(crate) fn explained(outcome: Outcome, asks_in: Era) -> Outcome {
    let how = match asks_in {
        Era::Legacy => "a connection of 2025-11-25 or earlier",
        Era::Modern => "a connection of 2026-07-28",
    };
    let sentence = format!(
        "{EXPLANATION} only on {how}. It was not made again there, since it may have done something already; make it again \
         if that does no harm, and it will be asked for."
    );
    match outcome {
        Outcome::Error(error) => {
            Outcome::Error(Error { message: format!("{}; {sentence}", error.message).into(), ..error })
        }
        Outcome::Result(result) => Outcome::Result(with_text(&result, &sentence)),
        outcome => outcome,
    }
}

/// How the sentence begins that says what can be done about a call.
const EXPLANATION: &str = "The server can ask for input during this call";

/// The result of a tool with one more block of text.
fn with_text(result: &Raw, text: &str) -> Raw {
    let block = Raw::from(serde_json::json!({"type": "text", "text": text}));
    let content = result.member("content").filter(Raw::is_array);
    let blocks = content.iter().flat_map(|content| Elements::of(content.as_str()));
    let blocks: Vec<&str> = blocks.chain([block.as_str()]).collect();
    let content = Raw::trusted(format!("[{}]", blocks.join(",")).into_bytes());
    Splice::retain(result, |name| name != "content").with("content", &content).finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn failed(text: &str) -> Outcome {
        let content = json!([{"type": "text", "text": text}]);
        Outcome::Result(json!({"resultType": "complete", "content": content, "isError": true}).into())
    }

    fn error(code: i64, text: &str) -> Outcome {
        Outcome::Error(Error::new(code, text.to_owned()))
    }

    /// Each text of a row, as its SDK says it, and the code of an error that it may stand in.
    fn said(quirk: &Quirk) -> impl Iterator<Item = (String, i64)> {
        let code = match quirk.said_in {
            SaidIn::Error(code) => code,
            SaidIn::ErrorOrFailedTool => -32603,
        };
        quirk.prefixes.iter().map(move |prefix| {
            let text = format!("{prefix}{}", quirk.sentence).replace("<name>", "book it");
            (text.replace("<method>", "elicitation/create").replace("<revision>", "2025-11-25"), code)
        })
    }

    #[test]
    fn every_row_is_recognised_where_its_sdk_says_it_and_in_the_other_era_alone() {
        for quirk in &QUIRKS {
            let &Quirk { sdk, asks_in: era, said_in, .. } = quirk;
            for (text, code) in said(quirk) {
                let in_tool = of(era.other(), &failed(&text)).map(|quirk| quirk.sdk);
                assert_eq!(in_tool, matches!(said_in, SaidIn::ErrorOrFailedTool).then_some(sdk), "{text}");
                assert_eq!(of(era.other(), &error(code, &text)).unwrap().sdk, sdk);
                for outcome in [failed(&text), error(code, &text)] {
                    assert!(of(era, &outcome).is_none(), "{sdk}: it was made there already");
                }
            }
        }
    }

    #[test]
    fn a_text_that_has_more_or_less_than_the_sentence_is_somebody_elses() {
        for quirk in &QUIRKS {
            let era = quirk.asks_in.other();
            for (text, code) in said(quirk) {
                let other = |text: &str| {
                    text.replace("elicitation/create", "no/method").replace("2025-11-25", "2025")
                };
                let texts = [
                    format!("The page says: {text}"),
                    format!("{text} Or so it says."),
                    format!("{text}\n"),
                    text[..text.len() - 1].to_owned(),
                ];
                for text in texts.into_iter().chain(Some(other(&text)).filter(|other| *other != text)) {
                    assert!(of(era, &failed(&text)).is_none(), "{text}");
                    assert!(of(era, &error(code, &text)).is_none(), "{text}");
                    assert_eq!(revision_to_ask_in(&text), None, "{text}");
                }
                if matches!(quirk.said_in, SaidIn::Error(_)) {
                    assert!(of(era, &error(-32000, &text)).is_none(), "{text}: another code");
                }
            }
        }
    }

    #[test]
    fn a_failed_tool_with_further_content_or_one_that_succeeds_may_say_what_it_likes() {
        let text = json!({"type": "text", "text": QUIRKS[0].sentence});
        let alike = json!({"type": "resource", "text": QUIRKS[0].sentence});
        for content in
            [json!([text, text]), json!([text, {"type": "image"}]), json!([alike]), json!([]), json!(text)]
        {
            let result = json!({"resultType": "complete", "content": content, "isError": true});
            assert!(of(Era::Modern, &Outcome::Result(result.into())).is_none(), "{content}");
        }
        let content = json!({"resultType": "complete", "content": [text]});
        assert!(of(Era::Modern, &Outcome::Result(content.into())).is_none());
        assert!(of(Era::Modern, &failed("no such city")).is_none());
    }

    #[test]
    fn what_failed_stays_and_a_sentence_follows() {
        let text = QUIRKS[0].sentence;
        assert_eq!(revision_to_ask_in(text), Some(Revision::NEWEST_LEGACY));
        assert_eq!(revision_to_ask_in("no"), None);
        let Outcome::Error(error) = explained(error(-32603, text), Era::Legacy) else { panic!() };
        assert_eq!(revision_to_ask_in(&error.message), Some(Revision::NEWEST_LEGACY));
        let Outcome::Result(result) = explained(failed("no"), Era::Legacy) else { panic!() };
        let result: Value = result.decode().unwrap();
        assert_eq!(result["content"][0]["text"], "no");
        let sentence = result["content"][1]["text"].as_str().unwrap();
        assert!(sentence.contains("only on a connection of 2025-11-25 or earlier"), "{sentence}");
        let Outcome::Error(error) = explained(Outcome::Error(Error::internal("no")), Era::Modern) else {
            panic!()
        };
        assert!(error.message.starts_with("no; The server can ask"), "{}", error.message);
    }
}
