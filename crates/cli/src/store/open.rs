use std::{fmt, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use anyport_metrics::Metrics;
use anyport_store::{Error, JetStreamOptions, JetStreamStore, MemoryStore, RoutedStore, SqliteStore, Store};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    buckets::{buckets, shared_buckets},
    durability::{Durability, StoreStatus},
    local::{folder, in_folder, local},
    location::Location,
    monitor::{self, ServerReport},
};
use crate::user_error::UserError;

/// Where a store is, and how it is opened.
#[derive(Clone, Debug)]
pub(crate) struct StorePlace {
    pub(crate) location: Location,
    pub(crate) options: JetStreamOptions,
    /// The monitoring address of a server of NATS.
    pub(crate) monitor: Option<String>,
}

/// A store that is open, or opens when it is first needed. Clones are the same store.
#[derive(Clone)]
pub(crate) struct OpenStore {
    /// All kinds of state.
    pub(crate) store: Arc<dyn Store>,
    location: Location,
    jetstream: Option<JetStreamStore>,
    /// The file of what is in the state folder, if there is one.
    sqlite: Option<SqliteStore>,
    monitor: Option<Arc<Monitored>>,
}

/// What the monitored server said, and when.
struct Monitored {
    url: String,
    last: Mutex<Option<(Instant, Result<ServerReport, String>)>>,
}

/// For how long what the monitored server said is believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// The pause between attempts to reach the servers at the start.
const AGAIN: Duration = Duration::from_millis(250);

impl StorePlace {
    /// Whether other machines may be members of the store.
    pub(crate) fn is_shared_by_machines(&self) -> bool {
        matches!(self.location, Location::Nats(_))
    }

    /// The store. What belongs to this machine is in the folder `state` of the program's state, or ends with the process where there is none.
    /// Does no I/O. `None`: there is no place for anything.
    pub(crate) fn open(&self, state: Option<&Path>, metrics: &Metrics) -> Option<OpenStore> {
        let of_machine = state.map(|state| local(state, metrics));
        let (mut jetstream, mut sqlite) = (None, of_machine.clone());
        let shared: Option<Arc<dyn Store>> = match &self.location {
            Location::State => None,
            Location::Memory => Some(Arc::new(MemoryStore::new(&buckets(), metrics))),
            Location::Sqlite(path) if state.is_some_and(|state| folder(state) == *path) => None,
            Location::Sqlite(path) => {
                let store = in_folder(path.clone(), metrics);
                sqlite = Some(store.clone());
                Some(Arc::new(store))
            }
            Location::Nats(address) => {
                let options = self.options.clone().metrics(metrics);
                let store = JetStreamStore::new(address.clone(), &shared_buckets(), options);
                jetstream = Some(store.clone());
                sqlite = None;
                Some(Arc::new(store))
            }
        };
        let store: Arc<dyn Store> = match (shared, of_machine) {
            (None, of_machine) => Arc::new(of_machine?),
            (Some(shared), Some(of_machine)) => Arc::new(RoutedStore::new(shared, Arc::new(of_machine))),
            (Some(shared), None) => {
                Arc::new(RoutedStore::new(shared, Arc::new(MemoryStore::new(&buckets(), metrics))))
            }
        };
        let monitor = self.monitor.clone().filter(|_| jetstream.is_some());
        let monitor = monitor.map(|url| Arc::new(Monitored { url, last: Mutex::default() }));
        Some(OpenStore { store, location: self.location.clone(), jetstream, sqlite, monitor })
    }
}

impl OpenStore {
    /// Whether there may be anything in it: whether the file is there, if what is shared is in a file.
    pub(crate) fn may_hold_something(&self) -> bool {
        self.sqlite.as_ref().is_none_or(SqliteStore::is_there)
    }

    /// Where it is.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The servers of NATS, if it is there.
    pub(crate) fn jetstream(&self) -> Option<&JetStreamStore> {
        self.jetstream.as_ref()
    }

    /// Waits until the servers are reached, `patience` at most. A store that cannot be reached by then is tried again by itself.
    ///
    /// # Errors
    /// When it can be reached and not be used.
    pub(crate) async fn reached(&self, patience: Duration) -> Result<()> {
        let Some(jetstream) = &self.jetstream else { return Ok(()) };
        let deadline = Instant::now() + patience;
        loop {
            let Err(error) = jetstream.open().await else { return Ok(()) };
            let fault = jetstream.connection_fault();
            let is_refused = fault.as_ref().is_some_and(|fault| fault.contains("authorization"));
            if !matches!(error, Error::Unreachable) || is_refused {
                return Err(self.unusable(&error, fault.as_deref()));
            }
            if Instant::now() >= deadline {
                let why = fault.unwrap_or_default();
                tracing::warn!(
                    store = %self.location, why,
                    "the store cannot be reached: keys, pins and logins are not known until it is (store_wait)"
                );
                return Ok(());
            }
            sleep(AGAIN.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// A failure of the store, with what to do about it.
    pub(crate) fn unusable(&self, error: &Error, fault: Option<&str>) -> anyhow::Error {
        let fault = fault.map(|fault| format!(": {fault}")).unwrap_or_default();
        let problem = format!("the store {} cannot be used: {error}{fault}", self.location);
        let help = match error {
            Error::Newer { .. } => "use the newest release of anyport",
            Error::Unreachable => {
                "see that its servers run with JetStream, and that the user and the password are right"
            }
            _ => {
                "correct [store] or --store, or the settings of the servers; docs/store.md has what they need"
            }
        };
        UserError::failed(problem, help)
    }

    /// How it is, if it is not the state folder.
    pub(crate) async fn status(&self) -> Option<StoreStatus> {
        if self.location == Location::State {
            return None;
        }
        let kind = self.store.status().durability;
        let version = self.jetstream.as_ref().and_then(JetStreamStore::server_version);
        let report = match &self.monitor {
            Some(monitored) => Some(monitored.report().await),
            None => None,
        };
        let durability = Durability::of(kind, version.as_deref(), report.as_ref());
        Some(StoreStatus { url: self.location.to_string(), durability })
    }
}

/// How a store is, if one was chosen.
pub(crate) async fn status_of(store: Option<&OpenStore>) -> Option<StoreStatus> {
    match store {
        Some(store) => store.status().await,
        None => None,
    }
}

impl Monitored {
    async fn report(&self) -> Result<ServerReport, String> {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < BELIEVED
        {
            return report.clone();
        }
        let report = monitor::ask(&self.url).await;
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

impl fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStore").field("location", &self.location).finish_non_exhaustive()
    }
}
