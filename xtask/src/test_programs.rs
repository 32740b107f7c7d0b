//! The Rust tests: every test program of the workspace, some at once, and the tests in documentation.
//!
//! `cargo test` runs one program after the other, and most of them wait: for children, for sockets, for a clock. Several at once use
//! the machine. A program runs as `cargo test` runs it, in the folder of its package; what it writes is shown when it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde::Deserialize;

use crate::{
    Failure, parallel, process,
    tools::{NatsServers, Postgres},
    workspace::Workspace,
};

/// A line of `cargo test --no-run --message-format=json`; other kinds of message lack these members.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    executable: PathBuf,
    profile: Profile,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    executable: PathBuf,
    /// The folder of its package.
    package: PathBuf,
}

/// Builds and runs all of them.
///
/// # Errors
/// When something does not build, or a test fails; each program in which one does is named.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut build = workspace.cargo();
    build.args([
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    let messages = String::from_utf8(process::stdout(&mut build)?)?;
    let mut programs = programs(&messages);
    // The largest have the most tests, and a long one that begins last is waited for alone.
    programs
        .sort_by_key(|program| fs::metadata(&program.executable).map_or(0, |found| u64::MAX - found.len()));
    let mut servers = NatsServers::install(workspace)?.variables();
    servers.push(Postgres::install(workspace)?.variable());
    // One more than there are processors, since each waits at times, and some for most of theirs.
    let at_once = parallel::processors() + 1;
    let run = |program: &Program| program.run(&servers).err().map(|failure| failure.to_string());
    let failed = parallel::map(&programs, at_once, run);
    let mut failed: Vec<_> = failed.into_iter().flatten().collect();
    // The examples of the macros are compiled in the crate of the server, which stands on them.
    let documentation = ["test", "--workspace", "--locked", "--doc", "--exclude", "anyport-macros"];
    if let Err(failure) = process::run(workspace.cargo().args(documentation)) {
        failed.push(failure.to_string());
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

/// The test programs among the messages of cargo.
fn programs(messages: &str) -> Vec<Program> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let tests = artifacts.filter(|artifact| artifact.profile.test);
    tests
        .map(|artifact| Program {
            package: artifact.manifest_path.parent().unwrap_or(Path::new(".")).to_owned(),
            executable: artifact.executable,
        })
        .collect()
}

impl Program {
    fn run(&self, variables: &[(&str, PathBuf)]) -> Result<(), Failure> {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("cannot start {self}: {error}"))?;
        let text =
            [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
        println!("     Running {self} ({:.0} s)\n{text}", start.elapsed().as_secs_f64());
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{self} ended with {}{}", output.status, failed_tests(&text)).into())
        }
    }
}

/// A line for each test that a program says has failed.
fn failed_tests(text: &str) -> String {
    let failed = text.lines().filter_map(|line| {
        line.strip_prefix("test ")?.split(" ... ").next().filter(|_| line.ends_with("FAILED"))
    });
    failed.map(|name| format!("\n  {name}")).collect()
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [name, package] =
            [&self.executable, &self.package].map(|path| path.file_name().unwrap_or_default());
        write!(f, "{} of {}", name.display(), package.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","executable":null,"profile":{"test":true}}
{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","executable":"/t/a","profile":{"test":false}}
{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","executable":"/t/a-1","profile":{"test":true}}
{"reason":"build-finished","success":true}"#;
        let found = programs(messages);
        assert_eq!(found, [Program { executable: "/t/a-1".into(), package: "/w/a".into() }]);
        assert_eq!(found[0].to_string(), "a-1 of a");
    }

    #[test]
    fn the_tests_that_failed_are_named() {
        let text = "test a::one ... ok\ntest a::two ... FAILED\ntest result: FAILED. 1 passed; 1 failed";
        assert_eq!(failed_tests(text), "\n  a::two");
    }

    #[test]
    fn a_program_that_fails_is_named() {
        let program = |name: &str| Program { executable: name.into(), package: std::env::temp_dir() };
        assert!(program("true").run(&[]).is_ok());
        assert!(program("false").run(&[]).unwrap_err().to_string().starts_with("false of "));
        assert!(program("no-such-program").run(&[]).unwrap_err().to_string().starts_with("cannot start"));
    }
}
