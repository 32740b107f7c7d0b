//! The expected response.

use std::fmt;

use serde_json::{Value, json};

use super::{DIGITS, Era, FIRST, LARGE, TEXT, Tool, digits};
use crate::Failure;

/// The expected response, except for its id.
#[derive(Debug)]
pub(in crate::bench) enum Expected {
    /// To the byte what was said to the first request.
    Bytes {
        body: Vec<u8>,
        /// Where the id stands; `None` if it never changes.
        id: Option<usize>,
    },
    /// Whatever has what this tool says: other people's proxies put it in frames that differ from call to call.
    Says(Tool),
}

impl Expected {
    /// Expects the response `body` to each request, as to the first.
    pub(super) fn again(body: &[u8]) -> Self {
        let id = position(body, &digits(FIRST));
        Self::Bytes { body: body.to_vec(), id }
    }

    /// The answer of a server that always says the same, whatever the id.
    pub(in crate::bench) fn constant(self) -> Self {
        match self {
            Self::Bytes { body, .. } => Self::Bytes { body, id: None },
            Self::Says(_) => self,
        }
    }

    /// Whether `body` answers request `id`.
    pub(super) fn is(&self, body: &[u8], id: usize) -> bool {
        match self {
            Self::Bytes { body: expected, id: None } => body == expected,
            Self::Bytes { body: expected, id: Some(start) } => {
                let (start, end) = (*start, start + DIGITS);
                body.len() == expected.len()
                    && body[..start] == expected[..start]
                    && body[start..end] == digits(id)
                    && body[end..] == expected[end..]
            }
            Self::Says(tool) => {
                // An id stands before what is said, or behind it.
                let (start, end) = (&body[..body.len().min(NEAR)], &body[body.len().saturating_sub(NEAR)..]);
                let answers = [start, end].into_iter().any(|part| position(part, &digits(id)).is_some());
                answers
                    && match tool {
                        Tool::Bad => true,
                        Tool::Echo | Tool::PrefixedEcho | Tool::DashedEcho | Tool::EchoOf(_) => {
                            position(body, TEXT.as_bytes()).is_some()
                        }
                        Tool::Add => position(body, b"6.5").is_some(),
                        Tool::Large => body.len() > LARGE,
                    }
            }
        }
    }
}

/// How many bytes of an answer are looked at for its id, at either end.
const NEAR: usize = 1024;

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { body, .. } => write!(f, "\n{}", String::from_utf8_lossy(body)),
            Self::Says(tool) => write!(f, "what `{}` says", tool.name()),
        }
    }
}

/// Sees that `body`, an answer to the first request, is a result with what `tool` says.
///
/// # Errors
/// When it is something else.
pub(super) fn check(body: &[u8], era: Era, tool: Tool) -> Result<(), Failure> {
    let said = || String::from_utf8_lossy(&body[..body.len().min(500)]);
    let result = result(body, era).map_err(|failure| format!("not a result ({failure}): {}", said()))?;
    let right = match tool {
        Tool::Bad => true,
        Tool::Echo | Tool::PrefixedEcho | Tool::DashedEcho | Tool::EchoOf(_) => {
            result["content"] == json!([{ "type": "text", "text": TEXT }])
        }
        Tool::Add => result["structuredContent"]["sum"].as_f64() == Some(6.5),
        Tool::Large => result["content"][0]["text"].as_str().is_some_and(|text| text.len() >= LARGE),
    };
    if right { Ok(()) } else { Err(format!("not what `{}` says: {}", tool.name(), said()).into()) }
}

/// The result in an answer to the first request, which some give as an event.
fn result(body: &[u8], era: Era) -> Result<Value, Failure> {
    let text = std::str::from_utf8(body)?;
    let event =
        text.lines().find_map(|line| line.strip_prefix("data:").filter(|data| data.contains("result")));
    let mut answer: Value = serde_json::from_str(event.unwrap_or(text))?;
    if answer["id"] != json!(FIRST) {
        return Err("it has another id".into());
    }
    let result = answer["result"].take();
    if result["isError"] == true {
        return Err("the tool failed".into());
    }
    if era == Era::Modern && result["resultType"] != "complete" {
        return Err("it is not complete".into());
    }
    Ok(result)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: usize, text: &str) -> Vec<u8> {
        let content = json!([{ "type": "text", "text": text }]);
        let result = json!({ "resultType": "complete", "content": content, "isError": false });
        json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into_bytes()
    }

    #[test]
    fn an_answer_differs_in_its_id_alone() {
        let first = Expected::again(&answer(FIRST, TEXT));
        assert!(first.is(&answer(1_234_567, TEXT), 1_234_567));
        assert!(!first.is(&answer(1_234_567, TEXT), 1_234_568));
        assert!(!first.is(&answer(1_234_567, "the quick"), 1_234_567));
        assert!(!first.is(b"", 1_234_567));
    }

    #[test]
    fn the_answer_of_a_constant_server_keeps_its_id() {
        let first = Expected::again(&answer(FIRST, TEXT)).constant();
        assert!(first.is(&answer(FIRST, TEXT), 1_234_567));
        assert!(!first.is(&answer(1_234_567, TEXT), 1_234_567));
    }

    #[test]
    fn what_a_tool_says_is_an_answer_in_any_frame() {
        let event =
            [b"event: message\nid: 7_x\ndata: ", answer(1_234_567, TEXT).as_slice(), b"\n\n"].concat();
        let says = Expected::Says(Tool::Echo);
        assert!(says.is(&event, 1_234_567));
        assert!(!says.is(&event, 1_234_568));
        assert!(!says.is(&answer(1_234_567, "the quick"), 1_234_567));
        let large = Expected::Says(Tool::Large);
        assert!(large.is(&answer(1_234_567, &"x".repeat(LARGE)), 1_234_567));
        assert!(!large.is(&answer(1_234_567, &"x".repeat(LARGE / 2)), 1_234_567));
        let last = format!(r#"{{"result":{{"content":"{}"}},"id":1234567}}"#, "x".repeat(LARGE));
        assert!(large.is(last.as_bytes(), 1_234_567));
    }

    #[test]
    fn only_a_result_with_what_the_tool_says_is_right() {
        let right = |body: &[u8], era, tool| check(body, era, tool).is_ok();
        assert!(right(&answer(FIRST, TEXT), Era::Modern, Tool::Echo));
        assert!(right(
            &[b"data: ", answer(FIRST, TEXT).as_slice(), b"\n\n"].concat(),
            Era::Legacy,
            Tool::Echo
        ));
        assert!(!right(&answer(FIRST, TEXT), Era::Modern, Tool::Add));
        assert!(!right(&answer(FIRST, "another"), Era::Modern, Tool::Echo));
        assert!(!right(&answer(7, TEXT), Era::Modern, Tool::Echo));
        let untyped = br#"{"id":1000000,"result":{"structuredContent":{"sum":6.5}}}"#;
        assert!(right(untyped, Era::Legacy, Tool::Add));
        assert!(!right(untyped, Era::Modern, Tool::Add), "2026-07-28 wants a resultType");
        let failed = br#"{"id":1000000,"result":{"structuredContent":{"sum":6.5},"isError":true}}"#;
        assert!(!right(failed, Era::Legacy, Tool::Add));
        assert!(!right(br#"{"id":1000000,"error":{"code":-32603,"message":"no"}}"#, Era::Legacy, Tool::Add));
    }
}
