use std::{borrow::Cow, fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use anyport_service::Authorization;
use bytestring::ByteString;
use http::request::Parts;

/// A credential as a request presents it: its scheme has been read, and there is one alone.
#[derive(Clone)]
pub struct Credential {
    /// How it was presented.
    pub scheme: Scheme,
    /// The token, as it was sent.
    pub token: ByteString,
    /// The address of the client that presents it, if it is known: verifiers limit by it what they ask others.
    pub client: Option<IpAddr>,
}

impl Credential {
    /// A credential whose client has no known address.
    pub fn new(scheme: Scheme, token: impl Into<ByteString>) -> Self {
        Self { scheme, token: token.into(), client: None }
    }

    /// The client has the address `client`.
    #[must_use]
    pub fn from(self, client: Option<IpAddr>) -> Self {
        Self { client, ..self }
    }
}

/// The scheme of an `Authorization` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer` (RFC 6750).
    #[default]
    Bearer,
    /// `DPoP` (RFC 9449): the request has a proof in its header `DPoP`.
    Dpop,
}

impl Scheme {
    /// The name of the scheme, as challenges write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// The token is a secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.scheme)
    }
}

/// The certificate with which a client has opened its connection (mutual TLS), as an extension of a request's head. Whoever
/// terminates TLS inserts it, such as a [`Listener`](super::Listener) with client CAs; a token that is bound to a certificate (RFC 8705) is refused without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The SHA-256 of the certificate in DER.
    pub sha256: [u8; 32],
}

/// The path of the public URL, as an extension of a request's head, if it has one: for clients it stands before the path of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPath(pub Arc<str>);

/// Verifies the credentials of requests, which were presented by their HTTP headers.
pub trait CredentialVerifier: fmt::Debug + Send + Sync + 'static {
    /// Verifies `credential` of the request whose head is `head`, for the endpoint whose resource identifier (RFC 8707) is
    /// `resource`. Whatever takes time, such as fetching keys, is [`Verification::Pending`].
    fn verify(&self, credential: &Credential, head: &Parts, resource: &str) -> Verification;

    /// Verifies `credential` again while a stream is open that it has opened: whether it was revoked meanwhile. A verifier that can
    /// learn of a revocation does not answer from a cache here, and a proof was one of the request alone. The default verifies a request that has
    /// nothing but the credential, which suits verifiers without a cache and without proofs.
    fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
        let (head, ()) = http::Request::new(()).into_parts();
        self.verify(credential, &head, resource)
    }

    /// The issuers of the authorization servers whose tokens it accepts: the metadata of the resource names them where the
    /// configuration names none.
    fn authorization_servers(&self) -> Vec<String> {
        Vec::new()
    }

    /// The issuer of the authorization server that gave `credential`, where it can be exchanged for another token; `None` for what is
    /// no token of one, such as an API key. Only tokens of which this is known are noted in
    /// [`CallerTokens`](super::CallerTokens).
    fn issuer_of(&self, credential: &Credential) -> Option<&str> {
        let _ = credential;
        None
    }

    /// What becomes of tokens that are bound to keys by DPoP. The scheme `DPoP` is read only if they are accepted.
    fn dpop_support(&self) -> DpopSupport {
        DpopSupport::Refused
    }

    /// The algorithms of DPoP proofs that it accepts, for challenges and metadata.
    fn dpop_algorithms(&self) -> &[&str] {
        &[]
    }
}

/// What becomes of tokens that are bound to a key of their holder (RFC 9449, "DPoP"), and whether clients learn of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DpopSupport {
    /// They are refused: only the scheme `Bearer` is read.
    #[default]
    Refused,
    /// They are accepted.
    Accepted,
    /// They are accepted, and challenges and metadata offer them.
    Offered,
    /// Only they are accepted: challenges have no scheme but `DPoP`, and metadata says so (RFC 9728 §2,
    /// `dpop_bound_access_tokens_required`).
    Required,
}

/// The result of a verification.
pub enum Verification {
    /// Known at once: a cached token, a local key.
    Ready(Result<Authorization, CredentialError>),
    /// Known later.
    Pending(Pin<Box<dyn Future<Output = Result<Authorization, CredentialError>> + Send>>),
}

/// Why a credential does not let a request in. The texts are sent to the caller: they name no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// The credential is expired, revoked, forged, for somebody else or otherwise not valid: 401, `invalid_token` (RFC 6750,
    /// section 3.1).
    Invalid(Cow<'static, str>),
    /// The proof of a token that is bound to a key is missing or wrong: 401, `invalid_dpop_proof` (RFC 9449, section 7.1).
    InvalidProof(Cow<'static, str>),
    /// The proof must have this nonce: 401, `use_dpop_nonce` and the header `DPoP-Nonce` (RFC 9449, section 9).
    UseNonce(String),
    /// It cannot be known now, since keys or the introspection endpoint are out of reach: 503 with `Retry-After`. A client
    /// that was told `invalid_token` would drop a good token.
    Unavailable {
        /// What is out of reach.
        reason: Cow<'static, str>,
        /// After which time the request may be repeated.
        retry_after: Duration,
    },
}
