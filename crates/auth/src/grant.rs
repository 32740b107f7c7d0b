use std::{future::Future, pin::Pin};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How tokens are got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginGrant {
    /// A user signs in with a browser: the authorization code grant.
    #[default]
    AuthorizationCode,
    /// The client has a secret or a key, and no user: the client credentials grant.
    ClientCredentials,
    /// The platform that this program runs on says who it is (workload identity federation, RFC 7523 §2.1).
    WorkloadIdentity {
        /// Where its assertion is, for a [`SecretReader`]. It is read before each request, since platforms replace it.
        assertion: String,
    },
    /// An identity provider, at which the user is signed in, says who the user is (enterprise-managed authorization).
    IdentityProvider {
        /// The name of the login there.
        name: String,
    },
}

impl LoginGrant {
    /// Whether a user signs in with a browser at each login.
    pub fn has_user(&self) -> bool {
        *self == Self::AuthorizationCode
    }
}

/// Reads secrets that are replaced while the program runs.
pub trait SecretReader: Send + Sync + 'static {
    /// The secret at `source`, as it is now.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read<'a>(
        &'a self,
        source: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>>;
}
