//! How the figures are measured.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    caller::{Caller, Era, LARGE, Tool},
    figures::Figures,
    ways::{self, Between, Programs, Way, Ways},
};
use crate::{
    Failure,
    bench::{figures::median, instructions::total, procfs},
    process::{self, Server},
    tools,
    workspace::Workspace,
};

/// Calls one after the other, in one round of one way.
const CALLS: usize = 2_000;
const CONNECTIONS: usize = 32;
/// Calls of many clients at once, likewise: the kernel counts the time of a thread when it leaves the core.
const LOADED: usize = 320 * CONNECTIONS;
/// Calls with large answers, likewise.
const LARGE_CALLS: usize = 64;
const FEW: usize = 200;
const MANY: usize = 700;

/// How long a client waits for an answer when it is the only one: the median call of the median round.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn waits(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    eprintln!("{CALLS} calls on one connection each way, {rounds} times in turns");
    let mut waits = vec![Vec::new(); ways.all.len()];
    for round in 0..=rounds {
        for (way, waits) in ways.all.iter().zip(&mut waits) {
            // Connections that wait for their turn some servers close.
            let wait = way.caller(Tool::Echo).and_then(|mut caller| wait(&mut caller));
            let wait = wait.map_err(|failure| way.fault(&failure))?;
            // The first round only warms up.
            if round > 0 {
                waits.push(wait);
            }
        }
    }
    for (figures, waits) in figures.iter_mut().zip(waits) {
        figures.wait = median(waits);
    }
    Ok(())
}

fn wait(caller: &mut Caller) -> Result<f64, Failure> {
    let mut times = Vec::with_capacity(CALLS);
    for id in 2_000_000..2_000_000 + CALLS {
        let start = Instant::now();
        caller.call(id)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

/// How much time what stands between spends on a call when many clients call at once.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn load(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    if !procfs::is_here() {
        eprintln!("no time per call: it is read from /proc, which this system does not have");
        return Ok(());
    }
    eprintln!("{LOADED} calls on {CONNECTIONS} connections each way, {rounds} times in turns");
    let mut times = vec![Vec::new(); ways.all.len()];
    for round in 0..=rounds {
        for (way, times) in ways.all.iter().zip(&mut times) {
            let time = loaded(way).map_err(|failure| way.fault(&failure))?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    for (figures, times) in figures.iter_mut().zip(times) {
        figures.time = Some(median(times));
    }
    Ok(())
}

fn loaded(way: &Way) -> Result<f64, Failure> {
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        callers.push(way.caller(Tool::Echo)?);
    }
    let before = procfs::cpu_time(way.process)?;
    for first in (3_000_000..3_000_000 + LOADED).step_by(CONNECTIONS) {
        // One thread suffices: while the answer to the last call is awaited, those to the others arrive.
        for (number, caller) in callers.iter_mut().enumerate() {
            caller.send(first + number)?;
        }
        for (number, caller) in callers.iter_mut().enumerate() {
            caller.expect(first + number)?;
        }
    }
    let spent = procfs::cpu_time(way.process)? - before;
    Ok(spent.as_secs_f64() * 1e6 / LOADED as f64)
}

/// How many megabytes of large answers pass in a second, and in a second that what stands between is on a core.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn large(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    eprintln!("{LARGE_CALLS} answers of {LARGE} bytes each way, {rounds} times in turns");
    let mut rates = vec![(Vec::new(), Vec::new()); ways.all.len()];
    for round in 0..=rounds {
        for (way, rates) in ways.all.iter().zip(&mut rates) {
            let mut caller = way.caller(Tool::Large).map_err(|failure| way.fault(&failure))?;
            let before = cpu_time(way)?;
            let start = Instant::now();
            for id in 4_000_000..4_000_000 + LARGE_CALLS {
                caller.call(id).map_err(|failure| way.fault(&failure))?;
            }
            let (passed, spent) = (start.elapsed(), cpu_time(way)?.saturating_sub(before));
            if round > 0 {
                let megabytes = (LARGE_CALLS * LARGE) as f64 / 1e6;
                rates.0.push(megabytes / passed.as_secs_f64());
                rates.1.push(megabytes / spent.as_secs_f64());
            }
        }
    }
    for (figures, (passed, spent)) in figures.iter_mut().zip(rates) {
        figures.large = median(passed);
        figures.large_on_core = procfs::is_here().then(|| median(spent));
    }
    Ok(())
}

fn cpu_time(way: &Way) -> Result<Duration, Failure> {
    if procfs::is_here() { procfs::cpu_time(way.process) } else { Ok(Duration::ZERO) }
}

/// How many instructions the proxy and the bridge need for a call, of their own code: two runs that differ only in the
/// number of calls.
///
/// # Errors
/// When something does not start or gives a wrong answer.
pub(super) fn instructions(
    workspace: &Workspace,
    programs: &Programs,
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if tools::ask("valgrind", &["--version"])?.is_none() {
        eprintln!(
            "no instructions: they are counted by valgrind, which is missing (apt-get install valgrind)"
        );
        return Ok(());
    }
    eprintln!("{FEW} and {MANY} calls through proxy and bridge under valgrind");
    let (server, port) = ways::upstream(workspace, programs)?;
    for figures in figures {
        let command = |own: u16| match figures.between {
            Between::Proxy => Some(ways::proxy(programs, port, own)),
            Between::Bridge(spoken) => Some(ways::bridge(programs, port, spoken, own)),
            _ => None,
        };
        let count = |calls: usize| {
            let own = process::free_port()?;
            let Some(command) = command(own) else { return Ok(None) };
            count(workspace, &command, own, figures.client, calls).map(Some)
        };
        if let (Some(few), Some(many)) = (count(FEW)?, count(MANY)?) {
            let difference = many.checked_sub(few).ok_or("more calls took fewer instructions")?;
            figures.instructions = Some(difference as f64 / (MANY - FEW) as f64);
        }
    }
    drop(server);
    Ok(())
}

fn count(
    workspace: &Workspace,
    command: &Command,
    port: u16,
    client: Era,
    calls: usize,
) -> Result<u64, Failure> {
    // Kept, for `callgrind_annotate`.
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or_default();
    let spoken =
        command.get_args().last().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
    let spoken = if spoken.contains('-') { spoken } else { String::new() };
    let file = format!("{name}.{}.{spoken}.{calls}.callgrind", client.revision());
    let file = workspace.target("bench").join(file);
    let mut below = Command::new("valgrind");
    below.args(["-q", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
    below.arg(command.get_program()).args(command.get_args());
    let log = workspace.target("bench").join("valgrind.log");
    let running = Server::start(&mut below, port, &log)?;
    let mut caller = Caller::connect(port, client, Tool::Echo)?;
    for id in 0..calls {
        caller.call(1_000_001 + id)?;
    }
    drop(caller);
    // It writes the file when it ends, which it must therefore be let do.
    running.terminate()?;
    let counted = total(&file);
    if counted.is_err() && !fs::exists(&file)? {
        return Err(format!("valgrind wrote no {}", file.display()).into());
    }
    counted
}
