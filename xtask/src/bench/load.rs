//! How much time a server's process spends on a call when many clients call at once.

use super::{
    client::Client,
    figures::{Figures, median},
    procfs,
    subject::{Running, Subject},
};
use crate::{Failure, workspace::Workspace};

const CONNECTIONS: usize = 32;

/// Calls per round: about a second of them, since the kernel counts the time of a thread when it leaves the core.
const CALLS: usize = 640 * CONNECTIONS;

/// Measures in `rounds` rounds, in each of which every server has its turn: other work on the machine moves the time
/// of a call by tens of per cent, so only servers that were measured side by side can be compared.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    rounds: usize,
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if !procfs::is_here() {
        eprintln!("no time per call: it is read from /proc, which this system does not have");
        return Ok(());
    }
    eprintln!("{CALLS} calls to every server on {CONNECTIONS} connections, {rounds} times in turns");
    let running: Result<Vec<_>, _> = subjects.iter().map(|subject| subject.start(workspace, &[])).collect();
    let running = running?;
    let mut times = vec![Vec::new(); subjects.len()];
    for round in 0..=rounds {
        for (running, times) in running.iter().zip(&mut times) {
            let time = call(running)?;
            // The first round only warms up.
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

/// Makes [`CALLS`] calls and returns the microseconds that the server spent on each.
fn call(running: &Running) -> Result<f64, Failure> {
    let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| Client::connect(running.port)).collect();
    let mut clients = clients?;
    let before = procfs::cpu_time(running.server.pid())?;
    for first in (3_000_000..3_000_000 + CALLS).step_by(CONNECTIONS) {
        // One thread suffices: while the answer to the last call is awaited, those to the others arrive.
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(first + number)?;
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.expect(&running.answer, first + number)?;
        }
    }
    let spent = procfs::cpu_time(running.server.pid())? - before;
    Ok(spent.as_secs_f64() * 1e6 / CALLS as f64)
}
