//! Definitions of tools, prompts and resources, as clients receive them.

use anyport_protocol::{
    Raw,
    json::{Members, Splice},
};

use super::{
    edits::{Edits, text_of},
    naming::ItemOverride,
    uris::UriAlias,
};

/// The definition of a tool or prompt under the name `name`, with what is different about it.
pub(super) fn exposed(text: &Raw, name: &str, change: Option<&ItemOverride>, alias: &UriAlias) -> Raw {
    let mut edits = Edits::of(text);
    let object = edits.text();
    let old_name = Members::find(object, "name").and_then(text_of);
    if old_name.as_deref() != Some(name) {
        edits.set(object, "name", &Raw::string(name));
    }
    if let Some(change) = change {
        if let Some(title) = &change.title {
            edits.set(object, "title", title);
        }
        if let Some(description) = &change.description {
            edits.set(object, "description", description);
        }
        remove_arguments(&mut edits, text, change);
    }
    expose_ui(&mut edits, alias);
    edits.finish()
}

/// The definition of a resource or template; `key` is the member with its URI.
pub(super) fn exposed_uri(text: &Raw, key: &str, alias: &UriAlias) -> Raw {
    let mut edits = Edits::of(text);
    let object = edits.text();
    expose_member(&mut edits, object, key, alias);
    expose_ui(&mut edits, alias);
    edits.finish()
}

/// Exposes the URI that is the member `key` of `object`.
pub(super) fn expose_member<'a>(edits: &mut Edits<'a>, object: &'a str, key: &str, alias: &UriAlias) {
    let uri = Members::find(object, key).and_then(|value| Some((value, text_of(value)?)));
    if let Some((value, exposed)) = uri.and_then(|(value, uri)| Some((value, alias.exposed_json(&uri)?))) {
        edits.replace(value, &exposed);
    }
}

/// Exposes the URI of the user interface that `_meta` names.
///
/// Extension `ui`, §Resource Discovery: a tool names its user interface in `_meta.ui.resourceUri`; `_meta["ui/resourceUri"]`
/// is the older form.
pub(super) fn expose_ui(edits: &mut Edits<'_>, alias: &UriAlias) {
    let Some(meta) = Members::find(edits.text(), "_meta") else { return };
    if let Some(ui) = Members::find(meta, "ui") {
        expose_member(edits, ui, "resourceUri", alias);
    }
    expose_member(edits, meta, "ui/resourceUri", alias);
}

/// Removes the arguments with a fixed value: from a tool's input schema, or from a prompt's list of arguments.
fn remove_arguments(edits: &mut Edits<'_>, text: &Raw, change: &ItemOverride) {
    let is_fixed = |name: &str| change.arguments.iter().any(|(fixed, _)| fixed == name);
    if change.arguments.is_empty() {
        return;
    }
    let part = |name| Members::find(edits.text(), name);
    let (schema, arguments) = (part("inputSchema"), part("arguments"));
    if let Some(schema) = schema {
        edits.replace(schema, &without(&text.slice(schema), is_fixed));
    }
    if let Some(arguments) = arguments {
        let is_left = |argument: &str| {
            !Members::find(argument, "name").and_then(text_of).is_some_and(|name| is_fixed(&name))
        };
        edits.replace(arguments, &elements(arguments, is_left));
    }
}

/// An input schema without some of its properties.
fn without(schema: &Raw, is_fixed: impl Fn(&str) -> bool) -> Raw {
    let mut rest = Splice::retain(schema, |key| key != "properties" && key != "required");
    if let Some(properties) = schema.member("properties") {
        rest = rest.with("properties", &Splice::retain(&properties, |name| !is_fixed(name)).finish());
    }
    if let Some(required) = schema.member("required") {
        let is_left = |name: &str| !text_of(name).is_some_and(|name| is_fixed(&name));
        rest = rest.with("required", &elements(required.as_str(), is_left));
    }
    rest.finish()
}

/// The elements of an array that `is_left` accepts.
fn elements(array: &str, is_left: impl Fn(&str) -> bool) -> Raw {
    let left: Vec<&str> =
        anyport_protocol::json::Elements::of(array).filter(|element| is_left(element)).collect();
    Raw::trusted(format!("[{}]", left.join(",")).into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn changed(definition: Value, change: ItemOverride) -> Value {
        exposed(&definition.into(), "a_x", Some(&change), &UriAlias::of("a")).decode().unwrap()
    }

    #[test]
    fn fixed_arguments_are_not_in_the_definition() {
        let schema =
            json!({"type": "object", "required": ["a", "b"], "properties": {"a": {}, "b": {}}, "x": 1});
        let change = ItemOverride::default().argument("a", json!(1)).title("X").description("does x");
        let tool = changed(json!({"name": "x", "title": "old", "inputSchema": schema}), change.clone());
        let left = json!({"type": "object", "x": 1, "properties": {"b": {}}, "required": ["b"]});
        assert_eq!(tool, json!({"name": "a_x", "title": "X", "inputSchema": left, "description": "does x"}));
        let prompt = changed(json!({"name": "x", "arguments": [{"name": "a"}, {"name": "b"}]}), change);
        assert_eq!(prompt["arguments"], json!([{"name": "b"}]));
    }

    #[test]
    fn uris_of_user_interfaces_are_exposed_and_all_else_stays() {
        let text = Raw::trusted(
            br#"{ "name":"x" ,"n":1.0,"_meta":{"ui":{"resourceUri":"ui://panel","csp":["https://a"]},"ui/resourceUri":"ui://panel"}}"#.to_vec(),
        );
        let tool = exposed(&text, "a_x", None, &UriAlias::of("a"));
        assert_eq!(
            tool.as_str(),
            r#"{ "name":"a_x" ,"n":1.0,"_meta":{"ui":{"resourceUri":"ui://a/panel","csp":["https://a"]},"ui/resourceUri":"ui://a/panel"}}"#
        );
        assert_eq!(exposed(&text, "x", None, &UriAlias::of("a")).as_str().matches("ui://a/").count(), 2);
        let resource = Raw::from(json!({"uri": "https://a", "name": "x"}));
        assert_eq!(exposed_uri(&resource, "uri", &UriAlias::of("a")), resource);
    }
}
