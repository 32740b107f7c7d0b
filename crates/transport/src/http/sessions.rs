use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use anyport_protocol::{Error, Id, jsonrpc::Reason};
use anyport_service::Principal;
use tokio::{sync::oneshot, time::Instant};

use super::{config::Limits, log::Log};
use crate::dialogue::{LegacySession, random_id};

/// The sessions of a listener: bound to who opened them, ended by DELETE, by being idle, or to make room.
pub(super) struct Sessions {
    limits: Limits,
    by_id: Mutex<HashMap<String, Arc<HttpSession>>>,
}

/// A session, and what is under way in it.
pub(super) struct HttpSession {
    pub(super) dialogue: Arc<LegacySession>,
    /// How to cancel each call that runs.
    pub(super) running: Mutex<HashMap<Id, oneshot::Sender<()>>>,
    /// What was said on each stream, by the stream's number.
    logs: Mutex<HashMap<u64, Log>>,
    last_stream: AtomicU64,
    /// The number of the newest stream for what belongs to no call.
    last_pushes: AtomicU64,
    used: Mutex<Instant>,
    /// Calls and streams that are open.
    busy: AtomicUsize,
}

impl Sessions {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, by_id: Mutex::default() }
    }

    /// Adds a session under an identifier of its own.
    ///
    /// # Errors
    /// When there are `max_sessions` and none of them is idle.
    pub(super) fn add(&self, dialogue: Arc<LegacySession>) -> Result<(String, Arc<HttpSession>), Error> {
        let id = random_id()?;
        let mut by_id = lock(&self.by_id);
        if by_id.len() >= self.limits.max_sessions {
            let idle = by_id.iter().filter(|(_, session)| session.busy.load(Ordering::Relaxed) == 0);
            let oldest = idle.min_by_key(|(_, session)| *lock(&session.used)).map(|(id, _)| id.clone());
            match oldest.and_then(|oldest| by_id.remove(&oldest)) {
                Some(session) => session.end(),
                None => {
                    let message =
                        format!("{} sessions are busy (max_sessions); try again later", by_id.len());
                    return Err(Error::internal(message).with_reason(Reason::Overloaded));
                }
            }
        }
        let session = Arc::new(HttpSession {
            dialogue,
            running: Mutex::default(),
            logs: Mutex::default(),
            last_stream: AtomicU64::new(0),
            last_pushes: AtomicU64::new(0),
            used: Mutex::new(Instant::now()),
            busy: AtomicUsize::new(0),
        });
        by_id.insert(id.clone(), session.clone());
        Ok((id, session))
    }

    /// The session `id`, if `principal` opened it. To anyone else it does not exist.
    pub(super) fn get(&self, id: &str, principal: &Principal) -> Option<Arc<HttpSession>> {
        let session =
            lock(&self.by_id).get(id).filter(|session| session.dialogue.principal() == principal)?.clone();
        *lock(&session.used) = Instant::now();
        Some(session)
    }

    /// Ends the session `id`, if `principal` opened it.
    pub(super) fn remove(&self, id: &str, principal: &Principal) -> bool {
        let mut by_id = lock(&self.by_id);
        if by_id.get(id).is_none_or(|session| session.dialogue.principal() != principal) {
            return false;
        }
        let session = by_id.remove(id);
        drop(by_id);
        if let Some(session) = session {
            session.end();
        }
        true
    }

    /// Ends what has been idle for too long: sessions, and logs of streams that have ended.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = Vec::new();
        lock(&self.by_id).retain(|_, session| {
            let stays = session.busy.load(Ordering::Relaxed) > 0
                || now.duration_since(*lock(&session.used)) < self.limits.session_idle;
            if stays {
                let ttl = self.limits.sse_log_ttl;
                let kept = |log: &Log| log.ended().is_none_or(|ended| now.duration_since(ended) < ttl);
                lock(&session.logs).retain(|_, log| kept(log));
            } else {
                idle.push(session.clone());
            }
            stays
        });
        for session in idle {
            session.end();
        }
    }

    /// Ends the streams for what belongs to no call, which have no end of their own.
    pub(super) fn end_pushes(&self) {
        lock(&self.by_id).values().for_each(|session| session.dialogue.end_pushes());
    }

    /// Ends all sessions.
    pub(super) fn close(&self) {
        let all: Vec<_> = lock(&self.by_id).drain().collect();
        for (_, session) in all {
            session.end();
        }
    }
}

impl HttpSession {
    /// A stream of its own number and log.
    pub(super) fn stream(&self, limits: &Limits) -> Log {
        let number = self.last_stream.fetch_add(1, Ordering::Relaxed);
        let log = Log::new(number, limits.sse_log);
        lock(&self.logs).insert(number, log.clone());
        log
    }

    /// The log of a stream that is still kept.
    pub(super) fn log(&self, stream: u64) -> Option<Log> {
        lock(&self.logs).get(&stream).cloned()
    }

    /// Puts a new stream in the place of the one for what belongs to no call, and returns its number.
    pub(super) fn open_pushes(&self) -> u64 {
        let number = self.last_pushes.fetch_add(1, Ordering::Relaxed) + 1;
        // The old stream is woken by this and finds itself replaced.
        self.dialogue.wake_pushes();
        number
    }

    /// The number of the stream that is in place.
    pub(super) fn pushes(&self) -> u64 {
        self.last_pushes.load(Ordering::Relaxed)
    }

    /// Keeps the session from being idle for as long as the guard lives.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Cancels what runs and ends what is open.
    fn end(&self) {
        lock(&self.running).clear();
        for (_, log) in lock(&self.logs).drain() {
            log.end();
        }
        self.dialogue.close();
    }
}

/// See [`HttpSession::busy`].
pub(super) struct Busy(Arc<HttpSession>);

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.0.used) = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
