//! What the verifiers of tokens have in common: which tokens are for us, for how long, and what their scopes include.

use std::time::Duration;

use anyport_store::Clock;
use tokio::time::Instant;

use super::{claims::Moment, limits::VerifierLimits, scopes::Hierarchy};

/// Which tokens are accepted, besides whose they are.
#[derive(Clone, Default)]
pub(super) struct TokenPolicy {
    /// The recipients that are this server, besides the URL of the endpoint.
    pub(super) audiences: Vec<String>,
    pub(super) hierarchy: Hierarchy,
    pub(super) leeway: Option<Duration>,
    pub(super) limits: VerifierLimits,
    pub(super) clock: Clock,
}

impl TokenPolicy {
    /// The moment at which a token is checked.
    pub(super) fn now(&self) -> Moment {
        let leeway = self.leeway.unwrap_or(self.limits.clock_leeway);
        Moment { wall: self.clock.now(), instant: Instant::now(), leeway }
    }
}

/// The setters of a verifier that has a policy, by its `with_policy`.
macro_rules! policy_setters {
    () => {
        /// Accepts tokens for `audience`, besides those for the URL of the endpoint.
        #[must_use]
        pub fn audience(self, audience: impl Into<String>) -> Self {
            self.with_policy(|policy| policy.audiences.push(audience.into()))
        }

        /// Has `scope` include `others`, and what those include.
        #[must_use]
        pub fn includes<S: Into<String>>(
            self,
            scope: impl Into<String>,
            others: impl IntoIterator<Item = S>,
        ) -> Self {
            let others = others.into_iter().map(Into::into);
            self.with_policy(|policy| policy.hierarchy.include(scope.into(), others))
        }

        /// Sets how far the clock of who issues tokens may be off. Default: the limit `clock_leeway`, 60 s.
        #[must_use]
        pub fn leeway(self, leeway: Duration) -> Self {
            self.with_policy(|policy| policy.leeway = Some(leeway))
        }

        /// Sets the limits.
        #[must_use]
        pub fn limits(self, limits: VerifierLimits) -> Self {
            self.with_policy(|policy| policy.limits = limits)
        }

        /// Sets the clock by which tokens end. Default: the system's.
        #[must_use]
        pub fn clock(self, clock: Clock) -> Self {
            self.with_policy(|policy| policy.clock = clock)
        }
    };
}

pub(super) use policy_setters;
