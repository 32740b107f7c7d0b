//! Indexes so many generated documents, asks, and says what it took: `anyport_bench_knowledge DOCUMENTS [memory|folder]`.
//! With `served` they are files, read, indexed and watched as `anyport serve --docs` does it.
//!
//! One process for one size, so that its memory is that of this size. The figures go to the standard output as JSON, for
//! `cargo xtask bench --only knowledge`.

// A command speaks to the one that started it.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use anyport_knowledge::{Index, SearchQuery, Storage};
use corpus::Corpus;
use questions::Kind;

mod corpus;
mod cpu;
mod questions;
mod served;

/// How often each kind of question is asked.
const QUESTIONS: u64 = 400;
/// How often one document is changed.
const CHANGES: u64 = 20;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let documents: u64 = arguments.next().context("say how many documents")?.parse()?;
    let folder = tempfile::tempdir()?;
    let report = match arguments.next().as_deref() {
        None | Some("folder") => indexed(documents, Storage::Folder(folder.path().to_owned())),
        Some("memory") => indexed(documents, Storage::Memory),
        Some("served") => served::measure(&Corpus::new(), documents),
        Some(other) => bail!("there is no `{other}`; there are folder, memory and served"),
    };
    println!("{}", report?);
    Ok(())
}

/// Puts documents into an index, and asks it.
fn indexed(documents: u64, storage: Storage) -> anyhow::Result<serde_json::Value> {
    let corpus = Corpus::new();
    let index = Index::new(storage)?;

    let (start, work) = (Instant::now(), cpu::of_process());
    index.gather();
    for number in 0..documents {
        let (document, text) = corpus.document(number)?;
        index.put(&document, &text)?;
    }
    index.commit()?;
    let indexing = start.elapsed();
    let indexing_work = cpu::of_process().saturating_sub(work);
    while let Some(merging) = index.merge()? {
        merging.wait()?;
        index.reload()?;
    }
    let merged = start.elapsed();

    let mut kinds = serde_json::Map::new();
    let mut exact = Vec::new();
    for kind in Kind::EXACT {
        let (mut times, found) = ask(&index, &corpus, documents, kind)?;
        kinds.insert(format!("{kind:?}").to_lowercase(), figures(&mut times, found));
        exact.append(&mut times);
    }
    let (mut typo, found) = ask(&index, &corpus, documents, Kind::Typo)?;
    kinds.insert("typo".to_owned(), figures(&mut typo, found));
    let mut changes =
        (0..CHANGES).map(|number| change(&index, &corpus, number)).collect::<Result<Vec<_>, _>>()?;

    Ok(serde_json::json!({
        "documents": documents,
        "index_seconds": indexing.as_secs_f64(),
        "index_cpu_seconds": indexing_work.as_secs_f64(),
        "merged_seconds": merged.as_secs_f64(),
        "exact_p50_ms": percentile(&mut exact, 50),
        "exact_p99_ms": percentile(&mut exact, 99),
        "typo_p50_ms": percentile(&mut typo, 50),
        "typo_p99_ms": percentile(&mut typo, 99),
        "change_p50_ms": percentile(&mut changes, 50),
        "change_p99_ms": percentile(&mut changes, 99),
        "passage_ms": passage(&index, &corpus)?.as_secs_f64() * 1e3,
        "peak_mib": cpu::peak_mib(),
        "kinds": kinds,
    }))
}

/// Asks questions of one kind: how long a core worked for each, and how many found what they were made of among the first ten.
fn ask(index: &Index, corpus: &Corpus, documents: u64, kind: Kind) -> anyhow::Result<(Vec<Duration>, usize)> {
    let mut times = Vec::new();
    let mut found = 0;
    for number in 0..QUESTIONS {
        let question = kind.question(corpus, documents, number)?;
        let start = cpu::of_thread();
        let hits = index.search(&question.query)?;
        times.push(cpu::of_thread().saturating_sub(start));
        ensure!(kind == Kind::Typo || hits.total > 0, "nothing found for {:?}", question.query);
        let path = corpus.file(question.document).0;
        found += usize::from(hits.hits.iter().any(|hit| hit.path.as_str() == path.as_str()));
    }
    Ok((times, found))
}

/// Changes a document, and waits until the change is found.
fn change(index: &Index, corpus: &Corpus, number: u64) -> anyhow::Result<Duration> {
    let (document, text) = corpus.document(number)?;
    let word = format!("changed{number}");
    let start = Instant::now();
    index.put(&document, &format!("{text}\n{word}\n"))?;
    index.commit()?;
    let hits = index.search(&SearchQuery::new(word))?;
    let time = start.elapsed();
    ensure!(hits.total == 1, "a change was not found");
    Ok(time)
}

/// How long a core works for the passage of a document of 4 MB.
fn passage(index: &Index, corpus: &Corpus) -> anyhow::Result<Duration> {
    let mut large = String::new();
    for number in 0.. {
        if large.len() >= 4 << 20 {
            break;
        }
        large += &corpus.document(number)?.1;
    }
    let words = index.search(&Kind::Words.question(corpus, 1_000, 1)?.query)?.words;
    let start = cpu::of_thread();
    let passage = anyport_knowledge::snippet(&large, &words);
    let time = cpu::of_thread().saturating_sub(start);
    ensure!(passage.heading.is_some(), "no passage was found");
    Ok(time)
}

fn figures(times: &mut [Duration], found: usize) -> serde_json::Value {
    serde_json::json!({
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "found": found as f64 / QUESTIONS as f64,
    })
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
