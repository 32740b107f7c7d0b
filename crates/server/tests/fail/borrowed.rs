use std::borrow::Cow;

use anyport_server::tool;

#[tool]
async fn greet(name: &str) -> String {
    format!("Hello, {name}!")
}

#[tool]
async fn sum(numbers: &[i64]) -> String {
    numbers.iter().sum::<i64>().to_string()
}

#[tool]
async fn shout(text: Cow<'_, str>, times: Option<&u8>) -> String {
    text.repeat(times.copied().unwrap_or(1).into())
}

fn main() {}
