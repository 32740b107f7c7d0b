//! Where a program is, or why it is not.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use anyport_protocol::suggest::did_you_mean;

use crate::target::SecretValue;

/// Why there is no such program.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) problem: String,
    /// The advice.
    pub(crate) help: String,
}

/// Looks for the program as the system will when it starts it.
pub(crate) fn find(
    program: &str,
    environment: &[(String, SecretValue)],
    cwd: Option<&Path>,
) -> Result<PathBuf, Missing> {
    let given = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| OsString::from(&path.0));
    let path = given.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let here = cwd.unwrap_or(&here);
    which::which_in(program, Some(&path), here).map_err(|_| {
        let (problem, help) = missing(program, &path, &here.join(program));
        Missing { problem, help }
    })
}

fn missing(program: &str, path: &OsString, file: &Path) -> (String, String) {
    if Path::new(program).components().count() > 1 {
        return match file.exists() {
            true => (format!("{program} is no program that may be run"), format!("chmod +x {program}")),
            false => (format!("there is no file {program}"), "correct the path".into()),
        };
    }
    let help = did_you_mean(program, programs(path).iter().map(String::as_str));
    let install = match program {
        "npx" | "npm" | "node" => "install Node.js, or add its folder to PATH",
        "uvx" | "uv" => "install uv, or add its folder to PATH",
        _ => "install it, or give its whole path",
    };
    (
        format!("{program} is in no folder of PATH"),
        help.map_or_else(|| install.to_owned(), |near| format!("{near} else {install}")),
    )
}

/// The names of the programs in the folders of `path`.
pub(crate) fn programs(path: &OsStr) -> Vec<String> {
    let folders = env::split_paths(path).filter_map(|folder| fs::read_dir(folder).ok());
    let names = folders.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
