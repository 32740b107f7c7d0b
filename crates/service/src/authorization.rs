use std::sync::Arc;

use tokio::time::Instant;

use crate::Principal;

/// What a verified credential allows: whom it stands for, its scopes, and until when. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization(Arc<Granted>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Granted {
    principal: Principal,
    scopes: Option<Box<[Box<str>]>>,
    expires: Option<Instant>,
}

impl Authorization {
    /// Allows `principal` everything, without an end: a caller of a static token, the local user.
    pub fn unlimited(principal: Principal) -> Self {
        Self(Arc::new(Granted { principal, scopes: None, expires: None }))
    }

    /// Allows `principal` what `scopes` stand for.
    pub fn scoped<S: Into<Box<str>>>(principal: Principal, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = Some(scopes.into_iter().map(Into::into).collect());
        Self(Arc::new(Granted { principal, scopes, expires: None }))
    }

    /// Ends at `expires`.
    #[must_use]
    pub fn until(mut self, expires: Instant) -> Self {
        Arc::make_mut(&mut self.0).expires = Some(expires);
        self
    }

    /// Whom the credential stands for.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The scopes that were granted; `None`: everything is allowed.
    pub fn scopes(&self) -> Option<impl Iterator<Item = &str>> {
        Some(self.0.scopes.as_deref()?.iter().map(|scope| &**scope))
    }

    /// Whether `scope` was granted. A hierarchy of scopes is resolved by what verifies credentials: it grants what a scope
    /// includes as well.
    pub fn allows(&self, scope: &str) -> bool {
        self.0.scopes.as_deref().is_none_or(|scopes| scopes.iter().any(|granted| **granted == *scope))
    }

    /// When it ends; `None`: with the process.
    pub fn expires(&self) -> Option<Instant> {
        self.0.expires
    }
}
