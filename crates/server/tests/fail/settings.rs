use anyport_server::tool;

#[tool(readonly)]
async fn one() {}

#[tool(read_only, read_only)]
async fn two() {}

#[tool("Adds two numbers")]
async fn three() {}

#[tool(title = 3, description)]
async fn four() {}

#[tool(destructive = "no", meta = 3)]
async fn five() {}

#[tool(blocking, timeout = "soon")]
async fn six() {}

#[tool(blocking)]
async fn seven() {}

#[tool(require, require = ["a", "b"])]
async fn eight() {}

#[tool]
async fn nine(#[arg(name = "who")] who: anyport_server::Principal) -> String {
    who.to_string()
}

#[tool]
async fn ten(caller: &mut anyport_server::Authorization) -> String {
    format!("{caller:?}")
}

fn main() {
    // What is refused is known all the same, so that it is refused once.
    let _ = anyport_server::Server::builder("s", "1").add(one).add(two).add(three).add(four).add(five);
}
