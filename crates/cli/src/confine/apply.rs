use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::confinement::{Confinement, Sandbox, WORD};

/// The exit code of a program that could not be started, as shells have it.
const NOT_STARTED: u8 = 126;
/// The seconds that a program has after `SIGXCPU` before it is killed.
const AFTER_CPU: u64 = 5;

/// If this process is to become another program, confines itself and becomes it. Returns only if that is not so, or cannot be.
pub(crate) fn is_this() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let why = become_program(words);
    // Its standard error is what errors of the server quote.
    let _ = writeln!(io::stderr(), "anyport: {why}");
    Some(ExitCode::from(NOT_STARTED))
}

/// Returns why it could not become the program.
fn become_program(mut words: impl Iterator<Item = OsString>) -> String {
    let confinement = words.next().and_then(|text| serde_json::from_str(text.to_str()?).ok());
    let (Some(confinement), Some(program)) = (confinement, words.next()) else {
        return "this command is for anyport itself".to_owned();
    };
    if let Err(why) = confine(&confinement, &program) {
        return why;
    }
    let error = Command::new(&program).args(words).exec();
    format!("{} could not be started: {error}", program.display())
}

fn confine(confinement: &Confinement, program: &OsString) -> Result<(), String> {
    let Confinement { memory, cpu_seconds, open_files, processes, sandbox } = confinement;
    // The sandbox first: opening its folders takes more files than a program may be allowed.
    if let Some(sandbox) = sandbox {
        enter(sandbox, program)?;
    }
    // Address space would be the wrong measure: what reserves much of it and uses little, such as Node.js and Go, would not start.
    let memory_resource = if cfg!(target_os = "linux") { Resource::Data } else { Resource::As };
    for (name, resource, value, most) in [
        ("open_files", Resource::Nofile, open_files, 0),
        ("processes", Resource::Nproc, processes, 0),
        ("cpu_seconds", Resource::Cpu, cpu_seconds, AFTER_CPU),
        ("memory", memory_resource, memory, 0),
    ] {
        let Some(value) = *value else { continue };
        let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit =
            Rlimit { current: Some(value.min(hard)), maximum: Some(value.saturating_add(most).min(hard)) };
        match setrlimit(resource, limit) {
            Ok(()) => {}
            // Some systems have no such limit.
            Err(error) if name == "memory" && !cfg!(target_os = "linux") => {
                warn(&format!("its limit `memory` is not set: {error}"));
            }
            Err(error) => return Err(format!("its limit `{name}` cannot be set: {error}")),
        }
    }
    Ok(())
}

fn warn(text: &str) {
    // Nobody may read it.
    let _ = writeln!(io::stderr(), "anyport: warning: {text}");
}

/// Enters the sandbox. Where the system has none, that is an error or a warning, as `sandbox` says.
fn enter(sandbox: &Sandbox, program: &OsString) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    let missing = super::sandbox::enter(sandbox, program)?;
    #[cfg(not(target_os = "linux"))]
    let missing = {
        let _ = program;
        Some("there is Landlock on Linux alone")
    };
    match missing {
        None => Ok(()),
        Some(missing) if sandbox.is_required => {
            Err(format!("its sandbox is `required`, and cannot be had: {missing}"))
        }
        Some(missing) => {
            warn(&format!("its sandbox is not complete: {missing}"));
            Ok(())
        }
    }
}
