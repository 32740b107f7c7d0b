//! The steps of `cargo xtask test`, in the order in which a mistake shows soonest.

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure, canaries, conformance, interop, process, soak, test_programs, tools, workspace::Workspace,
};

/// One thing that must hold before a change goes in.
struct Step {
    name: &'static str,
    says: &'static str,
    run: fn(&Workspace) -> Result<(), Failure>,
    /// Whether it needs other people's programs.
    installs: bool,
    /// Whether it waits for most of its time, so that the steps after it run meanwhile.
    waits: bool,
}

impl Step {
    const fn new(name: &'static str, says: &'static str, run: fn(&Workspace) -> Result<(), Failure>) -> Self {
        Self { name, says, run, installs: false, waits: false }
    }

    const fn installs(self) -> Self {
        Self { installs: true, ..self }
    }

    const fn waits(self) -> Self {
        Self { waits: true, ..self }
    }
}

const STEPS: &[Step] = &[
    Step::new("fmt", "the code is formatted", fmt),
    Step::new("clippy", "no lint fires, in any target", clippy),
    Step::new("doc", "the documentation builds and its links hold", doc),
    Step::new("test", "every Rust test passes", test_programs::run),
    Step::new("soak", "bridges hold while their servers fail", soak::check).waits(),
    Step::new("canaries", "nothing of one principal reaches another", canaries::check),
    Step::new("conformance", "the official suite finds what it requires", conformance::check).installs(),
    Step::new("interop", "other people's clients and servers work with ours", interop::check).installs(),
];

/// Prints the names of the steps.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:<12} {}", step.name, step.says);
    }
}

/// Runs the steps named in `only` (comma-separated), or all, and ends with the count of those that passed.
///
/// A step that fails does not keep the next from running: one run says everything that is wrong.
///
/// # Errors
/// When `only` names a step that does not exist.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>) -> Result<ExitCode, Failure> {
    let steps = select(only)?;
    let installs = steps.iter().any(|step| step.installs) && steps.iter().any(|step| !step.installs);
    Ok(thread::scope(|scope| {
        // Downloads take little time from the compilers.
        let installing = Mutex::new(installs.then(|| scope.spawn(|| tools::install(workspace))));
        let installing = &installing;
        perform(steps.into_iter().map(|step| {
            let work = Work::new(step.name, step.says, move || {
                let take = || installing.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(installing) = step.installs.then(take).flatten() {
                    installing.join().map_err(|_| "the installation panicked")?;
                }
                (step.run)(workspace)
            });
            if step.waits { work.beside_the_next() } else { work }
        }))
    }))
}

/// Something to do that has a name, and what holds when it was done.
pub(crate) struct Work<'a> {
    name: &'a str,
    says: &'a str,
    run: Box<dyn FnOnce() -> Result<(), Failure> + Send + 'a>,
    is_beside_the_next: bool,
}

/// What came of it.
struct Done<'a> {
    name: &'a str,
    time: Duration,
    failure: Option<String>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        name: &'a str,
        says: &'a str,
        run: impl FnOnce() -> Result<(), Failure> + Send + 'a,
    ) -> Self {
        Self { name, says, run: Box::new(run), is_beside_the_next: false }
    }

    /// The same, but what comes next does not wait for it.
    fn beside_the_next(self) -> Self {
        Self { is_beside_the_next: true, ..self }
    }

    fn perform(self) -> Done<'a> {
        let Self { name, says, run, .. } = self;
        println!("\n==> {name}: {says}");
        let start = Instant::now();
        let failure = run().err().map(|failure| failure.to_string());
        if let Some(failure) = &failure {
            eprintln!("error: {name}: {failure}");
        }
        Done { name, time: start.elapsed(), failure }
    }
}

/// Does it all, and says how long each took and whether it went well.
pub(crate) fn perform<'a>(all: impl IntoIterator<Item = Work<'a>>) -> ExitCode {
    let done = Mutex::new(Vec::new());
    let keep = |one| done.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    thread::scope(|scope| {
        for work in all {
            if work.is_beside_the_next {
                scope.spawn(|| keep(work.perform()));
            } else {
                keep(work.perform());
            }
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("\n{}", summary(&done));
    if done.iter().all(|one| one.failure.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn select(only: Option<&str>) -> Result<Vec<&'static Step>, Failure> {
    let Some(names) = only else { return Ok(STEPS.iter().collect()) };
    let find = |name: &str| {
        STEPS.iter().find(|step| step.name == name).ok_or_else(|| {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            format!("there is no step `{name}`; there are {}", known.join(", ")).into()
        })
    };
    names.split(',').map(str::trim).map(find).collect()
}

/// The failures once more, since they stand far above the end of a long run, then a line for each step, and the count.
fn summary(done: &[Done<'_>]) -> String {
    let mut text = String::new();
    for Done { name, failure, .. } in done {
        if let Some(failure) = failure {
            text += &format!("error: {name}: {failure}\n");
        }
    }
    for Done { name, time, failure } in done {
        let verdict = if failure.is_none() { "passed" } else { "FAILED" };
        text += &format!("{name:<12} {:>7.1} s  {verdict}\n", time.as_secs_f64());
    }
    let failed = done.iter().filter(|one| one.failure.is_some()).count();
    text + &format!("{} passed, {failed} failed\n", done.len() - failed)
}

/// Whether all is formatted.
///
/// # Errors
/// When it is not.
pub(crate) fn fmt(workspace: &Workspace) -> Result<(), Failure> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<(), Failure> {
    let options = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    process::run(workspace.cargo().args(options))?;
    // In the workspace every feature is on; users turn them on one by one.
    for feature in ["", "stdio", "http", "http2", "unix", "websocket", "tls", "axum"] {
        let options = ["clippy", "-p", "anyport", "--no-default-features", "--features", feature];
        process::run(workspace.cargo().args(options).args(["--locked", "--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn doc(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo = workspace.cargo();
    process::run(
        cargo.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_failed_and_counts_the_steps() {
        let failure = Some("all of tests: bridging::one".to_owned());
        let done = [
            Done { name: "fmt", time: Duration::from_millis(1234), failure: None },
            Done { name: "test", time: Duration::from_secs(70), failure },
            Done { name: "doc", time: Duration::ZERO, failure: None },
        ];
        let lines = [
            "error: test: all of tests: bridging::one",
            "fmt              1.2 s  passed",
            "test            70.0 s  FAILED",
            "doc              0.0 s  passed",
            "2 passed, 1 failed",
        ];
        assert_eq!(summary(&done).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn the_next_does_not_wait_for_what_waits() {
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = Work::new("waits", "it is told", move || Ok(told.recv()?)).beside_the_next();
        let next = Work::new("tells", "it tells", move || Ok(tell.send(())?));
        assert_eq!(perform([waiting, next]), ExitCode::SUCCESS);
    }

    #[test]
    fn an_unknown_step_is_named_with_those_there_are() {
        let Err(failure) = select(Some("fmt,lint")) else { panic!("`lint` is no step") };
        assert!(failure.to_string().starts_with("there is no step `lint`; there are fmt, clippy"));
        let names: Vec<_> = select(Some("test, fmt")).unwrap().iter().map(|step| step.name).collect();
        assert_eq!(names, ["test", "fmt"]);
        assert_eq!(select(None).unwrap().len(), STEPS.len());
    }
}
