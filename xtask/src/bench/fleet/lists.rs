//! The time of `tools/list` when a hundred upstreams have ten thousand tools.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{MANY, gateways::Gateways};
use crate::{
    Failure,
    bench::{
        client::{Client, Era, PATIENCE, Tool},
        figures::{Gate, median, shown},
        procfs,
    },
    process::{self, Server},
};

/// The tools of each upstream.
const TOOLS: usize = 100;
/// Lists, one after the other, in one round.
const LISTS: usize = 50;

/// What a list costs whoever wants all tools at once: a session, whose clients do not all know pages.
pub(super) struct Figures {
    /// Milliseconds that a client waits for the whole list: the median.
    wait: f64,
    /// Milliseconds that the gateway is on a core for it.
    on_core: Option<f64>,
    /// The same for the first page of the newest revision.
    page: f64,
    megabytes: f64,
}

/// Measures.
///
/// # Errors
/// When something does not start, or a list is not whole.
pub(super) fn measure(gateways: &Gateways<'_>, rounds: usize) -> Result<Figures, Failure> {
    let all = MANY * TOOLS;
    eprintln!("{LISTS} lists of {all} tools, {rounds} times");
    let folder = gateways.workspace.target("bench");
    let port = process::free_port()?;
    let mut command = Command::new(&gateways.programs.server);
    command.args(["--port", &port.to_string(), "--tools", &TOOLS.to_string()]);
    let server = Server::start(&mut command, port, &folder.join("upstream.log"))?;
    let own = process::free_port()?;
    let gateway = Server::start(&mut gateways.command(MANY, port, own)?, own, &folder.join("fleet.log"))?;
    let mut whole = Client::connect(own, Era::Legacy, Tool::PrefixedEcho, PATIENCE)?;
    let size = whole.until_listed(all)?;
    let mut first = Client::connect(own, Era::Modern, Tool::PrefixedEcho, PATIENCE)?;
    let (mut waits, mut pages) = (Vec::new(), Vec::new());
    let mut on_core = Duration::ZERO;
    for _ in 0..rounds {
        let before = cpu_time(gateway.pid())?;
        for _ in 0..LISTS {
            waits.push(timed(&mut whole, size)?);
        }
        on_core += cpu_time(gateway.pid())?.saturating_sub(before);
        for _ in 0..LISTS {
            pages.push(timed(&mut first, 1)?);
        }
    }
    drop((gateway, server));
    let each = on_core.as_secs_f64() * 1e3 / (rounds * LISTS) as f64;
    Ok(Figures {
        wait: median(waits),
        on_core: procfs::is_here().then_some(each),
        page: median(pages),
        megabytes: size as f64 / 1e6,
    })
}

/// The milliseconds of a list with at least so many bytes.
fn timed(client: &mut Client, least: usize) -> Result<f64, Failure> {
    let start = Instant::now();
    let size = client.tools()?.len();
    let time = start.elapsed().as_secs_f64() * 1e3;
    if size >= least { Ok(time) } else { Err(format!("a list has {size} bytes instead of {least}").into()) }
}

fn cpu_time(process: u32) -> Result<Duration, Failure> {
    if procfs::is_here() { procfs::cpu_time(process) } else { Ok(Duration::ZERO) }
}

impl Figures {
    pub(super) fn table(&self) -> String {
        let Self { wait, on_core, page, megabytes } = *self;
        format!(
            "| `tools/list` of {MANY} upstreams with {TOOLS} tools each | MB | p50 ms | ms on a core |\n|---|--:|--:|--:|\n\
             | all tools, 2025-11-25 | {} | {} | {} |\n| first page, 2026-07-28 | - | {} | - |\n",
            shown(Some(megabytes), 1),
            shown(Some(wait), 2),
            shown(on_core, 2),
            shown(Some(page), 2),
        )
    }

    pub(super) fn gate(&self) -> Gate {
        Gate::new(format!("tools/list of {} tools, p50 ms", MANY * TOOLS), Some(self.wait), 2.0, 2)
    }
}
