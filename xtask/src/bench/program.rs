//! The program `anyport` as it is published, and statically linked as in the container's image: its size, and what a small gateway
//! takes until its first correct answer.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    bridge::ways::{Between, Programs, Ways},
    client::{Client, Era, PATIENCE},
    figures::{median, shown},
    fleet::gateways::Gateways,
    procfs,
};
use crate::{
    Failure,
    process::{self, Server},
    workspace::{Build, Profile, Workspace},
};

/// A program and what was measured of it.
pub(super) struct Measured {
    name: &'static str,
    bytes: u64,
    /// Milliseconds from the start of the process to the end of its first correct answer.
    first_answer: f64,
    /// The resident memory after that answer, in bytes, where it can be read.
    resident: Option<u64>,
}

/// Builds both programs, checks that the static one needs no interpreter, and starts them `starts` times in turns.
///
/// # Errors
/// When something does not build or start, gives a wrong answer, or is not static.
pub(super) fn measure(workspace: &Workspace, starts: usize) -> Result<Vec<Measured>, Failure> {
    let programs = Programs::build(workspace, Profile::Dist)?;
    let fixed = build(workspace)?;
    is_static(&fixed)?;
    let (ways, port) = Ways::alone(workspace, &programs)?;
    let file = Gateways { workspace, programs: &programs }.file_with("program", port, "")?;
    let files = [("as it is published", programs.anyport.clone()), ("statically linked", fixed)];
    let mut times = vec![Vec::new(); files.len()];
    let mut resident = vec![None; files.len()];
    for _ in 0..starts {
        for (index, (_, program)) in files.iter().enumerate() {
            let started = start(workspace, program, &file)?;
            times[index].push(started.0.as_secs_f64() * 1e3);
            resident[index] = started.1;
        }
    }
    drop(ways);
    let rows = files.into_iter().zip(times).zip(resident);
    rows.map(|(((name, program), times), resident)| {
        let bytes = fs::metadata(program)?.len();
        Ok(Measured { name, bytes, first_answer: median(times), resident })
    })
    .collect()
}

/// Builds the static program.
///
/// # Errors
/// When it does not compile.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    workspace.build(&Build { profile: Profile::Static, ..Build::of("anyport-cli", "anyport") })
}

/// Sees that the kernel starts the program without a loader of libraries, so that it runs in an empty image.
fn is_static(program: &Path) -> Result<(), Failure> {
    let headers =
        process::stdout(Command::new("readelf").args(["--program-headers", "--wide"]).arg(program))?;
    if String::from_utf8_lossy(&headers).contains("INTERP") {
        return Err(format!("{} needs an interpreter: it is not static", program.display()).into());
    }
    Ok(())
}

/// The time of the first answer of a gateway that remembers nothing, and its memory then.
fn start(workspace: &Workspace, program: &Path, file: &Path) -> Result<(Duration, Option<u64>), Failure> {
    let folder = workspace.target("bench");
    let state = folder.join("program-state");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let port = process::free_port()?;
    let mut command = Command::new(program);
    command.args(["serve", "--port", &port.to_string(), "--config"]).arg(file).arg("--state-dir").arg(&state);
    let begin = Instant::now();
    let server =
        Server::start_watched(&mut command, port, &folder.join("program.log"), Duration::from_micros(200))?;
    let tool = Between::Gateway(1).echo();
    let mut client = Client::connect(port, Era::Modern, tool, PATIENCE)?;
    client.learn(tool)?;
    let first_answer = begin.elapsed();
    let resident = procfs::is_here().then(|| procfs::resident(server.pid())).transpose()?;
    Ok((first_answer, resident))
}

/// The figures as a table of Markdown.
pub(super) fn table(measured: &[Measured]) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    let mut out = String::from(
        "| the program | MiB | ms to the first answer through an upstream | MiB resident then |\n|---|---:|---:|---:|\n",
    );
    for Measured { name, bytes, first_answer, resident } in measured {
        let mib = |bytes: u64| Some(bytes as f64 / MIB);
        let (size, resident) = (shown(mib(*bytes), 1), shown(resident.and_then(mib), 1));
        // Writing into a `String` does not fail.
        let _ = writeln!(out, "| {name} | {size} | {} | {resident} |", shown(Some(*first_answer), 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_loader_is_not_static() {
        let own = std::env::current_exe().unwrap();
        assert!(is_static(&own).unwrap_err().to_string().contains("not static"));
    }
}
