//! The refusals of credentials, in short.

use std::{borrow::Cow, time::Duration};

use anyport_transport::http::CredentialError;

/// A credential that does not let its request in.
pub(crate) const fn invalid(why: &'static str) -> CredentialError {
    CredentialError::Invalid(Cow::Borrowed(why))
}

/// The time after which it may be worth to ask again what is out of reach.
pub(crate) const RETRY: Duration = Duration::from_secs(5);

/// What cannot be known now.
pub(crate) const fn unavailable(reason: &'static str, retry_after: Duration) -> CredentialError {
    CredentialError::Unavailable { reason: Cow::Borrowed(reason), retry_after }
}
