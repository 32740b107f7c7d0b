//! The URIs in what a member answers: resource links, embedded resources, and the contents of a resource.

use super::{
    definition::{expose_member, expose_ui},
    edits::{Edits, text_of},
    uris::UriAlias,
};
use anyport_protocol::{
    Method, Raw,
    json::{Elements, Members, RareWord},
    meta::key::SERVER_INFO,
};

/// Every URI stands beside this word: `resource_link`, `resource`, `resourceUri`.
static RESOURCE: RareWord = RareWord::new("resource");
static IDENTITY: RareWord = RareWord::new(SERVER_INFO);

/// The result of `method`, with the URIs that clients use, and with our identity in place of the member's.
///
/// Text is never changed. A result without a URI and without an identity is the same as it came.
pub(super) fn exposed(result: &Raw, method: Method, alias: &UriAlias, identity: &Raw) -> Raw {
    let mut edits = Edits::of(result);
    let object = edits.text();
    match method {
        Method::ResourcesRead => {
            for content in elements(object, "contents") {
                expose_member(&mut edits, content, "uri", alias);
            }
        }
        _ if !RESOURCE.is_in(object) => {}
        Method::ToolsCall => {
            expose_blocks(&mut edits, Members::find(object, "content"), alias);
            expose_ui(&mut edits, alias);
        }
        Method::PromptsGet => expose_messages(&mut edits, object, alias),
        _ => {}
    }
    if let Some(old) = IDENTITY.first_in(object).and_then(|at| identity_in(object, at)) {
        edits.replace(old, identity);
    }
    edits.finish()
}

/// The identity of the server in a result, where its key stands at `at` first.
fn identity_in(object: &str, at: usize) -> Option<&str> {
    identity_at_the_end(object, at)
        .or_else(|| Members::find(object, "_meta").and_then(|meta| Members::find(meta, SERVER_INFO)))
}

/// The identity in a `_meta` that is the last member of the result, as most servers write it, without a walk over what precedes it. No
/// text of a result looks like it, since its quotes would have backslashes; and what one brace closes after `_meta` is the result.
fn identity_at_the_end(object: &str, at: usize) -> Option<&str> {
    const START: &str = "\"_meta\":{\"";
    let start = object.get(..at)?.strip_suffix(START)?.len() + START.len() - 2;
    let meta = object.get(start..)?;
    let (mut identity, mut end) = (None, 0);
    for member in Members::of(meta) {
        identity = identity.or(member.is(SERVER_INFO).then_some(member.value));
        end = member.range.end;
    }
    identity.filter(|_| meta.get(end..) == Some("}}"))
}

/// Exposes the URIs in the messages of a prompt, or of a sampling request.
pub(super) fn expose_messages<'a>(edits: &mut Edits<'a>, object: &'a str, alias: &UriAlias) {
    for message in elements(object, "messages") {
        expose_blocks(edits, Members::find(message, "content"), alias);
    }
}

/// Exposes the URIs in content: one block, or several.
fn expose_blocks<'a>(edits: &mut Edits<'a>, content: Option<&'a str>, alias: &UriAlias) {
    let Some(content) = content else { return };
    if content.starts_with('{') {
        return expose_block(edits, content, alias);
    }
    for block in Elements::of(content) {
        expose_block(edits, block, alias);
    }
}

fn expose_block<'a>(edits: &mut Edits<'a>, block: &'a str, alias: &UriAlias) {
    let kind = Members::find(block, "type").and_then(text_of);
    match kind.as_deref() {
        Some("resource_link") => expose_member(edits, block, "uri", alias),
        Some("resource") => {
            if let Some(resource) = Members::find(block, "resource") {
                expose_member(edits, resource, "uri", alias);
            }
        }
        // Of a sampling message: the result of a tool has content of its own. It has no tool results in it.
        Some("tool_result") => {
            for block in elements(block, "content") {
                let is_result = Members::find(block, "type") == Some("\"tool_result\"");
                if !is_result {
                    expose_block(edits, block, alias);
                }
            }
        }
        _ => {}
    }
}

fn elements<'a>(object: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    Members::find(object, name).into_iter().flat_map(Elements::of)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(method: Method, result: Value) -> Value {
        let ours = json!({"name": "gateway"}).into();
        exposed(&result.into(), method, &UriAlias::of("a"), &ours).decode().unwrap()
    }

    #[test]
    fn links_and_embedded_resources_are_exposed_and_text_is_not() {
        let content = |uri: &str| {
            json!([
                {"type": "text", "text": "see file:///resource"},
                {"type": "resource_link", "uri": uri, "name": "x"},
                {"type": "resource", "resource": {"uri": uri, "text": "file:///resource"}},
            ])
        };
        let called = of(
            Method::ToolsCall,
            json!({"content": content("file:///r"), "structuredContent": {"uri": "file:///r"}}),
        );
        assert_eq!(called["content"], content("a+file:///r"));
        assert_eq!(called["structuredContent"]["uri"], "file:///r", "it is data");
        let message = |uri| json!({"role": "user", "content": content(uri)[1]});
        let prompt = of(Method::PromptsGet, json!({"messages": [message("file:///r")]}));
        assert_eq!(prompt["messages"], json!([message("a+file:///r")]));
        let read =
            of(Method::ResourcesRead, json!({"contents": [{"uri": "file:///r"}, {"uri": "https://r"}]}));
        assert_eq!(read["contents"], json!([{"uri": "a+file:///r"}, {"uri": "https://r"}]));
    }

    #[test]
    fn only_the_identity_of_the_result_itself_is_replaced() {
        let ours = json!({"name": "gateway"}).into();
        let exposed = |text: &str| {
            let result = Raw::trusted(text.replace("ID", SERVER_INFO).into_bytes());
            exposed(&result, Method::ToolsCall, &UriAlias::of("a"), &ours).as_str().replace(SERVER_INFO, "ID")
        };
        for (result, expected) in [
            (
                r#"{"content":[],"_meta":{"ID":{"name":"m"}}}"#,
                r#"{"content":[],"_meta":{"ID":{"name":"gateway"}}}"#,
            ),
            (r#"{"_meta":{"ID":{"name":"m"},"x":1}}"#, r#"{"_meta":{"ID":{"name":"gateway"},"x":1}}"#),
            (r#"{"_meta":{"x":1,"ID":{"name":"m"}}}"#, r#"{"_meta":{"x":1,"ID":{"name":"gateway"}}}"#),
            (
                r#"{"_meta":{"ID":{"name":"m"}},"content":[]}"#,
                r#"{"_meta":{"ID":{"name":"gateway"}},"content":[]}"#,
            ),
            (r#"{ "_meta": {"ID": {"name":"m"} } }"#, r#"{ "_meta": {"ID": {"name":"gateway"} } }"#),
        ] {
            assert_eq!(exposed(result), expected);
        }
        for data in [
            r#"{"structuredContent":{"_meta":{"ID":{"name":"m"}}}}"#,
            r#"{"content":[{"type":"text","text":"\"_meta\":{\"ID\":{}}}"}]}"#,
            r#"{"content":[{"_meta":{"ID":{"name":"m"}}}]}"#,
        ] {
            assert_eq!(exposed(data), data, "it is data");
        }
    }

    #[test]
    fn the_identity_is_ours() {
        let meta = |name: &str| json!({"x": 1, SERVER_INFO: {"name": name}});
        let called = of(Method::ToolsCall, json!({"content": [], "_meta": meta("member")}));
        assert_eq!(called["_meta"], meta("gateway"));
        let same = Raw::from(json!({"content": [{"type": "text", "text": "resource"}]}));
        let result = exposed(&same, Method::ToolsCall, &UriAlias::of("a"), &Raw::EMPTY_OBJECT);
        assert_eq!(result.as_str().as_ptr(), same.as_str().as_ptr(), "it is not written again");
    }
}
