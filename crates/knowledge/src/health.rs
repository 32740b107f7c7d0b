//! How the server is.

use std::time::{Instant, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Knowledge,
    answers::Readable,
    document::iso_8601,
    machine::{Machine, MachineSampler, rounded, tasks},
};

/// The answer of `health_check`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// healthy; degraded if the documents or the index are not healthy, or processors or memory are used above 90 %
    pub status: Status,
    /// When this was found out, ISO 8601
    pub timestamp: String,
    /// The machine
    pub system: Machine,
    /// This program
    pub application: Application,
    /// What it depends on
    pub dependencies: Dependencies,
    /// How far the documents are read and indexed
    pub progress: Reading,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Healthy,
    /// It works, but not as well as it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// This program.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Application {
    /// How many tasks run or wait, connections and calls among them
    pub pending_tasks: usize,
    /// For how long the server has been there, in seconds
    pub uptime_seconds: f64,
    /// Version of the program
    pub version: String,
}

/// What the server depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dependencies {
    /// The documents
    pub documents: Status,
    /// The index that they are searched by
    pub index: Status,
    /// What tells that files changed; absent for documents that do not change
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watcher: Option<Status>,
}

/// How far the documents are read and indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reading {
    /// How many documents are known
    pub documents: usize,
    /// How many of them are read
    pub read: usize,
    /// How many of them can be found by searching
    pub indexed: usize,
    /// Whether there are more to read
    pub reading: bool,
    /// Whether there are more to index
    pub indexing: bool,
}

/// Looks after the server.
#[derive(Debug)]
pub(crate) struct Health {
    started: Instant,
    machine: MachineSampler,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), machine: MachineSampler::new() }
    }

    /// How everything is. It takes no longer than reading two small files.
    pub(crate) fn report(&self, knowledge: &Knowledge) -> Report {
        let system = self.machine.sample();
        let progress = knowledge.progress();
        let dependencies = Dependencies::of(knowledge);
        let is_well = dependencies.are_well();
        Report {
            status: if is_well && !system.is_busy() { Status::Healthy } else { Status::Degraded },
            timestamp: iso_8601(SystemTime::now()),
            system,
            application: Application {
                pending_tasks: tasks(),
                uptime_seconds: rounded(self.started.elapsed().as_secs_f64()),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            dependencies,
            progress: Reading {
                documents: progress.documents,
                read: progress.read,
                indexed: progress.indexed,
                reading: progress.reading,
                indexing: progress.indexing,
            },
        }
    }
}

impl Dependencies {
    /// How the documents of `knowledge` are.
    pub fn of(knowledge: &Knowledge) -> Self {
        let state = knowledge.state();
        let or = |well: bool, otherwise: Status| if well { Status::Healthy } else { otherwise };
        Self {
            // The documents of a removed folder are gone, but those of the others are there.
            documents: or(state.folders, Status::Degraded),
            index: or(state.index, Status::Unhealthy),
            watcher: state.watcher.map(|tells| or(tells, Status::Degraded)),
        }
    }

    /// Whether all works. Without a watcher, which some file systems cannot have, changes are noticed a little later.
    fn are_well(&self) -> bool {
        self.documents == Status::Healthy && self.index == Status::Healthy
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Readable for Report {
    fn markdown(&self) -> String {
        let Self { status, timestamp, system, application, dependencies, progress } = self;
        let mut text = format!(
            "**{}**{} at {timestamp}\n\n- version {}, up for {} s, {} tasks\n- processors {} % in use, memory {} %, {} MiB left\n",
            status.word(),
            if system.is_busy() { ": processors or memory are used above 90 %," } else { "" },
            application.version,
            application.uptime_seconds,
            application.pending_tasks,
            system.cpu_percent,
            system.memory_percent,
            system.memory_available_mb,
        );
        text.push_str(&format!(
            "- documents {}, index {}",
            dependencies.documents.word(),
            dependencies.index.word()
        ));
        if let Some(watcher) = dependencies.watcher {
            text.push_str(&format!(", watcher {}", watcher.word()));
        }
        let more = if progress.reading || progress.indexing { ", and there are more to come" } else { "" };
        text.push_str(&format!(
            "\n- {} documents known, {} read, {} indexed{more}",
            progress.documents, progress.read, progress.indexed
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{Document, DocumentPath, FileTimes, Library};

    #[tokio::test]
    async fn a_report_says_how_machine_program_and_documents_are() {
        let document =
            |path: &str| Document::parse(DocumentPath::new(path).unwrap(), "text", FileTimes::default()).0;
        let knowledge = Knowledge::of(Library::new(["a.md", "b.md"].map(document)));
        knowledge.settled().await;
        let health = Health::new();
        let before = Timestamp::now();
        let waits = tokio::spawn(std::future::pending::<()>());
        let report = health.report(&knowledge);
        let at: Timestamp = report.timestamp.parse().unwrap();
        assert!(at.as_millisecond() >= before.as_millisecond() && at <= Timestamp::now());
        let Machine { cpu_percent, memory_percent, memory_available_mb } = report.system;
        assert!((0.0..=100.0).contains(&cpu_percent) && (0.0..=100.0).contains(&memory_percent));
        assert!(memory_percent > 0.0 && memory_available_mb > 0.0, "{report:?}");
        assert!(report.application.pending_tasks >= 1 && report.application.uptime_seconds >= 0.0);
        waits.abort();
        let all = Reading { documents: 2, read: 2, indexed: 2, reading: false, indexing: false };
        assert_eq!(report.progress, all);
        let dependencies = report.dependencies;
        assert_eq!((dependencies.documents, dependencies.index), (Status::Healthy, Status::Healthy));
        assert_eq!(dependencies.watcher, None, "these never change");
        let text = report.markdown();
        assert!(
            text.contains("documents healthy, index healthy\n- 2 documents known, 2 read, 2 indexed"),
            "{text}"
        );
    }

    #[test]
    fn a_folder_that_is_gone_degrades() {
        let well = Dependencies { documents: Status::Healthy, index: Status::Healthy, watcher: None };
        assert!(well.are_well());
        assert!(Dependencies { watcher: Some(Status::Degraded), ..well }.are_well());
        assert!(!Dependencies { documents: Status::Degraded, ..well }.are_well());
        assert!(!Dependencies { index: Status::Unhealthy, ..well }.are_well());
    }
}
