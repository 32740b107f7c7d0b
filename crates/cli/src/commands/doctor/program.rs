//! Whether there is such a program.

use std::{ffi::OsString, path::Path};

use anyhow::Result;

use super::report::Report;
use crate::{
    near::{did_you_mean, programs},
    target::Hidden,
};

/// Looks for the program as the system will when it starts it.
pub(super) fn find(
    report: &mut Report,
    program: &str,
    environment: &[(String, Hidden)],
    cwd: Option<&Path>,
) -> Result<bool> {
    report.begin();
    let given = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| OsString::from(&path.0));
    let path = given.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    match which::which_in(program, Some(&path), cwd.unwrap_or(&here)) {
        Ok(found) => {
            report.ok("path", found.display().to_string())?;
            Ok(true)
        }
        Err(_) => {
            let (problem, help) = missing(program, &path, &cwd.unwrap_or(&here).join(program));
            report.failed("path", problem, help)?;
            Ok(false)
        }
    }
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
