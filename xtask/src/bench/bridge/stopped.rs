//! The calls of clients whose program runs, while the program of others is stopped (SIGSTOP).
//!
//! `anyport bridge` has one server. In front of a program of the older era it runs one for all clients that declare the
//! same capabilities. So clients that declare something else have a program of their own: it is stopped with calls open, and
//! the others go on in the same process, through the same listener and limits.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::json;

use super::ways::{self, Programs};
use crate::{
    Failure,
    bench::{
        client::{Client, Era, Expected, Tool},
        figures::{Gate, p99, shown},
        procfs,
    },
    process::{self, Server},
    workspace::Workspace,
};

/// Clients whose calls the stopped program leaves open.
const STUCK: usize = 32;
/// Calls one after the other, with and without a stopped program, in each turn.
const CALLS: usize = 500;
/// Calls before them that are not measured: those that will be stuck are on their way to the program meanwhile.
const WARM_UP: usize = 100;
/// Turns. They are short and many, since other work on the machine makes the slowest calls, and is to meet both alike.
const TURNS: usize = 60;

/// The time in microseconds that 99 of 100 calls take at most, of all turns.
pub(super) struct Figures {
    running: f64,
    stopped: f64,
}

/// Measures, in turns; `None` where the system does not tell the children of a process.
///
/// # Errors
/// When the bridge does not start, or an answer is wrong.
pub(super) fn measure(workspace: &Workspace, programs: &Programs) -> Result<Option<Figures>, Failure> {
    if !procfs::is_here() {
        eprintln!("no calls beside a stopped program: it is found in /proc, which this system does not have");
        return Ok(None);
    }
    eprintln!("{CALLS} calls beside {STUCK} of a stopped program, and without it, {TURNS} times in turns");
    let port = process::free_port()?;
    let log = workspace.target("bench").join("stopped.log");
    let bridge = Server::start(&mut ways::bridge_to_program(programs, port, Era::Legacy), port, &log)?;
    let other = json!({"sampling": {}});
    let stuck: Result<Vec<_>, _> = (0..STUCK).map(|_| Client::declaring(port, &other, Tool::Echo)).collect();
    let mut stuck = stuck?;
    let echoes = Expected::Says(Tool::Echo);
    stuck.iter_mut().try_for_each(|client| client.call(&echoes, FIRST))?;
    let run_by_bridge = || procfs::children(bridge.pid(), &programs.server);
    let [program] = run_by_bridge()?[..] else {
        return Err("clients that declare the same do not share a program".into());
    };
    let mut client = Client::declaring(port, &json!({}), Tool::Echo)?;
    client.call(&echoes, FIRST)?;
    if run_by_bridge()?.len() != 2 {
        return Err("a client that declares something else has no program of its own".into());
    }
    let (mut running, mut stopped) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        call(&mut client, &echoes, &mut running)?;
        let held = Stopped::new(program)?;
        stuck.iter_mut().try_for_each(|client| client.send(FIRST))?;
        call(&mut client, &echoes, &mut stopped)?;
        drop(held);
        stuck.iter_mut().try_for_each(|client| client.expect(&echoes, FIRST))?;
    }
    Ok(Some(Figures { running: p99(running), stopped: p99(stopped) }))
}

impl Figures {
    pub(super) fn table(&self) -> String {
        let Self { running, stopped } = *self;
        format!(
            "| calls through one bridge | p99 µs | × |\n|---|--:|--:|\n\
             | all programs run | {} | {} |\n| beside {STUCK} calls of a stopped program | {} | {} |\n",
            shown(Some(running), 0),
            shown(Some(1.0), 2),
            shown(Some(stopped), 0),
            shown(Some(stopped / running), 2),
        )
    }

    pub(super) fn gate(&self) -> Gate {
        let ratio = self.stopped / self.running;
        Gate::new("p99 beside a stopped program, ×".into(), Some(ratio), 1.2, 2)
    }
}

/// Makes the calls of a turn, and adds the microseconds of each to `times`.
fn call(client: &mut Client, expected: &Expected, times: &mut Vec<f64>) -> Result<(), Failure> {
    for number in 0..WARM_UP + CALLS {
        let start = Instant::now();
        client.call(expected, FIRST + number)?;
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(())
}

const FIRST: usize = 5_000_000;

/// A process that is stopped until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(process: u32) -> Result<Self, Failure> {
        signal("STOP", process)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = signal("CONT", self.0);
    }
}

fn signal(name: &str, process: u32) -> Result<(), Failure> {
    let mut kill = Command::new("kill");
    let status = kill.args([format!("-{name}"), process.to_string()]).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("process {process} does not take SIG{name}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_take_a_fifth_longer() {
        assert_eq!(p99((1..=200).map(f64::from).collect()), 199.0);
        let figures = Figures { running: 100.0, stopped: 119.0 };
        assert!(figures.gate().passed());
        assert!(figures.table().ends_with("| beside 32 calls of a stopped program | 119 | 1.19 |\n"));
        assert!(!Figures { stopped: 121.0, ..figures }.gate().passed());
    }
}
