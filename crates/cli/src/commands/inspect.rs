//! `anyport inspect`: who a server is, what it offers, what that costs, and what of it breaks clients.

use std::{collections::HashSet, process::ExitCode, time::Instant};

use anyhow::Result;
use anyport_client::{Client, Error as ClientError};
use anyport_protocol::types::{Prompt, Resource, ResourceTemplate, Tool};
use serde_json::{Value, json};

use super::{Plain, list::some};
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    render::safe,
};

/// The arguments of `anyport inspect`.
pub(crate) type Arguments = Plain;

/// Says who the server is and what it offers.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    client_session::with(&arguments.options, arguments.target(), inspect)
}

/// The lists of a server.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) tools: Vec<Tool>,
    resources: Vec<Resource>,
    templates: Vec<ResourceTemplate>,
    prompts: Vec<Prompt>,
}

impl Offer {
    /// Everything that the server lists.
    ///
    /// # Errors
    /// When it does not answer one of the lists; that it does not know one is none.
    pub(super) async fn of(client: &Client) -> Result<Self, ClientError> {
        Ok(Self {
            tools: some(client.tools().await)?,
            resources: some(client.resources().await)?,
            templates: some(client.templates().await)?,
            prompts: some(client.prompts().await)?,
        })
    }

    /// How much there is, in words.
    pub(super) fn counts(&self) -> String {
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let counts = [
            count(self.tools.len(), "tool"),
            count(self.resources.len(), "resource"),
            count(self.templates.len(), "template"),
            count(self.prompts.len(), "prompt"),
        ];
        counts.join(", ")
    }
}

async fn inspect(session: ClientSession, mut output: Output) -> Result<Exit> {
    let client = &session.client;
    let started = Instant::now();
    let offer = Offer::of(client).await.map_err(|error| errors::of_call(&error))?;
    let listed = started.elapsed().as_millis();
    let opened = session.opened.as_millis();
    let discovered = client.discovered();
    let era = if session.revision.is_stateless() { "modern" } else { "legacy" };
    let (warnings, tokens) = (warnings(&offer), tokens(&offer.tools));
    if output.json {
        output.value(&json!({
            "name": session.name,
            "server": client.server_info(),
            "revision": session.revision.as_str(),
            "era": era,
            "supportedVersions": discovered.supported_versions,
            "transport": session.transport,
            "capabilities": discovered.capabilities,
            "instructions": discovered.instructions,
            "counts": {
                "tools": offer.tools.len(),
                "resources": offer.resources.len(),
                "resourceTemplates": offer.templates.len(),
                "prompts": offer.prompts.len(),
            },
            "openMs": opened,
            "listMs": listed,
            "toolTokens": tokens,
            "warnings": warnings,
        }))?;
        return Ok(Exit::Done);
    }
    let screen = output.screen;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        text += &format!("{}{}\n", screen.faint(format!("{name:<14}")), safe::line(&value));
    };
    let server = client.server_info().map(|info| format!("{} {}", info.name, info.version));
    line("server", server.unwrap_or_else(|| "(it does not say)".to_owned()));
    line("revision", format!("{} ({era})", session.revision));
    line("transport", session.transport.to_owned());
    line("capabilities", named(&serde_json::to_value(&discovered.capabilities)?));
    line("offers", offer.counts());
    line("latency", format!("{opened} ms to open, {listed} ms to list"));
    line("cost", format!("about {tokens} tokens for the definitions of its tools"));
    if let Some(instructions) = client.instructions() {
        text += &format!("{}\n", screen.faint("instructions"));
        for one in safe::text(instructions.trim()).lines() {
            text += &format!("    {one}\n");
        }
    }
    for warning in &warnings {
        text += &format!("{} {}\n", screen.doubtful("warning:"), safe::line(warning));
    }
    output.text(&text)?;
    Ok(Exit::Done)
}

/// Capabilities by their names, with what they have inside.
fn named(capabilities: &Value) -> String {
    let one = |(name, value): (&String, &Value)| {
        let inner = value.as_object().into_iter().flatten();
        let inner: Vec<&str> =
            inner.filter(|(_, value)| **value != Value::Bool(false)).map(|(name, _)| name.as_str()).collect();
        if inner.is_empty() { name.clone() } else { format!("{name} ({})", inner.join(", ")) }
    };
    let all: Vec<String> = capabilities.as_object().into_iter().flatten().map(one).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// Estimates the tokens of the tools' definitions: four characters of JSON are about a token.
fn tokens(tools: &[Tool]) -> usize {
    const CHARACTERS_PER_TOKEN: usize = 4;
    let cost = |tool: &Tool| {
        let told =
            json!({"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema});
        told.to_string().chars().count().div_ceil(CHARACTERS_PER_TOKEN)
    };
    tools.iter().map(cost).sum()
}

/// Longer names are refused by clients that put the server's name before them.
const LONGEST_NAME: usize = 64;

/// Some interfaces of models allow no more of a description (OpenAI's, for functions).
const LONGEST_DESCRIPTION: usize = 1024;

/// Some interfaces of models take no more (OpenAI's, for functions).
const MOST_TOOLS: usize = 128;

/// A twentieth of a context of 200,000 tokens: beyond that, clients put definitions off.
const DEAREST: usize = 10_000;

/// Whether a name is one that models' interfaces take.
fn is_plain(name: &str, more: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || more.contains(c))
}

/// Problems that break clients, or leave a model without information.
pub(super) fn warnings(offer: &Offer) -> Vec<String> {
    let mut found = Vec::new();
    let mut names = HashSet::new();
    for tool in &offer.tools {
        let name = &tool.name;
        let mut warn = |what: &str| found.push(format!("the tool {name} {what}"));
        if !names.insert(name) {
            warn("is listed twice: clients take one of them, or refuse both");
        }
        let length = name.chars().count();
        if length > LONGEST_NAME {
            warn(&format!("has a name of {length} characters: many clients allow {LONGEST_NAME}"));
        }
        if !is_plain(name, "") {
            warn("has signs in its name beside A-Z, a-z, 0-9, _ and -: models' interfaces refuse them");
        }
        if tool.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
            warn("has no description: a model cannot know when to call it");
        }
        let length = tool.description.as_deref().map_or(0, |text| text.chars().count());
        if length > LONGEST_DESCRIPTION {
            warn(&format!(
                "has a description of {length} characters: some models' interfaces allow {LONGEST_DESCRIPTION}"
            ));
        }
        if tool.input_schema.get("type").and_then(Value::as_str) != Some("object") {
            warn("has an inputSchema whose type is not object");
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if tool.input_schema.contains_key(key) {
                warn(&format!(
                    "has {key} at the top of its inputSchema: some models' interfaces refuse it there"
                ));
            }
        }
        let arguments = tool.input_schema.get("properties").and_then(Value::as_object);
        for (argument, schema) in arguments.into_iter().flatten() {
            if !is_plain(argument, ".") || argument.chars().count() > LONGEST_NAME {
                warn(&format!("has an argument {argument:?}: models' interfaces refuse such names"));
            }
            if schema.get("type").and_then(Value::as_str) == Some("array") && schema.get("items").is_none() {
                warn(&format!(
                    "has a list {argument:?} that does not say of what (items): some clients refuse it"
                ));
            }
        }
        let schemas =
            [("inputSchema", Some(&tool.input_schema)), ("outputSchema", tool.output_schema.as_ref())];
        for (what, schema) in schemas {
            let Some(schema) = schema else { continue };
            let value = Value::Object(schema.clone());
            if let Err(error) = jsonschema::meta::validate(&value) {
                let at = error.instance_path().to_string();
                warn(&format!("has an {what} that is no JSON Schema, at {at}: {error}"));
            }
            if let Some(outside) = reference_outside(&value) {
                warn(&format!("has an {what} that refers to {outside}: clients fetch nothing"));
            }
        }
    }
    let (count, cost) = (offer.tools.len(), tokens(&offer.tools));
    if count > MOST_TOOLS {
        found.push(format!("there are {count} tools: some models' interfaces take {MOST_TOOLS} at most"));
    }
    if cost > DEAREST {
        let words = "clients leave some out, or models lose sight of what matters";
        found.push(format!("the definitions of its tools cost about {cost} tokens: {words}"));
    }
    for prompt in offer.prompts.iter().filter(|prompt| prompt.description.is_none() && prompt.title.is_none())
    {
        found.push(format!("the prompt {} has neither title nor description", prompt.name));
    }
    twice(&mut found, "prompt", offer.prompts.iter().map(|prompt| &prompt.name));
    twice(&mut found, "resource", offer.resources.iter().map(|resource| &resource.uri));
    found
}

fn twice<'a>(found: &mut Vec<String>, what: &str, names: impl Iterator<Item = &'a String>) {
    let mut seen = HashSet::new();
    let again = names.filter(|name| !seen.insert(*name));
    found.extend(again.map(|name| format!("the {what} {name} is listed twice")));
}

/// A reference of a schema to something that is not within it.
fn reference_outside(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).filter(|to| !to.starts_with('#'));
            own.or_else(|| object.values().find_map(reference_outside))
        }
        Value::Array(list) => list.iter().find_map(reference_outside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_clients_is_found() {
        let check = |value: Value, expected: &[&str]| {
            let tools = vec![serde_json::from_value(value).unwrap()];
            let found = warnings(&Offer { tools, ..Offer::default() });
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(found, part)| found.contains(part)), "{found:?}");
        };
        let tool =
            |name: &str, schema: Value| json!({"name": name, "description": "d", "inputSchema": schema});
        let good = json!({"type": "object"});
        check(tool("good_1-x", good.clone()), &[]);
        check(json!({"name": "a.b", "inputSchema": good}), &["signs in its name", "no description"]);
        check(tool(&"x".repeat(65), good), &["a name of 65 characters"]);
        check(tool("a", json!({"type": "array"})), &["not object"]);
        let faulty = json!({"type": "object", "properties": {"a": {"type": "text"}}});
        check(tool("a", faulty), &["no JSON Schema, at /properties/a/type"]);
        let outside = json!({"type": "object", "properties": {"a": {"$ref": "https://a.example/s"}}});
        check(tool("a", outside), &["refers to https://a.example/s"]);
        let choice = json!({"type": "object", "oneOf": [{"required": ["a"]}]});
        check(tool("a", choice), &["oneOf at the top of its inputSchema"]);
        let odd = json!({"type": "object", "properties": {"a b": {"type": "array"}, "c.d": {"type": "array", "items": {}}}});
        check(tool("a", odd), &["an argument \"a b\"", "does not say of what"]);
        let long = json!({"name": "a", "description": "x".repeat(1025), "inputSchema": {"type": "object"}});
        check(long, &["a description of 1025 characters"]);
    }

    #[test]
    fn too_many_tools_and_dear_ones_are_told_once() {
        let tool = |at: usize| {
            let value = json!({"name": format!("t{at}"), "description": "x".repeat(400), "inputSchema": {"type": "object"}});
            serde_json::from_value(value).unwrap()
        };
        let found = warnings(&Offer { tools: (0..129).map(tool).collect(), ..Offer::default() });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("there are 129 tools") && found[1].contains("tokens"), "{found:?}");
        let prompts = vec![serde_json::from_value(json!({"name": "p"})).unwrap()];
        let found = warnings(&Offer { prompts, ..Offer::default() });
        assert_eq!(found, ["the prompt p has neither title nor description"]);
    }
}
