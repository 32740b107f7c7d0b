//! Tools of the tests besides Rust, installed below the target folder and reused until their version changes.
//!
//! A developer needs npm and python3; everything else comes from here, pinned by files in the repository, so that two
//! people never test with different versions.

use std::{fs, io, path::Path, process::Command};

use crate::{Failure, process, workspace::Workspace};

mod javascript;
mod nats;
mod node;
mod postgres;
mod python;
mod suite;
mod supergateway;

pub(crate) use javascript::JavaScript;
pub(crate) use nats::NatsServers;
pub(crate) use postgres::Postgres;
pub(crate) use python::{Packages, Python};
pub(crate) use suite::Suite;
pub(crate) use supergateway::Supergateway;

/// Installs all of it, for whoever has something else to do meanwhile. What fails here fails again, and is reported, where it is
/// needed.
pub(crate) fn install(workspace: &Workspace) {
    let _ = Suite::install(workspace);
    let _ = JavaScript::install(workspace);
    let _ = Python::install(workspace, Packages::Newest);
    let _ = Python::install(workspace, Packages::First);
    let _ = NatsServers::install(workspace);
    let _ = Postgres::install(workspace);
}

/// Sees that `folder` holds what `wanted` describes: if it was made from another description, or not to its end,
/// or `program` is gone from it, it is made again from nothing.
fn keep(
    folder: &Path,
    wanted: &str,
    program: &Path,
    install: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stamp = folder.join("installed.txt");
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("cannot remove {}: {error}", folder.display()).into());
        }
        _ => fs::create_dir_all(folder)?,
    }
    install(folder)?;
    if !program.exists() {
        return Err(format!("the installation ended well but left no {}", program.display()).into());
    }
    // The stamp comes last: an interrupted installation has none.
    Ok(fs::write(stamp, wanted)?)
}

/// Returns the output of `program` with `arguments`, or `None` if there is no such program.
///
/// # Errors
/// When it does not succeed.
pub(crate) fn ask(program: &str, arguments: &[&str]) -> Result<Option<String>, Failure> {
    let mut command = Command::new(program);
    command.args(arguments);
    match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Some(String::from_utf8_lossy(&process::stdout(&mut command)?).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_again_only_when_it_must() {
        let folder = std::env::temp_dir().join(format!("xtask-keep-{}", std::process::id()));
        let program = folder.join("program");
        let mut made = 0;
        let mut keep = |wanted: &str, ends: bool| {
            keep(&folder, wanted, &program, |folder| {
                made += 1;
                assert_eq!(fs::read_dir(folder)?.count(), 0, "nothing of the former one may stay");
                fs::write(folder.join("program"), "")?;
                if ends { Ok(()) } else { Err("interrupted".into()) }
            })
            .is_ok()
            .then_some(made)
        };
        assert_eq!(keep("1", true), Some(1));
        assert_eq!(keep("1", true), Some(1), "nothing changed");
        assert_eq!(keep("2", false), None);
        assert_eq!(keep("2", true), Some(3), "the interrupted one does not count");
        fs::remove_file(&program).unwrap();
        assert_eq!(keep("2", true), Some(4), "the program was gone");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_missing_program_is_no_failure_of_ours() {
        assert_eq!(ask("no-such-program", &[]).unwrap(), None);
    }
}
