//! Quirks of servers that others wrote: what their SDKs say in known words where the protocol has no error for it.
//!
//! A server of both eras has handlers that can ask its client in one of them alone. In the other they fail, with an error
//! of the server's own that only its text tells apart. Each text is one row of [`QUIRKS`].

use anyport_protocol::{
    Error, Raw, Revision,
    json::{Elements, Splice},
};
use anyport_service::Outcome;

use crate::era::Era;

/// How an SDK says that a handler can ask its client in the other era alone.
pub(crate) struct Quirk {
    /// Whose words they are, with the version in which they were found.
    pub(crate) sdk: &'static str,
    /// The words: a part of the error's message, or of the text of a failed tool.
    words: &'static str,
    /// The era in which the handler can ask.
    pub(crate) asks_in: Era,
}

static QUIRKS: [Quirk; 8] = [
    Quirk {
        sdk: "FastMCP 4.1, `Context.elicit`",
        words: "elicitation via server-initiated requests is unavailable on 2026-07-28",
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "Python SDK 2.3, `NoBackChannelError`: `elicit`, `create_message` and `list_roots` of a session",
        words: "this transport context has no back-channel for server-initiated requests",
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `MethodNotSupportedByProtocolVersion`: `elicitInput`, `createMessage`, `listRoots`",
        words: "Server-to-client requests are not available on protocol revision",
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `UrlElicitationRequiredError`",
        words: "URL elicitation cannot be signalled by throwing UrlElicitationRequiredError on protocol revision",
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "Rust SDK (rmcp) 3.9, requests of a `Peer<RoleServer>`: `create_elicitation`, `create_message`, `list_roots`",
        words: "server-to-client requests are not allowed on protocol 2026-07-28",
        asks_in: Era::Legacy,
    },
    Quirk {
        sdk: "FastMCP 4.1, a tool, prompt or resource that returns `InputRequiredResult`",
        words: "result type (SEP-2322) only exists at MCP 2026-07-28",
        asks_in: Era::Modern,
    },
    Quirk {
        sdk: "TypeScript SDK 2.3, `inputRequired` without its shim for legacy clients",
        words: "which has no input_required vocabulary",
        asks_in: Era::Modern,
    },
    Quirk {
        sdk: "Rust SDK (rmcp) 3.9, a handler that returns `InputRequiredResult`",
        words: "InputRequiredResult requires negotiated protocol version 2026-07-28 or newer",
        asks_in: Era::Modern,
    },
];

/// The size of a failed tool's result beyond which it is not searched, in bytes: none of the texts is in a long one.
const MAX_SEARCHED: usize = 64 << 10;

/// The quirk of a call that ended with `outcome` in the era `tried`, if its handler can ask only in the other one.
pub(crate) fn of(tried: Era, outcome: &Outcome) -> Option<&'static Quirk> {
    let text = match outcome {
        Outcome::Error(error) => &error.message,
        Outcome::Result(result) if is_failed_tool(result) => result.as_str(),
        _ => return None,
    };
    QUIRKS.iter().find(|quirk| quirk.asks_in != tried && text.contains(quirk.words))
}

/// The revision in which a server can ask about a call that failed with `text`, if its SDK says in known words that it can
/// only ask in the other era.
pub fn revision_to_ask_in(text: &str) -> Option<Revision> {
    let quirk = QUIRKS.iter().find(|quirk| text.contains(quirk.words))?;
    Some(match quirk.asks_in {
        Era::Modern => Revision::NEWEST,
        Era::Legacy => Revision::NEWEST_LEGACY,
    })
}

/// Whether this is the result of a tool that failed.
fn is_failed_tool(result: &Raw) -> bool {
    result.as_str().len() <= MAX_SEARCHED
        && result.member("isError").is_some_and(|is_error| is_error.as_str() == "true")
}

/// The outcome of a call that failed so and was not made again, with a sentence that says what can be done.
pub(crate) fn explained(outcome: Outcome, asks_in: Era) -> Outcome {
    let how = match asks_in {
        Era::Legacy => "a connection of 2025-11-25 or earlier",
        Era::Modern => "a connection of 2026-07-28",
    };
    let sentence = format!(
        "The server can ask for input during this call only on {how}. It was not made again there, since it may have done \
         something already; make it again if that does no harm, and it will be asked for."
    );
    match outcome {
        Outcome::Error(error) => {
            Outcome::Error(Error { message: format!("{}; {sentence}", error.message).into(), ..error })
        }
        Outcome::Result(result) => Outcome::Result(with_text(&result, &sentence)),
        outcome => outcome,
    }
}

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

    #[test]
    fn every_row_is_recognised_in_an_error_and_in_a_failed_tool() {
        for &Quirk { sdk, words, asks_in: era } in &QUIRKS {
            let said = format!("Error calling tool 'book': {words}, and so on");
            for outcome in [failed(&said), Outcome::Error(Error::internal(said))] {
                assert_eq!(of(era.other(), &outcome).unwrap().sdk, sdk);
                assert!(of(era, &outcome).is_none(), "{sdk}: it was made there already");
            }
        }
    }

    #[test]
    fn a_tool_that_succeeds_may_say_what_it_likes() {
        let text = QUIRKS[0].words;
        let content = json!({"resultType": "complete", "content": [{"type": "text", "text": text}]});
        assert!(of(Era::Modern, &Outcome::Result(content.into())).is_none());
        assert!(of(Era::Modern, &failed("no such city")).is_none());
    }

    #[test]
    fn what_failed_stays_and_a_sentence_follows() {
        assert_eq!(revision_to_ask_in(QUIRKS[0].words), Some(Revision::NEWEST_LEGACY));
        assert_eq!(revision_to_ask_in("no"), None);
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
