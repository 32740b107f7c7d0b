//! Documents as files: read, indexed and watched, until a change of one is found.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use anyport_knowledge::{Folders, Knowledge, SearchQuery, Settings};

use crate::{CHANGES, corpus::Corpus, cpu, percentile};

/// How exactly is measured.
const TICK: Duration = Duration::from_millis(2);
/// How long anything may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(600);

/// Writes so many files, opens their folder, waits until all can be found, and changes some.
pub(crate) fn measure(corpus: &Corpus, documents: u64) -> anyhow::Result<serde_json::Value> {
    let (folder, index) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for number in 0..documents {
        write(folder.path(), corpus.file(number))?;
    }
    let settings = Settings::default().index_dir(Some(index.path().to_owned()));
    let (start, work) = (Instant::now(), cpu::of_process());
    let knowledge = Knowledge::open(Folders::new(folder.path()), settings)?;
    let read = until(start, || !knowledge.progress().reading).context("the files are not read")?;
    let ready = until(start, || !knowledge.progress().indexing).context("the files are not indexed")?;
    let ready_work = cpu::of_process().saturating_sub(work);
    let indexed = knowledge.progress().indexed;
    ensure!(indexed as u64 == documents, "{indexed} of {documents} documents are indexed");
    let mut changes = (0..CHANGES)
        .map(|number| change(&knowledge, folder.path(), corpus, number))
        .collect::<Result<Vec<_>, _>>()?;
    rest()?;
    Ok(serde_json::json!({
        "documents": documents,
        "read_seconds": read.as_secs_f64(),
        "ready_seconds": ready.as_secs_f64(),
        "ready_cpu_seconds": ready_work.as_secs_f64(),
        "change_p50_ms": percentile(&mut changes, 50),
        "change_p99_ms": percentile(&mut changes, 99),
        "peak_mib": cpu::peak_mib(),
    }))
}

fn write(folder: &Path, (path, text): (String, String)) -> anyhow::Result<()> {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    Ok(fs::write(path, text)?)
}

/// Writes a word into a file, and waits until it is found.
fn change(knowledge: &Knowledge, folder: &Path, corpus: &Corpus, number: u64) -> anyhow::Result<Duration> {
    let (path, text) = corpus.file(number);
    let word = format!("changed{number}");
    let start = Instant::now();
    write(folder, (path, format!("{text}\n{word}\n")))?;
    let query = SearchQuery::new(word);
    until(start, || knowledge.search(&query).is_ok_and(|hits| hits.total == 1))
        .context("a changed file is not found")
}

/// Waits until the process does nothing any more: the index is merged after all can be found, and that takes memory too.
#[allow(clippy::disallowed_methods)] // nobody shares this thread
fn rest() -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let work = cpu::of_process();
        thread::sleep(Duration::from_millis(500));
        if cpu::of_process().saturating_sub(work) < Duration::from_millis(50) {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "it does not come to rest");
    }
}

/// How long after `start` something is so.
#[allow(clippy::disallowed_methods)] // nobody shares this thread
fn until(start: Instant, so: impl Fn() -> bool) -> anyhow::Result<Duration> {
    while !so() {
        ensure!(start.elapsed() < PATIENCE, "after {PATIENCE:?}");
        thread::sleep(TICK);
    }
    Ok(start.elapsed())
}
