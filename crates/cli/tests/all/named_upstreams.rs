//! Names of servers in place of URLs and commands: a running gateway answers for its servers, and otherwise what its file says.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{
    Ended, Program, anyport, documents, folder, modern,
    scripted::{self, Scripted},
    terminal::Terminal,
    to_the_end, until,
};

/// A legacy server with three tools, which notes each start in the file `starts`: `hello`, `ask`, which asks a person, and `die`.
const SERVER: &str = r#"
echo start >> "$STARTS"
echo "the server says: $GREETING" >&2
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
text() { answer "$1" "{\"content\":[{\"type\":\"text\",\"text\":\"$2\"}]}"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"},"instructions":"Be kind."}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"hello","inputSchema":{"type":"object"}},{"name":"ask","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]}' ;;
    *'"name":"hello"'*) text "$id" "hello of $GREETING" ;;
    *'"name":"ask"'*) asked=$id; printf '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Which colour?","requestedSchema":{"type":"object","properties":{"colour":{"type":"string"}}}}}\n' ;;
    *'"id":"q"'*) text "$asked" "answered" ;;
    *'"name":"hang"'*) ;;
    *'"id":'*'"method":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
  esac
done
"#;

/// A folder with a gateway's file, in which `greeting` is the variable of its server.
fn project(home: &Path, greeting: &str) {
    fs::create_dir_all(home).unwrap();
    fs::write(home.join("server.sh"), SERVER).unwrap();
    let text = format!(
        "[upstreams.files]\ncommand = [\"sh\", \"server.sh\"]\nexclude = [\"ask\"]\n\
         env = {{ GREETING = \"{greeting}\", STARTS = {:?} }}\n[knowledge.book]\ndocs = [{:?}]\n",
        home.join("starts"),
        documents()
    );
    fs::write(home.join("anyport.toml"), text).unwrap();
}

/// The program in `cwd`, with the state of `home`, where it finds no files of the tester.
fn in_folder(home: &Path, cwd: &Path) -> Command {
    let mut command = anyport(home);
    command.current_dir(cwd).env("HOME", home.join("user")).env_remove("XDG_CONFIG_HOME");
    command
}

fn gateway(home: &Path, cwd: &Path) -> Program {
    let mut command = in_folder(home, cwd);
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(command);
    program.server();
    program
}

fn ran(home: &Path, cwd: &Path, arguments: &[&str]) -> Ended {
    let mut command = in_folder(home, cwd);
    command.args(arguments);
    to_the_end(command)
}

fn starts(project: &Path) -> usize {
    fs::read_to_string(project.join("starts")).unwrap_or_default().lines().count()
}

/// Invariant: A recording of a session through a running gateway has none of the gateway's secrets, even if the server repeats them.
#[test]
fn a_recording_through_a_gateway_has_none_of_its_secrets() {
    let home = folder(&[]);
    let (home, folder) = (home.path(), home.path().join("project"));
    project(&folder, "s3cret-of-the-gateway");
    let mut gateway = gateway(home, &folder);
    let plain = ran(home, &folder, &["call", "files", "hello"]);
    assert_eq!(plain.stdout, "hello of s3cret-of-the-gateway\n", "{}", plain.stderr);
    for options in [&["--record", "recording"][..], &["--record", "-"], &["-vv"]] {
        let ended = ran(home, &folder, &[&["call", "files", "hello"], options].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(0), "hello of <hidden>\n"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    let recorded = fs::read_to_string(folder.join("recording")).unwrap();
    assert!(recorded.contains("hello of <hidden>") && !recorded.contains("s3cret"), "{recorded}");
    gateway.close_input();
}

#[test]
fn a_running_gateway_answers_for_its_servers_and_starts_nothing_twice() {
    let home = folder(&[]);
    let (home, project_folder, elsewhere) =
        (home.path(), home.path().join("project"), home.path().join("elsewhere"));
    project(&project_folder, "one");
    fs::create_dir_all(&elsewhere).unwrap();
    let mut gateway = gateway(home, &project_folder);
    for cwd in [&project_folder, &elsewhere] {
        let tools = ran(home, cwd, &["tools", "files", "-q"]);
        // All of them, by its own names.
        assert_eq!((tools.code, &*tools.stdout), (Some(0), "hello\nask\nhang\n"), "{}", tools.stderr);
        let called = ran(home, cwd, &["call", "files", "hello", "-v"]);
        assert_eq!((called.code, &*called.stdout), (Some(0), "hello of one\n"), "{}", called.stderr);
        assert!(
            called.stderr.contains(&format!("runs as process {} answers", gateway.id())),
            "{}",
            called.stderr
        );
    }
    let inspected = ran(home, &elsewhere, &["inspect", "files", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert!(inspected.to_string().contains("Be kind."), "{inspected}");
    let examined = ran(home, &elsewhere, &["doctor", "files"]);
    for part in ["files is up since", "over stdio", "3 tools"] {
        assert!(examined.stdout.contains(part), "{part:?} is not in {}{}", examined.stdout, examined.stderr);
    }
    let documents = ran(home, &elsewhere, &["resources", "book", "--json"]);
    assert_eq!(documents.code, Some(0), "{}", documents.stderr);
    assert_eq!(starts(&project_folder), 1);
    let status = ran(home, &elsewhere, &["status", "--json"]).stdout;
    let server = serde_json::from_str::<Value>(&status).unwrap()["gateways"][0]["servers"][0].clone();
    assert_eq!(server["state"], "up", "{server}");
    assert!(server["calls"].as_u64() >= Some(2), "{server}");
    let (median, p99) = (&server["latency_ms"]["median"], &server["latency_ms"]["p99"]);
    assert!(0.0 < median.as_f64().unwrap() && median.as_f64() <= p99.as_f64(), "{server}");
    // Unless it is wanted anew.
    for option in [&["--direct"][..], &["-e", "GREETING=two"]] {
        let direct = ran(home, &project_folder, &[&["call", "files", "hello"], option].concat());
        assert_eq!(direct.code, Some(0), "{}", direct.stderr);
        let expected = if option.len() == 1 { "hello of one\n" } else { "hello of two\n" };
        assert_eq!(direct.stdout, expected);
    }
    assert_eq!(starts(&project_folder), 3);
    gateway.close_input();
}

#[test]
fn a_question_of_a_server_reaches_the_terminal_through_the_gateway() {
    let home = folder(&[]);
    project(home.path(), "one");
    let _gateway = gateway(home.path(), home.path());
    let mut command = in_folder(home.path(), home.path());
    command.args(["call", "files", "ask"]);
    let mut terminal = Terminal::start(command, 80);
    terminal.until("Which colour?");
    for (question, keys) in [("Your answer?", "\r"), ("colour", "red\r"), ("Send this?", "\r")] {
        terminal.until(question);
        terminal.press(keys);
    }
    terminal.until("answered");
    let (code, screen, _) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(starts(home.path()), 1);
}

#[test]
fn without_a_gateway_a_name_of_its_file_leads_to_the_server_itself() {
    let home = folder(&[]);
    let project_folder = home.path().join("project");
    project(&project_folder, "one");
    let inner = project_folder.join("inner");
    fs::create_dir_all(&inner).unwrap();
    for (word, cwd) in
        [("files", &inner), ("../anyport.toml#files", &inner), ("anyport.toml#files", &project_folder)]
    {
        let called = ran(home.path(), cwd, &["call", word, "hello"]);
        assert_eq!((called.code, &*called.stdout), (Some(0), "hello of one\n"), "{word}: {}", called.stderr);
    }
    assert_eq!(starts(&project_folder), 3);
    let documents = ran(home.path(), &inner, &["tools", "book", "-q"]);
    assert!(documents.stdout.contains("get_doc"), "{}", documents.stderr);
    let unknown = ran(home.path(), &inner, &["tools", "fils"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean files?"), "{}", unknown.stderr);
    let several = ran(home.path(), &project_folder, &["tools", "anyport.toml"]);
    assert!(
        several.stderr.contains("say which one: anyport.toml#NAME, with one of files, book"),
        "{}",
        several.stderr
    );
}

#[test]
fn the_nearest_name_is_meant_and_an_ambiguous_one_is_refused_with_what_to_write() {
    let home = folder(&[]);
    let (one, two, elsewhere) =
        (home.path().join("one"), home.path().join("two"), home.path().join("elsewhere"));
    project(&one, "one");
    project(&two, "two");
    fs::create_dir_all(&elsewhere).unwrap();
    let _gateways = [gateway(home.path(), &one), gateway(home.path(), &two)];
    let hello = |cwd: &Path, word: &str| ran(home.path(), cwd, &["call", word, "hello"]);
    assert_eq!(hello(&one, "files").stdout, "hello of one\n");
    let called = hello(&two, "files");
    assert_eq!(called.stdout, "hello of two\n");
    let other = one.join("anyport.toml").canonicalize().unwrap();
    assert!(
        called.stderr.contains(&format!("a running gateway has another one, {}#files", other.display())),
        "{}",
        called.stderr
    );
    let ambiguous = hello(&elsewhere, "files");
    assert_eq!(ambiguous.code, Some(2), "{}", ambiguous.stdout);
    let help = ambiguous.stderr.lines().find(|line| line.contains("say which one:")).unwrap();
    let precise = help.split([' ', ',']).find(|word| word.ends_with("two/anyport.toml#files")).unwrap();
    assert_eq!(hello(&elsewhere, precise).stdout, "hello of two\n");
    // The project's own file is nearer than a gateway elsewhere, and its user's is not.
    let remote = Scripted::start(scripted::modern);
    let config = format!(
        r#"{{"mcpServers": {{"files": {{"url": "{}"}}, "book": {{"url": "{}"}}}}}}"#,
        remote.url(),
        remote.url()
    );
    fs::write(elsewhere.join(".mcp.json"), &config).unwrap();
    let tools = ran(home.path(), &elsewhere, &["tools", "files", "-q"]);
    assert_eq!(tools.stdout, "look\n", "{}", tools.stderr);
    assert_eq!((starts(&one), starts(&two)), (1, 1));
}

#[test]
fn a_server_of_the_user_is_hidden_by_that_of_a_gateway_which_is_said() {
    let home = folder(&[]);
    let (project_folder, elsewhere) = (home.path().join("project"), home.path().join("elsewhere"));
    project(&project_folder, "one");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(home.path().join("user/.cursor")).unwrap();
    let remote = Scripted::start(scripted::modern);
    let config = format!(r#"{{"mcpServers": {{"files": {{"url": "{}"}}}}}}"#, remote.url());
    fs::write(home.path().join("user/.cursor/mcp.json"), config).unwrap();
    let tools =
        |options: &[&str]| ran(home.path(), &elsewhere, &[&["tools", "files", "-q"], options].concat());
    assert_eq!(tools(&[]).stdout, "look\n");
    let _gateway = gateway(home.path(), &project_folder);
    let hidden = tools(&[]);
    assert_eq!(hidden.stdout, "hello\nask\nhang\n");
    assert!(
        hidden.stderr.contains("it hides files of") && hidden.stderr.contains("--direct"),
        "{}",
        hidden.stderr
    );
    assert_eq!(tools(&["--direct"]).stdout, "look\n");
}

#[test]
fn a_gateway_that_dies_during_a_call_is_a_lost_server() {
    let home = folder(&[]);
    project(home.path(), "one");
    let mut gateway = gateway(home.path(), home.path());
    let mut command = in_folder(home.path(), home.path());
    command.args(["call", "files", "hang"]);
    let mut call = Program::start(command);
    let status = || {
        let status = ran(home.path(), home.path(), &["status", "--json"]).stdout;
        serde_json::from_str::<Value>(&status).unwrap()["gateways"][0]["servers"][0].clone()
    };
    until(status, |server| server["state"] == "up");
    gateway.kill();
    let code = call.wait().code();
    let said = call.stderr();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("files of the gateway of") && said.contains("help: "), "{said}");
    // Then the name leads to the server itself.
    assert_eq!(ran(home.path(), home.path(), &["call", "files", "hello"]).stdout, "hello of one\n");
}

#[test]
fn a_bridge_leads_through_the_gateway_and_stays_when_the_server_is_restarted() {
    let home = folder(&[]);
    project(home.path(), "one");
    let _gateway = gateway(home.path(), home.path());
    let mut command = in_folder(home.path(), home.path());
    command.args(["bridge", "files", "--port", "0"]);
    let mut bridge = Program::start(command);
    let server = bridge.server();
    let call = modern(1, "tools/call", json!({"name": "hello", "arguments": {}}));
    let text = || server.post(&call, &[]).json()["result"]["content"][0]["text"].clone();
    assert_eq!(text(), "hello of one");
    assert_eq!(ran(home.path(), home.path(), &["restart", "files"]).code, Some(0));
    assert_eq!(until(text, |text| text == "hello of one"), "hello of one");
    assert_eq!(starts(home.path()), 2);
}

#[test]
fn shells_complete_the_names_of_a_gateway_and_its_tools() {
    let home = folder(&[]);
    let (project_folder, elsewhere) = (home.path().join("project"), home.path().join("elsewhere"));
    project(&project_folder, "one");
    fs::create_dir_all(&elsewhere).unwrap();
    let complete = |cwd: &Path, line: &str| ran(home.path(), cwd, &["__complete", "--line", line]).stdout;
    assert!(complete(&project_folder, "anyport call ").contains("files\t"));
    assert!(!complete(&elsewhere, "anyport call ").contains("files\t"));
    let _gateway = gateway(home.path(), &project_folder);
    assert!(complete(&elsewhere, "anyport call ").contains("files\tgateway of "));
    assert_eq!(ran(home.path(), &elsewhere, &["tools", "files"]).code, Some(0));
    assert!(complete(&elsewhere, "anyport call files ").contains("hello\t"));
}
