//! Who the user of an authorization is: the boundary between the authorization server and what authenticates users.

use std::{future::Future, net::IpAddr, pin::Pin};

use anyport_service::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parameters::Parameters;
use crate::secret::Secret;

/// A user who has been authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The issuer that knows the user: our own for local users, the identity provider's for its users. So no user of one issuer
    /// is taken for a user of another.
    pub issuer: String,
    /// The subject: unique at the issuer, never given to somebody else. An e-mail address is none.
    pub subject: String,
    /// The name that pages show; it proves nothing.
    pub name: String,
    /// The id of what the authentication keeps of this login, such as tokens of an identity provider.
    #[serde(default)]
    pub login: Option<String>,
    /// The scopes that the user may grant to clients; `None`: all.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

impl User {
    /// The principal that calls in the name of this user have.
    pub fn principal(&self) -> Principal {
        Principal::subject_of(self.issuer.as_str(), self.subject.as_str())
    }
}

/// What authenticates users: local accounts, or an identity provider.
///
/// It begins after the user's consent, never before, and goes on at one route of its own. The authorization server has made sure
/// by then that the request at that route comes from the browser that consented, and that the interaction is used once.
pub trait UserAuthentication: Send + Sync + 'static {
    /// The name of the identity provider that the user is sent to, which the consent page shows; `None` for local users.
    fn provider(&self) -> Option<&str> {
        None
    }

    /// Whether a user who signs in here may be one of `issuer`.
    fn may_be_issuer(&self, _issuer: &str) -> bool {
        true
    }

    /// The route at which the login goes on.
    fn route(&self) -> LoginRoute;

    /// Begins a login.
    fn begin<'a>(&'a self, interaction: &'a mut Interaction) -> Answer<'a, Next>;

    /// Goes on with a login at [`UserAuthentication::route`]. [`Interaction::token`] is a new one, and [`Interaction::data`] is what the
    /// step before has left there.
    fn resume<'a>(&'a self, interaction: &'a mut Interaction, parameters: &'a Parameters)
    -> Answer<'a, Next>;

    /// Whether a login is still good. It is asked before tokens are refreshed and, with a cache, when they are verified.
    ///
    /// 2025-03-26, authorization §Session Binding Requirements: MCP servers "**MUST**: … Validate third-party token status before
    /// honoring MCP tokens".
    fn status<'a>(&'a self, _login: &'a str) -> Answer<'a, LoginStatus> {
        Box::pin(async { LoginStatus::Active })
    }

    /// Forgets what is kept of a login: nothing uses it any more.
    fn end<'a>(&'a self, _login: &'a str) -> Answer<'a, ()> {
        Box::pin(async {})
    }
}

/// What a [`UserAuthentication`] answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The route at which a login goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRoute {
    /// Its method: `GET` has its parameters in the query, `POST` in a form.
    pub method: http::Method,
    /// Its path, below the public URL.
    pub path: &'static str,
    /// The parameter that has the [token](Interaction::token) of the interaction.
    pub parameter: &'static str,
}

/// A login that has begun.
#[derive(Debug)]
pub struct Interaction {
    /// What names the interaction in the next request of the browser: once, as long as the limit `interaction` says, and for this browser alone. It goes
    /// into the form, or into `state`.
    pub token: Secret,
    /// What the authentication keeps until the next step, sealed.
    pub data: Value,
    /// The user who is signed in to this browser already, if there is one.
    pub user: Option<User>,
    /// The address that the request to go on came from, if it is known: that of the client behind trusted proxies.
    pub address: Option<IpAddr>,
}

/// What happens next.
#[derive(Debug)]
pub enum Next {
    /// The user is known: the client gets its code.
    User(User),
    /// A page is shown, such as a form for a password. Its body is what [`page`](super::page::Page) makes.
    Page(super::page::Page),
    /// The browser is sent to this URL.
    Redirect(String),
    /// The login fails: the client gets this error, with `state` and `iss`.
    Failed(LoginError),
}

/// How a login fails, as the client learns it (RFC 6749 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// The user or the provider has refused.
    AccessDenied,
    /// Something is wrong here or at the provider.
    ServerError,
    /// The provider is out of reach.
    TemporarilyUnavailable,
}

impl LoginError {
    /// The code of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// Whether a login is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStatus {
    /// It is.
    Active,
    /// It is not: every token that stems from it ends.
    Ended,
    /// It cannot be known now. Calls go on, and tokens are not refreshed: 503.
    Unknown,
}
