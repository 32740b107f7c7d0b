//! Every example does what it says, as a program of its own that talks over standard streams.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};

/// An example that runs, and a client of the newest revision.
pub(crate) struct Example {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    last: u64,
    capabilities: Value,
}

impl Example {
    fn start(program: &str) -> Self {
        Self::run(Command::new(program))
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, lines) = (child.stdin.take(), lines(child.stdout.take().unwrap()));
        Self { child, input, lines, last: 0, capabilities: json!({}) }
    }

    fn declaring(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    pub(crate) fn receive(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap()
    }

    /// Sends a request and returns its id.
    pub(crate) fn request(&mut self, method: &str, mut params: Value) -> u64 {
        self.last += 1;
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        self.send(&json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}));
        self.last
    }

    /// Sends a request, and returns its result and what came before it.
    fn call(&mut self, method: &str, params: Value) -> (Value, Vec<Value>) {
        let id = self.request(method, params);
        let mut before = Vec::new();
        loop {
            let message = self.receive();
            if message["id"] == id {
                return (message.get("result").unwrap_or_else(|| panic!("{message}")).clone(), before);
            }
            before.push(message);
        }
    }

    pub(crate) fn tool(&mut self, name: &str, arguments: Value) -> Value {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).0
    }

    /// Calls a tool, and again with each of `answers`, of which every round takes one. Returns its last text.
    fn ask(&mut self, name: &str, answers: &[(&str, Value)]) -> String {
        let mut result = self.tool(name, json!({}));
        for (key, answer) in answers {
            assert_eq!(result["inputRequests"][key]["method"], "elicitation/create", "{result}");
            let params = json!({
                "name": name, "arguments": {}, "inputResponses": {*key: answer}, "requestState": result["requestState"]
            });
            result = self.call("tools/call", params).0;
        }
        text(&result).to_owned()
    }

    /// Ends the client's side, whereupon the example ends by itself.
    pub(crate) fn end(mut self) {
        self.input = None;
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // A test that failed must not leave it behind; one that has ended is not hurt.
        let _ = self.child.kill();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads in a thread, so that a test can stop waiting.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[test]
fn hello_server() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_hello_server"));
    let (listed, _) = example.call("tools/list", json!({}));
    assert_eq!(listed["tools"][0]["description"], "Says hello.");
    assert_eq!(listed["tools"][0]["inputSchema"]["properties"]["name"]["description"], "Who is greeted");
    assert_eq!(text(&example.tool("hello", json!({"name": "Ada"}))), "Hello, Ada!");
    assert_eq!(example.tool("hello", json!({"name": 5}))["isError"], true);
    example.end();
}

#[test]
fn call_a_server() {
    let output = Command::new(env!("CARGO_BIN_EXE_call_a_server"))
        .args([env!("CARGO_BIN_EXE_ask_the_user")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("book: Books a trip, with the user's help."), "{said}");
    assert!(said.ends_with("Booked: 2 nights in Oslo, Double\n"), "{said}");
}

#[test]
fn hello_server_to_an_older_client() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_hello_server"));
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    example.send(&json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": params}));
    assert_eq!(example.receive()["result"]["protocolVersion"], "2025-06-18");
    example.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let params = json!({"name": "hello", "arguments": {"name": "Ada"}});
    example.send(&json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": params}));
    assert_eq!(example.receive()["result"], json!({"content": [{"type": "text", "text": "Hello, Ada!"}]}));
    example.end();
}

#[test]
fn hello_server_is_short_and_stands_in_the_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(folder.join("hello_server.rs")).unwrap();
    let (_, program) = source.split_once("\n\n").unwrap();
    let readme = fs::read_to_string(folder.join("../README.md")).unwrap();
    assert!(readme.contains(&format!("```rust\n{program}```\n")), "{program}");
    let code = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(code.count() <= 12, "{source}");
    assert!(source.matches("derive").count() <= 1, "{source}");
}

/// The README's table has every example, and each begins with its idea and how to run it.
#[test]
fn every_example_says_what_it_is_and_how_it_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(folder.join("../README.md")).unwrap();
    let mut examples = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let (name, source) =
            (path.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        assert!(source.starts_with("//! "), "{name}");
        assert!(source.contains(&format!("-p anyport-examples --bin {name}")), "{name}: how is it run?");
        assert!(readme.contains(&format!("| [`{name}`](examples/{name}.rs) |")), "{name}: not in README.md");
        examples += 1;
    }
    assert!(examples > 20, "{examples}");
}

#[test]
fn state() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_state"));
    assert_eq!(text(&example.tool("count", json!({"by": 2}))), "That makes 2.");
    assert_eq!(text(&example.tool("count", json!({"by": 3}))), "That makes 5.");
    let (now, _) = example.call("resources/read", json!({"uri": "tally:///now"}));
    assert_eq!(now["contents"][0]["text"], "5");
    example.end();
}

#[test]
fn methods() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_methods"));
    let (listed, _) = example.call("tools/list", json!({}));
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["sell", "sold_books"]);
    assert_eq!(listed["tools"][0]["inputSchema"]["properties"]["title"]["maxLength"], 80);
    assert_eq!(text(&example.tool("sell", json!({"title": "Emma"}))), "That was number 1.");
    assert_eq!(text(&example.tool("sell", json!({"title": "Dubliners"}))), "That was number 2.");
    let (sold, _) = example.call("tools/call", json!({"name": "sold_books", "arguments": {}}));
    assert_eq!(sold["content"][1]["text"], "Dubliners");
    example.end();
}

#[test]
fn tools() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_tools"));
    let (listed, _) = example.call("tools/list", json!({}));
    let tool = &listed["tools"][0];
    assert_eq!(
        (&tool["title"], &tool["annotations"]["readOnlyHint"]),
        (&json!("Find flights"), &json!(true))
    );
    let schema = &tool["inputSchema"];
    assert_eq!(schema["required"], json!(["from", "to"]));
    assert_eq!(schema["properties"]["travellers"]["maximum"], 9);
    assert_eq!(schema["properties"]["order"]["enum"], json!(["price", "duration"]));
    let least = json!({"from": "BRN", "to": "OSL"});
    assert_eq!(text(&example.tool("find_flights", least)), "BRN to OSL for 1 in Economy, by price");
    let most = json!({
        "from": "BRN", "to": "OSL", "travellers": 2, "class": "business", "order": "duration", "budget": "250",
        "with": ["Alp Air"],
    });
    let found = "BRN to OSL for 2 in Business below 250 with Alp Air, by duration";
    assert_eq!(text(&example.tool("find_flights", most)), found);
    let wrong =
        json!({"from": "Bern", "to": "OSL", "travellers": 0, "class": "first", "with": [], "when": "now"});
    let refused = example.tool("find_flights", wrong);
    for field in ["from", "travellers", "class", "with", "when"] {
        assert!(text(&refused).contains(&format!("{field}: ")), "{field}: {refused}");
    }
    example.end();
}

/// A message of the newest revision.
fn message(method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

#[test]
fn transports() {
    let socket = std::env::temp_dir().join(format!("anyport-examples-{}.sock", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_transports"));
    command.args(["0", socket.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = lines(child.stderr.take().unwrap());
    let places: Vec<String> = (0..3).map(|_| said.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(places[0], "standard input and output");
    assert_eq!(places[2], format!("unix:{}", socket.display()));
    let address = places[1].strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let who_am_i = message("tools/call", json!({"name": "who_am_i"}));
    let answer = |line: &str| text(&serde_json::from_str::<Value>(line).unwrap()["result"]).to_owned();

    let output = lines(child.stdout.take().unwrap());
    writeln!(child.stdin.as_ref().unwrap(), "{who_am_i}").unwrap();
    assert_eq!(answer(&output.recv_timeout(PATIENCE).unwrap()), "local");

    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(stream, "{who_am_i}").unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(answer(&line), "local");

    let response = call(address, "who_am_i", json!({}));
    assert!(
        response.starts_with("HTTP/1.1 200 ") && response.contains(r#""text":"anonymous""#),
        "{response}"
    );

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut web, _) =
            tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await.unwrap();
        web.send(who_am_i.to_string().into()).await.unwrap();
        let heard = tokio::time::timeout(PATIENCE, web.next()).await.unwrap();
        heard.unwrap().unwrap().into_text().unwrap()
    });
    assert_eq!(answer(&line), "anonymous");

    // Told to stop, it ends by itself and well, and takes its socket with it.
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}: {:?}", said.iter().collect::<Vec<_>>());
    assert!(!socket.exists());
}

#[test]
fn builder_twin() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_builder_twin"));
    let (mut listed, _) = example.call("tools/list", json!({}));
    let mut twins = [listed["tools"][0].take(), listed["tools"][1].take()];
    assert_eq!([&twins[0]["name"], &twins[1]["name"]], ["convert", "convert_twin"]);
    for twin in &mut twins {
        twin["name"].take();
    }
    assert_eq!(twins[0], twins[1]);
    for name in ["convert", "convert_twin"] {
        let price = example.tool(name, json!({"francs": 2.0, "count": 10}));
        assert_eq!(price["structuredContent"], json!({"euro": 21.0}));
        assert_eq!(example.tool(name, json!({"francs": 2.0, "count": 0}))["isError"], true);
    }
    example.end();
}

/// Its own tests are in its file; this is its `main`.
#[test]
fn in_memory_test() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_in_memory_test")).declaring(json!({"elicitation": {"form": {}}}));
    let asked = example.tool("tea", json!({"minutes": 0}));
    assert_eq!(asked["inputRequests"]["sugar"]["params"]["message"], "With sugar?");
    example.end();
}

#[test]
fn axum_embedding() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum_embedding"));
    let mut child = command.arg("0").stderr(Stdio::piped()).spawn().unwrap();
    let said = lines(child.stderr.take().unwrap()).recv_timeout(PATIENCE).unwrap();
    let address = said.strip_prefix("http://").unwrap().to_owned();
    for visitor in 1..=2 {
        let page = http(&address, "GET / HTTP/1.1\r\n", "");
        assert!(page.contains(&format!("You are visitor number {visitor}.")), "{page}");
    }
    let response = call(&address, "visitors", json!({}));
    assert!(response.contains(r#"{"type":"text","text":"2"}"#), "{response}");
    assert!(call(&address, "who_am_i", json!({})).contains(r#""text":"nobody""#));
    let ada = call_with(&address, "Cookie: user=ada\r\n", "who_am_i", json!({}));
    assert!(ada.contains(r#""text":"ada""#), "{ada}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn protected_server() {
    let secret = "0123456789abcdef0123456789abcdef";
    let mut command = Command::new(env!("CARGO_BIN_EXE_protected_server"));
    let mut child =
        command.arg("127.0.0.1:0").env("JWT_SECRET", secret).stderr(Stdio::piped()).spawn().unwrap();
    let said = lines(child.stderr.take().unwrap()).recv_timeout(PATIENCE).unwrap();
    let address = said.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let verifier = anyport::auth::resource_server::SharedSecretJwt::new(secret.as_bytes()).unwrap();
    let token = |scopes: &[&str]| {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let token = verifier.issue("ada", &scopes, Duration::from_secs(60));
        format!("Authorization: Bearer {}\r\n", token.expose())
    };
    let read = |headers: &str| call_with(&address, headers, "read_data", json!({"query": "x"}));
    assert!(read("").starts_with("HTTP/1.1 401"), "{}", read(""));
    assert!(read("Authorization: Bearer a.b.c\r\n").starts_with("HTTP/1.1 401"));
    let refused = read(&token(&["data:list"]));
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains(r#"scope="data:read""#), "{refused}");
    let answer = read(&token(&["data:read"]));
    assert!(answer.contains("data of ada for x"), "{answer}");
    let scopes = call_with(&address, &token(&["data:list"]), "scopes", json!({}));
    assert!(scopes.contains(r#""text":"data:list""#), "{scopes}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Calls a tool over HTTP.
fn call(address: &str, tool: &str, arguments: Value) -> String {
    call_with(address, "", tool, arguments)
}

/// Calls a tool over HTTP with these headers.
fn call_with(address: &str, headers: &str, tool: &str, arguments: Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
    });
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{headers}"
    );
    http(address, &head, &body)
}

/// Sends a request on a connection of its own, and reads all that comes back.
fn http(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(stream, "{head}Host: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn structured_output() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_structured_output"));
    let result = example.tool("measure", json!({"text": "to be or\nnot"}));
    assert_eq!(result["structuredContent"], json!({"words": 4, "lines": 2, "longest": "not"}));
    let result = example.tool("frequencies", json!({"text": "a b a"}));
    assert_eq!(result["structuredContent"], json!([{"word": "a", "count": 2}, {"word": "b", "count": 1}]));
    example.end();
}

#[test]
fn errors() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_errors"));
    assert_eq!(text(&example.tool("order", json!({"fruit": "pear", "count": "3"}))), "225 cents");
    let missing = example.tool("order", json!({"fruit": "melon", "count": 1}));
    assert_eq!((text(&missing), &missing["isError"]), ("not found: a price of melon", &json!(true)));
    assert_eq!(missing["_meta"]["dev.anyport/error"], json!({"reason": "not_found"}));
    let unknown = example.tool("order", json!({"fruit": "plum", "count": 1}));
    assert_eq!(text(&unknown), "the price of plum is unknown: invalid digit found in string");
    let wrong = example.tool("order", json!({"fruits": "pear", "count": 0}));
    assert_eq!(
        text(&wrong),
        "invalid arguments for order: missing: fruit (string: What is ordered); count: expected at least 1, got 0; \
         fruits: unknown field, did you mean fruit?"
    );
    let (pear, _) = example.call("resources/read", json!({"uri": "prices:///pear"}));
    assert_eq!(pear["contents"][0]["text"], "75");
    example.request("resources/read", json!({"uri": "prices:///melon"}));
    assert_eq!(example.receive()["error"]["code"], -32602);
    example.end();
}

#[test]
fn progress() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_progress"));
    let params = json!({"name": "countdown", "arguments": {"from": 3}, "_meta": {"progressToken": "t"}});
    let (result, told) = example.call("tools/call", params);
    assert_eq!(text(&result), "Lift-off!");
    let told: Vec<_> =
        told.iter().map(|told| (&told["params"]["progress"], &told["params"]["message"])).collect();
    assert_eq!(told, [(&json!(1), &json!("3...")), (&json!(2), &json!("2...")), (&json!(3), &json!("1..."))]);
    let meta = json!({"io.modelcontextprotocol/logLevel": "info"});
    let params = json!({"name": "countdown", "arguments": {"from": 1}, "_meta": meta});
    let (_, told) = example.call("tools/call", params);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["params"]["data"], "the tanks are full");
    example.end();
}

#[test]
fn long_blocking() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_long_blocking"));
    let params = json!({"name": "primes", "arguments": {"below": 10_000}, "_meta": {"progressToken": "t"}});
    let (result, told) = example.call("tools/call", params);
    assert_eq!(text(&result), "1229 primes below 10000");
    assert_eq!(told.len(), 9);
    // A long one that is cancelled ends, and the program with it.
    let id = example.request("tools/call", json!({"name": "primes", "arguments": {"below": 1_000_000}}));
    let params = json!({"requestId": id});
    example.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}));
    example.end();
}

#[test]
fn long_blocking_what_outlives_its_call() {
    assert_eq!(said_on_the_side(env!("CARGO_BIN_EXE_long_blocking"), &["order"]), ["packed"]);
}

#[test]
fn middleware() {
    let said = said_on_the_side(env!("CARGO_BIN_EXE_middleware"), &["open", "closed"]);
    assert_eq!(said, ["local open answered", "local closed failed"]);
}

#[test]
fn start_and_stop() {
    let said = said_on_the_side(env!("CARGO_BIN_EXE_start_and_stop"), &["order"]);
    assert_eq!(said, ["open", "ordered", "closed"]);
}

/// 2026-07-28, transports/stdio §Shutdown: clients close the input, wait, and then: "On POSIX systems, forced termination
/// typically escalates from `SIGTERM` to `SIGKILL`."
#[test]
fn a_signal_after_the_end_of_the_input_is_the_first_one() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_long_blocking"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let answers = lines(child.stdout.take().unwrap());
    // What it leaves behind is waited for.
    let order = message("tools/call", json!({"name": "order"}));
    writeln!(child.stdin.as_ref().unwrap(), "{order}").unwrap();
    answers.recv_timeout(PATIENCE).unwrap();
    child.stdin = None;
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"packed\n");
}

/// What an example says on standard error while its tools are called, each without arguments.
fn said_on_the_side(program: &str, tools: &[&str]) -> Vec<String> {
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let answers = lines(child.stdout.take().unwrap());
    for (id, tool) in tools.iter().enumerate() {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
        });
        let params = json!({"name": tool, "_meta": meta});
        let request = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        writeln!(input, "{request}").unwrap();
        answers.recv_timeout(PATIENCE).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn compose() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_compose")).declaring(json!({"elicitation": {"form": {}}}));
    let mut params = json!({"name": "clean", "arguments": {"names": ["a", "b"]}});
    for (key, name, sure) in [("delete/sure", "a", true), ("delete#2/sure", "b", false)] {
        let (asked, _) = example.call("tools/call", params.clone());
        assert_eq!(asked["inputRequests"][key]["params"]["message"], format!("Delete {name}?"), "{asked}");
        params["inputResponses"] = json!({key: accept(json!({"sure": sure}))});
        params["requestState"] = asked["requestState"].clone();
    }
    assert_eq!(text(&example.call("tools/call", params).0), "1 files are gone");
    example.end();
}

#[test]
fn ask_the_user() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_ask_the_user")).declaring(json!({"elicitation": {"form": {}}}));
    let trip = accept(json!({"city": "Oslo", "nights": 2, "room": "Double", "wishes": "a view"}));
    let booked = example.ask("book", &[("trip", trip.clone()), ("sure", accept(json!({"sure": true})))]);
    assert_eq!(booked, "Booked: 2 nights in Oslo, Double (a view)");
    let unsure = example.ask("book", &[("trip", trip.clone()), ("sure", json!({"action": "cancel"}))]);
    assert_eq!(unsure, "Nothing is booked.");
    assert_eq!(example.ask("book", &[("trip", json!({"action": "decline"}))]), "As you wish: no trip.");
    // What does not fit the form is asked for again.
    let misfit = accept(json!({"city": "Oslo", "nights": 99, "room": "Double"}));
    let decline = json!({"action": "decline"});
    assert_eq!(example.ask("book", &[("trip", misfit), ("trip", decline)]), "As you wish: no trip.");
    example.capabilities = json!({});
    assert_eq!(example.ask("book", &[]), "Please call me from a client that can show forms.");
    example.end();
}

#[test]
fn ask_the_user_to_open_a_page() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_ask_the_user")).declaring(json!({"elicitation": {"url": {}}}));
    let asked = example.tool("pay", json!({}));
    assert_eq!(asked["inputRequests"]["payment"]["params"]["url"], "https://pay.example/trip/7");
    assert_eq!(example.ask("pay", &[("payment", json!({"action": "accept"}))]), "The page is open.");
    assert_eq!(example.ask("pay", &[("payment", json!({"action": "decline"}))]), "Not paid.");
    example.end();
}

#[test]
fn ask_the_client_two_things_at_once() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_ask_the_user")).declaring(json!({"sampling": {}, "roots": {}}));
    let mut params = json!({"name": "postcard", "arguments": {"city": "Oslo"}});
    let (asked, _) = example.call("tools/call", params.clone());
    assert_eq!(asked["inputRequests"]["sentence"]["method"], "sampling/createMessage");
    assert_eq!(asked["inputRequests"]["folders"]["method"], "roots/list");
    params["inputResponses"] = json!({
        "sentence": {"role": "assistant", "content": {"type": "text", "text": "It snows."}, "model": "m"},
        "folders": {"roots": [{"uri": "file:///home/ada"}]},
    });
    params["requestState"] = asked["requestState"].clone();
    let (written, _) = example.call("tools/call", params);
    assert_eq!(text(&written), "It snows. Saved in file:///home/ada.");
    example.end();
}

#[test]
fn once() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_once")).declaring(json!({"elicitation": {}}));
    let stars = |stars: u8| [("rating", accept(json!({ "stars": stars })))];
    assert_eq!(example.ask("queue", &stars(5)), "Number 1 gave 5 stars, on run 2.");
    assert_eq!(example.ask("queue", &stars(1)), "Number 2 gave 1 stars, on run 4.");
    example.end();
}

#[test]
fn resources() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_resources"));
    let (about, _) = example.call("resources/read", json!({"uri": "poems:///about"}));
    assert_eq!((&about["ttlMs"], &about["cacheScope"]), (&json!(3_600_000), &json!("public")));
    let (poem, _) = example.call("resources/read", json!({"uri": "poems:///by-name/autumn"}));
    assert_eq!(poem["contents"][0]["text"], "The leaves fall, fall as from afar.");
    let (seal, _) = example.call("resources/read", json!({"uri": "poems:///seal"}));
    assert_eq!(seal["contents"][0]["blob"], "yv4=");
    let params = json!({
        "ref": {"type": "ref/resource", "uri": "poems:///by-name/{name}{?from}"}, "argument": {"name": "name", "value": "E"}
    });
    let (completed, _) = example.call("completion/complete", params);
    assert_eq!(completed["completion"]["values"], json!(["evening"]));
    let (listed, _) = example.call("resources/list", json!({}));
    assert_eq!(listed["resources"][3]["uri"], "poems:///by-name/evening");
    let (part, _) = example.call("resources/read", json!({"uri": "poems:///by-name/autumn?from=5"}));
    assert_eq!(part["contents"][0]["text"], "from afar.");
    for missing in ["poems:///by-name/winter", "poems:///by-name/autumn?from=here"] {
        example.request("resources/read", json!({ "uri": missing }));
        assert_eq!(example.receive()["error"]["code"], -32602);
    }
    example.end();
}

#[test]
fn prompts() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_prompts"));
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "explain"},
        "argument": {"name": "framework", "value": "f"},
        "context": {"arguments": {"language": "python"}},
    });
    let (completed, _) = example.call("completion/complete", params);
    assert_eq!(completed["completion"]["values"], json!(["fastapi", "flask"]));
    let arguments = json!({"language": "python", "framework": "flask"});
    let (explained, _) = example.call("prompts/get", json!({"name": "explain", "arguments": arguments}));
    let words = "Explain what flask is for, to someone who knows python.";
    assert_eq!(explained["messages"][0]["content"]["text"], words);
    let audience = json!({"ref": {"type": "ref/prompt", "name": "explain"}, "argument": {"name": "audience", "value": "e"}});
    let (completed, _) = example.call("completion/complete", audience);
    assert_eq!(completed["completion"]["values"], json!(["experts"]));
    let (proofread, _) =
        example.call("prompts/get", json!({"name": "proofread", "arguments": {"text": "teh"}}));
    assert_eq!(proofread["messages"][0]["role"], "assistant");
    assert_eq!(proofread["messages"][1]["content"]["resource"]["text"], "teh");
    example.end();
}

#[test]
fn change_notifications() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_change_notifications"));
    let filter = json!({"resourceSubscriptions": ["notes:///all"]});
    example.request("subscriptions/listen", json!({ "notifications": filter }));
    assert_eq!(example.receive()["method"], "notifications/subscriptions/acknowledged");
    let (told, mut changes) =
        example.call("tools/call", json!({"name": "remember", "arguments": {"text": "milk"}}));
    assert_eq!(text(&told), "That makes 1.");
    // The change may come before the answer or after it.
    let change = changes.pop().unwrap_or_else(|| example.receive());
    assert_eq!(change["method"], "notifications/resources/updated");
    assert_eq!(change["params"]["uri"], "notes:///all");
    let (notes, _) = example.call("resources/read", json!({"uri": "notes:///all"}));
    assert_eq!(notes["contents"][0]["text"], "milk");
    example.end();
}

#[test]
fn dynamic_tools() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_dynamic_tools"));
    example.request("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(example.receive()["method"], "notifications/subscriptions/acknowledged");
    let learn = |example: &mut Example, steps: &[&str], said: &str| {
        let recipe = json!({"name": "learn", "arguments": {"dish": "soup", "steps": steps}});
        let (learnt, mut changes) = example.call("tools/call", recipe);
        assert_eq!(text(&learnt), said);
        let change = changes.pop().unwrap_or_else(|| example.receive());
        assert_eq!(change["method"], "notifications/tools/list_changed");
    };
    learn(&mut example, &["boil"], "Learnt.");
    learn(&mut example, &["cut", "boil"], "Better now.");
    assert_eq!(text(&example.tool("soup", json!({}))), "cut, then boil");
    // Whoever started the program is not anonymous.
    assert_eq!(names(&mut example), ["learn", "forget_all", "taste", "soup"]);
    let bad = json!({"name": "learn", "arguments": {"dish": "two words", "steps": []}});
    assert_eq!(example.call("tools/call", bad).0["isError"], true);
    let (_, mut changes) = example.call("tools/call", json!({"name": "forget_all", "arguments": {}}));
    let change = changes.pop().unwrap_or_else(|| example.receive());
    assert_eq!(change["method"], "notifications/tools/list_changed");
    assert_eq!(names(&mut example), ["learn", "forget_all", "taste"]);
    example.end();
}

#[test]
fn mount() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_mount"));
    assert_eq!(names(&mut example), ["ring", "weather_today", "clock-now"]);
    assert_eq!(text(&example.tool("weather_today", json!({}))), "Sunny.");
    assert_eq!(text(&example.tool("clock-now", json!({}))), "noon");
    assert_eq!(text(&example.tool("clock-then", json!({}))), "noon, a while ago");
    let (map, _) = example.call("resources/read", json!({"uri": "weather:///map"}));
    assert_eq!(map["contents"][0]["text"], "o o o");
    let (found, _) = example.call("server/discover", json!({}));
    assert!(found["instructions"].as_str().unwrap().contains("begin with `weather_` here"));
    example.end();
}

/// The names of the tools.
fn names(example: &mut Example) -> Vec<String> {
    let (list, _) = example.call("tools/list", json!({}));
    let tools = list["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn raw_schema() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_raw_schema"));
    let result = example.tool("convert", json!({"fahrenheit": 212}));
    assert_eq!(result["structuredContent"], json!({"celsius": 100.0, "fahrenheit": 212.0}));
    for wrong in
        [json!({}), json!({"celsius": -300}), json!({"celsius": 1, "fahrenheit": 1}), json!({"kelvin": 1})]
    {
        assert_eq!(example.tool("convert", wrong)["isError"], true);
    }
    example.end();
}

#[test]
fn tour() {
    let mut example =
        Example::start(env!("CARGO_BIN_EXE_tour")).declaring(json!({"elicitation": {}, "sampling": {}}));
    assert_eq!(text(&example.tool("greet", json!({"name": "Ada"}))), "Hello, Ada!");
    let result = example.tool("measure", json!({"text": "to be"}));
    assert_eq!(result["structuredContent"], json!({"words": 2, "longest": "be"}));
    assert_eq!(example.tool("picture", json!({}))["content"][0]["mimeType"], "image/png");
    assert_eq!(example.tool("fail", json!({}))["isError"], true);
    let trip = accept(json!({"city": "Oslo", "nights": 3}));
    assert_eq!(example.ask("book", &[("trip", trip)]), "Booked: 3 nights in Oslo");
    let asked = example.tool("rhyme", json!({"word": "word"}));
    let said = json!({"role": "assistant", "content": {"type": "text", "text": "bird"}, "model": "m"});
    let mut again =
        json!({"name": "rhyme", "arguments": {"word": "word"}, "requestState": asked["requestState"]});
    again["inputResponses"]["rhyme"] = said;
    assert_eq!(text(&example.call("tools/call", again).0), "word rhymes with bird");
    let params = json!({"name": "count", "arguments": {"to": 2}, "_meta": {"progressToken": "p"}});
    let (result, before) = example.call("tools/call", params);
    assert_eq!((text(&result), before.len()), ("counted to 2", 2), "{before:?}");
    let (read, _) = example.call("resources/read", json!({"uri": "tour:///chapters/market"}));
    assert_eq!(read["contents"][0]["text"], "They sell figs.");
    let (prompt, _) = example.call("prompts/get", json!({"name": "explain", "arguments": {"language": "c"}}));
    assert_eq!(prompt["messages"][0]["content"]["text"], "Explain c in one sentence.");
    let argument = json!({"ref": {"type": "ref/prompt", "name": "explain"}, "argument": {"name": "language", "value": "ru"}});
    let (completed, _) = example.call("completion/complete", argument);
    assert_eq!(completed["completion"]["values"], json!(["rust", "ruby"]));
    example.end();
}
