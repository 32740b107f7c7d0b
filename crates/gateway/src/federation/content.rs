//! The URIs in what a member answers: resource links, embedded resources, and the contents of a resource.

use anyport_protocol::{
    Method, Raw,
    json::{Elements, Members},
    meta::key::SERVER_INFO,
};
use memchr::memmem;

use super::{
    definition::{expose_member, expose_ui},
    edits::{Edits, text_of},
    uris::UriAlias,
};

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
        // Every URI stands beside this word: `resource_link`, `resource`, `resourceUri`.
        _ if memmem::find(object.as_bytes(), b"resource").is_none() => {}
        Method::ToolsCall => {
            expose_blocks(&mut edits, Members::find(object, "content"), alias);
            expose_ui(&mut edits, alias);
        }
        Method::PromptsGet => expose_messages(&mut edits, object, alias),
        _ => {}
    }
    if memmem::find(object.as_bytes(), SERVER_INFO.as_bytes()).is_some()
        && let Some(old) = Members::find(object, "_meta").and_then(|meta| Members::find(meta, SERVER_INFO))
    {
        edits.replace(old, identity);
    }
    edits.finish()
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
    fn the_identity_is_ours() {
        let meta = |name: &str| json!({"x": 1, SERVER_INFO: {"name": name}});
        let called = of(Method::ToolsCall, json!({"content": [], "_meta": meta("member")}));
        assert_eq!(called["_meta"], meta("gateway"));
        let same = Raw::from(json!({"content": [{"type": "text", "text": "resource"}]}));
        let result = exposed(&same, Method::ToolsCall, &UriAlias::of("a"), &Raw::EMPTY_OBJECT);
        assert_eq!(result.as_str().as_ptr(), same.as_str().as_ptr(), "it is not written again");
    }
}
