use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

use anyport_metrics::{Counter, Metrics};
use anyport_seal::Sealer;
use anyport_service::{Principal, sync::Lock};
use anyport_store::Clock;
use tokio::sync::Notify;

use super::{attempts::Attempts, limits::CallerLoginLimits};
use crate::{error::Error, sign_in::SignIn};

/// The logins of the callers of a gateway at the servers behind it. Clones are the same.
#[derive(Clone)]
pub struct CallerLogins(Arc<Inner>);

struct Inner {
    /// The public URL, without a final slash.
    public_url: String,
    sealer: Sealer,
    limits: CallerLoginLimits,
    clock: Clock,
    servers: Lock<HashMap<String, LoginServer>>,
    attempts: Attempts,
    /// Those who wait for a login, by the server and the principal.
    waiting: Lock<HashMap<(String, Principal), Weak<Notify>>>,
    refusals: Refusals,
}

/// What the limits have refused.
pub(super) struct Refusals {
    pub(super) lifetime: Counter,
    pub(super) max_open: Counter,
    pub(super) wait: Counter,
}

/// A server at which callers sign in.
#[derive(Clone)]
pub struct LoginServer {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Makes the sign-in of an account there. Its redirect URI is [`CallerLogins::redirect_uri`].
    pub sign_in: Arc<MakeSignIn>,
}

/// Makes the sign-in of an account.
type MakeSignIn = dyn Fn(&str) -> Result<SignIn, Error> + Send + Sync;

impl CallerLogins {
    /// The logins by pages below `public_url`. `sealer` seals the addresses of pages.
    pub fn new(public_url: &str, sealer: Sealer, limits: CallerLoginLimits, metrics: &Metrics) -> Self {
        let refusals = Refusals {
            lifetime: metrics.refusals("connect_lifetime"),
            max_open: metrics.refusals("max_open_connects"),
            wait: metrics.refusals("connect_wait"),
        };
        Self(Arc::new(Inner {
            public_url: public_url.trim_end_matches('/').to_owned(),
            sealer,
            limits,
            clock: Clock::default(),
            servers: Lock::default(),
            attempts: Attempts::default(),
            waiting: Lock::default(),
            refusals,
        }))
    }

    /// Lets callers sign in at `server` from now on.
    pub fn add(&self, server: LoginServer) {
        self.0.servers.lock().insert(server.name.clone(), server);
    }

    /// Where browsers bring the answers of the servers' authorization servers.
    pub fn redirect_uri(&self) -> String {
        format!("{}{CONNECT_CALLBACK}", self.0.public_url)
    }

    /// The limits.
    pub fn limits(&self) -> &CallerLoginLimits {
        &self.0.limits
    }

    /// The number of logins that are under way.
    pub fn open(&self) -> usize {
        self.0.attempts.count(self.now())
    }

    /// The URL of the page of a link.
    pub(super) fn url(&self, id: &str) -> String {
        format!("{}{CONNECT}?id={id}", self.0.public_url)
    }

    /// The path of the page as browsers see it.
    pub(super) fn path(&self) -> String {
        let after_scheme = self.0.public_url.split_once("://").map_or("", |(_, rest)| rest);
        let prefix = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        format!("{prefix}{CONNECT}")
    }

    pub(super) fn server(&self, name: &str) -> Option<LoginServer> {
        self.0.servers.lock().get(name).cloned()
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(super) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// What completes when `principal` has signed in at the server `name`.
    pub(super) fn changes(&self, name: &str, principal: &Principal) -> Arc<Notify> {
        let mut waiting = self.0.waiting.lock();
        waiting.retain(|_, changes| changes.strong_count() > 0);
        let key = (name.to_owned(), principal.clone());
        let known = waiting.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let changes = Arc::new(Notify::new());
            waiting.insert(key, Arc::downgrade(&changes));
            changes
        })
    }
}

impl fmt::Debug for CallerLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerLogins").field("public_url", &self.0.public_url).finish_non_exhaustive()
    }
}

/// The path of the page at which a caller connects a server.
pub const CONNECT: &str = "/connect";
/// The path to which the browser comes back from the server's authorization server.
pub const CONNECT_CALLBACK: &str = "/connect/callback";
