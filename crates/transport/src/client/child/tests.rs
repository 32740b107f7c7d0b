//! Real processes: shell scripts that behave as servers do, and as they should not.
//!
//! Invariant: A server that prints garbage, floods or disconnects costs its own calls alone, and each of them
//! gets the reason.
#![cfg(target_os = "linux")]

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Limits, Method, Raw, Revision};
use anyport_service::{Context, Event, Outcome, Principal, Request, Service};

use super::Command;
use crate::client::{CloseReason, ConnectError, ConnectOptions, Connection, Target, connect, tests::refused};

/// Answers `initialize`, then every request by its own line; ends with its input.
const OLD: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *server/discover*) DISCOVER ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/call*) CALL ;;
  esac
done
"#;

const UNKNOWN: &str = r#"printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id""#;
const ECHO: &str = r#"answer "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"$ANSWER\"}]}""#;

fn server(discover: &str, call: &str) -> Command {
    let script = OLD.replace("DISCOVER", discover).replace("CALL", call);
    let mut command = Command::new("sh").arg("-c").arg(script).env("ANSWER", "given");
    (command.linger, command.grace) = (Duration::from_millis(300), Duration::from_millis(300));
    command
}

async fn start(command: Command) -> Connection {
    connect(&Target::Command(command), &ConnectOptions::default()).await.unwrap()
}

fn call(connection: &Connection) -> anyport_service::Reply {
    let params = Raw::parse(r#"{"name":"t"}"#.into(), &Limits::default()).unwrap();
    let context = Context::new(Principal::local(), Revision::NEWEST);
    connection.call(Request::new(Method::ToolsCall, params), context)
}

async fn error(connection: &Connection) -> String {
    match call(connection).next().await {
        Event::Outcome(outcome) => {
            let error = refused(outcome);
            assert!(error.data.unwrap().as_str().contains("upstream_lost"));
            error.message.into_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_old_server_is_called_and_ends_with_its_input() {
    let connection = start(server(UNKNOWN, ECHO)).await;
    assert_eq!(connection.revision(), Revision::V2025_11_25);
    let Event::Outcome(Outcome::Result(result)) = call(&connection).next().await else { panic!() };
    assert!(result.as_str().contains("given"), "{result}");
    let watching = connection.clone();
    connection.close().await;
    assert!(matches!(watching.closed().await, CloseReason::Closed));
}

#[tokio::test]
async fn a_server_that_exits_at_the_probe_is_started_again() {
    let connection = start(server("exit 3", ECHO)).await;
    assert_eq!(connection.revision(), Revision::V2025_11_25);
    assert!(matches!(call(&connection).next().await, Event::Outcome(Outcome::Result(_))));
    connection.close().await;
}

#[tokio::test]
async fn a_lost_process_is_told_with_its_last_words() {
    let connection = start(server(UNKNOWN, "echo 'out of memory' >&2; exit 7")).await;
    let error = error(&connection).await;
    assert!(error.contains("exit status: 7") && error.contains("out of memory"), "{error}");
    assert!(matches!(connection.closed().await, CloseReason::Exited { .. }));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_told_with_what_helps() {
    let refused = async |command: Command| {
        connect(&Target::Command(command), &ConnectOptions::default()).await.unwrap_err().to_string()
    };
    let missing = refused(Command::new("no-such-program-anywhere")).await;
    assert!(missing.contains("in no folder of PATH"), "{missing}");
    assert!(refused(Command::new("/no/such/path")).await.contains("check the path"));
    assert!(
        refused(Command::new("sh").cwd("/no/such/folder")).await.contains("does not exist: /no/such/folder")
    );
    let folder = refused(Command::new("/")).await;
    assert!(folder.contains("could not be started") && folder.contains("it is a folder"), "{folder}");
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("server");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    assert!(refused(Command::new(&script)).await.contains("chmod +x"));
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert!(refused(Command::new(&script)).await.contains("check its first line"));
    let both_times = Command::new("sh").arg("-c").arg("echo 'no licence' >&2; exit 1");
    assert!(refused(both_times).await.contains("no licence"));
}

#[test]
fn the_values_of_variables_are_not_shown() {
    let command = Command::new("a").arg("b").env("KEY", "secret");
    let shown = format!("{:?}", Target::Command(command));
    assert!(shown.contains("KEY") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn only_named_variables_are_given() {
    let script = OLD
        .replace("DISCOVER", UNKNOWN)
        .replace("CALL", &ECHO.replace("$ANSWER", "$(env | cut -d= -f1 | tr '\\n' ' ')"));
    let connection = start(Command::new("sh").arg("-c").arg(script).env("GIVEN", "1")).await;
    let Event::Outcome(Outcome::Result(result)) = call(&connection).next().await else { panic!() };
    assert!(result.as_str().contains("GIVEN") && result.as_str().contains("PATH"), "{result}");
    assert!(
        std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !result.as_str().contains("CARGO"),
        "{result}"
    );
    connection.close().await;
}

#[tokio::test]
async fn garbage_and_floods_do_not_matter() {
    let noise = r#"echo 'debug: called'; i=0; while [ $i -lt 2000 ]; do echo "noise $i"; echo "error noise $i" >&2; i=$((i+1)); done; "#;
    let connection = start(server(UNKNOWN, &format!("{noise}{ECHO}"))).await;
    assert!(matches!(call(&connection).next().await, Event::Outcome(Outcome::Result(_))));
    connection.close().await;
}

/// Invariant: A child process that never answers is given up and killed.
#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_killed() {
    let opening = ConnectOptions::default()
        .probe_timeout(Duration::from_millis(100))
        .open_timeout(Duration::from_millis(300));
    let mut command =
        Command::new("sh").arg("-c").arg("trap '' TERM; sleep 1000 & echo $! > \"$OUT\"; wait; sleep 1000");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pid");
    command = command.env("OUT", &out);
    (command.linger, command.grace) = (Duration::from_millis(50), Duration::from_millis(50));
    let error = connect(&Target::Command(command), &opening).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent(_)), "{error}");
    let grandchild = std::fs::read_to_string(&out).unwrap();
    wait_until(|| !is_running(grandchild.trim())).await;
}

/// Whether a process runs; one that is dead and not waited for does not.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to pass within 10 s");
}

#[tokio::test]
async fn dropping_the_last_clone_closes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pid");
    let mut command = server(UNKNOWN, ECHO).env("OUT", &out);
    let script = format!("echo $$ > \"$OUT\"; {}", command.args[1].to_str().unwrap());
    command.args[1] = script.into();
    let connection = Arc::new(start(command).await);
    let pid = std::fs::read_to_string(&out).unwrap();
    assert!(is_running(pid.trim()));
    drop(connection);
    wait_until(|| !is_running(pid.trim())).await;
}

#[test]
fn a_program_has_the_variables_that_it_is_given_and_no_others() {
    // Cargo sets it for every test, and no program needs it.
    const OURS: &str = "CARGO_MANIFEST_DIR";
    let has = |command: Command| command.inherited().iter().any(|(name, _)| name == OURS);
    assert!(!has(Command::new("server")));
    assert!(has(Command::new("server").inherit(OURS)));
    assert!(has(Command::new("server").inherit_all()));
}

/// A program of its own for [`standard_error_is_forwarded_exactly_if_that_is_set`], whose standard error is read there.
#[tokio::test]
#[ignore = "its standard error is that of a program that another test starts"]
async fn a_server_that_complains() {
    let forwards = std::env::var(FORWARDS).is_ok_and(|forwards| forwards == "true");
    let complains = server(UNKNOWN, "echo 'a complaint' >&2; exit 1").forward_stderr(forwards);
    let connection = start(complains).await;
    assert!(error(&connection).await.contains("a complaint"), "it is kept for errors in any case");
}

#[tokio::test]
async fn standard_error_is_forwarded_exactly_if_that_is_set() {
    for forwards in [false, true] {
        let mut program = tokio::process::Command::new(std::env::current_exe().unwrap());
        program.args([
            "--exact",
            "client::child::tests::a_server_that_complains",
            "--ignored",
            "--nocapture",
        ]);
        let output = program.env(FORWARDS, forwards.to_string()).output().await.unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}{complained}");
        assert_eq!(complained.matches("a complaint").count(), usize::from(forwards), "{complained}");
    }
}

/// Whether the server's standard error is forwarded.
const FORWARDS: &str = "ANYPORT_TEST_FORWARDS_STDERR";
