//! What [`Jwt`](super::Jwt) and [`Introspection`](super::Introspection) have in common: a verifier of one issuer that is made of its
//! configuration at the first token.

/// The setters of such a verifier that both have, and how it verifies. It has the fields `config` and `verifier`.
macro_rules! configured_verifier {
    ($configured:ident) => {
        impl $configured {
            policy_setters!();

            /// Sets what becomes of tokens that are bound to a key of the caller (RFC 9449). Default: they are accepted.
            #[must_use]
            pub fn dpop(self, support: DpopSupport) -> Self {
                self.with(|config| config.dpop = support)
            }

            /// Has proofs contain a nonce of this server's (RFC 9449, section 9). Processes with the same key accept each other's.
            #[must_use]
            pub fn dpop_nonces(self, sealer: Sealer) -> Self {
                self.with(|config| config.nonces = Some(sealer))
            }

            /// Counts in `metrics`.
            #[must_use]
            pub fn metrics(self, metrics: &Metrics) -> Self {
                self.with(|config| config.metrics = metrics.clone())
            }

            /// The issuer.
            pub fn issuer(&self) -> &str {
                &self.config.issuer
            }

            fn verifier(&self) -> &Arc<Verifier> {
                self.verifier.get_or_init(|| Arc::new(Verifier::new(self.config.clone())))
            }

            fn with_policy(self, change: impl FnOnce(&mut TokenPolicy)) -> Self {
                self.with(|config| change(&mut config.policy))
            }

            fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
                change(&mut self.config);
                self.verifier = OnceLock::new();
                self
            }
        }

        impl CredentialVerifier for $configured {
            fn verify(&self, credential: &Credential, head: &Parts, resource: &str) -> Verification {
                self.verifier().verify(&Presented { credential, head: Some(head), resource })
            }

            fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
                self.verifier().verify(&Presented { credential, head: None, resource })
            }

            fn issuer_of(&self, _: &Credential) -> Option<&str> {
                Some(&self.config.issuer)
            }

            fn authorization_servers(&self) -> Vec<String> {
                vec![self.config.issuer.clone()]
            }

            fn dpop_support(&self) -> DpopSupport {
                self.config.dpop
            }

            fn dpop_algorithms(&self) -> &[&str] {
                ProofChecker::ALGORITHMS
            }
        }

        impl fmt::Debug for $configured {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($configured))
                    .field("issuer", &self.config.issuer)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use configured_verifier;
