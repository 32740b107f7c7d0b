//! Many principals at one gateway, of whom none may get what belongs to another: see `tests/src/canaries/`.

use crate::{
    Failure, process,
    workspace::{Build, Profile, Workspace},
};

/// How many calls are made as a step of the tests, and without a number.
const STEP: &str = "20000";
const ALL: &str = "1000000";

/// Some of it.
///
/// # Errors
/// When something crossed; it is printed.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    search(workspace, Profile::Dev, STEP, None)
}

/// As many calls as `options` say, of optimized programs: `[CALLS]`, and with `--seed N` what each principal did in another run.
///
/// # Errors
/// When something crossed; it is printed.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<(), Failure> {
    let (calls, seed) = parse(options)?;
    search(workspace, Profile::Release, calls, seed)
}

fn search(workspace: &Workspace, profile: Profile, calls: &str, seed: Option<&str>) -> Result<(), Failure> {
    let build = |package, binary| workspace.build(&Build { profile, ..Build::of(package, binary) });
    let (program, canaries) = (build("anyport-cli", "anyport")?, build("anyport-tests", "canaries")?);
    let mut command = std::process::Command::new(canaries);
    command.args(["run", calls]).arg(program).args(seed);
    let (report, ended) = process::output(&mut command)?;
    let report = String::from_utf8_lossy(&report);
    println!("{report}");
    ended.map_err(|failure| format!("{failure}{}", process::violations(&report)).into())
}

fn parse<'a>(options: &[&'a str]) -> Result<(&'a str, Option<&'a str>), Failure> {
    let (calls, seed) = match *options {
        [] => (ALL, None),
        ["--seed", seed] => (ALL, Some(seed)),
        [calls] => (calls, None),
        [calls, "--seed", seed] => (calls, Some(seed)),
        _ => return Err("canaries [CALLS] [--seed N]".into()),
    };
    for number in [Some(calls), seed].into_iter().flatten() {
        let _: u64 = number.parse().map_err(|_| format!("`{number}` is no whole number"))?;
    }
    Ok((calls, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_a_number_of_calls_and_a_seed() {
        assert_eq!(parse(&[]).unwrap(), (ALL, None));
        assert_eq!(parse(&["20", "--seed", "7"]).unwrap(), ("20", Some("7")));
        assert_eq!(parse(&["--seed", "7"]).unwrap(), (ALL, Some("7")));
        for wrong in [&["many"][..], &["20", "7"], &["20", "--seed"], &["20", "--seed", "x"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
