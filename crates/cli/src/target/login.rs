//! What a file says of the login to a server.

use std::str::FromStr as _;

use anyport_auth::{
    ClientOptions, ExchangeOptions, ExchangeProtocol, GivenClient, LoginGrant, Scopes, Secret, SignInLimits,
    SignInOptions,
};
use anyport_config::{
    Surroundings,
    gateway::{self, AuthConfig, PkceSupport, ResourceParameter, UpstreamAuth, UpstreamConfig},
};

use super::{redact::SecretValue, upstream_fault::UpstreamFault};
use crate::secret_source::{InvalidSecretSource, SecretSource};

/// What a file says of the login to a server, with its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginSettings {
    /// How this program signs in.
    pub(crate) options: SignInOptions,
    /// The login that is used.
    pub(crate) account: Option<String>,
}

/// The keys whose values are places of secrets.
const PLACES: [&str; 3] = ["client_secret", "client_key", "assertion"];

fn places(config: &UpstreamConfig) -> [(&'static str, &Option<String>); 3] {
    let [secret, key, assertion] = PLACES;
    [(secret, &config.client_secret), (key, &config.client_key), (assertion, &config.assertion)]
}

/// Checks the keys of the login of an upstream, without its secrets.
///
/// # Errors
/// What is wrong.
pub(super) fn check(config: &UpstreamConfig) -> Result<(), UpstreamFault> {
    for (key, place) in places(config) {
        place.as_deref().map(|place| source(key, place)).transpose()?;
    }
    Ok(())
}

/// Whether secrets of the login are written by commands.
pub(super) fn runs_commands(config: &UpstreamConfig) -> bool {
    let mut all = places(config)
        .into_iter()
        .filter(|(key, _)| *key != "assertion")
        .filter_map(|(_, place)| place.as_deref());
    all.any(|place| matches!(place.parse(), Ok(SecretSource::Command(_))))
}

/// The login of an upstream; `None` if it has none.
///
/// # Errors
/// What has no value.
pub(super) fn of_upstream(
    config: &UpstreamConfig,
    surroundings: &Surroundings,
) -> Result<Option<LoginSettings>, UpstreamFault> {
    let Some(auth) = config.auth else { return Ok(None) };
    let grant = match auth {
        // The last two are not the gateway's own: they are those of each caller.
        UpstreamAuth::None | UpstreamAuth::Bearer | UpstreamAuth::TokenExchange | UpstreamAuth::PerUser => {
            return Ok(None);
        }
        UpstreamAuth::Oauth => LoginGrant::AuthorizationCode,
        UpstreamAuth::ClientCredentials => LoginGrant::ClientCredentials,
        UpstreamAuth::WorkloadIdentity => {
            LoginGrant::WorkloadIdentity { assertion: config.assertion.clone().unwrap_or_default() }
        }
    };
    let options = options(config, grant, surroundings)?;
    Ok(Some(LoginSettings { options, account: config.account.clone() }))
}

/// How each caller signs in at an upstream; `None` if none does.
///
/// # Errors
/// What has no value, and that callers are not users of this gateway by `auth`.
pub(crate) fn of_callers(
    config: &UpstreamConfig,
    auth: Option<&AuthConfig>,
    surroundings: &Surroundings,
) -> Result<Option<SignInOptions>, UpstreamFault> {
    if config.auth != Some(UpstreamAuth::PerUser) {
        return Ok(None);
    }
    check_users(auth)?;
    options(config, LoginGrant::AuthorizationCode, surroundings).map(Some)
}

/// Checks that callers can show by a browser who they are.
///
/// 2026-07-28, client/elicitation §Phishing: "The MCP Server **MUST** verify the identity of the user who opens the URL before accepting
/// information."
///
/// # Errors
/// If this gateway signs nobody in.
pub(crate) fn check_users(auth: Option<&AuthConfig>) -> Result<(), UpstreamFault> {
    match auth.is_some_and(AuthConfig::has_authorization_server) {
        true => Ok(()),
        false => Err(UpstreamFault::new(
            ["auth"],
            "with `per_user`, each caller signs in to this gateway before it signs in at the server, so that nobody connects the account \
             of somebody else: add [auth.builtin] or [auth.proxy]",
        )),
    }
}

fn options(
    config: &UpstreamConfig,
    grant: LoginGrant,
    surroundings: &Surroundings,
) -> Result<SignInOptions, UpstreamFault> {
    let client = ClientOptions {
        given: client(config, surroundings)?,
        metadata_url: config.client_metadata_url.clone(),
        redirect_uri: config.redirect_uri.clone(),
    };
    Ok(SignInOptions {
        grant,
        client,
        issuer: config.issuer.clone(),
        scopes: config.scope.as_deref().map(Scopes::parse),
        omits_resource: config.resource == Some(ResourceParameter::Omit),
        assumes_pkce: config.pkce == Some(PkceSupport::Assume),
        authorize_parameters: config.authorize_params.clone().into_iter().collect(),
        ..SignInOptions::default()
    })
}

/// The client that is registered, with its secrets.
fn client(
    config: &UpstreamConfig,
    surroundings: &Surroundings,
) -> Result<Option<GivenClient>, UpstreamFault> {
    let read = |key: &'static str, place: &Option<String>| match place {
        None => Ok(None),
        Some(place) => {
            let text = source(key, place)?.read_text(surroundings);
            let text = text.map_err(|why| UpstreamFault::new([key], format!("its `{key}`: {why}")))?;
            Ok::<_, UpstreamFault>(Some(Secret::new(SecretValue::new(text).0)))
        }
    };
    let Some(id) = &config.client_id else { return Ok(None) };
    Ok(Some(GivenClient {
        id: id.clone(),
        secret: read("client_secret", &config.client_secret)?,
        key: read("client_key", &config.client_key)?,
    }))
}

/// How the tokens of callers are exchanged for those of an upstream; `None` if they are not.
///
/// # Errors
/// What has no value, and that there is no issuer whose tokens could be exchanged among those of `auth`.
pub(crate) fn exchange(
    config: &UpstreamConfig,
    auth: Option<&AuthConfig>,
    surroundings: &Surroundings,
) -> Result<Option<ExchangeOptions>, UpstreamFault> {
    if config.auth != Some(UpstreamAuth::TokenExchange) {
        return Ok(None);
    }
    let issuer = exchange_issuer(config, auth)?;
    let Some(client) = client(config, surroundings)? else { return Ok(None) };
    Ok(Some(ExchangeOptions {
        issuer,
        client,
        protocol: match config.exchange {
            Some(gateway::ExchangeProtocol::OnBehalfOf) => ExchangeProtocol::OnBehalfOf,
            _ => ExchangeProtocol::TokenExchange,
        },
        audience: config.audience.clone(),
        scopes: config.scope.as_deref().map(Scopes::parse),
        omits_resource: config.resource == Some(ResourceParameter::Omit),
        limits: SignInLimits::default(),
    }))
}

/// The issuer of the tokens that the upstream of `config` exchanges: the client is registered there alone.
///
/// # Errors
/// When that is none of those whose tokens are accepted, or could be several.
pub(crate) fn exchange_issuer(
    config: &UpstreamConfig,
    auth: Option<&AuthConfig>,
) -> Result<String, UpstreamFault> {
    let issuers: Vec<&str> =
        auth.iter().flat_map(|auth| auth.issuers.values()).map(|issuer| issuer.issuer.as_str()).collect();
    match (&config.issuer, &*issuers) {
        (Some(named), all) if all.contains(&named.as_str()) => Ok(named.clone()),
        (Some(_), _) => Err(UpstreamFault::new(
            ["issuer"],
            "its `issuer` is none of [auth.issuers]: only tokens that are accepted here are exchanged",
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(UpstreamFault::new(
            ["auth"],
            "`token_exchange` exchanges the tokens of callers, and none of another issuer are accepted: name it under [auth.issuers]",
        )),
        (None, _) => Err(UpstreamFault::new(
            ["auth"],
            "callers have tokens of several issuers: name the one at which `client_id` is registered with `issuer`",
        )),
    }
}

/// The place of a secret. The text may be the secret itself, so it is not repeated.
fn source(key: &'static str, place: &str) -> Result<SecretSource, UpstreamFault> {
    SecretSource::from_str(place).map_err(|InvalidSecretSource| {
        let why = "is the place of a secret: env:NAME, file:PATH or cmd:COMMAND";
        UpstreamFault::new([key], format!("its `{key}` {why}"))
    })
}
