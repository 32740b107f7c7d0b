use anyport_server::{Context, tool};

#[tool]
async fn one(#[arg(rnge = 1..=9)] a: i64, #[arg(range = 1)] b: i64, #[arg(range = 1..=9)] c: String) {
    let _ = (a, b, c);
}

#[tool]
async fn two(#[arg(default = 1)] a: Option<i64>, #[arg(pattern = "^a")] b: u8, #[arg(length = 0..3)] c: String) {
    let _ = (a, b, c);
}

#[tool]
async fn three(#[arg(name = "b")] a: i64, b: i64, #[arg] c: i64, #[arg(one_of = "x")] d: String) {
    let _ = (a, b, c, d);
}

#[tool]
async fn four(#[arg(default)] context: Context, #[arg(default = "ten")] count: u8) {
    let _ = (context, count);
}

fn main() {}
