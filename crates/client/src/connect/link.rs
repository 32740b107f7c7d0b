use std::{
    sync::{Arc, Mutex as Lock, PoisonError},
    time::Duration,
};

use anyport_protocol::{
    Method,
    failure::{CloseReason, Failure},
};
use anyport_service::{Context, Reply, Request, Service, emit};
use anyport_transport::client::{ConnectError, ConnectOptions, Connection, Said, Target, connect};
use futures_util::FutureExt;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use super::{
    aside::answer_asides,
    listening::{self, Subscriptions},
};
use crate::{cache::ClientCache, client::BACKOFF, handler::Functions};

/// A connection that is made anew when a request finds it gone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    target: Target,
    opening: ConnectOptions,
    current: Lock<Current>,
    /// Held while the connection is made anew, so that one request does it for all.
    again: Mutex<Attempts>,
    cache: Arc<ClientCache>,
    functions: Arc<Functions>,
}

/// How it went to connect so far.
struct Attempts {
    /// Those in a row that failed, or led to a connection that was soon lost.
    failed: u32,
    /// When the last one ended.
    last: Instant,
    /// Whether the last one led to a connection.
    connected: bool,
}

#[derive(Clone)]
pub(super) struct Current {
    pub(super) connection: Connection,
    pub(super) subscriptions: Arc<Subscriptions>,
}

impl Link {
    /// Connects for the first time.
    pub(crate) async fn open(
        target: Target,
        opening: ConnectOptions,
        cache: Arc<ClientCache>,
        functions: Arc<Functions>,
    ) -> Result<Self, ConnectError> {
        let current = Current::connect(&target, &opening, &cache, &functions).await?;
        let attempts = Attempts { failed: 0, last: Instant::now(), connected: true };
        let (current, again) = (Lock::new(current), Mutex::new(attempts));
        Ok(Self(Arc::new(Shared { target, opening, current, again, cache, functions })))
    }

    /// The connection as it is now.
    pub(crate) fn connection(&self) -> Connection {
        self.0.current().connection
    }
}

impl Service for Link {
    fn call(&self, request: Request, context: Context) -> Reply {
        let current = self.0.current();
        if current.is_open() {
            return current.call(request, context);
        }
        let shared = self.0.clone();
        emit::reply(|emitter| async move {
            match shared.again().await {
                Ok(current) => emitter.relay(current.call(request, context)).await,
                Err(error) => unsent(&error).into(),
            }
        })
    }
}

impl Shared {
    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn again(&self) -> Result<Current, ConnectError> {
        let mut attempts = self.again.lock().await;
        let current = self.current();
        if current.is_open() {
            return Ok(current);
        }
        let failed = attempts.due().await;
        *attempts = Attempts { failed, last: Instant::now(), connected: false };
        let connected = Current::connect(&self.target, &self.opening, &self.cache, &self.functions).await;
        attempts.last = Instant::now();
        let current = connected?;
        attempts.connected = true;
        // It may be another server now, and its changes were not heard meanwhile.
        self.cache.clear();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current.clone();
        Ok(current)
    }
}

impl Attempts {
    /// Completes when the server may be connected to again, with how many attempts failed until then. Who gives up waiting
    /// changes nothing.
    async fn due(&self) -> u32 {
        if self.connected && self.last.elapsed() >= HEALTHY {
            return 0;
        }
        sleep_until(self.last + BACKOFF.after(self.failed)).await;
        self.failed + 1
    }
}

/// A connection that was made so long ago was no failure, however it ended.
const HEALTHY: Duration = Duration::from_secs(10);

impl Current {
    async fn connect(
        target: &Target,
        opening: &ConnectOptions,
        cache: &Arc<ClientCache>,
        functions: &Arc<Functions>,
    ) -> Result<Self, ConnectError> {
        let connection = connect(target, opening).await?;
        answer_asides(&connection, functions);
        let (mut spoken, cache) = (connection.spoken(), Arc::downgrade(cache));
        // Ends with the connection, or with the client.
        tokio::spawn(async move {
            while let Some(said) = spoken.next().await {
                let Some(cache) = cache.upgrade() else { return };
                match said {
                    Said::Notification(told) => cache.heard(&told),
                    Said::Missed(_) => cache.clear(),
                }
            }
        });
        Ok(Self { connection, subscriptions: Arc::default() })
    }

    fn is_open(&self) -> bool {
        self.connection.closed().now_or_never().is_none()
    }

    fn call(&self, request: Request, context: Context) -> Reply {
        // An older server knows subscriptions of single resources, and tells of everything else by itself.
        if request.known() == Some(Method::Listen) && !self.connection.revision().is_modern() {
            return listening::listen(self.clone(), request, context);
        }
        self.connection.call(request, context)
    }
}

/// The request never left.
fn unsent(error: &ConnectError) -> Failure {
    Failure::NotSent(CloseReason::lost(format!("the server cannot be reached again: {error}")))
}
