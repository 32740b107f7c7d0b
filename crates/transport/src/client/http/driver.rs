//! The state of one connection over HTTP, its tasks and its end.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_protocol::{
    failure::CloseReason,
    session::client::{NegotiatedSession, NegotiationError},
};
use anyport_service::sync::Lock;
use bytes::Bytes;
use smallvec::SmallVec;
use tokio::{sync::oneshot, task::JoinSet, time::timeout};

use super::{
    fault::shown,
    shared::{Line, Shared},
};
use crate::client::{ConnectError, ConnectOptions, multiplexer::Multiplexer};

/// One connection over HTTP.
pub(super) type HttpConnection = Multiplexer<HttpDriver>;

/// What came of opening a connection.
pub(super) type OpenResult = Result<Arc<NegotiatedSession>, ConnectError>;

/// Carries the messages of one connection: a POST for each, a response stream per call, and the stream of a session.
pub(super) struct HttpDriver {
    pub(super) shared: Arc<Shared>,
    /// Completes the opening of the connection, once.
    opened: Lock<Option<oneshot::Sender<OpenResult>>>,
    /// What was negotiated over HTTP+SSE, while `notifications/initialized` is under way.
    pub(super) confirming: Lock<Option<Arc<NegotiatedSession>>>,
    /// Tasks that read streams of the whole connection, and those that send its own requests.
    streams: Lock<JoinSet<()>>,
    /// Tasks that post messages without a response.
    posts: Lock<JoinSet<()>>,
    /// The most of these at once: each may be a connection, and how many a server causes is its own choice.
    max_posts: usize,
}

impl HttpDriver {
    pub(super) fn new(line: Line, options: Arc<ConnectOptions>, opened: oneshot::Sender<OpenResult>) -> Self {
        Self {
            opened: Lock::new(Some(opened)),
            confirming: Lock::default(),
            streams: Lock::default(),
            posts: Lock::default(),
            max_posts: options.max_open_requests + options.max_open_questions,
            shared: Arc::new(Shared::new(line, options)),
        }
    }

    /// Says whether the connection is open. The first answer counts.
    pub(super) fn complete(&self, opened: OpenResult) {
        if let Some(waiting) = self.opened.lock().take() {
            let _ = waiting.send(opened);
        }
    }

    /// Runs a task until it is over by itself or the connection is closed.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut streams = self.streams.lock();
        // What is over leaves nothing behind.
        while streams.try_join_next().is_some() {}
        streams.spawn_on(task, &runtime);
    }

    /// Posts messages without a response, each once the one before has arrived.
    pub(super) fn post(&self, messages: SmallVec<[Bytes; 2]>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = self.shared.clone();
        let mut posts = self.posts.lock();
        while posts.try_join_next().is_some() {}
        if posts.len() >= self.max_posts {
            return tracing::warn!("a message was not sent: the server takes too long for those before it");
        }
        let post = async move {
            for message in messages {
                if let Err(why) = shared.deliver(message).await {
                    tracing::warn!(why = why.words(), "a message could not be sent");
                }
            }
        };
        posts.spawn_on(post, &runtime);
    }

    /// Ends an opening whose failure the server's revision has nothing to do with.
    pub(super) fn give_up(&self, connection: &HttpConnection, error: ConnectError) {
        self.complete(Err(error));
        connection.close();
    }

    pub(super) fn refused(&self, options: &ConnectOptions, error: NegotiationError) -> ConnectError {
        match error {
            NegotiationError::Refused(method, error) => ConnectError::Refused { method, error },
            NegotiationError::Failed(method, failure) => ConnectError::Failed { method, failure },
            NegotiationError::Revision(spoken) => ConnectError::Revision { spoken, wanted: options.revision },
            NegotiationError::Silent => ConnectError::Silent(options.probe_timeout),
            NegotiationError::TimedOut => ConnectError::Silent(options.open_timeout),
            NegotiationError::Ended => {
                ConnectError::Transport(format!("{} ends each connection", shown(&self.shared.line.url)))
            }
        }
    }

    /// Ends everything: streams are closed, what is being sent is sent, the session is given back.
    pub(super) fn close(&self, connection: &HttpConnection, reason: CloseReason) {
        // A connection that ends while it is confirmed was open, and says itself why it is over.
        let confirming = self.confirming.lock().take();
        self.complete(confirming.ok_or_else(|| ConnectError::Ended(reason.clone())));
        self.streams.lock().abort_all();
        let mut posts = std::mem::take(&mut *self.posts.lock());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return connection.events.close(reason);
        };
        if matches!(reason, CloseReason::Lost(_) | CloseReason::Replaced(_)) {
            // Whoever connects anew need not wait for what is said to a server that is gone.
            connection.events.close(reason.clone());
        }
        let (shared, connection) = (self.shared.clone(), connection.weak().upgrade());
        runtime.spawn(async move {
            let finish = async {
                while posts.join_next().await.is_some() {}
                shared.delete_session().await;
            };
            let _ = timeout(CLOSE_TIMEOUT, finish).await;
            if let Some(connection) = connection {
                connection.events.close(reason);
            }
        });
    }
}

/// A weak handle to a connection: its tasks do not keep it open.
pub(super) type WeakConnection = Weak<HttpConnection>;

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
