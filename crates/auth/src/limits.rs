use std::time::Duration;

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::limits;

limits! {
    /// The limits of signing in.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SignInLimits {
        /// The size in bytes of a document or answer of an authorization server.
        #[default(64 KiB)]
        #[limit(
            Bytes "max_auth_document", note = " of a document or answer of an authorization server",
            beyond = "it is not used, and the login fails"
        )]
        pub max_document: usize,
        /// The time of one request to an authorization server.
        #[default(10 s)]
        #[limit(
            Seconds "auth_timeout", note = " of one request to an authorization server",
            beyond = "the login or the renewal fails, and nothing is forgotten"
        )]
        pub fetch_timeout: Duration,
        /// The number of redirects that are followed to metadata. Nothing else is redirected.
        #[default(3)]
        #[limit(Count "max_auth_redirects", note = " to metadata; nothing else is redirected", beyond = "the login fails")]
        pub max_redirects: usize,
        /// The time that a user may take to sign in.
        #[default(5 minutes)]
        #[limit(Seconds "login_timeout", note = " for the user, with the browser", beyond = "the login fails")]
        pub login_timeout: Duration,
        /// The time before its end at which a token is renewed, though never more than a fifth of its life.
        #[default(60 s)]
        #[limit(
            Seconds "refresh_before", note = " before its end, though at most a fifth of its life",
            beyond = "a token is renewed before the next request"
        )]
        pub refresh_before: Duration,
        /// The time that one process may take to renew a token.
        #[default(30 s)]
        #[limit(Seconds "refresh_lease", note = " for one process to renew a token", beyond = "another process renews it")]
        pub refresh_lease: Duration,
        /// The time after which a stored login is read again, which another process may have ended or renewed.
        #[default(2 s)]
        #[limit(Seconds "login_reread", note = ", after which a logout by another process is noticed", beyond = "the stored login is read again")]
        pub login_reread: Duration,
        /// The number of logins for further scopes to which one request may lead.
        #[default(2)]
        #[limit(Count "max_step_ups", note = " for further scopes, by one request", beyond = "the caller gets the server's 403")]
        pub max_step_ups: u32,
        /// The number of operations of one caller at one server of which it is remembered that they lack scopes.
        #[default(64)]
        #[limit(
            Count "max_step_up_operations", note = " operations that lack scopes, of one caller at one server",
            beyond = "the one that has lacked them for longest is forgotten, and may lead to `max_step_ups` logins again"
        )]
        pub max_step_up_operations: usize,
    }
}

/// What was refused by these limits.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    pub(crate) document: Counter,
    pub(crate) fetch: Counter,
    pub(crate) redirects: Counter,
    pub(crate) login: Counter,
    pub(crate) lease: Counter,
    pub(crate) step_ups: Counter,
}

impl Refusals {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            document: metrics.refusals("max_auth_document"),
            fetch: metrics.refusals("auth_timeout"),
            redirects: metrics.refusals("max_auth_redirects"),
            login: metrics.refusals("login_timeout"),
            lease: metrics.refusals("refresh_lease"),
            step_ups: metrics.refusals("max_step_ups"),
        }
    }
}
