use std::time::Duration;

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::limits;

limits! {
    /// The limits of the authorization server.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AuthorizationServerLimits {
        /// How long an authorization code is valid.
        #[default(60 s)]
        #[limit(Seconds "authorization_code", note = " of an authorization code", beyond = "400 `invalid_grant`")]
        pub authorization_code: Duration,
        /// How long an access token is valid.
        #[default(1 hour)]
        #[limit(Seconds "access_token", note = " of an access token of ours", beyond = "401 `invalid_token`")]
        pub access_token: Duration,
        /// How long a refresh token is valid. Each use gives a new one.
        #[default("30 days" = DAY * 30)]
        #[limit(
            Seconds "refresh_token", note = " of a refresh token of ours, which each use replaces",
            beyond = "400 `invalid_grant`: the user signs in again"
        )]
        pub refresh_token: Duration,
        /// The longest life of a grant, however often its refresh token is replaced.
        #[default("90 days" = DAY * 90)]
        #[limit(
            Seconds "grant_life", note = " of all that a user has granted to a client at one sign-in",
            beyond = "400 `invalid_grant`: the user signs in again"
        )]
        pub grant_life: Duration,
        /// How long the refresh token that was replaced is answered with the same tokens again.
        #[default(30 s)]
        #[limit(
            Seconds "refresh_retry", note = " in which a refresh token that was replaced gets the same answer again",
            beyond = "400 `invalid_grant`, and every token of the grant ends"
        )]
        pub refresh_retry: Duration,
        /// How long what was read of an access token is used without reading it again.
        #[default(5 s)]
        #[limit(
            Seconds "grant_cache", note = " that an access token of ours is not read again",
            beyond = "it is read again, and a revoked one refused"
        )]
        pub grant_cache: Duration,
        /// The time of a user to consent and to sign in.
        #[default(10 minutes)]
        #[limit(
            Seconds "interaction", note = " for a user to consent and to sign in", beyond = "403: the user starts again"
        )]
        pub interaction: Duration,
        /// The number of interactions that begin within the time of one.
        #[default(10_000)]
        #[limit(
            Count "max_interactions", note = " authorizations that begin in that time, of a process", beyond = "503"
        )]
        pub max_interactions: usize,
        /// The number of them that browsers of one address begin (IPv6: of one network of 64 bits), so that no address locks out the
        /// others.
        #[default(1_000)]
        #[limit(
            Count "max_interactions_per_address", note = " of those, of one address", beyond = "503"
        )]
        pub max_interactions_per_address: usize,
        /// How long a user stays signed in to a browser.
        #[default("12 hours" = HOUR * 12)]
        #[limit(
            Seconds "browser_session", note = " that a user stays signed in to a browser",
            beyond = "the user signs in again"
        )]
        pub browser_session: Duration,
        /// How long a consent is remembered, where that is configured.
        #[default("30 days" = DAY * 30)]
        #[limit(
            Seconds "remembered_consent", note = " that a consent is remembered, with `consent = \"remember\"`",
            beyond = "the user is asked again"
        )]
        pub remembered_consent: Duration,
        /// The size in bytes of the metadata document of a client.
        #[default(5 KiB)]
        #[limit(
            Bytes "max_client_document", note = " of the metadata document of a client", beyond = "the client is refused"
        )]
        pub max_client_document: usize,
        /// How long it may take to fetch the metadata document of a client.
        #[default(5 s)]
        #[limit(
            Seconds "client_document_timeout", note = " to fetch the metadata document of a client",
            beyond = "the client is refused"
        )]
        pub client_document_timeout: Duration,
        /// The shortest time for which the metadata document of a client is used, whatever it says.
        #[default(5 minutes)]
        #[limit(
            Seconds "client_document_min_age", note = ", at least, that a client's document is used",
            beyond = "it is fetched again"
        )]
        pub client_document_min_age: Duration,
        /// The longest time for which the metadata document of a client is used, whatever it says.
        #[default("24 hours" = DAY)]
        #[limit(
            Seconds "client_document_max_age", note = ", at most, that a client's document is used",
            beyond = "it is fetched again"
        )]
        pub client_document_max_age: Duration,
        /// The time after which a document that was not usable is fetched again.
        #[default(60 s)]
        #[limit(
            Seconds "client_document_retry", note = " after a client's document was not usable",
            beyond = "until then, the client is refused without a fetch"
        )]
        pub client_document_retry: Duration,
        /// The number of client documents that are fetched at once.
        #[default(10)]
        #[limit(Count "max_client_fetches", note = " documents of clients at once", beyond = "503")]
        pub max_client_fetches: usize,
        /// The number of client documents in memory.
        #[default(1_000)]
        #[limit(
            Count "max_client_documents", note = " documents of clients in memory",
            beyond = "the oldest are forgotten, and fetched again"
        )]
        pub max_client_documents: usize,
        /// The size in bytes of a client's registration.
        #[default(16 KiB)]
        #[limit(Bytes "max_registration", note = " of a client's registration", beyond = "413 `invalid_client_metadata`")]
        pub max_registration: usize,
        /// The number of redirect URIs of a client.
        #[default(8)]
        #[limit(
            Count "max_redirect_uris", note = " redirect URIs of a client", beyond = "400 `invalid_redirect_uri`"
        )]
        pub max_redirect_uris: usize,
        /// The number of clients that register in an hour from one address.
        #[default(100)]
        #[limit(
            Count "registrations_per_hour", note = " from one address, of a process", beyond = "429 with `Retry-After`"
        )]
        pub registrations_per_hour: usize,
        /// The number of registered clients.
        #[default(10_000)]
        #[limit(Count "max_registrations", note = " clients that have registered themselves", beyond = "503")]
        pub max_registrations: usize,
        /// The time after which a registered client that is not used is removed.
        #[default("30 days" = DAY * 30)]
        #[limit(
            Seconds "registration_idle", note = " that a registered client is not used",
            beyond = "it is removed, and must register again"
        )]
        pub registration_idle: Duration,
        /// The number of attempts to sign in as one local user from one address in a minute.
        #[default(5)]
        #[limit(
            Count "login_attempts", note = " a minute to sign in as one local user from one address",
            beyond = "429: the password is not looked at"
        )]
        pub login_attempts: usize,
        /// The number of attempts to sign in as one local user in a minute, from all addresses together.
        #[default(50)]
        #[limit(
            Count "login_attempts_of_user", note = " a minute to sign in as one local user, from all addresses together",
            beyond = "429: the password is not looked at"
        )]
        pub login_attempts_of_user: usize,
        /// The number of passwords that are checked at once.
        #[default(2)]
        #[limit(Count "max_password_checks", note = " passwords at once", beyond = "further ones wait 5 s, then 503")]
        pub max_password_checks: usize,
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was refused by these limits.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    pub(crate) authorization_code: Counter,
    pub(crate) access_token: Counter,
    pub(crate) refresh_token: Counter,
    pub(crate) refresh_retry: Counter,
    pub(crate) grant_life: Counter,
    pub(crate) max_interactions: Counter,
    pub(crate) max_interactions_per_address: Counter,
    pub(crate) max_client_document: Counter,
    pub(crate) client_document_timeout: Counter,
    pub(crate) client_document_retry: Counter,
    pub(crate) max_client_fetches: Counter,
    pub(crate) max_registration: Counter,
    pub(crate) max_redirect_uris: Counter,
    pub(crate) registrations_per_hour: Counter,
    pub(crate) max_registrations: Counter,
    pub(crate) max_password_checks: Counter,
}

impl Refusals {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            authorization_code: metrics.refusals("authorization_code"),
            access_token: metrics.refusals("access_token"),
            refresh_token: metrics.refusals("refresh_token"),
            grant_life: metrics.refusals("grant_life"),
            refresh_retry: metrics.refusals("refresh_retry"),
            max_interactions: metrics.refusals("max_interactions"),
            max_interactions_per_address: metrics.refusals("max_interactions_per_address"),
            max_client_document: metrics.refusals("max_client_document"),
            client_document_timeout: metrics.refusals("client_document_timeout"),
            client_document_retry: metrics.refusals("client_document_retry"),
            max_client_fetches: metrics.refusals("max_client_fetches"),
            max_registration: metrics.refusals("max_registration"),
            max_redirect_uris: metrics.refusals("max_redirect_uris"),
            registrations_per_hour: metrics.refusals("registrations_per_hour"),
            max_registrations: metrics.refusals("max_registrations"),
            max_password_checks: metrics.refusals("max_password_checks"),
        }
    }
}
