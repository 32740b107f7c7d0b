//! The cost of a call through `anyport serve --config`, with one upstream and with a hundred: beside the bridge, a reverse proxy
//! of bare hyper and, on request, gateways of other projects. And the time of a list of all tools, and the memory of upstreams and
//! of sessions.
//!
//! All upstreams of a gateway are the same server, each with a connection of its own: what is measured is the gateway.
//!
//! - [`gateways`]: the files that describe the fleet, and the commands that serve them.
//! - [`lists`]: a list of ten thousand tools.
//! - [`memory`]: what an upstream and a session take.
//! - [`neighbours`]: calls beside a server that is dead, hangs, flaps or floods.
//! - [`bad_server`]: such a server.

mod bad_server;
pub(super) mod gateways;
mod lists;
mod memory;
mod neighbours;

use self::gateways::Gateways;
use super::{
    bridge::{
        self, Effort,
        figures::{self, Figures},
        peers::Peers,
        ways::{self, Between, Programs, Ways},
    },
    client::Era,
    figures::Gate,
};
use crate::{Failure, workspace::Workspace};

/// How many upstreams a large fleet has.
const MANY: usize = 100;

/// Measures, and gives what is to be shown and what was promised.
///
/// # Errors
/// When something does not build or start, or gives a wrong answer.
pub(super) fn measure(workspace: &Workspace, effort: Effort) -> Result<(String, Vec<Gate>), Failure> {
    let programs = Programs::build(workspace, effort.profile)?;
    let peers = if effort.peers { Some(Peers::install(workspace)?) } else { None };
    let gateways = Gateways { workspace, programs: &programs };
    let ways = start(&gateways, peers.as_ref())?;
    let mut figures: Vec<Figures> = ways.all.iter().map(Figures::of).collect();
    bridge::measure::waits(&ways, effort.rounds, &mut figures)?;
    bridge::measure::load(&ways, effort.rounds, &mut figures)?;
    let mut notes = ways.absent.clone();
    drop(ways);
    let lists = lists::measure(&gateways, effort.rounds)?;
    let neighbours = neighbours::measure(&gateways)?;
    let memory = memory::measure(&gateways)?;
    bridge::measure::instructions(workspace, &programs, &mut figures, |between, to, own| {
        Ok(match between {
            Between::Bridge(spoken) => Some(ways::bridge(&programs, to, spoken, own)),
            Between::Gateway(upstreams) => Some(gateways.command(upstreams, to, own)?),
            _ => None,
        })
    })?;
    let mut gates = promises(&figures);
    gates.extend([lists.gate()]);
    gates.extend(neighbours.gates());
    if let Some(peers) = peers {
        notes.insert(0, peers.versions()?);
        notes.extend(figures::notes(&figures));
    }
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    let memory = memory.map_or_else(String::new, |memory| memory.table());
    let tables = [figures::table(&figures), notes, lists.table(), neighbours.table(), memory]
        .map(|table| table + "\n");
    Ok((tables.concat(), gates))
}

/// Starts a server, and before it whatever is compared. A bridge and a gateway speak the newest revision with it.
fn start(gateways: &Gateways<'_>, peers: Option<&Peers>) -> Result<Ways, Failure> {
    let (workspace, programs) = (gateways.workspace, gateways.programs);
    let (mut ways, port) = Ways::alone(workspace, programs)?;
    let both = [Era::Modern, Era::Legacy];
    ways.put(workspace, Between::Proxy, &both, |own| ways::proxy(programs, port, own))?;
    let spoken = Era::Modern;
    ways.put(workspace, Between::Bridge(spoken), &both, |own| ways::bridge(programs, port, spoken, own))?;
    for upstreams in [1, MANY] {
        let file = gateways.file(upstreams, port)?;
        ways.put(workspace, Between::Gateway(upstreams), &both, |own| gateways.serve(&file, own))?;
    }
    ways.check()?;
    if let Some(peers) = peers {
        for servers in [1, MANY] {
            let file = gateways.client_file(servers, port)?;
            ways.put_peer(workspace, Between::FastMcpGateway(servers), |own| peers.fastmcp_fleet(&file, own));
        }
        ways.put_context_forge(workspace, peers, port);
    }
    Ok(ways)
}

/// A call through a gateway is to cost what it costs through a bridge, however many upstreams there are.
fn promises(all: &[Figures]) -> Vec<Gate> {
    let mut gates = Vec::new();
    for figures in all.iter().filter(|figures| matches!(figures.between, Between::Gateway(_))) {
        let bridged = all.iter().find(|bridged| {
            matches!(bridged.between, Between::Bridge(_)) && bridged.client == figures.client
        });
        let ratio = bridged.and_then(|bridged| Some(figures.instructions? / bridged.instructions?));
        let name = figures.name();
        gates.push(Gate::new(format!("{name}: instructions / bridge"), ratio, 1.1, 3));
        gates.push(Gate::new(format!("{name}: µs added at p50"), figures::added(all, figures), 350.0, 0));
    }
    gates
}
