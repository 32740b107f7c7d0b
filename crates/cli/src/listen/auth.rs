//! Verifiers of what callers present, as options and the section `[auth]` of a file have them.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use anyhow::Result;
use anyport_auth::{
    authorization_server::{AuthorizationServer, IssuedTokens},
    resource_server::{
        Algorithm, ApiKeys, ConfigError, DpopSupport, Introspection, Jwt, SharedSecretJwt, VerifierLimits,
        Verifiers,
    },
};
use anyport_config::gateway::{AuthConfig, DpopUse, IntrospectionConfig, IssuerConfig, SecretConfig};
use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_store::Store;
use anyport_transport::http::ProtectedResource;

use crate::{
    secret_source::{InvalidSecretSource, SecretSource},
    user_error::{self, UserError},
};

/// What verifiers share.
pub(super) struct Shared<'a> {
    pub(super) limits: VerifierLimits,
    pub(super) metrics: &'a Metrics,
    /// Where API keys are; asked for only if they are accepted.
    pub(super) store: &'a dyn Fn() -> Result<Arc<dyn Store>>,
    /// What seals nonces; asked for only if proofs must have one.
    pub(super) sealer: &'a dyn Fn() -> Result<Sealer>,
}

/// The verifiers of `config`, and of the tokens of `server`.
///
/// # Errors
/// If a secret cannot be read, or something that is configured is not safe.
pub(super) fn verifiers(
    config: &AuthConfig,
    shared: &Shared<'_>,
    server: Option<&AuthorizationServer>,
) -> Result<Verifiers> {
    let mut verifiers = Verifiers::new();
    for (name, issuer) in &config.issuers {
        let keys = ["auth", "issuers", name];
        let wrong = |error: ConfigError| wrong(&format!("the issuer {name}"), &error, &keys);
        verifiers = match &issuer.introspection {
            Some(introspection) => {
                let of_secret = [&keys[..], &["introspection", "client_secret"]].concat();
                let verifier = introspecting(issuer, introspection, shared);
                let verifier = verifier.map_err(|error| user_error::at(&of_secret, error))?;
                verifiers.introspection(verifier.map_err(wrong)?).map_err(wrong)?
            }
            None => verifiers.jwt(jwt(issuer, shared)?.map_err(wrong)?).map_err(wrong)?,
        };
    }
    if let Some(secret) = &config.secret {
        let keys = ["auth", "secret"];
        let what = format!("the secret of {}", secret_place(secret));
        let wrong = |error: ConfigError| wrong(&what, &error, &keys);
        let verifier = shared_secret(secret, shared);
        let verifier = verifier.map_err(|error| user_error::at(&keys, error))?.map_err(wrong)?;
        verifiers = verifiers.shared_secret(verifier).map_err(wrong)?;
    }
    if config.keys {
        let keys = ApiKeys::new((shared.store)()?).limits(shared.limits);
        verifiers =
            verifiers.api_keys(keys).map_err(|error| wrong("the API keys", &error, &["auth", "keys"]))?;
    }
    if let Some(server) = server {
        let wrong = |error: ConfigError| wrong("the authorization server", &error, &["auth"]);
        verifiers = verifiers.issued(IssuedTokens::of(server)).map_err(wrong)?;
    }
    Ok(verifiers)
}

/// What the server says of itself by `config`, whose authorization server is `server`.
pub(super) fn resource(config: &AuthConfig, server: Option<&AuthorizationServer>) -> ProtectedResource {
    let own = server.map(|server| server.issuer().to_owned());
    let issuers = config.issuers.values().map(|issuer| issuer.issuer.clone());
    let issuers = own.into_iter().chain(issuers).collect::<Vec<_>>();
    let supported = match config.scopes_supported.is_empty() {
        true => &config.require,
        false => &config.scopes_supported,
    };
    ProtectedResource::default()
        .authorization_servers(issuers)
        .scopes_supported(supported.clone())
        .required_scopes(config.require.clone())
}

fn jwt(config: &IssuerConfig, shared: &Shared<'_>) -> Result<Result<Jwt, ConfigError>> {
    let nonces = nonces(config, shared)?;
    Ok(jwt_without_nonces(config, shared).map(|jwt| match nonces {
        Some(sealer) => jwt.dpop_nonces(sealer),
        None => jwt,
    }))
}

/// What seals the nonces that proofs must have, if they must.
fn nonces(config: &IssuerConfig, shared: &Shared<'_>) -> Result<Option<Sealer>> {
    config.dpop_nonces.then(shared.sealer).transpose()
}

fn jwt_without_nonces(config: &IssuerConfig, shared: &Shared<'_>) -> Result<Jwt, ConfigError> {
    let mut jwt = match &config.keys_url {
        Some(url) => Jwt::keys_at(&config.issuer, url)?,
        None => Jwt::discover(&config.issuer)?,
    };
    if !config.algorithms.is_empty() {
        let algorithms = config.algorithms.iter().map(|name| Algorithm::from_str(name));
        jwt = jwt.algorithms(algorithms.collect::<Result<Vec<_>, _>>()?);
    }
    if !config.types.is_empty() {
        jwt = jwt.types(config.types.clone());
    }
    if let Some(untyped) = config.untyped {
        jwt = jwt.untyped(untyped);
    }
    if let Some(seconds) = config.leeway {
        jwt = jwt.leeway(Duration::from_secs(seconds.into()));
    }
    jwt = config.audiences.iter().fold(jwt, Jwt::audience);
    jwt = config.includes.iter().fold(jwt, |jwt, (scope, others)| jwt.includes(scope, others.clone()));
    Ok(jwt.dpop(dpop(config.dpop)).limits(shared.limits).metrics(shared.metrics))
}

fn introspecting(
    config: &IssuerConfig,
    IntrospectionConfig { url, client_id, client_secret }: &IntrospectionConfig,
    shared: &Shared<'_>,
) -> Result<Result<Introspection, ConfigError>> {
    let secret = read(client_secret, "client_secret", SecretSource::read_given)?;
    let made = Introspection::new(&config.issuer, url, client_id, secret);
    let nonces = nonces(config, shared)?;
    Ok(made.map(|mut verifier| {
        if let Some(seconds) = config.leeway {
            verifier = verifier.leeway(Duration::from_secs(seconds.into()));
        }
        if let Some(sealer) = nonces {
            verifier = verifier.dpop_nonces(sealer);
        }
        verifier = config.audiences.iter().fold(verifier, Introspection::audience);
        let included = |verifier: Introspection, (scope, others): (&String, &Vec<String>)| {
            verifier.includes(scope, others.clone())
        };
        verifier = config.includes.iter().fold(verifier, included);
        verifier.dpop(dpop(config.dpop)).limits(shared.limits).metrics(shared.metrics)
    }))
}

fn shared_secret(config: &SecretConfig, shared: &Shared<'_>) -> Result<Result<SharedSecretJwt, ConfigError>> {
    let secret = read(&config.from, "the secret of [auth] (--auth-secret)", SecretSource::read)?;
    Ok(SharedSecretJwt::new(secret.as_bytes()).map(|mut verifier| {
        if let Some(issuer) = &config.issuer {
            verifier = verifier.issuer(issuer);
        }
        verifier = config.audiences.iter().fold(verifier, SharedSecretJwt::audience);
        let included = |verifier: SharedSecretJwt, (scope, others): (&String, &Vec<String>)| {
            verifier.includes(scope, others.clone())
        };
        config.includes.iter().fold(verifier, included).limits(shared.limits)
    }))
}

fn dpop(config: DpopUse) -> DpopSupport {
    match config {
        DpopUse::Accepted => DpopSupport::Accepted,
        DpopUse::Offered => DpopSupport::Offered,
        DpopUse::Required => DpopSupport::Required,
    }
}

/// The place of a secret, which is never the secret itself.
pub(super) fn place(text: &str, option: &str) -> Result<SecretSource> {
    SecretSource::from_str(text).map_err(|InvalidSecretSource| {
        UserError::usage(
            format!("{option} takes the place of a secret, never the secret itself"),
            "keep it in a variable or a file, and write env:NAME or file:PATH",
        )
    })
}

/// The secret at a place.
fn read(text: &str, option: &str, read: fn(&SecretSource, &str) -> Result<String>) -> Result<String> {
    read(&place(text, option)?, option)
}

fn secret_place(secret: &SecretConfig) -> String {
    SecretSource::from_str(&secret.from).map_or_else(|_| "[auth]".to_owned(), |source| source.to_string())
}

fn wrong(what: &str, error: &ConfigError, keys: &[&str]) -> anyhow::Error {
    user_error::at(keys, UserError::usage(format!("{what}: {error}"), "see docs/protecting.md"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn nonces_are_sealed_where_an_issuer_wants_them() {
        let asked = Cell::new(0);
        let sealer = || {
            asked.set(asked.get() + 1);
            Ok(Sealer::new(&anyport_seal::Key::from_bytes([7; 32])))
        };
        let store = || -> Result<Arc<dyn Store>> { anyhow::bail!("no store is needed") };
        let (limits, metrics) = (VerifierLimits::default(), Metrics::new());
        let shared = Shared { limits, metrics: &metrics, store: &store, sealer: &sealer };
        for (dpop_nonces, times) in [(false, 0), (true, 1)] {
            let issuer = "https://login.example".to_owned();
            let issuer = IssuerConfig { issuer, dpop_nonces, ..IssuerConfig::default() };
            let config = AuthConfig { issuers: [("a".to_owned(), issuer)].into(), ..AuthConfig::default() };
            verifiers(&config, &shared, None).unwrap();
            assert_eq!(asked.get(), times, "{dpop_nonces}");
        }
    }
}
