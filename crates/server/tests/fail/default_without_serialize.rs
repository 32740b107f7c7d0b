use anyport_server::tool;

#[derive(serde::Deserialize, schemars::JsonSchema)]
enum Unit {
    Celsius,
    Fahrenheit,
}

/// Says how warm it is.
#[tool]
async fn weather(#[arg(default = Unit::Celsius)] unit: Unit) -> &'static str {
    match unit {
        Unit::Celsius => "20",
        Unit::Fahrenheit => "68",
    }
}

fn main() {}
