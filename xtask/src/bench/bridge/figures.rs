//! What was measured, and what was promised.

use super::{
    caller::Era,
    ways::{Between, Way},
};
use crate::bench::figures::{Gate, shown};

/// What one way costs; `None` where this machine could not tell.
pub(super) struct Figures {
    name: String,
    pub(super) between: Between,
    pub(super) client: Era,
    /// Microseconds that a lone client waits for an answer: the median.
    pub(super) wait: f64,
    /// Microseconds that what stands between spends on a call, the kernel's work for it included.
    pub(super) time: Option<f64>,
    /// Megabytes of large answers that pass in a second.
    pub(super) large: f64,
    /// Megabytes of large answers in a second on a core.
    pub(super) large_on_core: Option<f64>,
    /// Instructions of its own code for a call.
    pub(super) instructions: Option<f64>,
}

impl Figures {
    pub(super) fn of(way: &Way) -> Self {
        Self {
            name: way.name(),
            between: way.between,
            client: way.client,
            wait: 0.0,
            time: None,
            large: 0.0,
            large_on_core: None,
            instructions: None,
        }
    }
}

/// What a client of the same era waits for without anything in between.
fn alone(all: &[Figures], client: Era) -> Option<&Figures> {
    all.iter().find(|figures| figures.between == Between::Nothing && figures.client == client)
}

/// Microseconds that are added to what the server alone takes.
fn added(all: &[Figures], figures: &Figures) -> Option<f64> {
    let between = figures.between != Between::Nothing;
    alone(all, figures.client).filter(|_| between).map(|alone| figures.wait - alone.wait)
}

/// The figures as a table of Markdown.
pub(super) fn table(all: &[Figures]) -> String {
    let mut table = String::from(
        "| from | p50 µs | added µs | CPU µs | calls per second and core | instructions | MB/s | MB/s and core |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for figures in all {
        let cells = [
            shown(Some(figures.wait), 0),
            shown(added(all, figures), 0),
            shown(figures.time, 1),
            shown(figures.time.map(|time| 1e6 / time), 0),
            shown(figures.instructions, 0),
            shown(Some(figures.large), 0),
            shown(figures.large_on_core, 0),
        ];
        table += &format!("| {} | {} |\n", figures.name, cells.join(" | "));
    }
    table
}

/// What is promised.
pub(super) fn gates(all: &[Figures]) -> Vec<Gate> {
    let bridged = all.iter().filter(|figures| matches!(figures.between, Between::Bridge(_)));
    let mut gates = Vec::new();
    for figures in bridged {
        let (name, same) = (&figures.name, figures.between == Between::Bridge(figures.client));
        gates.push(Gate::new(format!("{name}: µs added at p50"), added(all, figures), 300.0, 0));
        // 15,000 calls per second and core.
        gates.push(Gate::new(format!("{name}: CPU µs per call"), figures.time, 1e6 / 15_000.0, 1));
        if same {
            // 500 MB a second.
            let each = figures.large_on_core.map(|rate| 1e6 / rate);
            gates.push(Gate::new(format!("{name}: CPU µs per MB"), each, 1e6 / 500.0, 0));
        }
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(between: Between, wait: f64) -> Figures {
        let way = Way { between, client: Era::Modern, port: 1, process: 1 };
        Figures { wait, time: Some(50.0), large: 1000.0, large_on_core: Some(800.0), ..Figures::of(&way) }
    }

    #[test]
    fn what_is_added_is_more_than_the_server_alone_takes() {
        let all = [figures(Between::Nothing, 100.0), figures(Between::Bridge(Era::Modern), 250.0)];
        assert_eq!(added(&all, &all[0]), None);
        assert_eq!(added(&all, &all[1]), Some(150.0));
        let gates = gates(&all);
        assert_eq!(gates.len(), 3);
        assert!(gates.iter().all(Gate::passed));
        let table = table(&all);
        assert!(
            table.contains(
                "| 2026-07-28 to 2026-07-28, bridge | 250 | 150 | 50.0 | 20,000 | - | 1,000 | 800 |"
            ),
            "{table}"
        );
    }

    #[test]
    fn what_is_too_slow_fails() {
        let slow =
            Figures { time: Some(70.0), large_on_core: None, ..figures(Between::Bridge(Era::Modern), 401.0) };
        let all = [figures(Between::Nothing, 100.0), slow];
        assert!(gates(&all).iter().all(|gate| !gate.passed()));
    }
}
