use std::time::Duration;

anyport_protocol::limits! {
    /// The limits of verifying credentials.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct VerifierLimits {
        /// The size of a token in bytes.
        #[default(16 KiB)]
        #[limit(Bytes "max_token", note = " of a caller's token or proof", beyond = "401 `invalid_token`")]
        pub max_token: usize,
        /// The size in bytes of the id of a key in a token.
        #[default(512)]
        #[limit(Bytes "max_key_id", note = " of the id of a key (`kid`) in a token", beyond = "401 `invalid_token`")]
        pub max_key_id: usize,
        /// The size in bytes of a key set, of the metadata of an issuer, or of the answer of an introspection endpoint.
        #[default(256 KiB)]
        #[limit(
            Bytes "max_key_set", note = " of a key set, and of an answer of an introspection endpoint",
            beyond = "it is not used; without an older one, 503"
        )]
        pub max_key_set: usize,
        /// The number of keys of one issuer.
        #[default(100)]
        #[limit(Count "max_keys", note = " of one issuer", beyond = "the first are used; a warning says so")]
        pub max_keys: usize,
        /// How long it may take to fetch keys, or to introspect a token.
        #[default(10 s)]
        #[limit(
            Seconds "key_fetch_timeout", note = " to fetch keys, or to introspect a token",
            beyond = "the keys that are known are used; without any, and for introspection, 503"
        )]
        pub key_fetch_timeout: Duration,
        /// How long a key set is used before it is fetched again.
        #[default(10 minutes)]
        #[limit(Seconds "key_set_max_age", note = " of a key set", beyond = "it is fetched again")]
        pub key_set_max_age: Duration,
        /// The time between two fetches that one unknown key, or one client with unknown keys, causes, and between two attempts to fetch.
        #[default(30 s)]
        #[limit(
            Seconds "key_refetch_interval", note = " between two fetches for one unknown key, and between two for unknown keys of one client",
            beyond = "401 `invalid_token`, or 503 for a token that is younger than the last fetch"
        )]
        pub key_refetch_interval: Duration,
        /// The number of fetches that unknown keys cause within `key_refetch_interval`.
        #[default(1)]
        #[limit(
            Count "max_key_refetches", note = " fetches for keys that are unknown within `key_refetch_interval`, for each issuer",
            beyond = "401 `invalid_token`, or 503 for a token that is younger than the last fetch"
        )]
        pub max_key_refetches: usize,
        /// The number of keys that are tried for a token that does not name its key.
        #[default(16)]
        #[limit(
            Count "max_keys_tried", note = " that are tried for a token that does not name its key (`kid`)",
            beyond = "401 `invalid_token`"
        )]
        pub max_keys_tried: usize,
        /// How long a key set is used if it cannot be fetched again.
        #[default(1 hour)]
        #[limit(Seconds "key_set_stale", note = " of a key set that cannot be fetched again", beyond = "503")]
        pub key_set_stale: Duration,
        /// How long a verified token is not verified again.
        #[default(5 minutes)]
        #[limit(
            Seconds "token_cache", note = " that a verified token is not verified again; never after its end",
            beyond = "it is verified again"
        )]
        pub token_cache: Duration,
        /// The number of verified tokens that are remembered.
        #[default(10_000)]
        #[limit(
            Count "max_cached_tokens", note = " tokens that were verified, for each issuer",
            beyond = "the oldest are forgotten, and verified again"
        )]
        pub max_cached_tokens: usize,
        /// How long the answer of an introspection endpoint is used.
        #[default(30 s)]
        #[limit(
            Seconds "introspection_cache", note = " that the answer of an introspection endpoint is used",
            beyond = "the token is introspected again"
        )]
        pub introspection_cache: Duration,
        /// The number of tokens that an authorization server is asked about at once.
        #[default(64)]
        #[limit(
            Count "max_introspections", note = " tokens that are introspected at once",
            beyond = "503 with `Retry-After`"
        )]
        pub max_introspections: usize,
        /// The number of tokens of one client within a minute that an authorization server does not accept.
        #[default(60)]
        #[limit(
            Count "max_refused_introspections", note = " tokens within a minute that one client presents and the authorization server refuses",
            beyond = "503 with `Retry-After` for its tokens that are not known yet, until the minute is over"
        )]
        pub max_refused_introspections: usize,
        /// How long the identifier of a DPoP proof is remembered.
        #[default(5 minutes)]
        #[limit(
            Seconds "dpop_proof_age", note = " of a DPoP proof; its `jti` is remembered as long",
            at_least = 120, beyond = "401 `invalid_dpop_proof`"
        )]
        pub dpop_proof_age: Duration,
        /// The number of DPoP proofs that are remembered.
        #[default(100_000)]
        #[limit(
            Count "max_dpop_proofs", note = " DPoP proofs whose `jti` is remembered, for each issuer",
            beyond = "503 with `Retry-After`, until older ones are forgotten"
        )]
        pub max_dpop_proofs: usize,
        /// The number of DPoP proofs of one caller that are remembered.
        #[default(20_000)]
        #[limit(
            Count "max_dpop_proofs_per_caller", note = " DPoP proofs of one caller whose `jti` is remembered",
            beyond = "503 with `Retry-After` for this caller, until older ones are forgotten"
        )]
        pub max_dpop_proofs_per_caller: usize,
        /// How far the clock of a caller or an authorization server may be off.
        #[default(60 s)]
        #[limit(Seconds "clock_leeway", note = " between clocks", at_least = 0, beyond = "401 `invalid_token`")]
        pub clock_leeway: Duration,
    }
}
