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
    link::Link,
    registry::{CallerLogins, UsedLogin},
};
use crate::{
    error::Error,
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
    /// The page that was named last, and until when it is named again.
    page: Lock<Option<(String, SystemTime)>>,
    /// Completes when somebody has signed in.
    changes: Arc<Notify>,
    /// The calls that wait for the login.
    waiting: AtomicUsize,
}

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

    async fn looked(&self) -> bool {
        self.0.reload().await;
        matches!(self.0.sign_in.state(), SignInState::SignedIn)
    }

    /// Waits until the caller has signed in, for `connect_wait`. Returns whether that is so.
    pub async fn signed_in(&self) -> bool {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waits(&self.0.waiting);
        let signed_in = timeout(self.0.logins.limits().wait, self.wait(LOOK)).await.is_ok();
        drop(waits);
        if !signed_in {
            self.0.logins.refusals().wait.increment();
        }
        signed_in
    }

    /// Waits until the caller has signed in.
    pub async fn until_signed_in(&self) {
        self.wait(LOOK_AT_LEISURE).await;
    }

    /// Waits until the caller has signed in here, or until that is seen in the store, where `look` is the time between looks.
    async fn wait(&self, look: Duration) {
        loop {
            let changed = self.0.changes.notified();
            if self.looked().await {
                return;
            }
            let _ = timeout(look, changed).await;
        }
    }

    /// The URL of the page at which the caller signs in: the same one for half of its life, so that a caller who is asked again
    /// knows it.
    ///
    /// # Errors
    /// When no browser could show that it is this caller's, or the system has no randomness.
    pub fn page(&self) -> Result<String, Error> {
        let Inner { logins, server, principal, page, .. } = &*self.0;
        let (now, life) = (logins.now(), logins.limits().lifetime);
        let mut page = page.lock();
        if let Some((url, until)) = &*page
            && now < *until
        {
            return Ok(url.clone());
        }
        let link = Link::new(server, principal, now + life);
        let link = link.ok_or_else(|| Error::NoBrowser(server.clone()))?;
        let url = logins.url(&link.seal(logins.sealer())?);
        *page = Some((url.clone(), now + life / 2));
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
