//! Errors that a model can act on, and arguments that it got half right.

use std::{collections::BTreeMap, error::Error, future::pending};

use anyport::{Context, NotFound, Resource, Server, Tool, ToolError, live, stdio};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// What is ordered
    fruit: String,
    /// How many
    #[schemars(range(min = 1))]
    count: u32,
}

/// Prices as somebody typed them.
fn prices() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("apple", "50"), ("pear", "75"), ("plum", "a lot")])
}

fn price(fruit: &str) -> Result<&'static str, NotFound> {
    prices().get(fruit).copied().ok_or_else(|| NotFound::new(format!("a price of {fruit}")))
}

/// Every error converts with `?`: the model reads its words and those of its causes, and a program finds out from the
/// result's metadata that something was `not_found`.
fn total(order: &Order) -> Result<String, ToolError> {
    let price: u32 = price(&order.fruit)?.parse().map_err(|error| {
        ToolError::from(error).because(format!("the price of {} is unknown", order.fruit))
    })?;
    let total = price.checked_mul(order.count).ok_or("that is more than we can count")?;
    Ok(format!("{total} cents"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // What does not fit the schema never reaches the function; the model is told field by field. A lenient tool takes
    // "3" where a number is wanted.
    let order = Tool::new("order")
        .description("Says what fruit costs.")
        .example(serde_json::json!({"fruit": "pear", "count": 2}))
        .lenient()
        .run(async |order: Order, _: Context| total(&order));

    // The same error of a resource says that there is none at its URI.
    let melon = Resource::new("prices:///melon").read(async |_: Context| price("melon"));

    let server = Server::builder("errors", "1.0.0").tool(order).resource(melon).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
