//! The calls to nineteen healthy servers while clients call a twentieth one, which is dead, hangs, flaps or floods.
//!
//! Each kind has a gateway of its own. They have their turns one after the other, and the first of them has a healthy server in
//! the place of the bad one, which is called as often: what differs is the fault alone.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    bad_server::{self, Fault},
    gateways::Gateways,
};
use crate::{
    Failure,
    bench::{
        bridge::ways,
        client::{Client, Era, Expected, PATIENCE, Tool, abandoned_call},
        figures::{Gate, p99, shown},
    },
    process::{self, Server, sleep},
};

/// The healthy servers.
const HEALTHY: usize = 19;
/// Clients that call the bad server, each again and again.
const CALLERS: usize = 8;
/// How long such a client waits for the end of its call, and between two calls.
const WAIT: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(20);
/// Calls to the healthy servers in each turn: those that are not measured, and those that are.
const WARM_UP: usize = 95;
const CALLS: usize = 570;
/// Turns. They are short and many, since other work on the machine makes the slowest calls, and is to meet all alike.
const TURNS: usize = 20;

/// The microseconds that 99 of 100 calls to the healthy servers take at most, by what is wrong with the other one.
pub(super) struct Figures(Vec<(Fault, f64)>);

/// A gateway before the healthy servers and one other.
struct Fleet {
    fault: Fault,
    port: u16,
    times: Vec<f64>,
    _gateway: Server,
}

/// Measures.
///
/// # Errors
/// When something does not start, or a call to a healthy server fails.
pub(super) fn measure(gateways: &Gateways<'_>) -> Result<Figures, Failure> {
    eprintln!("{CALLS} calls to {HEALTHY} servers beside a bad one of each kind, {TURNS} times in turns");
    let (server, port) = ways::upstream(gateways.workspace, gateways.programs)?;
    let fleets: Result<Vec<_>, _> =
        Fault::ALL.into_iter().map(|fault| Fleet::start(gateways, fault, port)).collect();
    let mut fleets = fleets?;
    for turn in 0..=TURNS {
        for fleet in &mut fleets {
            let times = fleet.turn().map_err(|failure| {
                format!("a healthy server beside one that is {}: {failure}", fleet.fault.name())
            })?;
            // The first one only warms up.
            if turn > 0 {
                fleet.times.extend(times);
            }
        }
    }
    let figures = fleets.iter_mut().map(|fleet| (fleet.fault, p99(std::mem::take(&mut fleet.times))));
    let figures = Figures(figures.collect());
    drop((fleets, server));
    Ok(figures)
}

impl Fleet {
    fn start(gateways: &Gateways<'_>, fault: Fault, healthy: u16) -> Result<Self, Failure> {
        let file = gateways.file_with_bad(HEALTHY, healthy, fault.name(), bad_server::start(fault)?)?;
        let port = process::free_port()?;
        let log = gateways.workspace.target("bench").join(format!("beside-{}.log", fault.name()));
        let gateway = Server::start(&mut gateways.serve(&file, port), port, &log)?;
        let of_bad = usize::from(fault != Fault::Dead);
        let mut client = Client::connect(port, Era::Legacy, Tool::Echo, PATIENCE)?;
        client.until_listed(HEALTHY * ways::TOOLS + of_bad)?;
        client.close()?;
        Ok(Self { fault, port, times: Vec::new(), _gateway: gateway })
    }

    /// Calls the healthy servers while others call the bad one, and returns the microseconds of each call.
    fn turn(&self) -> Result<Vec<f64>, Failure> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        // Whatever becomes of it.
                        let _ = abandoned_call(self.port, Tool::Bad, WAIT);
                        sleep(PAUSE);
                    }
                });
            }
            let times = self.calls();
            over.store(true, Ordering::Relaxed);
            times
        })
    }

    fn calls(&self) -> Result<Vec<f64>, Failure> {
        let tools = (0..HEALTHY).map(Tool::EchoOf);
        let clients = tools.map(|tool| {
            Client::connect(self.port, Era::Modern, tool, PATIENCE)
                .map(|client| (client, Expected::Says(tool)))
        });
        let mut clients = clients.collect::<Result<Vec<_>, _>>()?;
        let mut times = Vec::with_capacity(CALLS);
        for number in 0..WARM_UP + CALLS {
            let (client, expected) = &mut clients[number % HEALTHY];
            let start = Instant::now();
            client.call(expected, FIRST + number)?;
            if number >= WARM_UP {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(times)
    }
}

const FIRST: usize = 6_000_000;

impl Figures {
    /// What is wrong with the bad server, the p99, and its ratio to that beside a healthy one.
    fn rows(&self) -> impl Iterator<Item = (Fault, f64, f64)> {
        let without =
            self.0.iter().find(|(fault, _)| *fault == Fault::Nothing).map_or(f64::NAN, |(_, p99)| *p99);
        self.0.iter().map(move |&(fault, p99)| (fault, p99, p99 / without))
    }

    pub(super) fn table(&self) -> String {
        let rows = self.rows().map(|(fault, p99, ratio)| {
            format!("| {} | {} | {} |\n", fault.name(), shown(Some(p99), 0), shown(Some(ratio), 2))
        });
        let rows: String = rows.collect();
        format!("| calls to {HEALTHY} servers beside one that is | p99 µs | × |\n|---|--:|--:|\n{rows}")
    }

    pub(super) fn gates(&self) -> Vec<Gate> {
        let bad = self.rows().filter(|(fault, ..)| *fault != Fault::Nothing);
        bad.map(|(fault, _, ratio)| {
            Gate::new(format!("p99 beside a server that is {}, ×", fault.name()), Some(ratio), 1.2, 2)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_take_a_fifth_longer() {
        let figures = Figures(vec![(Fault::Nothing, 100.0), (Fault::Dead, 119.0), (Fault::Hanging, 121.0)]);
        let passed: Vec<_> = figures.gates().iter().map(Gate::passed).collect();
        assert_eq!(passed, [true, false]);
        assert!(figures.table().contains("| dead | 119 | 1.19 |\n"), "{}", figures.table());
    }
}
