//! The same tool twice: as a function under `#[tool]`, and with the builder.
//!
//! ```sh
//! cargo run -p anyport-examples --bin builder_twin
//! ```
//!
//! The macro only saves typing. Use it where you can, and the builder for tools that are not made from a function: see
//! `dynamic_tools` and `raw_schema`. One server can have both, and clients cannot tell them apart.

use anyport::{Context, Json, ServeError, Server, State, Tool, ToolError, serve, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

struct Rates {
    euro: f64,
}

#[derive(Serialize, JsonSchema)]
struct Price {
    euro: f64,
}

/// Converts a price.
#[tool]
async fn convert(
    rates: State<Rates>,
    /// In francs
    francs: f64,
    /// How many
    #[arg(default = 1, range = 1..=100)]
    count: u8,
) -> Price {
    Price { euro: francs * f64::from(count) * rates.euro }
}

#[derive(Deserialize, JsonSchema)]
struct Conversion {
    /// In francs
    francs: f64,
    /// How many
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    count: u8,
}

fn one() -> u8 {
    1
}

fn convert_twin() -> Tool {
    Tool::new("convert_twin").description("Converts a price.").needs::<Rates>().run(
        async |Conversion { francs, count }: Conversion, context: Context| {
            // With `needs`, a server that lacks the state cannot be built.
            let rates: State<Rates> = context.state().ok_or("no rates")?;
            Ok::<_, ToolError>(Json(Price { euro: francs * f64::from(count) * rates.euro }))
        },
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("builder_twin", "1.0.0").state(Rates { euro: 1.05 });
    serve(builder.add(convert).add(convert_twin()).build()?).stdio().await
}
