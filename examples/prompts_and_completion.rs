//! Prompts: messages that a person picks from a menu, with arguments that can be completed while they are typed.

use std::{error::Error, future::pending};

use anyport::{
    Context, Prompt, Server, live,
    protocol::types::ResourceContents,
    server::{Completion, Messages, Partial},
    stdio,
};
use schemars::JsonSchema;
use serde::Deserialize;

const FRAMEWORKS: [(&str, &[&str]); 2] =
    [("rust", &["axum", "actix", "tokio"]), ("python", &["django", "fastapi", "flask"])];

/// The arguments of a prompt: what is no `Option` is required. Clients send texts, which become numbers and so on.
#[derive(Deserialize, JsonSchema)]
struct Explain {
    /// The language
    language: String,
    /// The framework
    framework: String,
    /// For whom
    audience: Option<Audience>,
}

/// All values are known, so they are suggested by themselves.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Beginners,
    Experts,
}

#[derive(Deserialize, JsonSchema)]
struct Proofread {
    /// The text
    text: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let explain = Prompt::new("explain")
        .title("Explain a framework")
        .description("Explains what a framework is for.")
        .arguments::<Explain>()
        .choices("language", FRAMEWORKS.map(|(language, _)| language))
        // `arguments` are those that have their values already: what can be chosen here depends on the language.
        .complete("framework", async |typed: Partial, _: Context| {
            let language = typed.arguments.get("language").unwrap_or_default();
            let known = FRAMEWORKS.iter().find(|(known, _)| *known == language);
            let names = known.map(|(_, frameworks)| *frameworks).unwrap_or_default();
            Completion::starting_with(&typed.value, names.iter().copied())
        })
        // Text is one message of the user's.
        .get(async |Explain { language, framework, audience }: Explain, _: Context| {
            let whom = match audience {
                Some(Audience::Beginners) => "to someone who is new to",
                Some(Audience::Experts) => "to an expert in",
                None => "to someone who knows",
            };
            format!("Explain what {framework} is for, {whom} {language}.")
        });

    // Messages can hold more than text, and what the assistant is to have said.
    let proofread = Prompt::new("proofread").arguments::<Proofread>().get(
        async |Proofread { text }: Proofread, _: Context| {
            Messages::new()
                .assistant("Give me a text, and I mark what is wrong in it.")
                .user(ResourceContents::text("prompt:///text", text))
        },
    );

    let server =
        Server::builder("prompts_and_completion", "1.0.0").prompt(explain).prompt(proofread).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
