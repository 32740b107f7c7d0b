//! How the figures are measured.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    figures::{Figures, Step},
    ways::{self, Between, Programs, Way, Ways},
};
use crate::{
    Failure,
    bench::{
        client::{Client, Era, Expected, LARGE, PATIENCE, Tool},
        figures::median,
        instructions, load, procfs,
        turn::Turn,
    },
    process::{self, Server},
    workspace::Workspace,
};

/// Calls one after the other, in one round of one way.
const CALLS: usize = 2_000;
const CONNECTIONS: usize = 32;
/// Calls of many clients at once, likewise: the kernel counts the time of a thread when it leaves the core.
const LOADED: usize = 320 * CONNECTIONS;
/// Calls with large answers, likewise.
const LARGE_CALLS: usize = 64;
/// Calls that warm up, and calls whose instructions are counted.
const COUNTED: [usize; 2] = [200, 500];

/// How long a client waits for an answer when it is the only one: the median call of the median round.
///
/// # Errors
/// When an answer of ours is wrong.
pub(in crate::bench) fn waits(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    eprintln!("{CALLS} calls on one connection each way, {rounds} times in turns");
    let waits = turns(ways, rounds, figures, Step::Wait, |way, _| {
        // Connections that wait for their turn some servers close.
        let echo = way.between.echo();
        let mut client = way.client(echo)?;
        let (expected, mut times) = (Expected::Says(echo), Vec::with_capacity(CALLS));
        for id in Turn::within(CALLS, way.between.time()).ids(2_000_000, 1).flatten() {
            let start = Instant::now();
            client.call(&expected, id)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        client.close()?;
        let made = times.len();
        Ok((median(times), made))
    })?;
    for (figures, waits) in figures.iter_mut().zip(waits) {
        figures.wait = middle(waits);
    }
    Ok(())
}

/// How much time what stands between spends on a call when many clients call at once.
///
/// # Errors
/// When an answer of ours is wrong.
pub(in crate::bench) fn load(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    if !procfs::is_here() {
        eprintln!("no time per call: it is read from /proc, which this system does not have");
        return Ok(());
    }
    eprintln!("{LOADED} calls on {CONNECTIONS} connections each way, {rounds} times in turns");
    let times = turns(ways, rounds, figures, Step::Load, |way, figures| {
        let connections = connections(way, figures.wait);
        let echo = way.between.echo();
        let clients: Result<Vec<_>, _> = (0..connections).map(|_| way.client(echo)).collect();
        let mut clients = clients?;
        let turn = Turn::within(LOADED, way.between.time());
        let counted = load::per_call(way.process, &mut clients, &Expected::Says(echo), turn)?;
        clients.into_iter().try_for_each(Client::close)?;
        Ok(counted)
    })?;
    for (figures, times) in figures.iter_mut().zip(times) {
        figures.time = middle(times);
    }
    Ok(())
}

/// How many call at once: where a lone call takes `wait` microseconds, so many that they all have several calls in a turn.
fn connections(way: &Way, wait: Option<f64>) -> usize {
    let Some(time) = way.between.time() else { return CONNECTIONS };
    let calls = wait.map_or(0.0, |wait| time.as_secs_f64() * 1e6 / wait);
    (1..CONNECTIONS).find(|&connections| (connections + 1) as f64 * SEVERAL > calls).unwrap_or(CONNECTIONS)
}

/// The least number of calls of a client in a turn, roughly.
const SEVERAL: f64 = 8.0;

/// How many megabytes of large answers pass in a second, and in a second that what stands between is on a core.
///
/// # Errors
/// When an answer of ours is wrong.
pub(in crate::bench) fn large(ways: &Ways, rounds: usize, figures: &mut [Figures]) -> Result<(), Failure> {
    eprintln!("{LARGE_CALLS} answers of {LARGE} bytes each way, {rounds} times in turns");
    let rates = turns(ways, rounds, figures, Step::Large, |way, _| {
        let mut client = way.client(Tool::Large)?;
        let (expected, mut made) = (Expected::Says(Tool::Large), 0);
        let (before, start) = (cpu_time(way)?, Instant::now());
        for id in Turn::within(LARGE_CALLS, way.between.time()).ids(4_000_000, 1).flatten() {
            client.call(&expected, id)?;
            made += 1;
        }
        let (passed, spent) = (start.elapsed(), cpu_time(way)?.saturating_sub(before));
        client.close()?;
        let megabytes = (made * LARGE) as f64 / 1e6;
        Ok(((megabytes / passed.as_secs_f64(), megabytes / spent.as_secs_f64()), made))
    })?;
    for (figures, rates) in figures.iter_mut().zip(rates) {
        let (passed, spent) = rates.into_iter().unzip();
        figures.large = middle(passed);
        figures.large_on_core = middle(spent).filter(|_| procfs::is_here());
    }
    Ok(())
}

fn cpu_time(way: &Way) -> Result<Duration, Failure> {
    if procfs::is_here() { procfs::cpu_time(way.process) } else { Ok(Duration::ZERO) }
}

/// Gives each way its turn, so often and once more before, to warm up; returns what the turns of each measured. A turn also
/// says how many calls it had. Where something of other people's fails that is noted, and it has no more turns.
fn turns<T>(
    ways: &Ways,
    rounds: usize,
    figures: &mut [Figures],
    step: Step,
    turn: impl Fn(&Way, &Figures) -> Result<(T, usize), Failure>,
) -> Result<Vec<Vec<T>>, Failure> {
    let mut measured: Vec<Vec<T>> = ways.all.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for ((way, measured), figures) in ways.all.iter().zip(&mut measured).zip(&mut *figures) {
            if figures.failed(step) {
                continue;
            }
            match turn(way, figures) {
                Ok((value, made)) if round > 0 => {
                    measured.push(value);
                    figures.made(step, made);
                }
                Ok(_) => {}
                Err(failure) if way.between.is_peer() => {
                    measured.clear();
                    figures.fail(step, &failure);
                }
                Err(failure) => return Err(way.fault(&failure)),
            }
        }
    }
    Ok(measured)
}

/// The median, if there is anything.
fn middle(values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| median(values))
}

/// How many instructions the programs that `command` makes need for a call, of their own code. `command` takes what stands
/// between, the port of the server and its own port.
///
/// # Errors
/// When something does not start or gives a wrong answer.
pub(in crate::bench) fn instructions(
    workspace: &Workspace,
    programs: &Programs,
    figures: &mut [Figures],
    command: impl Fn(Between, u16, u16) -> Result<Option<Command>, Failure>,
) -> Result<(), Failure> {
    if !instructions::can_be_counted()? {
        return Ok(());
    }
    eprintln!("{} calls through each of ours under valgrind", COUNTED[1]);
    let (server, port) = ways::upstream(workspace, programs)?;
    for figures in figures {
        let (between, echo) = (figures.between, figures.between.echo());
        if command(between, port, process::free_port()?)?.is_none() {
            continue;
        }
        let name = figures.file_name();
        let each = instructions::per_call(workspace, &name, COUNTED, |valgrind| {
            let own = process::free_port()?;
            let command = command(between, port, own)?.ok_or("no command")?;
            let log = workspace.target("bench").join("valgrind.log");
            let running = Server::start(&mut process::below(valgrind, &command), own, &log)?;
            let connect = |era| Client::with_headers(own, &figures.headers, era, echo, PATIENCE);
            let mut client = connect(figures.client)?;
            // What a gateway does to know its upstreams is no part of a call.
            if matches!(between, Between::Gateway(_) | Between::Protected(_)) {
                client.tools()?;
            }
            if let Between::Gateway(upstreams) = between {
                let mut other = connect(Era::Legacy)?;
                other.until_listed(upstreams * ways::TOOLS)?;
            }
            Ok((running, client, Expected::Says(echo)))
        })?;
        figures.instructions = Some(each);
    }
    drop(server);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(between: Between) -> Way {
        Way { between, client: Era::Legacy, port: 1, headers: String::new(), process: 1 }
    }

    #[test]
    fn what_a_peer_cannot_do_costs_it_that_step_and_nobody_else_a_turn() {
        let ways = Ways::of(vec![way(Between::FastMcp), way(Between::Bridge(Era::Legacy))]);
        let mut figures: Vec<_> = ways.all.iter().map(Figures::of).collect();
        let of_peers = |way: &Way, _: &Figures| match way.between.is_peer() {
            true => Err("it hangs".into()),
            false => Ok((1.0, 7)),
        };
        let measured = turns(&ways, 3, &mut figures, Step::Load, of_peers).unwrap();
        assert_eq!(measured, [vec![], vec![1.0; 3]]);
        assert!(figures[0].failed(Step::Load) && !figures[0].failed(Step::Large));
        assert!(!figures[1].failed(Step::Load));

        let of_ours = |way: &Way, _: &Figures| match way.between.is_peer() {
            true => Ok((1.0, 7)),
            false => Err("it hangs".into()),
        };
        let failure = turns(&ways, 3, &mut figures, Step::Large, of_ours).unwrap_err().to_string();
        assert_eq!(failure, "2025-11-25 to 2025-11-25, bridge: it hangs");
    }

    #[test]
    fn few_call_at_once_what_is_slow() {
        let connections = |between, wait| connections(&way(between), wait);
        assert_eq!(connections(Between::FastMcp, Some(100_000.0)), 3);
        assert_eq!(connections(Between::FastMcp, Some(100.0)), CONNECTIONS);
        assert_eq!(connections(Between::FastMcp, Some(10_000_000.0)), 1);
        assert_eq!(connections(Between::FastMcp, None), 1, "it did not even answer one");
        assert_eq!(
            connections(Between::Proxy, Some(100_000.0)),
            CONNECTIONS,
            "ours and the floor have no limit"
        );
    }
}
