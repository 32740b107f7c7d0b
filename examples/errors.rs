//! Errors that a model can act on, and coerced arguments.
//!
//! ```sh
//! cargo run -p anyport-examples --bin errors
//! ```
//!
//! A tool may fail with any error that implements `Display`. [`ToolError`] converts every error with `?`; the errors
//! with a kind, such as [`NotFound`], also tell programs what happened.

use anyport::{ServeError, Server, ToolError, error::NotFound, resource, serve, tool};

/// Prices as somebody typed them.
const PRICES: [(&str, &str); 3] = [("apple", "50"), ("pear", "75"), ("plum", "a lot")];

fn price(fruit: &str) -> Result<&'static str, NotFound> {
    let price = PRICES.iter().find(|(known, _)| *known == fruit);
    price.map(|(_, price)| *price).ok_or_else(|| NotFound::new(format!("a price of {fruit}")))
}

/// Says what fruit costs.
// Invalid arguments never reach the function; the model receives each fault. With `coerce` a tool accepts "3" instead of a
// number.
#[tool(coerce)]
fn order(
    /// What is ordered
    fruit: String,
    /// How many
    #[arg(range = 1..)]
    count: u32,
) -> Result<String, ToolError> {
    // The model reads "not found: a price of melon"; the result's metadata has `not_found`.
    let price = price(&fruit)?;
    // Our own text before that of the cause.
    let price: u32 = price
        .parse()
        .map_err(|error| ToolError::from(error).because(format!("the price of {fruit} is unknown")))?;
    // Plain text is an error as well.
    let total = price.checked_mul(count).ok_or("that is more than we can count")?;
    Ok(format!("{total} cents"))
}

/// The same error of a resource says that nothing has its URI, in the form of the client's revision.
#[resource("prices:///{fruit}")]
fn price_tag(fruit: String) -> Result<&'static str, NotFound> {
    price(&fruit)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("errors", "1.0.0").add(order).add(price_tag).build()?).stdio().await
}
