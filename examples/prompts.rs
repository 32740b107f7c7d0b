//! Prompts: messages that a person selects from a menu, with arguments that complete while they are typed.
//!
//! ```sh
//! cargo run -p anyport-examples --bin prompts
//! ```

use anyport::{
    Completion, CompletionRequest, Context, Messages, ServeError, Server, prompt, serve,
    types::ResourceContents,
};
use serde::Deserialize;

const FRAMEWORKS: [(&str, &[&str]); 2] =
    [("rust", &["axum", "actix", "tokio"]), ("python", &["django", "fastapi", "flask"])];

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Beginners,
    Experts,
}

/// Explains what a framework is for.
// A text is one message of the user. Arguments arrive as text, and become numbers, enums and so on.
#[prompt(title = "Explain a framework")]
fn explain(
    /// The language
    #[arg(complete = languages)]
    language: String,
    /// The framework
    #[arg(complete = frameworks)]
    framework: String,
    /// For whom
    #[arg(complete = audiences)]
    audience: Option<Audience>,
) -> String {
    let whom = match audience {
        Some(Audience::Beginners) => "to someone who is new to",
        Some(Audience::Experts) => "to an expert in",
        None => "to someone who knows",
    };
    format!("Explain what {framework} is for, {whom} {language}.")
}

async fn languages(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, FRAMEWORKS.map(|(language, _)| language))
}

/// The suggestions depend on the language, if it has a value already.
async fn frameworks(typed: CompletionRequest, _: Context) -> Completion {
    let language = typed.arguments.get("language").unwrap_or_default();
    let known = FRAMEWORKS.iter().filter(|(known, _)| *known == language);
    Completion::starting_with(&typed.value, known.flat_map(|(_, frameworks)| frameworks.iter().copied()))
}

async fn audiences(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, ["beginners", "experts"])
}

/// Marks what is wrong in a text.
// Messages can contain more than text, and messages of the assistant.
#[prompt]
fn proofread(
    /// The text
    text: String,
) -> Messages {
    Messages::new()
        .assistant("Give me a text, and I mark what is wrong in it.")
        .user(ResourceContents::text("prompt:///text", text))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("prompts", "1.0.0").add(explain).add(proofread).build()?).stdio().await
}
