use std::time::Duration;

anyport_protocol::limits! {
    /// The limits of signing in at an identity provider.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProviderLimits {
        /// How long a login is honored before the provider is asked again, where its tokens have no end.
        #[default(1 hour)]
        #[limit(
            Seconds "provider_check_interval", note = " that a token of the identity provider without an end is believed",
            beyond = "the provider is asked again"
        )]
        pub check_interval: Duration,
        /// The time of one request to the provider.
        #[default(10 s)]
        #[limit(
            Seconds "provider_timeout", note = " of one request to the identity provider",
            beyond = "`temporarily_unavailable` for the client; no login ends"
        )]
        pub request_timeout: Duration,
    }
}
