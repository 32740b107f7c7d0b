//! A server that adds and removes tools while it runs, and shows different tools to different callers.
//!
//! ```sh
//! cargo run -p anyport-examples --bin dynamic_tools
//! ```
//!
//! Subscribed clients receive a list-changed notification. Running calls are not affected.

use anyport::{
    BuildError, Context, ServeError, Server, Tool, serve,
    server::{List, NoArguments},
    tool,
};

/// Learns a recipe.
#[tool]
fn learn(
    context: Context,
    /// What it is called; a tool of this name will cook it
    dish: String,
    /// How it is cooked
    steps: Vec<String>,
) -> Result<&'static str, BuildError> {
    // A tool that is known only at run time is made with the builder.
    let cook = Tool::new(dish).description("Cooks a dish.").run(move |_: NoArguments, _: Context| {
        let cooked = steps.join(", then ");
        async move { cooked }
    });
    // The name may be invalid: then the model reads the error. `add` would also refuse an existing name.
    let known = context.server().replace(cook)?;
    Ok(if known { "Better now." } else { "Learnt." })
}

/// Forgets everything.
#[tool]
fn forget_all(context: Context) -> Result<(), BuildError> {
    // Several changes together cause one notification.
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
        // For known callers only: the process that started this one, and callers with a token over HTTP. For all others
        // the tool does not exist.
        .add(taste().visible_to(|caller| !caller.is_anonymous()))
        // Clients learn the server's capabilities when they connect. A server that may get prompts later declares that.
        .dynamic([List::Prompts])
        .build()?;
    serve(server).stdio().await
}
