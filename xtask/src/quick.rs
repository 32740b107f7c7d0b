//! What `cargo xtask test --quick` does: what a change most likely breaks, and no more than one waits for while working.
//!
//! Clippy looks at the whole workspace, with the features that the other steps build it with: it looks again only at what has
//! changed, and at what uses that. Tests are run of the packages alone whose files differ from `main`, the tests of those that
//! use them are left to `cargo xtask test`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{
    Failure, circles, process,
    steps::{Work, fmt, perform},
    workspace::Workspace,
};

/// The package whose tests hold the documents that stand in no package.
const DOCUMENTS: &str = "anyport-tests";

/// What differs from `main`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changed {
    packages: BTreeSet<String>,
    /// Whether a document does that stands in no package.
    documents: bool,
}

/// Runs it.
///
/// # Errors
/// When git cannot say what has changed.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode, Failure> {
    let changed = Changed::of(files(workspace)?, |file| workspace.package_of(file).map(str::to_owned));
    let mut work = vec![
        Work::new("fmt", "the code is formatted", || fmt(workspace)),
        Work::new("circles", "no file joins a circle", || circles::check(&workspace.path("crates"))),
        Work::new("clippy", "no lint fires, in any target", || lint(workspace)),
    ];
    for package in &changed.packages {
        work.push(Work::new(package, "its tests pass", || test(workspace, package, &[])));
    }
    if changed.documents && !changed.packages.contains(DOCUMENTS) {
        let run = || test(workspace, DOCUMENTS, &["--test", "all", "--", "book::", "documents::"]);
        work.push(Work::new("documents", "the book is true", run));
    }
    let code = perform(work);
    println!(
        "left out: doc, conformance, interop, and the tests of what uses what has changed; `cargo xtask test` runs all"
    );
    Ok(code)
}

impl Changed {
    fn of(files: impl IntoIterator<Item = PathBuf>, package: impl Fn(&Path) -> Option<String>) -> Self {
        let mut changed = Self::default();
        for file in files {
            match package(&file) {
                Some(package) => drop(changed.packages.insert(package)),
                None => changed.documents |= file.extension().is_some_and(|extension| extension == "md"),
            }
        }
        changed
    }
}

/// The files that differ from where the branch left `main`, committed or not.
fn files(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    let known = git(
        workspace,
        &["for-each-ref", "--format=%(refname)", "refs/heads/main", "refs/remotes/origin/main"],
    )?;
    // Sorted: that of `origin` is the last.
    let main = known
        .lines()
        .last()
        .ok_or("git knows neither `main` nor `origin/main`, which files are compared with")?;
    let base = git(workspace, &["merge-base", "HEAD", main])?;
    let mut names = git(workspace, &["diff", "--name-only", "-z", base.trim()])?;
    names += &git(workspace, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

fn git(workspace: &Workspace, arguments: &[&str]) -> Result<String, Failure> {
    let said = process::stdout(Command::new("git").arg("-C").arg(workspace.path("")).args(arguments))?;
    Ok(String::from_utf8(said)?)
}

fn lint(workspace: &Workspace) -> Result<(), Failure> {
    let options = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    process::run(workspace.cargo().args(options))
}

fn test(workspace: &Workspace, package: &str, options: &[&str]) -> Result<(), Failure> {
    process::run(workspace.cargo().args(["test", "--locked", "--package", package]).args(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_packages_and_documents() {
        let files =
            ["crates/server/src/lib.rs", "crates/server/Cargo.toml", "xtask/src/main.rs", "Cargo.lock"];
        let package = |file: &Path| {
            let names = [("crates/server", "anyport-server"), ("xtask", "xtask")];
            names.iter().find(|(folder, _)| file.starts_with(folder)).map(|(_, name)| (*name).to_owned())
        };
        let changed = Changed::of(files.map(PathBuf::from), package);
        assert_eq!(changed.packages.iter().collect::<Vec<_>>(), ["anyport-server", "xtask"]);
        assert!(!changed.documents);
        let changed = Changed::of(["docs/cli.md"].map(PathBuf::from), package);
        assert_eq!(changed, Changed { packages: BTreeSet::new(), documents: true });
    }
}
