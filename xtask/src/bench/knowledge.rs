//! The cost of full-text search: generated documents, indexed and searched by a program of their own, one run for each
//! number of documents.
//!
//! Invariant: 100,000 documents are indexed in 30 s and 600 MiB, and searched in 5 ms, misspelled in 12 ms; a
//! change is found within a second.

use std::{path::PathBuf, process::Command};

use serde::Deserialize;

use super::figures::Gate;
use crate::{
    Failure, process,
    workspace::{Build, Profile, Workspace},
};

/// The measurements of one run.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Figures {
    documents: u64,
    index_seconds: f64,
    index_cpu_seconds: f64,
    /// From the beginning, until the parts of the index are few.
    merged_seconds: f64,
    exact_p50_ms: f64,
    exact_p99_ms: f64,
    typo_p50_ms: f64,
    typo_p99_ms: f64,
    change_p99_ms: f64,
    passage_ms: f64,
    /// Only where the system tells.
    peak_mib: Option<f64>,
}

/// The measurements of one run with documents in files.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Served {
    documents: u64,
    read_seconds: f64,
    ready_seconds: f64,
    ready_cpu_seconds: f64,
    change_p50_ms: f64,
    change_p99_ms: f64,
    peak_mib: Option<f64>,
}

/// Builds the program and runs it for each number of documents: into an index, and as files.
///
/// # Errors
/// When it does not build, or finds something wrong.
pub(super) fn measure(
    workspace: &Workspace,
    documents: &[u64],
) -> Result<(Vec<Figures>, Vec<Served>), Failure> {
    let program = build(workspace)?;
    let run = |documents: u64, how: &str| {
        process::stdout(Command::new(&program).arg(documents.to_string()).arg(how))
    };
    let mut indexed = Vec::new();
    let mut served = Vec::new();
    for documents in documents {
        indexed.push(serde_json::from_slice(&run(*documents, "folder")?)?);
        served.push(serde_json::from_slice(&run(*documents, "served")?)?);
    }
    Ok((indexed, served))
}

/// Builds the program.
///
/// # Errors
/// When it does not compile.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    workspace.build(&Build {
        // As the program is published: a tenth of the time to index is at stake.
        profile: Profile::Dist,
        ..Build::of("anyport-bench-knowledge", "anyport_bench_knowledge")
    })
}

/// The figures of documents that are files, as a table of Markdown.
pub(super) fn served_table(rows: &[Served]) -> String {
    let mut table = String::from(
        "| files | read s | ready s | on cores s | change p50 ms | p99 | peak MiB |\n|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        table += &format!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {} |\n",
            row.documents,
            row.read_seconds,
            row.ready_seconds,
            row.ready_cpu_seconds,
            row.change_p50_ms,
            row.change_p99_ms,
            peak(row.peak_mib),
        );
    }
    table
}

/// The promises for documents in files.
pub(super) fn served_gates(rows: &[Served]) -> Vec<Gate> {
    let of_row = |row: &Served| {
        let gate =
            |what: &str, value, most| Gate::new(format!("{} files: {what}", row.documents), value, most, 0);
        [
            gate("seconds until all are found", Some(row.ready_seconds), most_seconds(row.documents)),
            gate("ms until a change is found, p99", Some(row.change_p99_ms), 1_000.0),
            gate("MiB at most", row.peak_mib, 600.0),
        ]
    };
    rows.iter().flat_map(of_row).collect()
}

fn peak(mib: Option<f64>) -> String {
    mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib:.0}"))
}

/// Within how many seconds so many documents are indexed.
fn most_seconds(documents: u64) -> f64 {
    if documents <= FEW { 3.0 } else { 30.0 }
}

/// The figures as a table of Markdown.
pub(super) fn table(rows: &[Figures]) -> String {
    let mut table = String::from(
        "| documents | index s | on cores s | merged s | exact p50 ms | p99 | typo p50 ms | p99 | change p99 ms | 4 MB passage ms | peak MiB |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        table += &format!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {} |\n",
            row.documents,
            row.index_seconds,
            row.index_cpu_seconds,
            row.merged_seconds,
            row.exact_p50_ms,
            row.exact_p99_ms,
            row.typo_p50_ms,
            row.typo_p99_ms,
            row.change_p99_ms,
            row.passage_ms,
            peak(row.peak_mib),
        );
    }
    table
}

/// The promises.
pub(super) fn gates(rows: &[Figures]) -> Vec<Gate> {
    let of_row = |row: &Figures| {
        let gate = |what: &str, value, most, digits| {
            Gate::new(format!("{} documents: {what}", row.documents), value, most, digits)
        };
        [
            gate("seconds to index", Some(row.index_seconds), most_seconds(row.documents), 1),
            gate("ms to search, exact, p99", Some(row.exact_p99_ms), 5.0, 2),
            gate("ms to search, mistyped, p99", Some(row.typo_p99_ms), 12.0, 2),
            gate("ms until a change is found, p99", Some(row.change_p99_ms), 500.0, 0),
            gate("ms for the passage of 4 MB", Some(row.passage_ms), 100.0, 0),
            gate("MiB at most", row.peak_mib, 600.0, 0),
        ]
    };
    rows.iter().flat_map(of_row).collect()
}

/// So many documents are indexed in 3 s, as many as there may be in 30.
const FEW: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read_shown_and_held_against_the_gates() {
        let row = |documents: u64, seconds: f64| {
            let text = format!(
                r#"{{"documents": {documents}, "index_seconds": {seconds}, "index_cpu_seconds": 5.0, "merged_seconds": 6.0,
                "exact_p50_ms": 1.0, "exact_p99_ms": 4.0, "typo_p50_ms": 1.0, "typo_p99_ms": 13.0, "change_p99_ms": 40.4, "passage_ms": 60.0,
                "peak_mib": null, "kinds": {{}}}}"#
            );
            serde_json::from_str::<Figures>(&text).unwrap()
        };
        let rows = [row(5_000, 3.1), row(100_000, 3.1)];
        assert!(
            table(&rows)
                .ends_with("| 100000 | 3.1 | 5.0 | 6.0 | 1.00 | 4.00 | 1.00 | 13.00 | 40 | 60 | - |\n")
        );
        let passed: Vec<_> = gates(&rows).iter().map(Gate::passed).collect();
        let (first, second) = passed.split_at(6);
        assert_eq!(first, [false, true, false, true, true, false]);
        assert_eq!(second, [true, true, false, true, true, false]);
    }

    #[test]
    fn the_figures_of_files_are_read_shown_and_held_against_the_gates() {
        let text = r#"{"documents": 100000, "read_seconds": 4.0, "ready_seconds": 31.0, "ready_cpu_seconds": 50.0, "change_p50_ms": 90.0,
            "change_p99_ms": 300.4, "peak_mib": 480.2}"#;
        let rows = [serde_json::from_str::<Served>(text).unwrap()];
        assert!(served_table(&rows).ends_with("| 100000 | 4.0 | 31.0 | 50.0 | 90 | 300 | 480 |\n"));
        let passed: Vec<_> = served_gates(&rows).iter().map(Gate::passed).collect();
        assert_eq!(passed, [false, true, true]);
    }
}
