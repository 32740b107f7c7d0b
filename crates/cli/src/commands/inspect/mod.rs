//! `anyport inspect`: who a server is, what it offers, what that costs, and what of it breaks clients.

use std::{collections::HashSet, process::ExitCode, time::Instant};

use anyhow::Result;
use anyport_client::{Client, Error as ClientError};
use anyport_protocol::types::{Prompt, Resource, ResourceTemplate, Tool};
use serde_json::{Value, json};

use self::finding::{Code, Finding};
use super::list::some;
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    render::safe,
};

mod finding;
mod hidden;
mod name;
mod schemas;
mod tools;

/// The arguments of `anyport inspect`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport inspect [OPTIONS] SERVER\n       anyport inspect [OPTIONS] -- COMMAND [ARGS]...",
    after_help = "The exit code is 1 with --strict if there is a warning.\n\nExamples:\n  anyport inspect https://example.com/mcp\n  \
        anyport inspect --strict --json -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// The server: a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an mcp.json; or a command
    /// after --.
    target: Option<String>,
    /// End with exit code 1 if there is a warning.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

/// Says who the server is and what it offers.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let strict = arguments.strict;
    client_session::with(&arguments.options, arguments.target.as_deref(), async move |session, output| {
        let findings = inspect(session, output).await?;
        Ok(if strict && findings { Exit::Failed } else { Exit::Done })
    })
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
    /// When a request for a list fails. A list that the server does not have is empty.
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

/// Describes the server; returns whether there is a warning.
async fn inspect(session: ClientSession, mut output: Output) -> Result<bool> {
    let client = &session.client;
    let started = Instant::now();
    let offer = Offer::of(client).await.map_err(|error| errors::of_call(&error))?;
    let listed = started.elapsed().as_millis();
    let opened = session.opened.as_millis();
    let discovered = client.discovered();
    let era = if session.revision.is_stateless() { "modern" } else { "legacy" };
    let (findings, tokens) = (findings(&offer), tools::tokens(&offer.tools));
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
            "warnings": findings.iter().map(Finding::text).collect::<Vec<_>>(),
            "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        }))?;
        return Ok(!findings.is_empty());
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
    for warning in finding::lines(&findings) {
        text += &format!("{} {}\n", screen.doubtful("warning:"), safe::line(&warning));
    }
    output.text(&text)?;
    Ok(!findings.is_empty())
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

/// Problems that break clients, leave a model without information, or may harm who uses the tools.
pub(super) fn findings(offer: &Offer) -> Vec<Finding> {
    let mut found = tools::problems(&offer.tools);
    for prompt in &offer.prompts {
        if prompt.description.is_none() && prompt.title.is_none() {
            found.push(Finding {
                code: Code::DescriptionMissing,
                of: format!("the prompt {}", prompt.name),
                detail: None,
            });
        }
    }
    twice(&mut found, "prompt", offer.prompts.iter().map(|prompt| &prompt.name));
    twice(&mut found, "resource", offer.resources.iter().map(|resource| &resource.uri));
    found
}

fn twice<'a>(found: &mut Vec<Finding>, what: &str, names: impl Iterator<Item = &'a String>) {
    let mut seen = HashSet::new();
    let again = names.filter(|name| !seen.insert(*name));
    found.extend(again.map(|name| Finding {
        code: Code::NameTwice,
        of: format!("the {what} {name}"),
        detail: None,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_resources_are_looked_at_too() {
        let prompts =
            [json!({"name": "p"}), json!({"name": "q", "title": "Q"}), json!({"name": "q", "title": "Q"})];
        let prompts = prompts.map(|prompt| serde_json::from_value(prompt).unwrap()).into();
        let found = findings(&Offer { prompts, ..Offer::default() });
        let texts: Vec<_> = found.iter().map(Finding::text).collect();
        assert_eq!(
            texts,
            [
                "the prompt p has no description: a model cannot know when to use it",
                "the prompt q is listed twice: clients take one of them, or refuse both",
            ]
        );
    }
}
