//! The thread that writes: what waits together is written together.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    apply::{self, Done},
    file::{self, Layout},
    foreign::{Missed, read_missed, read_since},
    job::{Job, Operation},
    readers::Readers,
    rows::{self, Foreign},
    setup::{Setup, failure},
};
use crate::{Change, Error, Key, Version, members::Presence};

/// The queue of the writing thread, which ends when this is dropped.
pub(super) struct Writer {
    commands: Sender<Command>,
    /// The bytes that may wait, in KiB.
    room: Arc<Semaphore>,
}

enum Command {
    Write(Waiting),
    /// Removes what has expired.
    Sweep(oneshot::Sender<Result<(), Error>>),
    /// From now on changes of other processes are reported.
    Follow(oneshot::Sender<()>),
}

struct Waiting {
    job: Job,
    result: oneshot::Sender<Result<Version, Error>>,
    _room: OwnedSemaphorePermit,
}

/// What the thread has.
struct Thread {
    layout: Layout,
    setup: Setup,
    /// `None`: it failed, and is opened again for the next command.
    connection: Option<Connection>,
    readers: Arc<Readers>,
    /// Up to here changes were reported; `None` while there is no watch.
    reported: Option<Version>,
    /// `PRAGMA data_version` when the changes of others were read.
    seen: i64,
    swept: Instant,
    /// After the connection: a member is gone once its files are closed.
    _presence: Presence,
}

/// Why a group was not written.
enum Failed {
    /// Before the commit: nothing was written.
    Before(rusqlite::Error),
    /// In the commit, with the ids of the writes.
    Commit(rusqlite::Error, Vec<i64>),
}

/// The largest number of writes in one transaction.
const GROUP: usize = 256;
/// The bytes of values in one transaction, from which on no further write joins it.
const GROUP_BYTES: usize = 1 << 20;
/// The bytes of values that wait for the thread, in KiB. Further writes wait to be queued.
const ROOM: usize = 16 << 10;
/// How soon changes of other processes are noticed.
const POLL: Duration = Duration::from_millis(200);
/// How often expired versions are removed.
const SWEEP: Duration = Duration::from_secs(60);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        layout: Layout,
        setup: Setup,
        connection: Connection,
        readers: Arc<Readers>,
        presence: Presence,
    ) -> Result<Self, Error> {
        let (commands, received) = mpsc::channel();
        let thread = Thread {
            layout,
            setup,
            connection: Some(connection),
            readers,
            reported: None,
            seen: 0,
            swept: Instant::now(),
            _presence: presence,
        };
        let run = move || thread.run(&received);
        thread::Builder::new().name("anyport-store".to_owned()).spawn(run).map_err(Error::fault)?;
        Ok(Self { commands, room: Arc::new(Semaphore::new(ROOM)) })
    }

    /// Writes, and returns once it is on the disk.
    pub(super) async fn write(&self, job: Job) -> Result<Version, Error> {
        let room = u32::try_from(job.bytes() / 1024 + 1).unwrap_or(u32::MAX);
        let _room = self.room.clone().acquire_many_owned(room).await.map_err(Error::fault)?;
        let (result, written) = oneshot::channel();
        self.send(Command::Write(Waiting { job, result, _room }))?;
        // The thread ended within the write.
        written.await.unwrap_or(Err(Error::Unknown))
    }

    pub(super) async fn sweep(&self) -> Result<(), Error> {
        let (result, swept) = oneshot::channel();
        self.send(Command::Sweep(result))?;
        swept.await.unwrap_or(Err(Error::Unreachable))
    }

    /// Returns once every later change of another process is reported.
    pub(super) async fn follow(&self) -> Result<(), Error> {
        let (result, followed) = oneshot::channel();
        self.send(Command::Follow(result))?;
        followed.await.map_err(|_| Error::Unreachable)
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| Error::Unreachable)
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match &self.operation {
            Operation::Put { value, .. } => value.len(),
            Operation::Delete => 0,
        }
    }
}

impl Thread {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let timeout = if self.setup.watchers.is_empty() { SWEEP } else { POLL };
            let mut next = match commands.recv_timeout(timeout) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut swept = None;
            let mut followers = Vec::new();
            let mut group = Vec::new();
            let mut bytes = 0;
            while let Some(command) = next.take() {
                match command {
                    Command::Write(waiting) => {
                        bytes += waiting.job.bytes();
                        group.push(waiting);
                    }
                    Command::Sweep(result) => swept = Some(result),
                    Command::Follow(result) => followers.push(result),
                }
                if group.len() < GROUP && bytes < GROUP_BYTES && swept.is_none() {
                    next = commands.try_recv().ok();
                }
            }
            if !group.is_empty() {
                self.write(group);
            }
            self.follow();
            for follower in followers {
                let _ = follower.send(());
            }
            if swept.is_some() || self.swept.elapsed() >= SWEEP {
                self.swept = Instant::now();
                let result = self.sweep();
                if let Some(swept) = swept {
                    let _ = swept.send(result);
                }
            }
        }
    }

    /// Writes a group in one transaction.
    fn write(&mut self, group: Vec<Waiting>) {
        for _ in &group {
            self.setup.counters.writes.increment();
        }
        if let Err(error) = self.connect() {
            return group.into_iter().for_each(|waiting| waiting.end(Err(error.again())));
        }
        match self.transact(&group) {
            Ok(done) => {
                self.setup.report(None);
                for (waiting, done) in group.into_iter().zip(done) {
                    if matches!(done, Err(Error::Full)) {
                        self.setup.counters.faults.count(&Error::Full);
                    }
                    waiting.end(done.map(|done| done.version));
                }
            }
            Err(Failed::Before(error)) if is_full(&error) && group.len() > 1 => {
                // A smaller one may still find room.
                group.into_iter().for_each(|waiting| self.write(vec![waiting]));
            }
            Err(Failed::Before(error)) => {
                let error = failure(error);
                self.setup.report(Some(&error));
                group.into_iter().for_each(|waiting| waiting.end(Err(error.again())));
            }
            Err(Failed::Commit(error, writes)) => self.fail(error, group, &writes),
        }
    }

    /// Ends the writes of a commit that failed.
    ///
    /// The connection is not used again: after a failed `fsync` the system may have dropped what it could not write, and says
    /// nothing the second time. The file is opened again, by which SQLite decides what of its log counts.
    fn fail(&mut self, error: rusqlite::Error, group: Vec<Waiting>, writes: &[i64]) {
        self.setup.counters.failed_commits.increment();
        tracing::error!(%error, writes = group.len(), "a commit of the store failed; the file is opened again");
        let is_full = is_full(&error);
        self.setup.report(Some(&failure(error)));
        self.connection = None;
        self.readers.renew();
        let reopened = self.connect();
        for (waiting, write_id) in group.into_iter().zip(writes) {
            let is_there = self
                .connection
                .as_ref()
                .map(|connection| apply::is_there(connection, &waiting.job.key, *write_id));
            // A full disk took no whole transaction. Whatever else failed, the log may hold it, and a later opening count it.
            let is_absent = is_full && reopened.is_ok() && matches!(is_there, Some(Ok(false)));
            waiting.end(Err(if is_absent { Error::Full } else { Error::Unknown }));
        }
    }

    /// Opens the file again if it was closed.
    fn connect(&mut self) -> Result<(), Error> {
        if self.connection.is_some() {
            return Ok(());
        }
        match file::reopen(&self.layout, &self.setup) {
            Ok(connection) => {
                // The counter of another connection is another one.
                self.seen = NOT_SEEN;
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => {
                self.setup.report(Some(&error));
                Err(error)
            }
        }
    }

    /// Carries out a group of writes in one transaction.
    fn transact(&mut self, group: &[Waiting]) -> Result<Vec<Result<Done, Error>>, Failed> {
        let now = self.setup.clock.now();
        let done = self.in_transaction(|connection| {
            let done = group.iter().map(|waiting| apply::write(connection, &waiting.job, now));
            let done: Vec<_> = done.collect::<rusqlite::Result<_>>()?;
            let ids = done.iter().map(|done| done.as_ref().map_or(0, |done| done.write_id)).collect();
            Ok((done, ids))
        })?;
        self.setup.counters.commits.increment();
        for change in done.iter().flatten().filter_map(|done| done.change.as_ref()) {
            self.publish(change);
        }
        Ok(done)
    }

    /// Runs `work` in a transaction, commits it, and reports what other processes wrote before it: the caller then publishes what
    /// `work` wrote. `work` also returns the ids of its writes.
    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<(T, Vec<i64>)>,
    ) -> Result<T, Failed> {
        let (seen, reported) = (self.seen, self.reported);
        let Some(connection) = &mut self.connection else {
            return Err(Failed::Before(rusqlite::Error::InvalidQuery));
        };
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(Failed::Before)?;
        let current = rows::data_version(&transaction).map_err(Failed::Before)?;
        let missed = match reported.filter(|_| current != seen) {
            Some(reported) => read_missed(&transaction, reported).map_err(Failed::Before)?,
            None => Missed::Changes(Vec::new()),
        };
        let (result, writes) = work(&transaction).map_err(Failed::Before)?;
        transaction.commit().map_err(|error| Failed::Commit(error, writes))?;
        self.seen = current;
        self.report_missed(missed);
        Ok(result)
    }

    /// Reports what other processes have written.
    fn follow(&mut self) {
        if self.setup.watchers.is_empty() {
            self.reported = None;
            return;
        }
        if self.connect().is_err() {
            return;
        }
        let Some(connection) = &self.connection else { return };
        match read_since(connection, self.seen, self.reported) {
            Ok((current, reported, missed)) => {
                (self.seen, self.reported) = (current, Some(reported));
                self.report_missed(missed);
            }
            Err(error) => tracing::debug!(%error, "changes of other processes cannot be read"),
        }
    }

    fn report_missed(&mut self, missed: Missed) {
        let now = self.setup.clock.now();
        let changes = match missed {
            Missed::Changes(changes) => changes,
            Missed::TooMany(newest) => {
                self.reported = Some(newest);
                return self.setup.watchers.reset();
            }
        };
        for Foreign { bucket, id, found } in changes {
            self.reported = Some(found.version);
            // The bucket of a newer release.
            let Some(bucket) = self.setup.bucket(&bucket) else { continue };
            let (key, version, is_deletion) = (Key::new(bucket, id), found.version, found.value.is_none());
            match found.live(now) {
                Some(entry) => self.publish(&Change::Put(key, entry)),
                None if is_deletion => self.publish(&Change::Deleted(key, version)),
                // It has expired: the sweep reports it.
                None => {}
            }
        }
    }

    fn publish(&mut self, change: &Change) {
        self.reported = self.reported.zip(change.version()).map(|(reported, version)| reported.max(version));
        self.setup.watchers.publish(change);
    }

    /// Removes what has expired.
    fn sweep(&mut self) -> Result<(), Error> {
        loop {
            let now = self.setup.clock.now();
            self.connect()?;
            let Some(connection) = &self.connection else { return Ok(()) };
            if !apply::has_expired(connection, now).map_err(failure)? {
                return Ok(());
            }
            let setup = self.setup.clone();
            let swept = self.in_transaction(|connection| {
                Ok((apply::sweep(connection, now, |name| setup.bucket(name))?, Vec::new()))
            });
            let changes = match swept {
                Ok(changes) => changes,
                Err(Failed::Before(error)) => return Err(failure(error)),
                Err(Failed::Commit(error, _)) => {
                    self.fail(error, Vec::new(), &[]);
                    return Err(Error::Unknown);
                }
            };
            if changes.is_empty() {
                return Ok(());
            }
            changes.iter().for_each(|change| self.publish(change));
        }
    }
}

/// No value of `PRAGMA data_version`.
const NOT_SEEN: i64 = -1;

impl Waiting {
    fn end(self, result: Result<Version, Error>) {
        // A caller that is gone wrote all the same.
        let _ = self.result.send(result);
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}
