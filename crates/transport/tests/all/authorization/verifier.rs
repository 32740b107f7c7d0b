//! A verifier that knows tokens by their names.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_service::{Authorization, Principal, sync::Lock};
use anyport_transport::http::{
    Credential, CredentialError, CredentialVerifier, DpopSupport, Scheme, Verification,
};
use http::request::Parts;
use tokio::time::Instant;

/// Knows these tokens: `good`, `later` (known after a while), `read` and `files` (with that scope alone), `read+files`, `minute`
/// and `soon` (end after that), `ended`, `bad`, `down`; and with DPoP `bound`, `bound-read`, `unproven` and `nonce`.
#[derive(Clone, Debug)]
pub(super) struct Scripted(Arc<Inner>);

/// Bound tokens are offered.
impl Default for Scripted {
    fn default() -> Self {
        Self::with_dpop(DpopSupport::Offered)
    }
}

#[derive(Debug, Default)]
struct Inner {
    revoked: Lock<bool>,
    down: Lock<bool>,
    verified: AtomicUsize,
    verified_again: AtomicUsize,
    resources: Lock<Vec<String>>,
    dpop: DpopSupport,
}

impl Scripted {
    pub(super) fn with_dpop(dpop: DpopSupport) -> Self {
        Self(Arc::new(Inner { dpop, ..Inner::default() }))
    }

    /// From now on no token is valid.
    pub(super) fn revoke(&self) {
        *self.0.revoked.lock() = true;
    }

    /// From now on nothing can be verified.
    pub(super) fn go_down(&self) {
        *self.0.down.lock() = true;
    }

    pub(super) fn verified(&self) -> usize {
        self.0.verified.load(Ordering::Relaxed)
    }

    pub(super) fn verified_again(&self) -> usize {
        self.0.verified_again.load(Ordering::Relaxed)
    }

    /// The resources that credentials were verified for.
    pub(super) fn resources(&self) -> Vec<String> {
        self.0.resources.lock().clone()
    }

    fn of(&self, credential: &Credential) -> Result<Authorization, CredentialError> {
        let invalid = |why: &'static str| CredentialError::Invalid(why.into());
        let unavailable = || CredentialError::Unavailable {
            reason: "no keys".into(),
            retry_after: Duration::from_millis(1500),
        };
        if *self.0.down.lock() {
            return Err(unavailable());
        }
        if *self.0.revoked.lock() {
            return Err(invalid("revoked"));
        }
        let ada = Principal::subject_of("https://login.example", "ada");
        let (scheme, token) = (credential.scheme, &*credential.token);
        Ok(match (scheme, token) {
            (Scheme::Bearer, "good" | "later") | (Scheme::Dpop, "bound") => Authorization::unlimited(ada),
            (Scheme::Bearer, "eve") => {
                Authorization::unlimited(Principal::subject_of("https://login.example", "eve"))
            }
            (Scheme::Bearer, "none") => Authorization::scoped(ada, [""; 0]),
            (Scheme::Dpop, "bound-read") => Authorization::scoped(ada, ["read"]),
            (Scheme::Bearer, "read" | "files" | "offline_access") => Authorization::scoped(ada, [token]),
            (Scheme::Bearer, "read+files") => Authorization::scoped(ada, ["read", "files"]),
            (Scheme::Bearer, "minute") => {
                Authorization::unlimited(ada).until(Instant::now() + Duration::from_secs(60))
            }
            (Scheme::Bearer, "soon") => {
                Authorization::unlimited(ada).until(Instant::now() + Duration::from_millis(20))
            }
            (Scheme::Bearer, "ended") => Authorization::unlimited(ada).until(Instant::now()),
            (_, "down") => return Err(unavailable()),
            (Scheme::Dpop, "unproven") => return Err(CredentialError::InvalidProof("of another key".into())),
            (Scheme::Dpop, "nonce") => return Err(CredentialError::UseNonce("n-0nce".into())),
            _ => return Err(invalid("not \"ours\"")),
        })
    }
}

impl CredentialVerifier for Scripted {
    fn verify(&self, credential: &Credential, _: &Parts, resource: &str) -> Verification {
        self.0.verified.fetch_add(1, Ordering::Relaxed);
        self.0.resources.lock().push(resource.to_owned());
        let verified = self.of(credential);
        match &*credential.token {
            "later" => Verification::Pending(Box::pin(async {
                tokio::task::yield_now().await;
                verified
            })),
            _ => Verification::Ready(verified),
        }
    }

    fn verify_again(&self, credential: &Credential, _: &str) -> Verification {
        self.0.verified_again.fetch_add(1, Ordering::Relaxed);
        Verification::Ready(self.of(credential))
    }

    fn dpop_support(&self) -> DpopSupport {
        self.0.dpop
    }

    fn dpop_algorithms(&self) -> &[&str] {
        &["ES256", "EdDSA"]
    }
}
