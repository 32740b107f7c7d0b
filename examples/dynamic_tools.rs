//! A server whose tools come and go while it runs.
//!
//! Clients that listen are told, and list again; a call that runs is not disturbed. `visible_to` is the other half: one
//! server, and a list for each caller.

use std::{error::Error, future::pending};

use anyport::{
    Context, Server, Tool, live,
    server::{BuildError, List, NoArguments},
    stdio,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Recipe {
    /// What it is called; a tool of this name will cook it
    dish: String,
    /// How it is cooked
    steps: Vec<String>,
}

/// Makes a tool of a recipe.
fn cook(Recipe { dish, steps }: Recipe) -> Tool {
    Tool::new(dish).description("Cooks a dish.").run(move |_: NoArguments, _: Context| {
        let cooked = steps.join(", then ");
        async move { cooked }
    })
}

fn kitchen() -> Result<Server, BuildError> {
    let learn =
        Tool::new("learn").description("Learns a recipe.").run(async |recipe: Recipe, context: Context| {
            // The name may be taken or be none: the error says so, and the model gets to read it. `add` refuses a name
            // that is taken; `replace` does not.
            context.server().replace(cook(recipe)).map(|known| if known { "Better now." } else { "Learnt." })
        });
    let forget = Tool::new("forget_all").description("Forgets everything.").run(
        async |_: NoArguments, context: Context| {
            // Several changes at once are one to everybody else, and clients are told once.
            context.server().change(|change| {
                change.remove_tool("soup").remove_tool("salad");
            })
        },
    );
    // This one is for the cook at this machine only; to all others it does not exist.
    let taste = Tool::new("taste")
        .visible_to(|caller| !caller.is_anonymous())
        .run(async |_: NoArguments, _: Context| "More salt.");
    Server::builder("dynamic_tools", "1.0.0")
        // Tools are there from the start. A server that has no prompts yet, but may get some, has to say so: clients are
        // told what kinds of things there are when they connect.
        .dynamic([List::Prompts])
        .tool(learn)
        .tool(forget)
        .tool(taste)
        .build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    stdio::serve(live(kitchen()?), stdio::Config::default(), pending()).await?;
    Ok(())
}
