//! What of a caller's identity counts.

use anyport_service::{Authorization, ScopedPrincipal};

/// The part of a caller's identity by which callers are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerPart {
    /// Nothing: all callers are the same.
    #[default]
    Nothing,
    /// The principal.
    Principal,
    /// The principal and its scopes.
    Scopes,
}

impl CallerPart {
    /// That part of the caller with `authorization`.
    pub(crate) fn of(self, authorization: &Authorization) -> Option<ScopedPrincipal> {
        match self {
            Self::Nothing => None,
            Self::Principal => {
                Some(Authorization::unlimited(authorization.principal().clone()).scoped_principal())
            }
            Self::Scopes => Some(authorization.scoped_principal()),
        }
    }

    /// That part of `caller`, of which more may be known.
    pub(crate) fn narrow(self, caller: ScopedPrincipal) -> Option<ScopedPrincipal> {
        match self {
            Self::Nothing => None,
            Self::Principal => Some(caller.without_scopes()),
            Self::Scopes => Some(caller),
        }
    }
}
