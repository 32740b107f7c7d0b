use std::{fmt, future::Future, pin::Pin};

use http::{HeaderValue, Method};
use url::Url;

/// Gives the requests to one server their header `Authorization`, and answers the server's refusals.
///
/// An [`Endpoint`](super::Endpoint) that has one asks it for every request. Clones of the endpoint share it.
pub trait Authorizer: Send + Sync + 'static {
    /// The value of `Authorization` that is known now. Called for every request to the server's own origin.
    fn authorization(&self) -> Option<HeaderValue>;

    /// The value of `DPoP` of a request that carries `authorization`: the proof that its token is used by its owner (RFC 9449).
    /// `None` if the token is not bound to a key.
    fn proof(&self, method: &Method, url: &Url, authorization: &HeaderValue) -> Option<HeaderValue> {
        let _ = (method, url, authorization);
        None
    }

    /// The server has answered with a nonce for further proofs (`DPoP-Nonce`).
    fn nonce(&self, nonce: &HeaderValue) {
        let _ = nonce;
    }

    /// What is to be done before the next request, such as renewing a token that expires soon; `None` if nothing is.
    fn prepare(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>>;

    /// The server has refused a request with HTTP status 401 or 403. Returns whether the request is to be sent again, with what
    /// [`Authorizer::authorization`] then says: a refused request was not carried out. If not, the caller gets the refusal.
    ///
    /// # Errors
    /// [`SignInFailed`], in place of the refusal.
    fn refused(
        &self,
        refusal: AccessRefusal,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SignInFailed>> + Send + '_>>;
}

/// A request that a server has refused because of who calls.
#[derive(Clone)]
#[non_exhaustive]
pub struct AccessRefusal {
    /// The HTTP status: 401 or 403.
    pub status: u16,
    /// The values of the header `WWW-Authenticate`, each of which may hold several challenges.
    pub challenges: Vec<String>,
    /// What was sent in `Authorization`.
    pub sent: Option<HeaderValue>,
    /// The number of refusals of this request before.
    pub attempt: u32,
    /// The number of those with status 403.
    pub forbidden: u32,
    /// Whether the server is on the public internet, as far as the connection tells.
    pub is_public: bool,
}

/// Without what was sent.
impl fmt::Debug for AccessRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRefusal")
            .field("status", &self.status)
            .field("challenges", &self.challenges)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Why no access was got.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SignInFailed {
    /// Words that say what to do and tell no secret.
    pub why: String,
    /// Whether the same may succeed later, without a login.
    pub is_temporary: bool,
}
