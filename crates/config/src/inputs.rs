//! What VS Code asks its user for: `inputs` in an `mcp.json`, to which texts refer as `${input:ID}`
//! (<https://code.visualstudio.com/docs/reference/variables-reference#_input-variables>).

use std::path::Path;

use serde_json::Value;

use crate::{document::Language, server::ServerConfig};

/// A value that a user is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its id, in `${input:ID}`.
    pub id: String,
    /// What is asked for.
    pub description: Option<String>,
    /// The value that is proposed.
    pub default: Option<String>,
    /// How it is asked for.
    pub kind: InputKind,
}

/// How a value is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A text.
    Text,
    /// A text that is not shown.
    Password,
    /// One of several values, each with the label that people see.
    Choice(Vec<(String, String)>),
    /// By a command of VS Code, which nothing else can run.
    Command,
}

impl Input {
    /// A value of which nothing but the id is known. It may be a secret.
    pub fn unknown(id: &str) -> Self {
        Self { id: id.to_owned(), description: None, default: None, kind: InputKind::Password }
    }

    /// The variable of the environment that is read in its place.
    pub fn variable(&self) -> String {
        variable(&self.id)
    }
}

/// The `inputs` of a file with this text. What is no input is left out.
pub fn inputs(path: &Path, text: &str) -> Vec<Input> {
    let root = Language::of(path).parse(text).unwrap_or_default();
    // In the settings of VS Code they stand one level down.
    let found = root.get("inputs").or_else(|| root.get("mcp")?.get("inputs"));
    found.and_then(Value::as_array).into_iter().flatten().filter_map(input).collect()
}

fn input(value: &Value) -> Option<Input> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = match value.get("type").and_then(Value::as_str) {
        Some("pickString") => {
            let options = value.get("options").and_then(Value::as_array)?;
            InputKind::Choice(options.iter().filter_map(choice).collect())
        }
        Some("command") => InputKind::Command,
        _ if value.get("password") == Some(&Value::Bool(true)) => InputKind::Password,
        _ => InputKind::Text,
    };
    Some(Input { id: text("id")?, description: text("description"), default: text("default"), kind })
}

/// A choice, which is a text or an object with `label` and `value`.
fn choice(value: &Value) -> Option<(String, String)> {
    if let Some(text) = value.as_str() {
        return Some((text.to_owned(), text.to_owned()));
    }
    let chosen = value.get("value")?.as_str()?.to_owned();
    let label = value.get("label").and_then(Value::as_str).map(str::to_owned);
    Some((label.unwrap_or_else(|| chosen.clone()), chosen))
}

/// The ids of the inputs that the texts of a server refer to, each once.
pub fn input_ids(server: &ServerConfig) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let gathered: Result<ServerConfig, std::convert::Infallible> = server.try_map(|_, text| {
        for part in text.split("${input:").skip(1) {
            let id = part.split_once('}').map(|(id, _)| id.to_owned());
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        Ok(text.to_owned())
    });
    drop(gathered);
    ids
}

/// The variable that stands for the input `id`.
pub(crate) fn variable(id: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("ANYPORT_INPUT_{}", id.chars().map(word).collect::<String>())
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::server::Endpoint;

    #[test]
    fn inputs_are_read_with_their_kinds() {
        let text = r#"{"inputs": [ // asked for
            {"id": "key", "type": "promptString", "description": "API key", "password": true},
            {"id": "name", "type": "promptString", "default": "me"},
            {"id": "size", "type": "pickString", "options": ["small", {"label": "Large", "value": "l"}]},
            {"id": "run", "type": "command", "command": "x"}, {"type": "promptString"}], "servers": {}}"#;
        let found = inputs(Path::new(".vscode/mcp.json"), text);
        let ids: Vec<_> = found.iter().map(|input| input.id.as_str()).collect();
        assert_eq!(ids, ["key", "name", "size", "run"]);
        assert_eq!(
            (&found[0].kind, found[0].description.as_deref()),
            (&InputKind::Password, Some("API key"))
        );
        assert_eq!((&found[1].kind, found[1].default.as_deref()), (&InputKind::Text, Some("me")));
        let options =
            [("small", "small"), ("Large", "l")].map(|(label, value)| (label.to_owned(), value.to_owned()));
        assert_eq!(found[2].kind, InputKind::Choice(options.into()));
        assert_eq!(found[3].kind, InputKind::Command);
        assert_eq!(found[0].variable(), "ANYPORT_INPUT_KEY");
    }

    #[test]
    fn the_inputs_of_a_server_are_found_in_its_texts() {
        let headers = [("A", "Bearer ${input:api-key}"), ("B", "${input:b}${input:api-key}${KEY}")];
        let headers: IndexMap<_, _> = headers.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let server = Endpoint::Url { url: "https://${input:b}/${input:open".into(), headers, sse: false };
        assert_eq!(input_ids(&server.into()), ["b", "api-key"]);
    }
}
