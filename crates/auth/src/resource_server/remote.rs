//! How keys are fetched and tokens introspected.

use anyport_transport::client::http::Endpoint;

use super::{error::ConfigError, limits::VerifierLimits};
use crate::{
    fetch::Fetcher,
    limits::SignInLimits,
    safe_url::{UnsafeUrl, safe_url},
};

/// The URL `what` of the configuration as an endpoint.
pub(super) fn endpoint(what: &'static str, url: &str) -> Result<Endpoint, ConfigError> {
    let wrong = |why| ConfigError::Url { what, url: url.chars().take(200).collect(), why };
    let parsed = safe_url(url).map_err(wrong)?;
    Endpoint::new(parsed.as_str()).map_err(|_| wrong(UnsafeUrl::Scheme))
}

/// Fetches with the proxies and certificates of `endpoint`.
pub(super) fn fetcher(endpoint: &Endpoint, limits: &VerifierLimits) -> Fetcher {
    let limits = SignInLimits {
        max_document: limits.max_key_set,
        fetch_timeout: limits.key_fetch_timeout,
        ..SignInLimits::default()
    };
    Fetcher::new(endpoint, false, limits)
}
