//! What a shell completes: commands and options, servers of configurations, and what a server offered last.

use std::{path::Path, process::Command};

use anyport_protocol::Revision;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    Ended, anyport, folder,
    scripted::{Scripted, modern, result},
    terminal::Terminal,
    to_the_end,
};

/// A server with a tool that has arguments, and a tool with a name that a shell would run.
fn server() -> Scripted {
    Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/list") => {
            let schema = json!({"type": "object", "properties": {
                "kind": {"enum": ["bus", "train"]}, "seats": {"type": "integer", "description": "How many."}}});
            let tool =
                |name: &str| json!({"name": name, "description": "Books.\nA seat.", "inputSchema": schema});
            let tools = [tool("book_seat"), tool("$(touch run)")];
            result(
                asked,
                &json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools}),
            )
        }
        _ => modern(asked),
    })
}

/// A home with the server configured as `shop`.
fn home(server: &Scripted) -> TempDir {
    let config = json!({"mcpServers": {"shop": {"url": server.url()}, "files": {"command": "files"}}});
    folder(&[(".mcp.json", &config.to_string())])
}

fn at(home: &Path, words: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(words).env("HOME", home.join("user")).env_remove("XDG_CONFIG_HOME");
    to_the_end(command)
}

/// The candidates at the end of a line, as bash asks for them.
fn candidates(home: &Path, line: &str) -> Vec<String> {
    let ended = at(home, &["__complete", "--breaks", " =:", "--line", line]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line}");
    ended.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn servers_come_from_configurations_and_tools_from_the_last_list() {
    let server = server();
    let home = home(&server);
    assert_eq!(candidates(home.path(), "anyport call "), ["shop", "files"]);
    assert_eq!(candidates(home.path(), "anyport call shop "), [""; 0], "nothing was listed yet");
    assert_eq!(server.asked().len(), 0, "completing asks no server");
    assert_eq!(at(home.path(), &["tools", "shop"]).code, Some(0));
    let asked = server.asked().len();
    assert_eq!(candidates(home.path(), "anyport call shop "), ["book_seat"]);
    assert_eq!(candidates(home.path(), "anyport call shop book_seat "), ["kind=", "seats="]);
    // bash wants what follows the last break.
    assert_eq!(candidates(home.path(), "anyport call shop book_seat kind="), ["bus", "train"]);
    assert_eq!(server.asked().len(), asked, "completing asks no server");
    let told = at(home.path(), &["__complete", "--", "anyport", "tools", "shop", "b"]).stdout;
    assert_eq!(told, "book_seat\tBooks.\n");
    // A server that is named by its URL has lists of its own, and another home has none.
    assert_eq!(candidates(home.path(), &format!("anyport call {} ", server.url())), ["book_seat"]);
    assert_eq!(candidates(folder(&[]).path(), &format!("anyport call {} ", server.url())), [""; 0]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let lists = home.path().join("state/anyport/store");
        assert_eq!(std::fs::metadata(lists).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn every_shell_gets_its_script() {
    let home = folder(&[]);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ended = at(home.path(), &["completions", shell]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(" __complete "), "{shell}");
    }
    assert!(at(home.path(), &["completions", "elvish"]).stdout.contains("inspect"));
    assert!(candidates(home.path(), "anyport ins").contains(&"inspect".to_owned()));
    let revisions = candidates(home.path(), "anyport tools --revision ");
    assert!(Revision::ALL.iter().all(|revision| revisions.contains(&revision.as_str().to_owned())));
}

/// A program for the tests of its shell, with `anyport` in its path.
fn shell(name: &str, home: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_anyport"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(name);
    command.current_dir(home).env("HOME", home.join("user")).env("XDG_STATE_HOME", home.join("state"));
    command.env_remove("XDG_CONFIG_HOME").env("PATH", path);
    command
}

#[test]
fn bash_completes_at_the_tab_key() {
    let server = server();
    let home = home(&server);
    assert_eq!(at(home.path(), &["tools", "shop"]).code, Some(0));
    let mut command = shell("bash", home.path());
    command.args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> ");
    let mut terminal = Terminal::start(command, 100);
    terminal.until("ready>");
    terminal.press("source <(anyport completions bash); clear; echo sourced\n");
    terminal.until("sourced\nready>");
    terminal.press("anyport ca\tsh\tbo\tki\ttr\tse\t2");
    terminal.until("ready> anyport call shop book_seat kind=train seats=2");
    assert!(!home.path().join("run").exists());
}

#[test]
fn other_shells_that_are_installed_read_their_scripts() {
    let home = folder(&[]);
    for (name, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let script = at(home.path(), &["completions", name]).stdout;
        let file = home.path().join(name);
        std::fs::write(&file, script).unwrap();
        // Where the shell is not installed there is nothing to ask.
        if let Ok(ended) = shell(name, home.path()).arg(check).arg(&file).output() {
            assert!(ended.status.success() && ended.stderr.is_empty(), "{name}: {ended:?}");
        }
    }
}
