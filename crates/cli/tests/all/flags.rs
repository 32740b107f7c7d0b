//! Every option of `anyport serve`: on the command line, in the environment, and wrong.
//!
//! Invariant: Every option can be set in the environment, the command line overrides it, and an invalid value
//! is reported by its name.

use std::collections::BTreeSet;

use crate::support::{Ended, Program, anyport, documents, folder, modern, to_the_end};
use serde_json::json;

/// An option with a value, a value that is none for it, and one that is.
struct Flag {
    name: &'static str,
    bad: &'static str,
    good: &'static str,
}

const fn flag(name: &'static str, bad: &'static str, good: &'static str) -> Flag {
    Flag { name, bad, good }
}

const FLAGS: &[Flag] = &[
    flag("name", " ", "Our guides"),
    flag("transport", "smoke", "http,Unix"),
    flag("era", "stone", "Modern"),
    flag("host", "everywhere", "localhost"),
    flag("port", "65536", "0"),
    flag("public-url", "tools.example", "https://tools.example"),
    flag("auth-token", "a-secret-in-the-wrong-place", "env:PATH"),
    flag("auth-secret", "a-secret-in-the-wrong-place", "env:PATH"),
    flag("auth-issuer", "http://login.example", "https://login.example"),
    // It stands beside one of the others.
    flag("auth-require", "", ""),
    flag("auth-audience", "", ""),
    flag("allow-host", "a b", "tools.example"),
    flag("allow-origin", "tools.example", "https://tools.example"),
    flag("compat", "netscape", "vscode"),
    flag("max-connections", "0", "16"),
    flag("timeout", "soon", "0.5"),
    flag("cache", "-1", "60"),
    flag("limit", "max_dept=1", "max_depth=9"),
    flag("log-level", "loud", "WARNING"),
    flag("log-format", "xml", "JSON"),
    flag("log-rotation", "hourly", "DAY"),
    flag("log-file", "no/such/folder/log", "log"),
    // Any value may be one.
    flag("docs", "", ""),
    flag("config", "", ""),
    flag("tools", "no_such_tool", "search_docs"),
    flag("ext", "", ""),
    flag("languages", "", ""),
    flag("domains", "", ""),
    flag("unix-path", "", ""),
    // Each needs another; see `tls.rs`.
    flag("tls-cert", "", ""),
    flag("tls-key", "", ""),
    flag("tls-client-ca", "", ""),
    flag("hsts", "soon", "60"),
    flag("audit", "sometimes", "on"),
    flag("state-dir", "", ""),
    flag("store", "http://me:a-secret@store.example", "memory"),
    // It needs a file; see `failing_commands/stores.rs`.
    flag("state-key", "", ""),
];

fn variable(flag: &str) -> String {
    format!("ANYPORT_{}", flag.to_uppercase().replace('-', "_"))
}

/// Runs it with these, so that it ends at the folder that it cannot find, if it comes so far.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["serve", "--docs", "nowhere"]).args(arguments);
    command.envs(environment.iter().copied());
    to_the_end(command)
}

/// What the help says that there is, of options that take a value.
fn options() -> BTreeSet<String> {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["serve", "--help"]);
    let help = to_the_end(command).stdout;
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let options = options.filter_map(|line| line.split_once(['<', '[']));
    options.map(|(name, _)| name.trim_end().to_owned()).collect()
}

#[test]
fn every_option_with_a_value_is_tried_here() {
    let tried: BTreeSet<String> = FLAGS.iter().map(|flag| flag.name.to_owned()).collect();
    assert_eq!(options(), tried);
}

#[test]
fn an_option_stands_before_the_environment_and_what_is_wrong_is_told_by_its_name() {
    let came_through = |ended: &Ended| ended.code == Some(1) && ended.stderr.contains("nowhere");
    assert!(came_through(&run(&[], &[])));
    for Flag { name, bad, good } in FLAGS.iter().filter(|flag| !flag.bad.is_empty()) {
        let (option, variable) = (format!("--{name}"), variable(name));
        let (given, right) = (format!("{option}={bad}"), format!("{option}={good}"));
        for ended in
            [run(&[&given], &[]), run(&[], &[(&variable, bad)]), run(&[&given], &[(&variable, good)])]
        {
            // A file that cannot be written is no wrong usage.
            let code = if *name == "log-file" { 1 } else { 2 };
            assert!(ended.code == Some(code) && !came_through(&ended), "{name}: {ended:?}");
            assert!(ended.stderr.contains(&option), "{name}: {ended:?}");
            assert!(!ended.stderr.contains("a-secret"), "{ended:?}");
        }
        for ended in
            [run(&[&right], &[]), run(&[], &[(&variable, good)]), run(&[&right], &[(&variable, bad)])]
        {
            assert!(came_through(&ended), "{name}: {ended:?}");
        }
    }
}

#[test]
fn the_seeds_flags_in_the_environment_make_the_server_that_they_say() {
    let home = folder(&[("docs/a.md", "# A")]);
    let mut command = anyport(home.path());
    command.arg("serve").envs([
        ("ANYPORT_TRANSPORT", "stdio,http"),
        ("ANYPORT_HOST", "127.0.0.1"),
        ("ANYPORT_PORT", "0"),
        ("ANYPORT_LOG_LEVEL", "Critical"),
        ("ANYPORT_MAX_CONNECTIONS", "100"),
        ("ANYPORT_TIMEOUT", "30.0"),
        ("ANYPORT_NAME", "By variables"),
    ]);
    let mut program = Program::start(command);
    let server = program.server();
    let discover = modern(1, "server/discover", json!({}));
    for answer in [program.call(&discover), server.post(&discover, &[]).json()] {
        let info = &answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(info["name"], "By variables", "{answer}");
    }
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn a_call_may_take_a_fraction_of_a_second() {
    for (wrong, told) in
        [("0", "30 or 0.5"), ("1e3", "30 or 0.5"), ("86401", "86400 at most"), ("inf", "30 or 0.5")]
    {
        let ended = run(&["--timeout", wrong], &[]);
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{ended:?}");
    }
    // What the program is told to be started with has it too.
    let documents = documents();
    let mut program =
        Program::serve(&["--stdio", "--timeout", "2.5", "--cache", "--docs", documents.to_str().unwrap()]);
    let (_, banner) = program.banner();
    let command: Vec<String> =
        serde_json::from_value(banner["mcpServers"]["anyport"]["args"].clone()).unwrap();
    for pair in [["--timeout", "2.5"], ["--cache", "300"]] {
        assert!(command.windows(2).any(|words| words == pair), "{command:?}");
    }
}
