//! What becomes of everything that users care for, between a client and a server of any two revisions.
//!
//! Each of the 25 pairs is a client of the testing kit that speaks exactly one revision, on one channel and again over Streamable
//! HTTP, the bridge as `anyport bridge` puts it together, and a server of exactly one revision that shares no code with the
//! product. What arrives is measured, held against the rule, and written into the book: `docs/bridging-matrix.md`.
//!
//! - `rows`: what users care for, and the rule for each: one file a topic.
//! - `row`, `verdict`: what a row is, and what can become of it.
//! - `peer`: the server; `pair`: the three together.
//! - `table`, `page`: what was measured, and the page that is made of it.
//!
//! Invariant: Between any two revisions every message is carried, lowered as documented, or refused with an
//! error; the book has the measured result.

mod page;
mod pair;
mod peer;
mod row;
mod rows;
mod table;
mod verdict;

use std::{env, fs, path::Path};

use page::{Count, counts, page};
use table::measured;
use verdict::Verdict;

#[test]
fn every_cell_is_as_the_rules_say() {
    let tables = measured();
    let faults: Vec<&str> =
        tables.iter().flat_map(|table| &table.rows).flat_map(|row| &row.faults).map(String::as_str).collect();
    let cells: usize = tables.iter().flat_map(|table| &table.rows).map(|row| row.cells.len()).sum();
    assert!(faults.is_empty(), "{} of {cells} cells\n{}", faults.len(), faults.join("\n"));
    assert!(cells > 1000, "{cells} cells");
}

#[test]
fn nothing_is_lost_in_silence() {
    let cells = measured()
        .iter()
        .flat_map(|table| &table.rows)
        .flat_map(|row| row.cells.iter().map(|cell| (row.name, cell.client, cell.server, &cell.verdict)));
    let lost: Vec<String> = cells
        .filter(|(.., verdict)| matches!(verdict, Verdict::Lost(_)))
        .map(|(name, client, server, verdict)| format!("{name}, {client} to {server}: {verdict}"))
        .collect();
    assert!(lost.is_empty(), "\n{}", lost.join("\n"));
}

#[test]
fn questions_reach_every_client_that_can_be_asked() {
    let count = |arrived, both| Count { arrived, both };
    assert_eq!(
        counts(measured()),
        [
            ("Form elicitation", count(9, 9)),
            ("URL elicitation", count(4, 4)),
            ("Sampling", count(25, 25)),
            ("Sampling with tools", count(4, 4)),
            ("Roots", count(25, 25)),
        ]
    );
}

#[test]
fn the_book_says_what_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bridging-matrix.md");
    let page = page(measured());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let book = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        book == page,
        "`UPDATE_GOLDEN=1 cargo test -p anyport-tests --test all matrix::` writes docs/bridging-matrix.md anew"
    );
}
