//! The cost of what protects a gateway: a token, policies, rates, metrics and the audit log, each alone and all together, beside the
//! same gateway without them, in one run and in turns.
//!
//! - [`cases`]: the gateways.
//! - [`reader`]: reads the metrics of a gateway while it is measured.

pub(in crate::bench) mod cases;
mod reader;

use std::{
    fmt::Write as _,
    process::{Command, Stdio},
};

use self::{cases::Case, reader::Reader};
use super::{
    bridge::{
        self, Effort,
        figures::Figures,
        ways::{Between, Programs, Ways},
    },
    client::Era,
    figures::{Gate, shown},
    fleet::gateways::Gateways,
};
use crate::{Failure, process, workspace::Workspace};

/// The most that everything together may cost: the CPU time of a call beside that of a bare one. 15 % of throughput.
const MOST: f64 = 1.0 / 0.85;

const SECRET: &str = "the-secret-of-a-benchmark-which-protects-nothing";

/// Measures, and gives what is to be shown and what was promised.
///
/// # Errors
/// When something does not build or start, or gives a wrong answer.
pub(super) fn measure(workspace: &Workspace, effort: Effort) -> Result<(String, Vec<Gate>), Failure> {
    let programs = Programs::build(workspace, effort.profile)?;
    let token = token(&programs)?;
    let (mut ways, port) = Ways::alone(workspace, &programs)?;
    ways.all.clear();
    let gateways = Gateways { workspace, programs: &programs };
    let mut readers = Vec::new();
    for case in Case::ALL {
        let file = gateways.file_with(&case.folder(), port, &case.sections())?;
        let first = ways.all.len();
        ways.put(workspace, Between::Protected(case), &[Era::Modern, Era::Legacy], |own| {
            let mut command = gateways.serve(&file, own);
            command.env("BENCH_SECRET", SECRET);
            command
        })?;
        if case.has_token() {
            ways.all[first..].iter_mut().for_each(|way| way.headers.clone_from(&token));
        }
        if case.has_metrics() {
            readers.push(Reader::start(ways.all[first].port, &ways.all[first].headers)?);
        }
    }
    ways.check()?;
    let mut figures: Vec<Figures> = ways.all.iter().map(Figures::of).collect();
    bridge::measure::load(&ways, effort.rounds, &mut figures)?;
    readers.into_iter().try_for_each(Reader::stop)?;
    drop(ways);
    bridge::measure::instructions(workspace, &programs, &mut figures, |between, to, own| {
        let Between::Protected(case) = between else { return Ok(None) };
        let file = gateways.file_with(&case.folder(), to, &case.sections())?;
        let mut command = gateways.serve(&file, own);
        command.env("BENCH_SECRET", SECRET);
        Ok(Some(command))
    })?;
    Ok((table(&figures), gates(&figures)))
}

/// The header of a token that the gateways accept.
fn token(programs: &Programs) -> Result<String, Failure> {
    let mut command = Command::new(&programs.anyport);
    command.args([
        "token",
        "bench",
        "--secret",
        "env:BENCH_SECRET",
        "--scope",
        "data:read",
        "--expires",
        "12h",
    ]);
    command.env("BENCH_SECRET", SECRET).stdin(Stdio::null());
    let token = String::from_utf8(process::stdout(&mut command)?)?;
    Ok(format!("Authorization: Bearer {}\r\n", token.trim()))
}

/// The CPU time of a call of `case` beside that of a bare one.
fn ratio(all: &[Figures], client: Era, case: Case) -> Option<f64> {
    let time = |case| {
        let between = Between::Protected(case);
        all.iter().find(|figures| figures.between == between && figures.client == client)?.time
    };
    Some(time(case)? / time(Case::Bare)?)
}

/// The figures as a table of Markdown.
fn table(all: &[Figures]) -> String {
    let mut out = String::from(
        "| gateway, client | CPU µs | × | throughput of a core, % less | instructions |\n|---|--:|--:|--:|--:|\n",
    );
    for figures in all {
        let Between::Protected(case) = figures.between else { continue };
        let ratio = ratio(all, figures.client, case);
        let less = ratio.map(|ratio| (1.0 - 1.0 / ratio) * 100.0);
        let cells = [shown(figures.time, 1), shown(ratio, 2), shown(less, 1), shown(figures.instructions, 0)];
        // Writing into a `String` does not fail.
        let _ = writeln!(out, "| {} | {} |", figures.name(), cells.join(" | "));
    }
    out
}

fn gates(all: &[Figures]) -> Vec<Gate> {
    let gate = |client: Era| {
        let name = format!("{}: all together / bare gateway, CPU", client.revision());
        Gate::new(name, ratio(all, client, Case::Together), MOST, 2)
    };
    [Era::Modern, Era::Legacy].map(gate).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::bridge::ways::Way;

    fn figures(case: Case, time: f64) -> Figures {
        let between = Between::Protected(case);
        let way = Way { between, client: Era::Modern, port: 1, headers: String::new(), process: 1 };
        let mut figures = Figures::of(&way);
        figures.time = Some(time);
        figures
    }

    #[test]
    fn everything_together_is_held_beside_the_bare_gateway() {
        let verdict = |time| {
            let all = [figures(Case::Bare, 50.0), figures(Case::Together, time)];
            (gates(&all)[0].passed(), table(&all))
        };
        let (passed, table) = verdict(58.0);
        assert!(passed && table.contains("all together | 58.0 | 1.16 | 13.8 | - |"), "{table}");
        assert!(!verdict(59.0).0);
        assert!(!gates(&[figures(Case::Bare, 50.0)])[0].passed(), "what is not measured is not held");
    }
}
