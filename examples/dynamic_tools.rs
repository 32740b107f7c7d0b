//! A server whose tools come and go while it runs, and differ from caller to caller.
//!
//! ```sh
//! cargo run -p anyport-examples --bin dynamic_tools
//! ```
//!
//! Clients that listen are told, and list again; a call that runs is not disturbed.

use anyport::{BuildError, Context, NoArguments, ServeError, Server, Tool, serve, server::List, tool};

/// Learns a recipe.
#[tool]
fn learn(
    context: Context,
    /// What it is called; a tool of this name will cook it
    dish: String,
    /// How it is cooked
    steps: Vec<String>,
) -> Result<&'static str, BuildError> {
    // A tool that is known only now is made with the builder.
    let cook = Tool::new(dish).description("Cooks a dish.").run(move |_: NoArguments, _: Context| {
        let cooked = steps.join(", then ");
        async move { cooked }
    });
    // The name may be none: the error says so, and the model reads it. `add` would refuse one that is taken, too.
    let known = context.server().replace(cook)?;
    Ok(if known { "Better now." } else { "Learnt." })
}

/// Forgets everything.
#[tool]
fn forget_all(context: Context) -> Result<(), BuildError> {
    // Several changes at once are one to everybody else, and clients are told once.
    context.server().change(|change| {
        change.remove_tool("soup").remove_tool("salad");
    })
}

/// Tastes what is in the pot.
#[tool]
fn taste() -> &'static str {
    "More salt."
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let server = Server::builder("dynamic_tools", "1.0.0")
        .add(learn)
        .add(forget_all)
        // For callers that we know only: the process that started this one is such, and whoever proved a name over HTTP. To
        // all others it does not exist.
        .add(taste().visible_to(|caller| !caller.is_anonymous()))
        // Clients are told what kinds of things there are when they connect. A server that may get prompts later says so.
        .dynamic([List::Prompts])
        .build()?;
    serve(server).stdio().await
}
