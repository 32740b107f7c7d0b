//! The measurements and the promises.

use std::fmt;

/// The cost of one server; `None` if this machine could not measure it.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Of its own code, per call.
    pub(super) instructions: Option<f64>,
    /// Resident bytes after one answer.
    pub(super) idle: Option<u64>,
    /// Resident bytes with many connections.
    pub(super) loaded: Option<u64>,
    /// Milliseconds to the first answer.
    pub(super) start: f64,
    /// Microseconds that the process spends on a call, the kernel's work for it included.
    pub(super) time: Option<f64>,
}

/// The server's name and what it costs.
pub(super) type Row = (String, Figures);

const MIB: f64 = 1024.0 * 1024.0;

/// The median; 0 of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What 99 of 100 values are at most; 0 of nothing.
pub(super) fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * 99 / 100).copied().unwrap_or_default()
}

/// The figures as a table of Markdown, in which `floor` is the row that the others are related to.
pub(super) fn table(rows: &[Row], floor: &str) -> String {
    let mut table = String::from(
        "| server | instructions | × | CPU µs | × | MiB idle | MiB, 256 connections | ms to first answer |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let floor = rows.iter().find(|(name, _)| name == floor).map(|(_, figures)| figures);
    for (name, figures) in rows {
        let ratio = |of: fn(&Figures) -> Option<f64>| {
            let (value, floor) = (of(figures)?, of(floor?)?);
            Some(value / floor)
        };
        let cells = [
            shown(figures.instructions, 0),
            shown(ratio(|figures| figures.instructions), 2),
            shown(figures.time, 1),
            shown(ratio(|figures| figures.time), 2),
            shown(figures.idle.map(mib), 1),
            shown(figures.loaded.map(mib), 1),
            shown(Some(figures.start), 1),
        ];
        table += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    table
}

/// The promises for each of `rows`, which have so many tools.
pub(super) fn gates<'a>(rows: impl Iterator<Item = (usize, &'a Row)>) -> Vec<Gate> {
    let (tools, rows): (Vec<usize>, Vec<&Row>) = rows.unzip();
    let each = |what: &str, of: fn(&Figures) -> Option<f64>, most: f64, digits: usize| -> Vec<Gate> {
        let gate = |&(name, figures): &&Row| Gate {
            name: format!("{name}: {what}"),
            value: of(figures),
            most,
            digits,
        };
        rows.iter().map(gate).collect()
    };
    let mut gates = each("instructions per call", |figures| figures.instructions, 38_000.0, 0);
    if let [(_, first), others @ ..] = rows.as_slice()
        && !others.is_empty()
    {
        let ratio = |(_, other): &&Row| Some(other.instructions? / first.instructions?);
        // An unmeasured value is not alike.
        let ratios = others.iter().map(ratio).collect::<Option<Vec<_>>>();
        gates.push(Gate {
            name: "anyport: instructions, the most / the first".to_owned(),
            value: ratios.and_then(|ratios| ratios.into_iter().max_by(f64::total_cmp)),
            most: ALIKE,
            digits: 3,
        });
    }
    // The server with the fewest tools: hundreds of compiled schemas take the room that they take, which is shown.
    let memory = each("MiB with 256 connections", |figures| figures.loaded.map(mib), 20.0, 1);
    gates.extend(memory.into_iter().take(1));
    let starts = each("ms to first answer", |figures| Some(figures.start), 15.0, 1);
    // Thousands of schemas take the time that they take to compile, which is shown as well.
    gates.extend(starts.into_iter().zip(tools).filter(|(_, tools)| *tools <= 500).map(|(gate, _)| gate));
    gates
}

/// The same but for the luck of hashing, which two runs of one server differ by as well.
const ALIKE: f64 = 1.02;

/// One promise.
#[derive(Debug)]
pub(super) struct Gate {
    name: String,
    value: Option<f64>,
    most: f64,
    digits: usize,
}

impl Gate {
    /// That `value`, shown with so many digits, is at most `most`.
    pub(super) fn new(name: String, value: Option<f64>, most: f64, digits: usize) -> Self {
        Self { name, value, most, digits }
    }

    /// Whether the promise holds. An unmeasured promise does not.
    pub(super) fn passed(&self) -> bool {
        self.value.is_some_and(|value| value <= self.most)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, most, digits } = self;
        let verdict = if self.passed() { "pass" } else { "FAIL" };
        let value = if value.is_some() { shown(*value, *digits) } else { "not measured".to_owned() };
        write!(f, "{name:<52} {value:>12}  at most {:>6}  {verdict}", shown(Some(*most), *digits))
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// A figure with so many digits after its point; its thousands are set apart.
pub(super) fn shown(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(instructions: f64) -> Figures {
        Figures {
            instructions: Some(instructions),
            idle: Some(4 << 20),
            loaded: Some(8 << 20),
            start: 4.56,
            time: Some(10.0),
        }
    }

    #[test]
    fn the_table_relates_every_row_to_the_floor() {
        let unmeasured = Figures { instructions: None, ..figures(0.0) };
        let rows = [
            ("floor".to_owned(), figures(20_000.0)),
            ("a".to_owned(), figures(30_000.0)),
            ("b".to_owned(), unmeasured),
        ];
        let table = table(&rows, "floor");
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(lines[0], "| floor | 20,000 | 1.00 | 10.0 | 1.00 | 4.0 | 8.0 | 4.6 |");
        assert_eq!(lines[1], "| a | 30,000 | 1.50 | 10.0 | 1.00 | 4.0 | 8.0 | 4.6 |");
        assert_eq!(lines[2], "| b | - | - | 10.0 | 1.00 | 4.0 | 8.0 | 4.6 |");
    }

    #[test]
    fn a_gate_fails_above_its_limit_and_without_a_value() {
        let rows = [("one".to_owned(), figures(38_000.0)), ("many".to_owned(), figures(38_001.0))];
        let gates = gates(rows.iter().map(|row| (1, row)));
        let passed: Vec<_> = gates.iter().map(Gate::passed).collect();
        // Two for instructions, one that they are alike, one for memory, two for the start.
        assert_eq!(passed, [true, false, true, true, true, true]);
        assert!(gates[1].to_string().contains("38,001  at most 38,000  FAIL"), "{}", gates[1]);

        let unmeasured = [("one".to_owned(), Figures { instructions: None, ..figures(0.0) })];
        let gates = super::gates(unmeasured.iter().map(|row| (1, row)));
        assert!(gates[0].to_string().contains("not measured"), "{}", gates[0]);
        assert!(!gates[0].passed());
    }

    #[test]
    fn what_grows_with_the_tools_is_found() {
        let rows = [("one".to_owned(), figures(30_000.0)), ("many".to_owned(), figures(31_000.0))];
        let failed: Vec<_> =
            gates(rows.iter().map(|row| (1, row))).into_iter().filter(|gate| !gate.passed()).collect();
        assert_eq!(failed.len(), 1);
        assert!(failed[0].to_string().contains("1.033"), "{}", failed[0]);
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 100.0]), 3.0);
        assert_eq!(shown(Some(1_234_567.89), 1), "1,234,567.9");
    }
}
