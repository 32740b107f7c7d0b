//! Prompts: messages that a person picks from a menu, with arguments that can be completed while they are typed.

use std::{error::Error, future::pending};

use anyport::{
    Context, Prompt, Server, live,
    protocol::types::{ContentBlock, PromptMessage, ResourceContents},
    server::{Argument, Partial, Values},
    stdio,
};

const FRAMEWORKS: [(&str, &[&str]); 2] =
    [("rust", &["axum", "actix", "tokio"]), ("python", &["django", "fastapi", "flask"])];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let explain = Prompt::new("explain")
        .title("Explain a framework")
        .description("Explains what a framework is for.")
        .argument(Argument::new("language").description("The language").required().complete(
            async |typed: Partial, _: Context| {
                let languages = FRAMEWORKS.iter().map(|(language, _)| (*language).to_owned());
                languages.filter(|language| language.starts_with(&typed.value)).collect::<Vec<_>>()
            },
        ))
        .argument(Argument::new("framework").description("The framework").required().complete(
            // `arguments` are those that have their values already: what can be chosen here depends on the language.
            async |typed: Partial, _: Context| {
                let language = typed.arguments.get("language").unwrap_or_default();
                let known = FRAMEWORKS.iter().find(|(known, _)| *known == language);
                let names = known.map(|(_, frameworks)| *frameworks).unwrap_or_default().iter();
                names
                    .filter(|name| name.starts_with(&typed.value))
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>()
            },
        ))
        // Text is one message of the user's. Required arguments are there, or the function does not run.
        .get(async |values: Values, _: Context| {
            let value = |name| values.get(name).unwrap_or_default();
            format!("Explain what {} is for, to someone who knows {}.", value("framework"), value("language"))
        });

    // A list of messages can hold more than text, and what the assistant is to have said.
    let proofread = Prompt::new("proofread").argument(Argument::new("text").required()).get(
        async |values: Values, _: Context| {
            let text = values.get("text").unwrap_or_default();
            vec![
                PromptMessage::assistant("Give me a text, and I mark what is wrong in it."),
                PromptMessage::user(ContentBlock::embedded(ResourceContents::text("prompt:///text", text))),
            ]
        },
    );

    let server =
        Server::builder("prompts_and_completion", "1.0.0").prompt(explain).prompt(proofread).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
