//! The cost of a call through `anyport bridge`, HTTP to HTTP, in each pair of eras: beside the server alone, a reverse
//! proxy of bare hyper and, on request, proxies of other projects. And the time that the command line adds to the start
//! of a server.
//!
//! Everything is compared within the run, in turns; what a process spends is read as its time on a core, which others on
//! the machine change little, and as instructions, which repeat.

mod commands;
pub(super) mod figures;
pub(super) mod measure;
pub(super) mod peers;
mod stopped;
pub(super) mod ways;

use self::{figures::Figures, peers::Peers, ways::Between};
use super::figures::Gate;
use crate::{
    Failure,
    workspace::{Profile, Workspace},
};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Effort {
    /// How often each way has its turn.
    pub(super) rounds: usize,
    /// How often each command is started.
    pub(super) starts: usize,
    /// Whether other people's proxies have their turns as well.
    pub(super) peers: bool,
    /// How our programs are built.
    pub(super) profile: Profile,
}

/// Measures, and gives what is to be shown and what was promised.
///
/// # Errors
/// When something does not build or start, or gives a wrong answer.
pub(super) fn measure(workspace: &Workspace, effort: Effort) -> Result<(String, Vec<Gate>), Failure> {
    let programs = ways::Programs::build(workspace, effort.profile)?;
    let peers = if effort.peers { Some(Peers::install(workspace)?) } else { None };
    let ways = ways::Ways::start(workspace, &programs, peers.as_ref())?;
    let mut figures: Vec<Figures> = ways.all.iter().map(Figures::of).collect();
    measure::waits(&ways, effort.rounds, &mut figures)?;
    measure::load(&ways, effort.rounds, &mut figures)?;
    measure::large(&ways, effort.rounds, &mut figures)?;
    let mut notes = ways.absent.clone();
    drop(ways);
    let stopped = stopped::measure(workspace, &programs)?;
    measure::instructions(workspace, &programs, &mut figures, |between, to, own| {
        Ok(match between {
            Between::Proxy => Some(ways::proxy(&programs, to, own)),
            Between::Bridge(spoken) => Some(ways::bridge(&programs, to, spoken, own)),
            _ => None,
        })
    })?;
    let commands = commands::measure(&programs, effort.starts)?;
    let mut gates = figures::gates(&figures);
    gates.extend(stopped.iter().map(stopped::Figures::gate));
    gates.extend(commands.gates());
    if let Some(peers) = peers {
        notes.insert(0, peers.versions()?);
        notes.extend(figures::notes(&figures));
    }
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    let stopped = stopped.map_or_else(String::new, |figures| figures.table() + "\n");
    Ok((format!("{}\n{notes}\n{stopped}{}", figures::table(&figures), commands.table()), gates))
}
