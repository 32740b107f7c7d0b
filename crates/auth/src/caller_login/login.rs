use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyport_service::{Principal, sync::Lock};
use anyport_transport::client::http::{Authorizer as _, Endpoint};
use tokio::{sync::Notify, time::timeout};

use super::{
    account::account,
    asked::AskedLogin,
    link::Link,
    registry::{CallerLogins, UsedLogin},
    step_ups::StepUps,
};
use crate::{
    challenge::Challenges,
    error::Error,
    scope::Scopes,
    sign_in::{SignIn, SignInState},
};

/// The login of one caller at one server behind a gateway. Clones are the same.
#[derive(Clone)]
pub struct CallerLogin(Arc<Inner>);

struct Inner {
    logins: CallerLogins,
    /// The name of the server.
    server: String,
    principal: Principal,
    sign_in: SignIn,
    /// The page that was named last.
    page: Lock<Option<NamedPage>>,
    step_ups: StepUps,
    /// Completes when somebody has signed in.
    changes: Arc<Notify>,
    /// The calls that wait for the login.
    waiting: AtomicUsize,
}

/// The address of a page.
struct NamedPage {
    /// The scopes that the login before lacked.
    lacking: String,
    url: String,
    /// Until when it is named again.
    until: SystemTime,
}

/// The longest list of scopes that a caller is asked for: it stands in the address of the page.
const LONGEST_SCOPES: usize = 1024;

/// How often the store is looked at for a login that another process has brought to its end.
const LOOK: Duration = Duration::from_secs(1);
/// The same for those who only want to know of it sometime.
const LOOK_AT_LEISURE: Duration = Duration::from_secs(10);

impl CallerLogin {
    /// The login of `principal` at the server `name` of `logins`.
    ///
    /// # Errors
    /// When the server is none at which callers sign in, or its URL is no place for a token.
    pub fn new(logins: &CallerLogins, name: &str, principal: &Principal) -> Result<Self, Error> {
        let server = logins.server(name).ok_or_else(|| Error::NeedsLogin(name.to_owned()))?;
        let inner = Arc::new(Inner {
            sign_in: (server.sign_in)(&account(name, principal))?,
            changes: logins.changes(name, principal),
            logins: logins.clone(),
            server: name.to_owned(),
            principal: principal.clone(),
            page: Lock::default(),
            step_ups: StepUps::default(),
            waiting: AtomicUsize::new(0),
        });
        logins.know(&(inner.clone() as Arc<dyn UsedLogin>));
        Ok(Self(inner))
    }

    /// The endpoint of the server with the token of the caller.
    pub fn endpoint(&self) -> Endpoint {
        self.0.sign_in.endpoint()
    }

    /// Whether the caller has a token that needs no renewal, as is known without waiting.
    pub fn is_ready(&self) -> bool {
        self.0.is_signed_in() && self.0.sign_in.prepare().is_none()
    }

    /// Whether the caller has signed in, as far as is known. A token that ends soon is renewed first.
    pub async fn is_signed_in(&self) -> bool {
        if let Some(prepared) = self.0.sign_in.prepare() {
            prepared.await;
        }
        match self.0.sign_in.state() {
            SignInState::SignedIn | SignInState::Refreshing => true,
            // Another process may have a newer one.
            _ => self.looked().await,
        }
    }

    /// Whether the caller has a login, good or not, as far as is known without waiting.
    pub fn is_known(&self) -> bool {
        self.0.sign_in.state() != SignInState::SignedOut
    }

    /// Whether the server has refused the token, so that only a login helps.
    pub fn needs_login(&self) -> bool {
        matches!(self.0.sign_in.state(), SignInState::NeedsLogin | SignInState::SignedOut)
    }

    /// The id of the login that is used, as far as is known without waiting; `None` while there is none. A renewal keeps it.
    pub fn id(&self) -> Option<Arc<str>> {
        self.0.sign_in.login_id().borrow().clone()
    }

    /// Waits until another login than the one with `id` is used, or none any more.
    pub async fn until_another(&self, id: Option<&str>) {
        let mut current = self.0.sign_in.login_id();
        // Another process may have ended it.
        while timeout(LOOK_AT_LEISURE, current.wait_for(|current| current.as_deref() != id)).await.is_err() {
            self.0.reload().await;
        }
    }

    /// Whether the caller has signed in, or the token was renewed, as short a time ago as a login takes.
    pub fn is_recent(&self) -> bool {
        self.0.sign_in.is_younger_than(self.0.logins.limits().lifetime)
    }

    async fn looked(&self) -> bool {
        self.0.reload().await;
        matches!(self.0.sign_in.state(), SignInState::SignedIn)
    }

    /// Waits until the caller has signed in as it was `asked` to, for `connect_wait`. Returns whether that is so.
    pub async fn signed_in(&self, asked: &AskedLogin) -> bool {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waits(&self.0.waiting);
        let wait = self.wait(LOOK, asked.other_than.as_deref());
        let signed_in = timeout(self.0.logins.limits().wait, wait).await.is_ok();
        drop(waits);
        if !signed_in {
            self.0.logins.refusals().wait.increment();
        }
        signed_in
    }

    /// Waits until the caller has signed in.
    pub async fn until_signed_in(&self) {
        self.wait(LOOK_AT_LEISURE, None).await;
    }

    /// Waits until the caller has signed in here, by another login than `other_than`, or until that is seen in the store, where `look` is the
    /// time between looks.
    async fn wait(&self, look: Duration, other_than: Option<&str>) {
        loop {
            let changed = self.0.changes.notified();
            if self.looked().await && (other_than.is_none() || self.id().as_deref() != other_than) {
                return;
            }
            let _ = timeout(look, changed).await;
        }
    }

    /// The key of a question to the caller to sign in; by another login than now, if the one of now `is_good`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn question(&self, is_good: bool) -> Result<String, Error> {
        let Inner { logins, server, principal, .. } = &*self.0;
        AskedLogin::new(server, principal, self.id().filter(|_| is_good)).key(logins.sealer())
    }

    /// What the caller was asked under `key`, if that is the key of such a question.
    pub fn asked(&self, key: &str) -> Option<AskedLogin> {
        let Inner { logins, server, principal, .. } = &*self.0;
        AskedLogin::open(logins.sealer(), key, server, principal)
    }

    /// The scopes for which the caller is to be asked, after the server has refused `operation` with HTTP status 403 and the challenge
    /// `challenge`; `None` if another login would not help, or has not helped `max_step_ups` times.
    pub fn lacking(&self, operation: &str, challenge: &str) -> Option<String> {
        let challenges = Challenges::parse([challenge]);
        let scopes = challenges.scope().filter(|_| challenges.is_insufficient_scope())?;
        let lacking = Scopes::parse(scopes);
        if scopes.len() > LONGEST_SCOPES || self.0.sign_in.requested_scopes().has_all(&lacking) {
            return None;
        }
        if !self.0.step_ups.note(operation, self.id(), self.0.sign_in.limits()) {
            self.0.sign_in.count_step_ups();
            return None;
        }
        lacking.parameter()
    }

    /// How long the tool to sign in waits for the lists of the server (`connect_list_wait`).
    pub fn list_wait(&self) -> Duration {
        self.0.logins.limits().list_wait
    }

    /// Notes that the server has not refused `operation`.
    pub fn note_allowed(&self, operation: impl FnOnce() -> String) {
        self.0.step_ups.forget(operation);
    }

    /// The URL of the page at which the caller signs in, for the scopes `lacking` beside those of the login that there is: the same one for half
    /// of its life, so that a caller who is asked again knows it.
    ///
    /// # Errors
    /// When no browser could show that it is this caller's, or the system has no randomness.
    pub fn page(&self, lacking: &str) -> Result<String, Error> {
        let Inner { logins, server, principal, page, .. } = &*self.0;
        let (now, life) = (logins.now(), logins.limits().lifetime);
        let mut page = page.lock();
        if let Some(named) = page.as_ref().filter(|named| now < named.until && named.lacking == lacking) {
            return Ok(named.url.clone());
        }
        let link = Link::new(server, principal, lacking, now + life);
        let link = link.filter(|_| logins.may_have_browser(principal));
        let link = link.ok_or_else(|| Error::NoBrowser(server.clone()))?;
        let url = logins.url(&link.seal(logins.sealer())?);
        *page = Some(NamedPage { lacking: lacking.to_owned(), url: url.clone(), until: now + life / 2 });
        Ok(url)
    }
}

impl UsedLogin for Inner {
    fn is_at(&self, name: &str) -> bool {
        self.server == name
    }

    fn is_of(&self, principal: &Principal) -> bool {
        self.principal == *principal
    }

    fn is_signed_in(&self) -> bool {
        matches!(self.sign_in.state(), SignInState::SignedIn)
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Err(error) = self.sign_in.reload().await {
                tracing::warn!(%error, "the stored login of a caller cannot be read");
            }
        })
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A call that waits, and may be given up meanwhile.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for CallerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerLogin").field("server", &self.0.server).finish_non_exhaustive()
    }
}
