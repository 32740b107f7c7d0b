use std::time::Duration;

/// The limits of signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInLimits {
    /// The size in bytes of a document or an answer of an authorization server. Default 64 KiB.
    pub max_document: usize,
    /// How long one request to an authorization server may take. Default 10 s.
    pub fetch_timeout: Duration,
    /// How many redirects are followed to metadata. Nothing else is redirected. Default 3.
    pub max_redirects: usize,
    /// How long a user may take to sign in. Default 5 min.
    pub login_timeout: Duration,
    /// How long before its end a token is renewed, though never more than a fifth of its life. Default 60 s.
    pub refresh_before: Duration,
    /// How long one process may take to renew a token before another one does. Default 30 s.
    pub refresh_lease: Duration,
    /// How often one request may lead to a login for further scopes. Default 2.
    pub max_step_ups: u32,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            max_document: 64 << 10,
            fetch_timeout: Duration::from_secs(10),
            max_redirects: 3,
            login_timeout: Duration::from_secs(5 * 60),
            refresh_before: Duration::from_secs(60),
            refresh_lease: Duration::from_secs(30),
            max_step_ups: 2,
        }
    }
}
