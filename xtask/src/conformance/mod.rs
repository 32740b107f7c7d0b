//! Our server, our bridge, our authorization server and our client against the official conformance suite.
//!
//! The suite runs every scenario that a revision requires and some that it does not; each leaves its checks in a
//! file. We judge from those files, not from what is printed, by the suite's own rule for a list of known
//! failures: a warning counts like a failure, a scenario in which nothing succeeded has not passed.
//!
//! # Layout
//! - [`authorization`]: our authorization server, and the browser that signs in there.
//! - [`sets`]: what the suite is run against.
//! - [`tokens`]: the tokens of the suite, for servers that let nobody else call.
//! - [`mod@requirements`], [`verdict`]: what the suite asks for, and what it found out.
//! - [`expected`]: what is known to fail.
//!
//! Invariant: The server, the client and the authorization server pass the official conformance suite, alone, behind a bridge and where callers need tokens,
//! except for the listed scenarios.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use expected::Expected;
use requirements::{Leg, OLD_REVISION, Requirements};
use sets::{Programs, Running, SETS, Set};
use verdict::Verdict;

use crate::{Failure, parallel, tools::Suite, workspace::Workspace};

mod authorization;
mod expected;
mod requirements;
mod sets;
mod tokens;
mod verdict;

/// The revisions for which the suite has a list of requirements.
const REVISIONS: [&str; 2] = ["2026-07-28", "2025-11-25"];

/// Which part of the suite to run.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    set: Option<&'static str>,
    revision: Option<String>,
    scenario: Option<String>,
}

impl Selection {
    /// Reads `[--set S] [--revision R] [--scenario S]`.
    ///
    /// # Errors
    /// When an option is unknown or lacks its value, there is no such set, or the suite has no requirements for the
    /// revision.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, Failure> {
        let mut selection = Self::default();
        for pair in options.chunks(2) {
            match pair {
                ["--set", name] => {
                    let set = SETS.iter().find(|set| set.name == *name).ok_or_else(|| {
                        let known: Vec<_> = SETS.iter().map(|set| set.name).collect();
                        format!("there is no set `{name}`; there are {}", known.join(", "))
                    })?;
                    selection.set = Some(set.name);
                }
                ["--revision", revision] if REVISIONS.contains(revision) || *revision == OLD_REVISION => {
                    selection.revision = Some((*revision).to_owned());
                }
                ["--revision", revision] => {
                    let known = REVISIONS.join(" and ");
                    return Err(
                        format!("the suite has requirements for {known}, not for `{revision}`").into()
                    );
                }
                ["--scenario", scenario] => selection.scenario = Some((*scenario).to_owned()),
                [option @ ("--set" | "--revision" | "--scenario")] => {
                    return Err(format!("{option} needs a value").into());
                }
                other => return Err(format!("unknown option `{}`", other.join(" ")).into()),
            }
        }
        Ok(selection)
    }

    /// The revisions in which `leg` is tried. The suite has scenarios of 2025-03-26 for clients alone, and those for
    /// authorization servers are the same in each revision.
    fn revisions(&self, leg: Leg) -> Vec<&str> {
        let all: &[&str] = match leg {
            Leg::Client => &[REVISIONS[0], REVISIONS[1], OLD_REVISION],
            Leg::Server => &REVISIONS,
            Leg::AuthorizationServer => &REVISIONS[..1],
        };
        all.iter()
            .copied()
            .filter(|revision| self.revision.as_deref().is_none_or(|one| one == *revision))
            .collect()
    }

    fn sets(&self) -> impl Iterator<Item = &'static Set> {
        SETS.iter().filter(|set| self.set.is_none_or(|name| name == set.name))
    }
}

/// The step of `cargo xtask test`: every set and revision, with the suite's output in a file.
///
/// # Errors
/// When a program does not build or start, when a scenario fails that `expected-failures.json` does not list, or
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
    let suite = Suite::install(workspace)?;
    let expected = Expected::read(&workspace.path("conformance/expected-failures.json"))?;
    let mut runs = Vec::new();
    for set in selection.sets() {
        for revision in selection.revisions(set.leg()) {
            let requirements = requirements(&suite, revision, set.leg())?;
            if selection.scenario.as_deref().is_none_or(|scenario| requirements.has(scenario)) {
                runs.push((set, revision, requirements));
            }
        }
    }
    let programs = Mutex::new(Programs::new(workspace, &suite));
    let wrong = parallel::map(&runs, parallel::processors(), |(set, revision, requirements)| {
        let folder = workspace.target("conformance").join(set.name).join(revision);
        let run = Run { suite: &suite, set, revision, folder, shown };
        let outcome = run.of(&programs, selection.scenario.as_deref(), requirements, &expected);
        outcome.err().map(|failure| {
            println!("{failure}\nmore in {}", workspace.shorten(&run.folder));
            format!("{} {revision}", set.name)
        })
    });
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    match &selection.scenario {
        Some(scenario) if runs.is_empty() => {
            Err(format!("there is no scenario `{scenario}` in this selection").into())
        }
        _ if wrong.is_empty() => Ok(()),
        _ => Err(format!("not as expected: {}", wrong.join(", ")).into()),
    }
}

fn requirements(suite: &Suite, revision: &str, leg: Leg) -> Result<Requirements, Failure> {
    if leg == Leg::AuthorizationServer {
        return Ok(Requirements::of_authorization_server());
    }
    if revision == OLD_REVISION {
        return Ok(Requirements::of_old_revision());
    }
    let path = suite.requirements(revision);
    let text =
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Requirements::parse(&text, leg)
}

/// One run of the suite against one set.
struct Run<'a> {
    suite: &'a Suite,
    set: &'a Set,
    revision: &'a str,
    /// Receives the suite's results and what it prints.
    folder: PathBuf,
    shown: bool,
}

impl Run<'_> {
    /// Starts the programs and runs `scenario`, or all that the revision requires.
    fn of(
        &self,
        programs: &Mutex<Programs<'_>>,
        scenario: Option<&str>,
        requirements: &Requirements,
        expected: &Expected,
    ) -> Result<(), Failure> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&self.folder)?,
        }
        // Processes of its own for each run: what one leaves behind must not help or hurt the next. They are started one after
        // the other, so that no two look for a free port at once.
        let running =
            programs.lock().unwrap_or_else(PoisonError::into_inner).start(&self.set.subject, &self.folder)?;
        let outcome = match scenario {
            Some(scenario) => self.one(&running, scenario),
            None => self.all(&running, requirements, expected),
        };
        if self.shown && outcome.is_err() {
            println!("the programs wrote:\n{}", running.last_words());
        }
        outcome
    }

    /// Runs what the revision requires and compares with what is expected.
    fn all(
        &self,
        running: &Running,
        requirements: &Requirements,
        expected: &Expected,
    ) -> Result<(), Failure> {
        match self.revision {
            _ if self.set.leg() == Leg::AuthorizationServer => self.start(running, &[])?,
            OLD_REVISION => {
                for scenario in &requirements.required {
                    self.start(running, &["--scenario", scenario, "--spec-version", self.revision])?;
                }
            }
            revision => self.start(running, &["--requirements", revision])?,
        }

        let results = Verdict::read_all(&self.results(), self.set.leg())?;
        let judge = |names: &[String]| -> Vec<(String, Verdict)> {
            names.iter().map(|name| (name.clone(), results.get(name).cloned().unwrap_or_default())).collect()
        };
        let (required, others) = (judge(&requirements.required), judge(&requirements.others));
        let passed = |of: &[(String, Verdict)]| of.iter().filter(|(_, verdict)| verdict.passed()).count();
        println!(
            "{} {}: {} of {} required scenarios, {} of {} others",
            self.set.name,
            self.revision,
            passed(&required),
            required.len(),
            passed(&others),
            others.len()
        );
        expected.compare(self.set, self.revision, &required, &others)
    }

    /// Runs one scenario, whatever is expected of it.
    fn one(&self, running: &Running, scenario: &str) -> Result<(), Failure> {
        // Extensions belong to no revision.
        match self.set.leg() {
            // The second begins with what the first has found.
            Leg::AuthorizationServer => self.start(running, &[])?,
            _ => {
                self.start(running, &["--scenario", scenario, "--spec-version", self.revision, "--force"])?
            }
        }
        let mut verdicts = Verdict::read_all(&self.results(), self.set.leg())?;
        let verdict = verdicts.remove(scenario).unwrap_or_default();
        if verdict.passed() { Ok(()) } else { Err(format!("{scenario}: {verdict}").into()) }
    }

    /// The suite's exit code says less than the files it leaves, so it is not looked at.
    fn start(&self, running: &Running, options: &[&str]) -> Result<(), Failure> {
        let mut command = self.suite.command(self.set.leg().name());
        match running {
            Running::Server { url, .. } => command.args(["--url", url]),
            // A shell takes it apart.
            Running::Client(program) => command.arg("--command").arg(format!("'{}'", program.display())),
            Running::AuthorizationServer(server) => {
                server.tell(&mut command);
                command.arg("--output-dir").arg(self.results()).stdin(Stdio::null());
                return server.accompany(&mut command, &self.folder.join("suite.log"));
            }
        };
        command.args(options).arg("--output-dir").arg(self.results()).stdin(Stdio::null());
        if !self.shown {
            let log = File::options().create(true).append(true).open(self.folder.join("suite.log"))?;
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
        assert_eq!(selection.revisions(Leg::Client), ["2025-11-25"]);
        assert_eq!(selection.scenario.as_deref(), Some("ping"));
        assert_eq!(selection.sets().count(), SETS.len());
        assert_eq!(Selection::parse(&[]).unwrap().revisions(Leg::Server), REVISIONS);
        assert_eq!(Selection::parse(&[]).unwrap().revisions(Leg::Client).len(), 3);
        let client = Selection::parse(&["--set", "client"]).unwrap();
        assert_eq!(client.sets().map(|set| set.name).collect::<Vec<_>>(), ["client"]);
        for wrong in
            [&["--revision", "2024-11-05"][..], &["--set", "clients"], &["--scenario"], &["--all", "yes"]]
        {
            assert!(Selection::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
