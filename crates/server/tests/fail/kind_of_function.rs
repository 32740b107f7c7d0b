use anyport_server::tool;

#[tool]
const fn one() -> &'static str {
    "1"
}

#[tool]
unsafe fn two() {}

#[tool]
extern "C" fn three() {}

#[tool]
fn four<'a>() -> &'a str {
    "4"
}

fn main() {}
