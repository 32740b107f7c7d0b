//! `anyport serve --config`: several servers behind one endpoint, named and selected as the file says, and replaced when it
//! changes.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    Ended, Program, anyport, documents, folder,
    http::Server,
    initialize, legacy, modern,
    scripted::{self, Scripted},
    to_the_end, until,
};

/// Starts a gateway over the `anyport.toml` in `home`.
fn serve(home: &Path) -> (Program, Server) {
    started(anyport(home), &[])
}

fn started(mut command: Command, arguments: &[&str]) -> (Program, Server) {
    command.args(["serve", "--port", "0"]).args(arguments);
    let mut program = Program::start(command);
    let server = program.server();
    (program, server)
}

/// The `command` of this program as a server of documents.
fn program() -> String {
    let (program, documents) = (env!("CARGO_BIN_EXE_anyport"), documents());
    format!("command = [{program:?}, \"serve\", \"--stdio\", \"--docs\", {documents:?}]")
}

/// The names of the tools at `path`.
fn tools_at(server: &Server, path: &str) -> Vec<String> {
    let message = modern(1, "tools/list", json!({}));
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
    ];
    let answer = server.ask("POST", path, &headers, &message.to_string()).json();
    names(&answer)
}

fn tools(server: &Server) -> Vec<String> {
    tools_at(server, "/mcp")
}

fn names(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until `tool` is listed, or is not any more.
fn until_listed(server: &Server, tool: &str, is_listed: bool) {
    until(|| json!(tools(server).iter().any(|name| name == tool)), |found| *found == json!(is_listed));
}

#[test]
fn servers_of_a_file_are_one_server_for_clients_of_either_era() {
    let remote = Scripted::start(scripted::modern);
    let url = remote.url();
    let text = format!(
        "[gateway]\ninstructions = \"Look first.\"\n\
         [upstreams.program]\n{}\ninclude = [\"get_*\"]\n[upstreams.program.tools.get_stdlib]\ntitle = \"Standards\"\n\
         [upstreams.remote]\nurl = {url:?}\nprefix = \"\"\n\
         [upstreams.off]\ncommand = \"never\"\ndisabled = true\n\
         [knowledge.book]\ndocs = [{:?}]\n\
         [servers.readonly]\ninclude = [\"look\", \"book_list*\"]\ninstructions = \"Only look.\"\n\
         [servers.few]\ntool_search = true\n",
        program(),
        documents()
    );
    let home = folder(&[("anyport.toml", &text)]);
    let (mut gateway, server) = serve(home.path());
    let all = tools(&server);
    assert_eq!(all[..3], ["program_get_stdlib", "program_get_doc", "look"]);
    assert!(all[3..].iter().all(|name| name.starts_with("book_")) && all.len() > 5, "{all:?}");
    assert_eq!(tools_at(&server, "/s/readonly/mcp"), ["look", "book_list_docs"]);
    assert_eq!(tools_at(&server, "/s/few/mcp"), ["search_tools", "describe_tool", "call_tool"]);
    assert!(
        server.call("program_get_stdlib", &json!({"language": "python", "domain": "testing"})).is_object()
    );
    let called = modern(2, "tools/call", json!({"name": "look", "arguments": {}}));
    assert_eq!(server.post(&called, &[]).json()["result"]["content"][0]["text"], "seen");
    let opened = server.post(&initialize(1, "2025-06-18"), &[]);
    let instructions = opened.json()["result"]["instructions"].as_str().unwrap().to_owned();
    assert!(instructions.starts_with("Look first.") && instructions.contains("## program"), "{instructions}");
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let listed = server.post(&legacy(2, "tools/list", json!({})), &[("Mcp-Session-Id", &session)]);
    assert_eq!(names(&listed.json()), all);
    let unknown =
        server.post(&modern(3, "tools/call", json!({"name": "program_get_stdlb", "arguments": {}})), &[]);
    assert!(unknown.json()["error"]["message"].as_str().is_some(), "{:?}", unknown.json());
    gateway.close_input();
}

/// A legacy server over HTTP without a stream for notifications, which it promises all the same.
fn silent(asked: &scripted::Asked, tool: &str) -> Option<String> {
    let id = &asked.body["id"];
    match asked.body["method"].as_str().unwrap_or_default() {
        "initialize" => {
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": "x", "version": "1"}});
            let body = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            scripted::response("200 OK", &["Content-Type: application/json", "Mcp-Session-Id: s"], &body)
        }
        "tools/list" => {
            scripted::result(asked, &json!({"tools": [{"name": tool, "inputSchema": {"type": "object"}}]}))
        }
        "notifications/initialized" => scripted::response("202 Accepted", &[], ""),
        "server/discover" => scripted::document(
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
        ),
        _ => scripted::response("405 Method Not Allowed", &[], ""),
    }
}

/// What promises notifications is believed for ten times `catalog_ttl`, which no test waits for.
#[test]
fn a_legacy_server_without_a_stream_for_notifications_is_read_again_like_one_that_promises_none() {
    let is_changed = Arc::new(AtomicBool::new(false));
    let changed = is_changed.clone();
    let server = Scripted::start(move |asked| {
        silent(asked, if changed.load(Ordering::Relaxed) { "new" } else { "old" })
    });
    let text = format!("[upstreams.a]\nurl = {:?}\n[limits]\ncatalog_ttl = 4\n", server.url());
    let home = folder(&[("anyport.toml", &text)]);
    let (mut gateway, server) = serve(home.path());
    until_listed(&server, "a_old", true);
    is_changed.store(true, Ordering::Relaxed);
    until_listed(&server, "a_new", true);
    gateway.close_input();
}

#[test]
fn the_file_of_a_client_is_served_as_it_is() {
    let remote = Scripted::start(scripted::modern);
    let text = json!({"mcpServers": {"a b": {"url": remote.url(), "headers": {"X-Key": "${KEY}"}}}});
    let home = folder(&[("mcp.json", &text.to_string()), (".env", "KEY=from-the-dotenv-file\n")]);
    let (_gateway, server) = started(anyport(home.path()), &["--config", "mcp.json"]);
    assert_eq!(tools(&server), ["a-b_look"]);
    let asked = remote.asked();
    assert!(asked.iter().any(|asked| asked.headers.contains("x-key: from-the-dotenv-file")), "{asked:?}");
}

#[test]
fn the_values_of_a_clients_file_are_no_sources_of_secrets() {
    let remote = Scripted::start(scripted::modern);
    let headers =
        json!({"X-File": "file:./dev.db", "X-Variable": "env:not_there", "X-Command": "cmd:echo ran"});
    let text = json!({"mcpServers": {"a": {"url": remote.url(), "headers": headers}}});
    let home = folder(&[("mcp.json", &text.to_string()), ("dev.db", "contents")]);
    let (_gateway, server) = started(anyport(home.path()), &["--config", "mcp.json"]);
    assert_eq!(tools(&server), ["a_look"]);
    let sent: String = remote.asked().iter().map(|asked| asked.headers.clone()).collect();
    for header in ["x-file: file:./dev.db", "x-variable: env:not_there", "x-command: cmd:echo ran"] {
        assert!(sent.contains(header), "{header} is not in {sent}");
    }
    let mut command = anyport(home.path());
    command.args(["config", "show", "mcp.json"]);
    let shown = to_the_end(command).stdout;
    assert!(shown.contains("upstreams.a.headers.X-File = \"<hidden>\"\n"), "{shown}");
}

#[cfg(unix)]
#[test]
fn commands_on_a_gateway_know_the_names_of_a_clients_file() {
    let remote = Scripted::start(scripted::modern);
    let text = json!({"mcpServers": {"a b": {"url": remote.url()}}});
    let home = folder(&[("mcp.json", &text.to_string())]);
    let (_gateway, server) = started(anyport(home.path()), &["--config", "mcp.json"]);
    assert_eq!(tools(&server), ["a-b_look"]);
    let restarted = ran(home.path(), &["restart", "a b"]);
    assert_eq!((restarted.code, &*restarted.stdout), (Some(0), "restarted a b\n"), "{}", restarted.stderr);
    let logs = ran(home.path(), &["logs", "a b"]);
    assert!(logs.code == Some(0) && logs.stdout.contains("connected"), "{logs:?}");
    let unknown = ran(home.path(), &["restart", "a-c"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("did you mean a-b"), "{}", unknown.stderr);
    let status: Value = serde_json::from_str(&ran(home.path(), &["status", "--json"]).stdout).unwrap();
    assert_eq!(status["gateways"][0]["url"], format!("http://{}/mcp", server.authority));
}

#[cfg(unix)]
#[test]
fn programs_run_in_the_folder_of_the_file() {
    let start = format!(
        "touch here; exec '{}' serve --stdio --docs '{}'",
        env!("CARGO_BIN_EXE_anyport"),
        documents().display()
    );
    let text = format!("[upstreams.a]\ncommand = [\"sh\", \"-c\", {start:?}]\n");
    let home = folder(&[("sub/anyport.toml", &text)]);
    let (_gateway, server) = started(anyport(home.path()), &["--config", "sub/anyport.toml"]);
    assert!(tools(&server).contains(&"a_get_doc".to_owned()));
    assert!(home.path().join("sub/here").exists() && !home.path().join("here").exists());
}

#[cfg(unix)]
#[test]
fn secrets_come_from_their_places_and_are_not_shown() {
    let remote = Scripted::start(scripted::modern);
    let text = format!(
        "[upstreams.a]\nurl = {0:?}\nbearer = \"cmd:printf 'of-a-command'\"\n\
         [upstreams.b]\nurl = {0:?}\nheaders = {{ X-Key = \"file:key\", X-Other = \"env:OTHER\" }}\n",
        remote.url()
    );
    let home = folder(&[("anyport.toml", &text), ("key", "of-a-file\n")]);
    let mut command = anyport(home.path());
    command.env("OTHER", "of-a-variable");
    let (mut gateway, server) = started(command, &[]);
    assert_eq!(tools(&server), ["a_look", "b_look"]);
    let sent: String = remote.asked().iter().map(|asked| asked.headers.clone()).collect();
    for header in ["authorization: bearer of-a-command", "x-key: of-a-file", "x-other: of-a-variable"] {
        assert!(sent.contains(header), "{header} is not in {sent}");
    }
    gateway.kill();
    let said = gateway.stderr();
    assert!(!said.contains("of-a-"), "{said}");
}

#[test]
fn a_fault_of_the_file_is_shown_with_its_place_and_what_to_write() {
    for (text, parts) in [
        (
            "[upstreams.a]\ncomand = \"x\"\n",
            &["anyport.toml:2:1", "2 | comand", "^^^^^^", "did you mean command?"][..],
        ),
        ("[upstream.a]\ncommand = \"x\"\n", &["there is no key `upstream` here", "did you mean upstreams?"]),
        ("", &["has no servers", "[upstreams.NAME]"]),
        ("[upstreams.a]\nurl = \"x://y\"\n", &["the upstream a in", "http, https, ws, wss or unix"]),
        (
            "[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nbearer = \"t0ps3cret-token\"\n",
            &["its `bearer` is the place"],
        ),
        (
            "[upstreams.a]\nurl = \"http://127.0.0.1:1\"\nbearer = \"env:NOT_THERE\"\n",
            &["NOT_THERE is not set"],
        ),
        ("[upstreams.a]\ncommand = \"x\"\nrevision = \"2020\"\n", &["there are 2024-11-05", "2026-07-28"]),
        ("[upstreams.a]\ncommand = \"x\"\n[limits]\nround = 3\n", &["in [limits] of", "rounds"]),
    ] {
        let home = folder(&[("anyport.toml", text)]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let ended = to_the_end(command);
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("t0ps3cret"), "{}", ended.stderr);
    }
}

#[test]
fn what_serve_refuses_is_refused_by_a_check_in_its_place() {
    let said = |text: &str, arguments: &[&str]| {
        let home = folder(&[("anyport.toml", text)]);
        let mut command = anyport(home.path());
        command.args(arguments).env("SOCKET", "unix:/s");
        to_the_end(command)
    };
    let url = "[upstreams.a]\nurl = \"https://a.example/mcp\"\n";
    for (text, line, part) in [
        (format!("{url}revision = \"2020\"\n"), "3 | revision", "there are 2024-11-05"),
        (format!("{url}bearer = \"t0ps3cret-token\"\n"), "3 | bearer", "its `bearer` is the place"),
        ("[upstreams.a]\nurl = \"x://y\"\n".to_owned(), "2 | url", "http, https, ws, wss or unix"),
        (
            format!("{url}[upstreams.a.headers]\nX-Good = \"1\"\nMcp-Method = \"file:secret\"\n"),
            "5 | Mcp-Method",
            "the header \"Mcp-Method\" cannot be sent",
        ),
        (
            format!("{url}headers = {{ A = \"s3cret\", \"a b\" = \"1\" }}\n"),
            "\"a b\"\n",
            "the header \"a b\" cannot be sent",
        ),
        (
            "[upstreams.a]\nurl = \"unix:/s\"\nbearer = \"s3cret\"\n".to_owned(),
            "3 | bearer",
            "nothing on a Unix socket has headers",
        ),
        (
            "[upstreams.a]\nurl = \"${SOCKET}\"\nheaders = { X = \"1\" }\n".to_owned(),
            "3 | headers",
            "nothing on a Unix socket has headers",
        ),
    ] {
        for arguments in [&["config", "check"][..], &["serve", "--port", "0"]] {
            let ended = said(&text, arguments);
            assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
            for part in ["anyport.toml:", line, part] {
                assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
            }
            assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
        }
    }
    // No secret is read, and a variable that is not set can have any value.
    let unset = "url = \"https://${NOT_THERE}/mcp\"\nbearer = \"cmd:touch read\"\nheaders = { A = \"file:none\", B = \"${NOT_THERE}\" }\n";
    let home = folder(&[("anyport.toml", &format!("[upstreams.a]\n{unset}"))]);
    let mut command = anyport(home.path());
    command.args(["config", "check"]);
    let ended = to_the_end(command);
    assert!(ended.code == Some(0) && !home.path().join("read").exists(), "{ended:?}");
}

#[test]
fn options_of_documents_are_refused_beside_a_file_of_servers() {
    let home = folder(&[("anyport.toml", "[upstreams.a]\ncommand = \"x\"\n")]);
    for (arguments, part) in
        [(&["--ext", "rst"][..], "--ext is for folders"), (&["--config", "none.toml"], "none.toml")]
    {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]).args(arguments);
        let ended = to_the_end(command);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
    }
}

#[test]
fn a_gateway_among_its_own_servers_does_not_start_itself_without_end() {
    let program = env!("CARGO_BIN_EXE_anyport");
    let text = format!("[upstreams.again]\ncommand = [{program:?}, \"serve\", \"--stdio\"]\n");
    let home = folder(&[("anyport.toml", &text)]);
    let (_gateway, server) = serve(home.path());
    // It serves its built-in documentation instead.
    assert!(tools(&server).contains(&"again_search_docs".to_owned()));
    let text = format!(
        "[upstreams.again]\ncommand = [{program:?}, \"serve\", \"--stdio\", \"--config\", \"anyport.toml\"]\n"
    );
    let home = folder(&[("anyport.toml", &text)]);
    let (mut gateway, server) = serve(home.path());
    assert_eq!(tools(&server), [""; 0]);
    gateway.error_line(|line| line.contains("would start itself without end"));
    // Under the URL at which it is published.
    let text = "[upstreams.again]\nurl = \"https://tools.example/s/small/mcp\"\n";
    let home = folder(&[("anyport.toml", text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--public-url", "https://tools.example"]);
    let mut gateway = Program::start(command);
    gateway.error_line(|line| line.contains("the upstream again is left out"));
}

#[test]
fn a_changed_file_replaces_what_is_different_and_a_broken_one_nothing() {
    let remote = Scripted::start(scripted::modern);
    let upstream = |name: &str| format!("[upstreams.{name}]\nurl = {:?}\n", remote.url());
    let home = folder(&[("anyport.toml", &upstream("a"))]);
    let path = home.path().join("anyport.toml");
    let (mut gateway, server) = serve(home.path());
    assert_eq!(tools(&server), ["a_look"]);
    fs::write(&path, upstream("a") + &upstream("b")).unwrap();
    gateway.error_line(|line| line.contains("the file was read again: added b"));
    until_listed(&server, "b_look", true);
    fs::write(&path, "[upstreams.a]\ncomand = 3\n").unwrap();
    gateway.error_line(|line| line.contains("the file has a fault, and nothing was changed"));
    gateway.error_line(|line| line.contains("did you mean command?"));
    assert_eq!(tools(&server), ["a_look", "b_look"]);
    fs::write(&path, upstream("b") + "prefix = \"c\"\n").unwrap();
    gateway.error_line(|line| line.contains("removed a") && !line.contains("replaced"));
    until_listed(&server, "c_look", true);
    assert_eq!(tools(&server), ["c_look"]);
}

/// Invariant: A gateway whose file changes answers every call.
#[cfg(unix)]
#[test]
fn no_call_fails_while_the_file_changes() {
    let remote = Scripted::start(scripted::modern);
    let stays = format!("[upstreams.stays]\nurl = {:?}\n", remote.url());
    let home = folder(&[("anyport.toml", &stays)]);
    let path = home.path().join("anyport.toml");
    let (mut gateway, server) = serve(home.path());
    let callers = Callers::start(move || {
        let message = modern(1, "tools/call", json!({"name": "stays_look", "arguments": {}}));
        let answer = server.post(&message, &[]).json();
        assert_eq!(answer["result"]["content"][0]["text"], "seen", "{answer}");
    });
    let id = rustix::process::Pid::from_raw(gateway.id().try_into().unwrap()).unwrap();
    for round in 0..50 {
        // In every second round the server is another one to the gateway, since its variables differ.
        let text = format!(
            "{stays}headers = {{ X-Round = \"{}\" }}\n[upstreams.other{round}]\nurl = {:?}\n",
            round / 2,
            remote.url()
        );
        fs::write(&path, text).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
        let added = format!("added other{round}");
        gateway.error_line(|line| line.contains("the file was read again") && line.contains(&added));
        callers.wait_for_calls(3);
    }
    callers.stop();
}

/// Two threads that call without a pause.
#[cfg(unix)]
struct Callers {
    over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

#[cfg(unix)]
impl Callers {
    /// `call` makes one call and checks its answer.
    fn start(call: impl Fn() + Send + Sync + 'static) -> Self {
        let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let call = Arc::new(call);
        let threads = (0..2).map(|_| {
            let (over, calls, call) = (over.clone(), calls.clone(), call.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    call();
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { threads: threads.collect(), over, calls }
    }

    /// Waits until `count` more calls are answered.
    fn wait_for_calls(&self, count: usize) {
        let enough = (self.calls.load(Ordering::Relaxed) + count) as u64;
        until(|| json!(self.calls.load(Ordering::Relaxed)), |now| now.as_u64().unwrap() >= enough);
    }

    /// Ends the threads. Panics if a check failed.
    fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Invariant: A gateway whose servers are restarted answers every call.
#[cfg(unix)]
#[test]
fn no_call_fails_while_a_server_is_restarted() {
    let home = folder(&[("anyport.toml", &format!("[upstreams.program]\n{}\n", program()))]);
    let (_gateway, server) = serve(home.path());
    let callers = Callers::start(move || {
        assert!(server.call("program_list_docs", &json!({})).is_object());
    });
    for _ in 0..20 {
        let restarted = ran(home.path(), &["restart", "program"]);
        assert_eq!(restarted.code, Some(0), "{}", restarted.stderr);
        callers.wait_for_calls(3);
    }
    callers.stop();
}

/// Invariant: Whoever cannot read the folder of a gateway's socket gets nothing on the socket, such as a program in a sandbox.
#[cfg(unix)]
#[test]
fn a_request_on_the_socket_names_the_token_beside_it() {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        os::unix::{fs::PermissionsExt as _, net::UnixStream},
    };
    let home = folder(&[("anyport.toml", &format!("[upstreams.program]\n{}\n", program()))]);
    let (mut gateway, _server) = serve(home.path());
    let socket = home.path().join(format!("state/anyport/gateways/{}.sock", gateway.id()));
    let file = socket.with_extension("token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = fs::read_to_string(&file).unwrap();
    let answer = |request: Value| -> Value {
        let mut stream = BufReader::new(UnixStream::connect(&socket).unwrap());
        writeln!(stream.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    for token in [Value::Null, json!(""), json!("0".repeat(64)), json!(["x"])] {
        for command in ["status", "introduce", "tap", "no-such"] {
            let refused = answer(json!({"token": token, "command": command}));
            assert!(refused["error"].as_str().unwrap().contains("token"), "{refused}");
        }
    }
    assert!(answer(json!({"command": "status"}))["error"].is_string());
    assert_eq!(answer(json!({"token": token, "command": "status"}))["pid"], gateway.id());
    gateway.kill();
    assert_eq!(ran(home.path(), &["status"]).code, Some(1));
    assert!(!file.exists(), "what a killed gateway has left is removed");
}

/// Runs a command of this program in `home`.
#[cfg(unix)]
fn ran(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(arguments);
    to_the_end(command)
}

#[cfg(unix)]
#[test]
fn a_running_gateway_is_described_and_connects_a_server_anew() {
    let remote = Scripted::start(scripted::modern);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[upstreams.program]\n{}\n[upstreams.remote]\nurl = {:?}\n[upstreams.gone]\nurl = \"http://{free}/mcp\"\n",
        program(),
        remote.url()
    );
    let home = folder(&[("anyport.toml", &text)]);
    let none = ran(home.path(), &["status"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.stderr.contains("no gateway is running") && none.stderr.contains("anyport serve --config"),
        "{}",
        none.stderr
    );
    let (mut gateway, server) = serve(home.path());
    assert!(tools(&server).contains(&"remote_look".to_owned()));
    let status = || {
        let ended = ran(home.path(), &["status", "--json"]);
        let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        assert_eq!(ended.code, Some(1), "one of them is down: {status}");
        status["gateways"][0].clone()
    };
    let known = until(status, |status| status["servers"][2]["state"] == "down");
    assert_eq!(known["pid"], gateway.id());
    let [program, remote, gone] = [0, 1, 2].map(|number| known["servers"][number].clone());
    assert_eq!(
        (&program["state"], &program["transport"], &program["revision"]),
        (&json!("up"), &json!("stdio"), &json!("2026-07-28"))
    );
    assert_eq!((&remote["tools"], &remote["calls"]), (&json!(1), &json!(0)));
    assert!(gone["last_error"].as_str().unwrap().contains("refuses the connection"), "{gone}");
    let shown = ran(home.path(), &["status"]).stdout;
    assert!(shown.contains("program") && shown.contains("gone: "), "{shown}");

    let restarted = ran(home.path(), &["restart", "program"]);
    assert_eq!(
        (restarted.code, restarted.stdout.as_str()),
        (Some(0), "restarted program\n"),
        "{}",
        restarted.stderr
    );
    assert!(
        server.call("program_get_stdlib", &json!({"language": "python", "domain": "testing"})).is_object()
    );
    let unknown = ran(home.path(), &["restart", "progam"]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.stderr.contains("no running gateway has a server progam")
            && unknown.stderr.contains("did you mean program?"),
        "{}",
        unknown.stderr
    );
    gateway.kill();
    // What a killed gateway has left is no gateway.
    assert_eq!(ran(home.path(), &["status"]).code, Some(1));
    assert_eq!(std::fs::read_dir(home.path().join("state/anyport/gateways")).unwrap().count(), 0);
}
