//! Streams end with the credential that opened them: when it expires, and soon after it was revoked.

use std::{fmt, sync::Arc, time::Duration};

use anyport_service::Authorization;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    config::Authentication,
    credential::{Credential, CredentialError, CredentialVerifier, Verification},
    state::State,
};

/// The credential by which a stream was opened: the stream ends with it.
pub(super) struct CredentialWatch {
    state: Arc<State>,
    verifier: Arc<dyn CredentialVerifier>,
    credential: Credential,
    authorization: Authorization,
}

impl CredentialWatch {
    /// Watches the credential of a caller with `authorization`; `None` without a verifier, as other credentials do not end.
    pub(super) fn new(
        state: &Arc<State>,
        credential: Credential,
        authorization: Authorization,
    ) -> Option<Self> {
        let Authentication::Verified(verifier) = &state.config.authentication else { return None };
        Some(Self { state: state.clone(), verifier: verifier.clone(), credential, authorization })
    }

    /// Completes when the credential has expired, and soon after it was revoked.
    pub(super) async fn ended(self) {
        let expired = async {
            match self.authorization.expires() {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = expired => tracing::debug!("a stream ends, as its credential has expired"),
            () = self.revoked() => tracing::debug!("a stream ends, as its credential is not valid any more"),
        }
    }

    /// Completes when the credential is not valid any more, or when that has not been known for a while.
    async fn revoked(&self) {
        loop {
            sleep(self.state.config.limits.credential_check).await;
            let still_valid = timeout(PATIENCE, self.is_valid()).await;
            if still_valid != Ok(true) {
                return;
            }
        }
    }

    /// Verifies the credential, again and again while it cannot be known.
    async fn is_valid(&self) -> bool {
        loop {
            let verification = self.verifier.verify_again(&self.credential, &self.state.resource.identifier);
            let verified = match verification {
                Verification::Ready(verified) => verified,
                Verification::Pending(verified) => verified.await,
            };
            match verified {
                Ok(authorization) => return self.is_same(&authorization),
                Err(CredentialError::Unavailable { .. }) => sleep(AGAIN).await,
                Err(_) => return false,
            }
        }
    }

    /// Whether the credential still lets its caller in.
    fn is_same(&self, now: &Authorization) -> bool {
        now.principal() == self.authorization.principal()
            && now.expires().is_none_or(|end| end > Instant::now())
            && self.state.resource.required.iter().all(|scope| now.allows(scope))
    }
}

/// The credential is a secret.
impl fmt::Debug for CredentialWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialWatch").field("authorization", &self.authorization).finish_non_exhaustive()
    }
}

/// How long it may be unknown whether a credential is valid. With the default of `credential_check`, a stream ends 35 s after the
/// revocation at the latest, if the verifier learns of it.
const PATIENCE: Duration = Duration::from_secs(4);
/// The pause after which a verifier that could not say is asked again.
const AGAIN: Duration = Duration::from_secs(1);
