//! Programs of a gateway with limits and a sandbox: real ones, which try what they may not.

use std::{fs, net::TcpListener, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{Program, anyport, folder, http::Server, modern};

/// A server of 2025-11-25 whose tools are lines for a shell: the answer says whether the line succeeded.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"run","inputSchema":{"type":"object","properties":{"line":{"type":"string"}}}}]}' ;;
    *tools/call*)
      run=${line#*\"line\":\"}; run=${run%%\"*}
      if (eval "$run") > /dev/null 2>&1; then said=yes; else said=no; fi
      answer "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"$said\"}]}" ;;
  esac
done
"#;

/// Starts a gateway before the server, with `options`, in a folder outside that of temporary files.
fn serve(options: &str) -> (tempfile::TempDir, Program, Server) {
    serve_by(options, |command| command)
}

/// The same, by the command that `start` makes of the usual one.
fn serve_by(options: &str, start: impl Fn(Command) -> Command) -> (tempfile::TempDir, Program, Server) {
    let text = format!("[upstreams.a]\ncommand = [\"sh\", \"program/server.sh\"]\n{options}");
    let files =
        [("anyport.toml", &*text), ("program/server.sh", SERVER), ("secret", "s3cret"), ("data/mine", "")];
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (path, text) in files {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(start(command));
    let server = program.server();
    (home, program, server)
}

fn call(server: &Server, line: &str) -> Value {
    let call = modern(1, "tools/call", json!({"name": "a_run", "arguments": {"line": line}}));
    server.post(&call, &[]).json()
}

/// Whether a line for a shell succeeds in the server.
fn may(server: &Server, line: &str) -> bool {
    let answer = call(server, line);
    match answer["result"]["content"][0]["text"].as_str() {
        Some("yes") => true,
        Some("no") => false,
        _ => panic!("{line}: {answer}"),
    }
}

/// Whether this kernel has Landlock.
fn has_landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm")
        .map_or_else(|_| Path::new("/proc/config.gz").exists(), |modules| modules.contains("landlock"))
}

/// Invariant: A program with a sandbox reads and writes what its sandbox names, and nothing else of its user.
#[test]
fn a_program_in_a_sandbox_reads_and_writes_what_it_may_alone() {
    if !has_landlock() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (home, mut gateway, server) = serve(
        "[upstreams.a.sandbox]\nread = [\"program\"]\nwrite = [\"data\"]\nnetwork = false\nrequired = true\n",
    );
    for (line, expected) in [
        ("cat program/server.sh", true),
        ("cat /etc/passwd", true),
        ("echo x > /dev/null", true),
        ("echo x > data/mine; cat data/mine", true),
        ("t=$(mktemp); echo x > $t; rm $t", true),
        ("cat secret", false),
        ("cat anyport.toml", false),
        ("ls .", false),
        ("echo x > program/written", false),
        ("echo x > written", false),
        ("sh -c 'cat secret'", false),
        (&format!("cat /proc/{}/environ", gateway.id()), false),
        (&format!("command -v bash; bash -c ': < /dev/tcp/127.0.0.1/{port}'"), false),
    ] {
        assert_eq!(may(&server, line), expected, "{line}");
    }
    assert!(!home.path().join("written").exists());
    gateway.close_input();
}

/// A shell with an open file that becomes the program of `command`.
fn with_open_secret(command: Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec 9< secret && exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Invariant: No program that is started inherits what its starter had left open.
#[test]
fn a_program_has_no_file_that_was_left_open_by_who_started_the_gateway() {
    for options in
        ["", "[upstreams.a.limits]\nopen_files = 64\n", "[upstreams.a.sandbox]\nread = [\"program\"]\n"]
    {
        let (_home, mut gateway, server) = serve_by(options, with_open_secret);
        assert!(!may(&server, "cat <&9"), "{options}");
        assert!(may(&server, "cat < /dev/null"), "{options}");
        gateway.close_input();
    }
}

#[test]
fn a_program_has_a_file_that_its_command_line_names() {
    let home = folder(&[("server.sh", SERVER), ("secret", "s3cret")]);
    let mut command = anyport(home.path());
    let words = ["call", "run", "line=cat <&9", "--", "sh", "server.sh", "/dev/fd/9"];
    command.args(words);
    let ended = crate::support::to_the_end(with_open_secret(command));
    assert!(ended.code == Some(0) && ended.stdout.contains("yes"), "{}{}", ended.stdout, ended.stderr);
    let mut command = anyport(home.path());
    command.args(&words[..words.len() - 1]);
    let ended = crate::support::to_the_end(with_open_secret(command));
    assert!(ended.code == Some(0) && ended.stdout.contains("no"), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_program_has_no_more_than_its_limits() {
    let limits = "[upstreams.a.limits]\nmemory = \"64MiB\"\nopen_files = 16\ncpu_seconds = 1\n";
    let (_home, mut gateway, server) = serve(limits);
    let large = "head -c 200000000 /dev/zero | tail -c 200000000";
    assert!(may(&server, "head -c 20000000 /dev/zero | tail -c 20000000"), "within the limit");
    assert!(!may(&server, large), "more memory than it may have");
    assert!(may(&server, "bash -c 'exec 15< /dev/null'"));
    assert!(!may(&server, "bash -c 'exec 16< /dev/null'"), "a seventeenth file");
    // Its own process, not one that it starts.
    let answer = call(&server, "kill -9 0");
    assert!(answer["error"]["message"].is_string(), "{answer}");
    gateway.close_input();
    let (_home, mut gateway, server) = serve("");
    assert!(
        may(&server, large) && may(&server, "bash -c 'exec 16< /dev/null'"),
        "nothing is limited without limits"
    );
    gateway.close_input();
}

#[test]
fn what_cannot_be_set_is_said() {
    for (options, part) in [
        ("[upstreams.a.limits]\nmemory = \"much\"\n", "is no size such as 512MiB"),
        ("[upstreams.a.limits]\nmemori = \"1GiB\"\n", "did you mean memory?"),
        (
            "[upstreams.a.sandbox]\nread = [\"${NOT_THERE}\"]\n",
            "in its `sandbox.read`, ${NOT_THERE} is not set",
        ),
        ("[upstreams.a.sandbox]\nnetwork = \"some\"\n", "true, false or a list of ports"),
    ] {
        let text = format!("[upstreams.a]\ncommand = \"x\"\n{options}");
        let home = folder(&[("anyport.toml", &text)]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let ended = crate::support::to_the_end(command);
        assert!(ended.code == Some(2) && ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    let (_home, mut gateway, server) = serve("[upstreams.a.limits]\ncpu_seconds = 1\n");
    // The shell itself, with the words of its next line.
    let spin = modern(1, "tools/call", json!({"name": "a_run", "arguments": {"line": "kill -XCPU $$"}}));
    let message = server.post(&spin, &[]).json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("SIGXCPU"), "{message}");
    gateway.close_input();
}
