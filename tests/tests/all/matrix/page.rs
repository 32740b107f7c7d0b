//! The page of the book that is made from what was measured.

use std::fmt::Write as _;

use anyport::Revision;

use crate::matrix::{
    table::{Cell, Measurement, Table},
    verdict::{Carried, Verdict},
};

/// The whole page.
pub(crate) fn page(measured: &[Table]) -> String {
    let mut page = HEAD.to_owned();
    for (name, count) in counts(measured) {
        let _ = writeln!(page, "| {name} | {} of {} |", count.arrived, count.both);
    }
    for table in measured {
        let _ = writeln!(page, "\n## {}", table.name);
        if !table.about.is_empty() {
            let _ = writeln!(page, "\n{}", table.about);
        }
        let plain = |measurement: &&Measurement| !table.whole && measurement.is_plain();
        let carried: Vec<String> = table.rows.iter().filter(plain).map(since).collect();
        if !carried.is_empty() {
            let _ = write!(page, "\nCarried between any two revisions: {}.\n", carried.join("; "));
        }
        let rest: Vec<&Measurement> = table.rows.iter().filter(|row| !plain(row)).collect();
        if rest.is_empty() {
            continue;
        }
        page.push_str("\n| what | client | server | what becomes of it |\n|---|---|---|---|\n");
        for row in rest {
            for (number, fold) in folded(&row.cells).iter().enumerate() {
                let name = if number == 0 { row.name } else { "" };
                let (clients, servers) = (range(&fold.clients), range(&fold.servers));
                let _ = writeln!(page, "| {name} | {clients} | {servers} | {} |", fold.verdict);
            }
        }
    }
    page
}

const HEAD: &str = r"---
title: Bridging, pair by pair
description: What arrives between a client and a server of any two revisions, measured for each pair.
tags: [bridge, revisions, compatibility, elicitation, sampling]
---

# Bridging, pair by pair

<!-- `UPDATE_GOLDEN=1 cargo test -p anyport-tests --test all matrix::` writes this page. -->
What `anyport bridge` does with every message between a client and a server, for each of the 25 pairs of a client's and a
server's revision. A test sends each message between a client of exactly one revision, over a duplex channel and over Streamable
HTTP, and a server of exactly the other. This page is generated from what arrived. [Bridging](bridging.md) explains how it works.

- *carried*: the message arrives as it was sent.
- *lowered*: the message arrives in another form, which the other revision can express.
- *refused*: the message does not arrive, and the sender receives an error.

No message is lost silently. A pair that is not listed has nothing to carry: one of its revisions does not have the message. A
server receives no requests that it did not declare, and a client no requests that its revision cannot declare.

| server request | answered, of the pairs whose revisions both have it |
|---|---|
";

/// How often a question arrived, of the pairs whose revisions both have it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) arrived: usize,
    pub(crate) both: usize,
}

/// The counts of the first table: what servers ask.
pub(crate) fn counts(measured: &[Table]) -> Vec<(&'static str, Count)> {
    let rows = measured.iter().filter(|table| table.whole).flat_map(|table| &table.rows);
    rows.map(|row| {
        let both: Vec<&Cell> = row.cells.iter().filter(|cell| cell.client >= row.server_since).collect();
        let arrived = both.iter().filter(|cell| cell.verdict == Carried).count();
        (row.name, Count { arrived, both: both.len() })
    })
    .collect()
}

fn since(row: &Measurement) -> String {
    let mut name = row.name.to_owned();
    let first = name.chars().next().unwrap_or_default();
    let rest = &name[first.len_utf8()..];
    // What is no word stays as it is.
    if rest.starts_with(char::is_lowercase) || first == 'A' && rest.starts_with(' ') {
        name = first.to_lowercase().chain(rest.chars()).collect();
    }
    match (row.server_since, row.server_until) {
        _ if row.is_of_both_eras => name,
        (Revision::V2024_11_05, Revision::NEWEST) => name,
        (since, Revision::NEWEST) => format!("{name} (since {since})"),
        (Revision::V2024_11_05, until) => format!("{name} (up to {until})"),
        (since, until) => format!("{name} ({since} to {until})"),
    }
}

/// Clients and servers between which the same becomes of something.
struct Fold {
    clients: Vec<Revision>,
    servers: Vec<Revision>,
    verdict: Verdict,
}

/// Pairs with an equal verdict as few rectangles.
fn folded(cells: &[Cell]) -> Vec<Fold> {
    let by_client = fold(cells, |cell| cell.client, |cell| cell.server);
    let by_server = fold(cells, |cell| cell.server, |cell| cell.client);
    let mut folds: Vec<Fold> = if by_server.len() < by_client.len() {
        by_server.into_iter().map(|(servers, clients, verdict)| Fold { clients, servers, verdict }).collect()
    } else {
        by_client.into_iter().map(|(clients, servers, verdict)| Fold { clients, servers, verdict }).collect()
    };
    folds.sort_by_key(|fold| (rank(&fold.verdict), fold.clients.clone(), fold.servers.clone()));
    folds
}

type Side = fn(&Cell) -> Revision;

fn fold(cells: &[Cell], this: Side, other: Side) -> Vec<(Vec<Revision>, Vec<Revision>, Verdict)> {
    let mut folds: Vec<(Vec<Revision>, Vec<Revision>, Verdict)> = Vec::new();
    for revision in Revision::ALL {
        let mut verdicts: Vec<&Verdict> = Vec::new();
        let own: Vec<&Cell> = cells.iter().filter(|cell| this(cell) == revision).collect();
        for cell in &own {
            if !verdicts.contains(&&cell.verdict) {
                verdicts.push(&cell.verdict);
            }
        }
        for verdict in verdicts {
            let mut others: Vec<Revision> =
                own.iter().filter(|cell| cell.verdict == *verdict).map(|cell| other(cell)).collect();
            others.sort();
            match folds.iter_mut().find(|fold| fold.1 == others && fold.2 == *verdict) {
                Some(fold) => fold.0.push(revision),
                None => folds.push((vec![revision], others, verdict.clone())),
            }
        }
    }
    for fold in &mut folds {
        fold.0.sort();
    }
    folds
}

fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Carried => 0,
        Verdict::Lowered(_) => 1,
        Verdict::Refused(_) => 2,
        Verdict::Lost(_) => 3,
    }
}

/// Revisions in few words. They are in order.
fn range(revisions: &[Revision]) -> String {
    let mut all = Revision::ALL;
    all.sort();
    let (Some(first), Some(last)) = (revisions.first(), revisions.last()) else { return String::new() };
    let between: Vec<Revision> = all.into_iter().filter(|one| (first..=last).contains(&one)).collect();
    if between != revisions {
        return revisions.iter().map(|revision| revision.as_str()).collect::<Vec<_>>().join(", ");
    }
    match (*first == all[0], *last == all[4]) {
        (true, true) => "any".into(),
        _ if first == last => first.to_string(),
        (true, false) => format!("up to {last}"),
        (false, true) => format!("since {first}"),
        (false, false) => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use Revision::*;

    use super::*;
    use crate::matrix::verdict::lowered;

    fn cells(verdict: impl Fn(Revision, Revision) -> Verdict) -> Vec<Cell> {
        let pairs = Revision::ALL.into_iter().flat_map(|client| Revision::ALL.map(|server| (client, server)));
        pairs.map(|(client, server)| Cell { client, server, verdict: verdict(client, server) }).collect()
    }

    fn lines(cells: &[Cell]) -> Vec<String> {
        let line =
            |fold: &Fold| format!("{} | {} | {}", range(&fold.clients), range(&fold.servers), fold.verdict);
        folded(cells).iter().map(line).collect()
    }

    #[test]
    fn pairs_with_equal_verdicts_are_folded() {
        assert_eq!(lines(&cells(|_, _| Carried)), ["any | any | carried"]);
        let by_client = cells(|client, _| if client < V2025_06_18 { lowered("so") } else { Carried });
        assert_eq!(
            lines(&by_client),
            ["since 2025-06-18 | any | carried", "up to 2025-03-26 | any | lowered: so"]
        );
        let by_server = cells(|_, server| if server == V2025_06_18 { lowered("so") } else { Carried });
        assert_eq!(
            lines(&by_server),
            [
                "any | 2024-11-05, 2025-03-26, 2025-11-25, 2026-07-28 | carried",
                "any | 2025-06-18 | lowered: so",
            ]
        );
        let one = cells(|client, server| if client == server { lowered("so") } else { Carried });
        assert_eq!(lines(&one).len(), 10);
    }
}
