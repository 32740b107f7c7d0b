use anyport_server::{prompt, resource};

#[resource("notes:///{id}")]
async fn renamed(number: u32) -> String {
    number.to_string()
}

#[resource("notes:///today")]
async fn fixed(id: u32) -> String {
    id.to_string()
}

#[resource(name = "nowhere")]
async fn nowhere() -> String {
    String::new()
}

#[resource("notes:///{id}", mimetype = "text/plain", size = 3)]
async fn unknown(id: u32) -> String {
    id.to_string()
}

#[resource("notes:///count")]
async fn number() -> u32 {
    7
}

#[prompt]
async fn silent(#[arg(range = 1..=2)] code: u8) -> u32 {
    code.into()
}

struct Day;

#[prompt]
async fn plan(day: Day) -> u32 {
    let Day = day;
    7
}

fn main() {}
