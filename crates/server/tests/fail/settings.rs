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

fn main() {
    // What is refused is known all the same, so that it is refused once.
    let _ = anyport_server::Server::builder("s", "1").add(one).add(two).add(three).add(four).add(five);
}
