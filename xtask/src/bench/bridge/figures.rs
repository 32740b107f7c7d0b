//! The measurements and the promises.

use super::ways::{Between, Way};
use crate::{
    Failure,
    bench::{
        client::Era,
        figures::{Gate, shown},
    },
};

/// The subjects that are measured in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Step {
    /// Calls one after the other.
    Wait,
    /// Many calls at once.
    Load,
    /// Large answers.
    Large,
}

/// The cost of one way; `None` if this machine could not measure it, or the way failed.
pub(in crate::bench) struct Figures {
    name: String,
    pub(in crate::bench) between: Between,
    pub(in crate::bench) client: Era,
    /// Lines of headers that every request has.
    pub(in crate::bench) headers: String,
    /// Microseconds that a lone client waits for an answer: the median.
    pub(in crate::bench) wait: Option<f64>,
    /// Microseconds that what stands between spends on a call, the kernel's work for it included.
    pub(in crate::bench) time: Option<f64>,
    /// Megabytes of large answers that pass in a second.
    pub(in crate::bench) large: Option<f64>,
    /// Megabytes of large answers in a second on a core.
    pub(in crate::bench) large_on_core: Option<f64>,
    /// Instructions of its own code for a call.
    pub(in crate::bench) instructions: Option<f64>,
    /// How many calls the shortest turn of each step had.
    made: Vec<(Step, usize)>,
    /// The steps that were given up, and why.
    failed: Vec<(Step, String)>,
}

impl Figures {
    pub(in crate::bench) fn of(way: &Way) -> Self {
        Self {
            name: way.name(),
            between: way.between,
            client: way.client,
            headers: way.headers.clone(),
            wait: None,
            time: None,
            large: None,
            large_on_core: None,
            instructions: None,
            made: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(in crate::bench) fn name(&self) -> &str {
        &self.name
    }

    /// The name, as it can stand in the name of a file.
    pub(in crate::bench) fn file_name(&self) -> String {
        self.name.replace(", ", "-").replace(' ', "-")
    }

    /// That a turn had so many calls.
    pub(in crate::bench) fn made(&mut self, step: Step, calls: usize) {
        match self.made.iter_mut().find(|(made, _)| *made == step) {
            Some((_, fewest)) => *fewest = calls.min(*fewest),
            None => self.made.push((step, calls)),
        }
    }

    /// That a step could not be done.
    pub(in crate::bench) fn fail(&mut self, step: Step, failure: &Failure) {
        self.failed.push((step, failure.to_string()));
    }

    /// Whether a step could not be done.
    pub(in crate::bench) fn failed(&self, step: Step) -> bool {
        self.failed.iter().any(|(failed, _)| *failed == step)
    }

    /// A figure of a step, or that the step failed.
    fn cell(&self, step: Step, value: Option<f64>, digits: usize) -> String {
        if self.failed(step) { "failed".to_owned() } else { shown(value, digits) }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Wait => "calls one after the other",
            Self::Load => "calls at once",
            Self::Large => "large answers",
        }
    }
}

/// What a client of the same era measures without a bridge.
fn alone(all: &[Figures], client: Era) -> Option<&Figures> {
    all.iter().find(|figures| figures.between == Between::Nothing && figures.client == client)
}

/// Microseconds that are added to what the server alone takes.
pub(in crate::bench) fn added(all: &[Figures], figures: &Figures) -> Option<f64> {
    let between = figures.between != Between::Nothing;
    Some(figures.wait? - alone(all, figures.client).filter(|_| between)?.wait?)
}

/// Notes on the figures of other projects: their number of calls, and failures.
pub(in crate::bench) fn notes(all: &[Figures]) -> Vec<String> {
    let mut notes = Vec::new();
    for figures in all.iter().filter(|figures| figures.between.is_peer()) {
        let made = figures.made.iter().filter(|(step, _)| !figures.failed(*step));
        let made: Vec<_> =
            made.map(|(step, calls)| format!("{} {}", shown(Some(*calls as f64), 0), step.name())).collect();
        if !made.is_empty() {
            notes.push(format!("{}: in the time of a turn, {}", figures.name, made.join(", ")));
        }
        let failed = figures
            .failed
            .iter()
            .map(|(step, why)| format!("{}: {} failed: {why}", figures.name, step.name()));
        notes.extend(failed);
    }
    notes
}

/// The figures as a table of Markdown.
pub(in crate::bench) fn table(all: &[Figures]) -> String {
    let mut table = String::from(
        "| from | p50 µs | added µs | CPU µs | calls per second and core | instructions | MB/s | MB/s and core |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for figures in all {
        let cells = [
            figures.cell(Step::Wait, figures.wait, 0),
            figures.cell(Step::Wait, added(all, figures), 0),
            figures.cell(Step::Load, figures.time, 1),
            figures.cell(Step::Load, figures.time.map(|time| 1e6 / time), 0),
            shown(figures.instructions, 0),
            figures.cell(Step::Large, figures.large, 0),
            figures.cell(Step::Large, figures.large_on_core, 0),
        ];
        table += &format!("| {} | {} |\n", figures.name, cells.join(" | "));
    }
    table
}

/// The promises.
pub(in crate::bench) fn gates(all: &[Figures]) -> Vec<Gate> {
    let bridged = all.iter().filter(|figures| matches!(figures.between, Between::Bridge(_)));
    let mut gates = Vec::new();
    for figures in bridged {
        let (name, same) = (&figures.name, figures.between == Between::Bridge(figures.client));
        gates.push(Gate::new(format!("{name}: µs added at p50"), added(all, figures), 300.0, 0));
        // 15,000 calls per second and core.
        gates.push(Gate::new(format!("{name}: CPU µs per call"), figures.time, 1e6 / 15_000.0, 1));
        gates.push(Gate::new(format!("{name}: instructions"), figures.instructions, 100_000.0, 0));
        if same {
            // 500 MB a second.
            let each = figures.large_on_core.map(|rate| 1e6 / rate);
            gates.push(Gate::new(format!("{name}: CPU µs per MB"), each, 1e6 / 500.0, 0));
            // Four fifths of what the server alone makes.
            let without = alone(all, figures.client).and_then(|alone| alone.large);
            let longer = without.zip(figures.large).map(|(without, rate)| without / rate);
            gates.push(Gate::new(format!("{name}: time of an answer of 1 MB, ×"), longer, 1.25, 2));
        }
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(between: Between, wait: f64) -> Figures {
        let way = Way { between, client: Era::Modern, port: 1, headers: String::new(), process: 1 };
        Figures {
            wait: Some(wait),
            time: Some(50.0),
            large: Some(1000.0),
            large_on_core: Some(800.0),
            instructions: Some(90_000.0),
            ..Figures::of(&way)
        }
    }

    #[test]
    fn what_is_added_is_more_than_the_server_alone_takes() {
        let all = [figures(Between::Nothing, 100.0), figures(Between::Bridge(Era::Modern), 250.0)];
        assert_eq!(added(&all, &all[0]), None);
        assert_eq!(added(&all, &all[1]), Some(150.0));
        let gates = gates(&all);
        assert_eq!(gates.len(), 5);
        assert!(gates.iter().all(Gate::passed));
        let table = table(&all);
        assert!(
            table.contains(
                "| 2026-07-28 to 2026-07-28, bridge | 250 | 150 | 50.0 | 20,000 | 90,000 | 1,000 | 800 |"
            ),
            "{table}"
        );
    }

    #[test]
    fn what_is_too_slow_fails() {
        let slow =
            Figures { time: Some(70.0), large_on_core: None, ..figures(Between::Bridge(Era::Modern), 401.0) };
        let slow = Figures { large: Some(790.0), instructions: None, ..slow };
        let all = [figures(Between::Nothing, 100.0), slow];
        assert!(gates(&all).iter().all(|gate| !gate.passed()));
    }

    #[test]
    fn what_fails_is_a_row_that_says_so_and_no_gate() {
        let mut peer = figures(Between::Supergateway, 9_000.0);
        peer.made(Step::Wait, 300);
        peer.made(Step::Wait, 200);
        peer.made(Step::Large, 3);
        peer.large = None;
        peer.large_on_core = None;
        peer.fail(Step::Large, &"the connection was closed".into());
        let all = [figures(Between::Nothing, 100.0), peer];
        let table = table(&all);
        let row = "to a program, supergateway | 9,000 | 8,900 | 50.0 | 20,000 | 90,000 | failed | failed |";
        assert!(table.contains(row), "{table}");
        let notes = notes(&all);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].ends_with("in the time of a turn, 200 calls one after the other"), "{}", notes[0]);
        assert!(notes[1].ends_with("large answers failed: the connection was closed"), "{}", notes[1]);
        assert!(gates(&all).is_empty());
    }
}
