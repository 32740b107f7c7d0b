//! Metadata of a tool and its arguments.
//!
//! ```sh
//! cargo run -p anyport-examples --bin tools
//! ```
//!
//! A model reads all of it: the name, the doc comments, and the constraints of the arguments. Invalid arguments never
//! reach the function; the model receives the argument, its constraint and the value.

use anyport::{ServeError, Server, serve, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Class {
    Economy,
    Business,
}

/// Finds flights.
#[tool(title = "Find flights", read_only, open_world, category = "travel", example = {"from": "BRN", "to": "OSL"})]
async fn find_flights(
    /// Where it begins: the code of an airport
    #[arg(pattern = "^[A-Z]{3}$", example = "BRN")]
    from: String,
    /// Where it ends
    #[arg(pattern = "^[A-Z]{3}$")]
    to: String,
    /// How many travel
    #[arg(default = 1, range = 1..=9)]
    travellers: u8,
    #[arg(default = Class::Economy)] class: Class,
    /// What comes first
    #[arg(default = "price".to_owned(), one_of = ["price", "duration"])]
    order: String,
    /// What it may cost; models that write "250" are understood
    #[arg(coerce)]
    budget: Option<u32>,
    /// Only with these airlines
    #[arg(name = "with", length = 1..=3)]
    airlines: Option<Vec<String>>,
) -> String {
    let budget = budget.map(|budget| format!(" below {budget}")).unwrap_or_default();
    let airlines = airlines.map(|names| format!(" with {}", names.join(" or "))).unwrap_or_default();
    format!("{from} to {to} for {travellers} in {class:?}{budget}{airlines}, by {order}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("tools", "1.0.0").add(find_flights).build()?).stdio().await
}
