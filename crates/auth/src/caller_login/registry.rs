use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock, Weak},
    time::SystemTime,
};

use anyport_metrics::{Counter, Metrics};
use anyport_seal::Sealer;
use anyport_service::{Principal, sync::Lock};
use anyport_store::{Clock, Store};
use tokio::sync::Notify;

use super::{attempts::Attempts, limits::CallerLoginLimits};
use crate::{authorization_server::AuthorizationServer, error::Error, sign_in::SignIn};

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
    /// Says of which issuers the users of browsers are.
    browsers: OnceLock<AuthorizationServer>,
    /// The logins of callers that are in use.
    known: Lock<Vec<Weak<dyn UsedLogin>>>,
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
    /// Makes the sign-in of an account there. Its redirect URI is [`CallerLogins::redirect_uri`] of the name.
    pub sign_in: Arc<MakeSignIn>,
}

/// The callers of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerCounts {
    /// Those that have signed in.
    pub signed_in: usize,
    /// Those that have not, or whose login is over.
    pub signed_out: usize,
    /// The calls that wait for a login.
    pub waiting: usize,
}

impl CallerCounts {
    fn and(self, login: &Arc<dyn UsedLogin>) -> Self {
        let is_signed_in = login.is_signed_in();
        Self {
            signed_in: self.signed_in + usize::from(is_signed_in),
            signed_out: self.signed_out + usize::from(!is_signed_in),
            waiting: self.waiting + login.waiting(),
        }
    }
}

/// A login that is in use.
pub(super) trait UsedLogin: Send + Sync {
    /// Whether it is one at the server `name`.
    fn is_at(&self, name: &str) -> bool;
    /// Whether it is one of `principal`.
    fn is_of(&self, principal: &Principal) -> bool;
    fn is_signed_in(&self) -> bool;
    /// Reads the store again.
    fn reload(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// The calls that wait for it.
    fn waiting(&self) -> usize;
}

/// Makes the sign-in of an account.
type MakeSignIn = dyn Fn(&str) -> Result<SignIn, Error> + Send + Sync;

impl CallerLogins {
    /// The logins by pages below `public_url`. Those that are under way are kept in `store`, which must have been opened with
    /// [`CONNECT_ATTEMPTS`](super::CONNECT_ATTEMPTS). `sealer` seals them and the addresses of pages.
    pub fn new(
        public_url: &str,
        store: Arc<dyn Store>,
        sealer: Sealer,
        limits: CallerLoginLimits,
        metrics: &Metrics,
    ) -> Self {
        let refusals = Refusals {
            lifetime: metrics.refusals("connect_lifetime"),
            max_open: metrics.refusals("max_open_connects"),
            wait: metrics.refusals("connect_wait"),
        };
        Self(Arc::new(Inner {
            public_url: public_url.trim_end_matches('/').to_owned(),
            attempts: Attempts::new(store, sealer.clone(), limits),
            sealer,
            limits,
            clock: Clock::default(),
            servers: Lock::default(),
            waiting: Lock::default(),
            browsers: OnceLock::new(),
            known: Lock::default(),
            refusals,
        }))
    }

    /// Lets callers sign in at `server` from now on.
    pub fn add(&self, server: LoginServer) {
        self.0.servers.lock().insert(server.name.clone(), server);
    }

    /// Lets callers sign in only at those of the servers that `is_wanted` names.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        self.0.servers.lock().retain(|name, _| is_wanted(name));
    }

    /// The callers of the server `name` as far as they have called since the start.
    pub fn callers(&self, name: &str) -> CallerCounts {
        let mut known = self.0.known.lock();
        known.retain(|login| login.strong_count() > 0);
        let logins = known.iter().filter_map(Weak::upgrade).filter(|login| login.is_at(name));
        logins.fold(CallerCounts::default(), |counts, login| counts.and(&login))
    }

    /// Counts `login` for as long as it is in use.
    pub(super) fn know(&self, login: &Arc<dyn UsedLogin>) {
        let mut known = self.0.known.lock();
        known.retain(|login| login.strong_count() > 0);
        known.push(Arc::downgrade(login));
    }

    /// Lets the users of `server` sign in, whose browsers it knows.
    pub(super) fn set_browsers(&self, server: &AuthorizationServer) {
        let _ = self.0.browsers.set(server.clone());
    }

    /// Whether a browser can show that it is that of `principal`.
    pub(super) fn may_have_browser(&self, principal: &Principal) -> bool {
        let issuer = principal.issuer();
        issuer.is_some_and(|issuer| self.0.browsers.get().is_none_or(|server| server.may_be_issuer(issuer)))
    }

    /// Where browsers bring the answers of the authorization server of the server `name`: one place for each server, so that the answer of
    /// one authorization server is not taken for that of another, which may be hostile.
    ///
    /// RFC 9700 §4.4.2.2: "Clients use distinct redirect URIs for each issuer they interact with. Clients check that the authorization
    /// response is received from the correct issuer by comparing the distinct redirect URI for the issuer to the URI where the
    /// authorization response was received on."
    pub fn redirect_uri(&self, name: &str) -> String {
        let segment: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        format!("{}{CONNECT_CALLBACK}/{segment}", self.0.public_url)
    }

    /// The limits.
    pub fn limits(&self) -> &CallerLoginLimits {
        &self.0.limits
    }

    /// The URL of the page of a link.
    pub(super) fn url(&self, id: &str) -> String {
        format!("{}{CONNECT}?id={id}", self.0.public_url)
    }

    /// The path of a page as browsers see it.
    pub(super) fn path(&self, page: &str) -> String {
        let after_scheme = self.0.public_url.split_once("://").map_or("", |(_, rest)| rest);
        let prefix = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        format!("{prefix}{page}")
    }

    pub(super) fn server(&self, name: &str) -> Option<LoginServer> {
        self.0.servers.lock().get(name).cloned()
    }

    /// The servers, by their names.
    pub(super) fn servers(&self) -> Vec<LoginServer> {
        let mut servers: Vec<_> = self.0.servers.lock().values().cloned().collect();
        servers.sort_by(|one, other| one.name.cmp(&other.name));
        servers
    }

    /// Has the logins of `principal` at the server `name` that are in use read the store again.
    pub(super) async fn reload(&self, name: &str, principal: &Principal) {
        let known: Vec<_> = self.0.known.lock().iter().filter_map(Weak::upgrade).collect();
        for login in known.iter().filter(|login| login.is_at(name) && login.is_of(principal)) {
            login.reload().await;
        }
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
/// The path below which the browser comes back from the authorization server of a server, by the name of that.
pub const CONNECT_CALLBACK: &str = "/connect/callback";
/// The path at which a user ends a login.
pub(super) const CONNECT_END: &str = "/connect/end";
