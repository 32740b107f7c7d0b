//! How much time a server's process spends on a call when many clients call at once.

use super::{
    client::{Client, Expected},
    figures::{Figures, median},
    procfs,
    subject::{Running, Subject},
    turn::Turn,
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
    let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| running.client()).collect();
    let (spent, _) = per_call(running.server.pid(), &mut clients?, &running.answer, Turn::of(CALLS))?;
    Ok(spent)
}

/// Lets all `clients` call at once, and returns the microseconds that a process spent on each call, and how many there were.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn per_call(
    process: u32,
    clients: &mut [Client],
    expected: &Expected,
    turn: Turn,
) -> Result<(f64, usize), Failure> {
    let before = procfs::cpu_time(process)?;
    let mut made = 0;
    for ids in turn.ids(3_000_000, clients.len()) {
        made += ids.len();
        // One thread suffices: while the answer to the last call is awaited, those to the others arrive.
        for (client, id) in clients.iter_mut().zip(ids.clone()) {
            client.send(id)?;
        }
        for (client, id) in clients.iter_mut().zip(ids) {
            client.expect(expected, id)?;
        }
    }
    let spent = procfs::cpu_time(process)?.checked_sub(before);
    let spent = spent.ok_or("threads of it ended meanwhile, and their time with them")?;
    Ok((spent.as_secs_f64() * 1e6 / made as f64, made))
}
