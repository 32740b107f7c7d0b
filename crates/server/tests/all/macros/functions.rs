//! Functions of every shape that a tool may have.

#![deny(warnings, missing_docs, unreachable_pub)]

use anyport_server::{Context, Part, Server, State, Tool, tool};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Arguments {
    /// Named as generated code might name its own.
    context: String,
}

struct Slots(i64);

type Answer = Result<Vec<i64>, std::num::ParseIntError>;

/// An alias of a `Result` is seen through.
#[tool]
async fn parse(text: String) -> Answer {
    text.split(',').map(str::parse).collect()
}

#[tool]
fn plain() {}

#[tool]
fn says(mut parts: Vec<String>, r#type: Option<String>) -> String {
    parts.extend(r#type);
    parts.join(" ")
}

#[tool]
#[allow(clippy::too_many_arguments, reason = "there shall be more than a tuple has traits for")]
async fn many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
) -> Result<u64, Box<dyn std::error::Error>> {
    Ok([a, b, c, d, e, f, g, h, i, j, k, l, m].into_iter().map(u64::from).sum())
}

#[tool(name = "own/name")]
async fn own(
    context: &Context,
    arguments: Arguments,
    slots: &State<Slots>,
    again: Context,
) -> impl anyport_server::IntoToolResult + use<> {
    let _ = (context.deadline(), arguments.context, slots.0, again);
    String::new()
}

mod inner {
    use anyport_server::tool;

    /// The function of another module.
    #[tool(crate = ::anyport_server)]
    pub(crate) async fn visible(#[arg(name = "point")] (x, y): (f64, f64)) -> f64 {
        x * y
    }

    #[tool]
    #[cfg(any())]
    pub(crate) async fn absent(of: NoSuchType) {}
}

macro_rules! made {
    ($($name:ident: $ty:ty),*) => { $(
        #[tool]
        async fn $name(value: $ty) -> Option<$ty> { Some(value) }
    )* };
}

made!(an_integer: i64, a_text: String);

#[test]
fn a_function_of_any_shape_becomes_a_tool() {
    // A name of a tool can be given to anything else.
    let plain_tool: Tool = plain();
    let part: Part = says.into();
    let parse = Tool::from(parse).title("Parses");
    let builder = || Server::builder("s", "1").state(Slots(1)).add(many).tool(inner::visible).add(a_text);
    assert!(builder().add(an_integer).tool(plain).add(part).tool(parse).build().is_ok());
    assert!(builder().tool(plain_tool).build().is_ok());
    #[tool]
    fn local() -> &'static str {
        says::call(Vec::new(), None);
        "in a function"
    }
    assert_eq!(local::call(), "in a function");
}
