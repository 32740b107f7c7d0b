//! Our server against the official conformance suite.
//!
//! The suite runs every scenario that a revision requires and some that it does not; each leaves its checks in a
//! file. We judge from those files, not from what is printed, by the suite's own rule for a list of known
//! failures: a warning counts like a failure, a scenario in which nothing succeeded has not passed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use expected::Expected;
use requirements::Requirements;
use verdict::Verdict;

use crate::{
    Failure,
    process::{self, Server},
    tools::Suite,
    workspace::{Build, Workspace},
};

mod expected;
mod requirements;
mod verdict;

/// The revisions for which the suite has a list of requirements.
const REVISIONS: [&str; 2] = ["2026-07-28", "2025-11-25"];

/// Which part of the suite to run.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    revision: Option<String>,
    scenario: Option<String>,
}

impl Selection {
    /// Reads `[--revision R] [--scenario S]`.
    ///
    /// # Errors
    /// When an option is unknown or lacks its value, or the suite has no requirements for the revision.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, Failure> {
        let mut selection = Self::default();
        for pair in options.chunks(2) {
            match pair {
                ["--revision", revision] if REVISIONS.contains(revision) => {
                    selection.revision = Some((*revision).to_owned());
                }
                ["--revision", revision] => {
                    let known = REVISIONS.join(" and ");
                    return Err(
                        format!("the suite has requirements for {known}, not for `{revision}`").into()
                    );
                }
                ["--scenario", scenario] => selection.scenario = Some((*scenario).to_owned()),
                [option @ ("--revision" | "--scenario")] => {
                    return Err(format!("{option} needs a value").into());
                }
                other => return Err(format!("unknown option `{}`", other.join(" ")).into()),
            }
        }
        Ok(selection)
    }

    fn revisions(&self) -> Vec<&str> {
        self.revision.as_deref().map_or_else(|| REVISIONS.to_vec(), |revision| vec![revision])
    }
}

/// The step of `cargo xtask test`: every revision, with what the suite prints kept in a file.
///
/// # Errors
/// When the server does not build or start, when a scenario fails that `expected-failures.json` does not list, or
/// when one passes that it lists.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace, &Selection::default(), false)
}

/// As [`check`], for a part of the suite and with all that the suite prints.
///
/// # Errors
/// As [`check`].
pub(crate) fn show(workspace: &Workspace, selection: &Selection) -> Result<(), Failure> {
    run(workspace, selection, true)
}

fn run(workspace: &Workspace, selection: &Selection, shown: bool) -> Result<(), Failure> {
    let program = workspace.build(&Build::of("anyport-conformance", "everything_server"))?;
    let suite = Suite::install(workspace)?;
    let expected = Expected::read(&workspace.path("conformance/expected-failures.json"))?;

    let mut wrong = Vec::new();
    for revision in selection.revisions() {
        // A server of its own for each revision: what one run leaves behind must not help or hurt the next.
        let folder = workspace.target("conformance").join(revision);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&folder)?,
        }
        let port = process::free_port()?;
        let mut command = std::process::Command::new(&program);
        command.args(["--port", &port.to_string(), "--era", "both"]);
        let server = Server::start(&mut command, port, &folder.join("server.log"))?;
        let run = Run { suite: &suite, revision, port, folder, shown };

        let outcome = match &selection.scenario {
            Some(scenario) => run.one(scenario),
            None => run.all(&expected),
        };
        if let Err(failure) = outcome {
            println!("{failure}\nmore in {}", workspace.shorten(&run.folder));
            if shown {
                println!("the server wrote:\n{}", server.last_words());
            }
            wrong.push(revision);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as expected: {}", wrong.join(", ")).into()) }
}

/// One run of the suite against a server that listens on `port`.
struct Run<'a> {
    suite: &'a Suite,
    revision: &'a str,
    port: u16,
    /// Receives the suite's results and what it prints.
    folder: PathBuf,
    shown: bool,
}

impl Run<'_> {
    /// Runs what the revision requires and compares with what is expected.
    fn all(&self, expected: &Expected) -> Result<(), Failure> {
        let path = self.suite.requirements(self.revision);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let requirements = Requirements::parse(&text)?;
        self.start(&["--requirements", self.revision])?;

        let results = Verdict::read_all(&self.results())?;
        let judge = |names: &[String]| -> Vec<(String, Verdict)> {
            names.iter().map(|name| (name.clone(), results.get(name).cloned().unwrap_or_default())).collect()
        };
        let (required, others) = (judge(&requirements.required), judge(&requirements.others));
        let passed = |of: &[(String, Verdict)]| of.iter().filter(|(_, verdict)| verdict.passed()).count();
        println!(
            "{}: {} of {} required scenarios, {} of {} others",
            self.revision,
            passed(&required),
            required.len(),
            passed(&others),
            others.len()
        );
        expected.compare(self.revision, &required, &others)
    }

    /// Runs one scenario, whatever is expected of it.
    fn one(&self, scenario: &str) -> Result<(), Failure> {
        self.start(&["--scenario", scenario, "--spec-version", self.revision])?;
        let verdict = Verdict::read_all(&self.results())?.remove(scenario).unwrap_or_default();
        if verdict.passed() { Ok(()) } else { Err(format!("{scenario}: {verdict}").into()) }
    }

    /// The suite's exit code says less than the files it leaves, so it is not looked at.
    fn start(&self, options: &[&str]) -> Result<(), Failure> {
        let url = format!("http://127.0.0.1:{}/mcp", self.port);
        let mut command = self.suite.command("server");
        command
            .args(["--url", &url])
            .args(options)
            .arg("--output-dir")
            .arg(self.results())
            .stdin(Stdio::null());
        if !self.shown {
            let log = File::create(self.folder.join("suite.log"))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        command.status().map_err(|error| format!("cannot start the conformance suite: {error}"))?;
        Ok(())
    }

    fn results(&self) -> PathBuf {
        Path::new(&self.folder).join("results")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_read() {
        let selection = Selection::parse(&["--scenario", "ping", "--revision", "2025-11-25"]).unwrap();
        assert_eq!(selection.revisions(), ["2025-11-25"]);
        assert_eq!(selection.scenario.as_deref(), Some("ping"));
        assert_eq!(Selection::parse(&[]).unwrap().revisions(), REVISIONS);
        for wrong in [&["--revision", "2024-11-05"][..], &["--scenario"], &["--all", "yes"]] {
            assert!(Selection::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
