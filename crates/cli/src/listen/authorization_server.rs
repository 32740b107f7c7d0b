//! The gateway as the authorization server of its clients, as `[auth.builtin]`, `[auth.proxy]` and `[auth.server]` have it.

use std::sync::Arc;

use anyhow::Result;
use anyport_auth::{
    Secret,
    authorization_server::{
        AuthorizationServer, AuthorizationServerSettings, BUCKETS, ConfiguredClient, ConsentMode, LocalUsers,
        PROVIDER_CALLBACK, ProviderUsers, Resources, TrustedIdentityProvider, TrustedIdentityProviders,
        UserAuthentication,
    },
    identity_provider::{IdentityProvider, ProviderKind, ProviderLogins, ProviderOptions, ProviderSetup},
};
use anyport_config::gateway::{
    AuthConfig, AuthorizationServerConfig, ClientConfig, Consent, Provider, ProxyConfig,
};
use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_store::{Clock, MemoryStore, Store};
use anyport_transport::http::{self, FurtherEndpoints, PublicUrl};

use super::{Arguments, Limits, Transport, auth};
use crate::{secret_source::SecretSource, user_error::UserError};

/// What an authorization server is made with.
struct Setup<'a> {
    config: &'a AuthConfig,
    public_url: PublicUrl,
    store: Arc<dyn Store>,
    sealer: Sealer,
    limits: &'a Limits,
    metrics: &'a Metrics,
}

/// The authorization server that `arguments` ask for, for the endpoints of the gateway; `None` if they ask for none.
///
/// # Errors
/// If it cannot be as it is configured, or a secret cannot be read.
pub(crate) fn authorization_server(
    arguments: &Arguments,
    further: &FurtherEndpoints,
    limits: &Limits,
    metrics: &Metrics,
) -> Result<Option<AuthorizationServer>> {
    let config = arguments.auth().filter(AuthConfig::has_authorization_server);
    let Some(config) = config.filter(|_| arguments.speaks(Transport::Http)) else { return Ok(None) };
    let base_url = arguments.base_url().ok_or_else(|| {
        UserError::usage(
            "the authorization server needs the URL under which browsers and clients reach it",
            "set public_url of [gateway], or give --public-url",
        )
    })?;
    let store = arguments.open_store(metrics)?;
    let (store, keys) = store.zip(arguments.keys()?).ok_or_else(|| {
        UserError::usage(
            "there is no folder for what the authorization server keeps, or it cannot be written",
            "name one with --state-dir DIR",
        )
    })?;
    let setup = Setup {
        config: &config,
        public_url: public_url(&base_url)?,
        store: store.store,
        sealer: keys.sealer,
        limits,
        metrics,
    };
    let (base, further) = (base_url.trim_end_matches('/').to_owned(), further.clone());
    let resources = move || {
        let paths = further.paths().into_iter();
        // The endpoint that every gateway has.
        [http::Config::default().path].into_iter().chain(paths).map(|path| format!("{base}{path}")).collect()
    };
    setup.make(Resources::new(resources)).map(Some)
}

/// Checks that the authorization server can be as `config` says.
///
/// # Errors
/// If it cannot, or a secret cannot be read.
pub(super) fn check(config: &AuthConfig, base_url: Option<&str>) -> Result<()> {
    if !config.has_authorization_server() {
        return Ok(());
    }
    let metrics = Metrics::new();
    let setup = Setup {
        config,
        // Without one, the address is on this machine.
        public_url: public_url(base_url.unwrap_or("http://127.0.0.1:8080"))?,
        store: Arc::new(MemoryStore::new(&BUCKETS, &metrics)),
        sealer: Sealer::new(&Key::random()?),
        limits: &Limits::with(&[]),
        metrics: &metrics,
    };
    setup.make(Resources::new(Vec::new)).map(drop)
}

impl Setup<'_> {
    fn make(&self, resources: Resources) -> Result<AuthorizationServer> {
        let users = self.users()?;
        let settings = self.settings(resources)?;
        AuthorizationServer::new(settings, self.store.clone(), self.sealer.clone(), users)
            .map_err(|error| wrong("auth", &error))
    }

    fn settings(&self, resources: Resources) -> Result<AuthorizationServerSettings> {
        let AuthConfig { server, require, scopes_supported, trusted_idps, .. } = self.config;
        let server = server.clone().unwrap_or_default();
        let default_scopes = if scopes_supported.is_empty() { require } else { scopes_supported };
        let AuthorizationServerConfig {
            scopes,
            consent,
            registration,
            client_hosts,
            redirect_schemes,
            clients,
        } = server;
        let mut settings = AuthorizationServerSettings::new(self.public_url.clone(), resources)
            .scopes(scopes)
            .default_scopes(default_scopes.clone())
            .required_scopes(require.clone())
            .client_hosts(client_hosts)
            .redirect_schemes(redirect_schemes)
            .registers(registration)
            .consent(match consent {
                Consent::Always => ConsentMode::Always,
                Consent::Remember => ConsentMode::Remember,
            })
            .limits(self.limits.authorization_server)
            .metrics(self.metrics);
        for (id, client) in clients {
            settings = settings.client(configured_client(id, client)?);
        }
        if trusted_idps.is_empty() {
            return Ok(settings);
        }
        let trusted = trusted_idps.values().map(|idp| TrustedIdentityProvider {
            issuer: idp.issuer.clone(),
            keys_url: idp.keys_url.clone(),
            endpoint: None,
        });
        let trusted: Vec<_> = trusted.collect();
        let with = (&Clock::default(), self.limits.verifier, self.metrics);
        let trusted = TrustedIdentityProviders::new(&trusted, self.store.clone(), with);
        Ok(settings.trusted_identity_providers(trusted.map_err(|error| wrong("auth.trusted_idps", &error))?))
    }

    fn users(&self) -> Result<Arc<dyn UserAuthentication>> {
        let limits = self.limits.authorization_server;
        let Some(proxy) = &self.config.proxy else {
            let users = LocalUsers::new(self.store.clone(), &self.public_url, limits, self.metrics);
            return Ok(Arc::new(users));
        };
        let setup = ProviderSetup {
            redirect_uri: format!("{}{PROVIDER_CALLBACK}", self.public_url),
            limits: self.limits.provider,
            verifier_limits: self.limits.verifier,
            metrics: self.metrics.clone(),
            ..ProviderSetup::default()
        };
        let provider = IdentityProvider::new(provider_options(proxy)?, setup);
        let provider = Arc::new(provider.map_err(|error| wrong("auth.proxy", &error))?);
        let store = self.store.clone();
        // A login outlives the tokens that stem from it.
        let life = limits.refresh_token + limits.access_token;
        let logins = ProviderLogins::new(provider.clone(), store, self.sealer.clone(), life);
        Ok(Arc::new(ProviderUsers::new(provider, logins)))
    }
}

fn provider_options(config: &ProxyConfig) -> Result<ProviderOptions> {
    let kind = match config.provider {
        Provider::Github => ProviderKind::GitHub,
        Provider::Google => ProviderKind::Google,
        Provider::Entra => ProviderKind::Entra,
        Provider::Okta => ProviderKind::Okta,
        Provider::Oidc => ProviderKind::OpenId,
    };
    let mut options = ProviderOptions::new(kind, &config.client_id);
    options.issuer.clone_from(&config.issuer);
    options.client_secret = config
        .client_secret
        .as_deref()
        .map(|place| secret(place, "client_secret of [auth.proxy]"))
        .transpose()?;
    options.scopes.clone_from(&config.scopes);
    options.authorize_params =
        config.authorize_params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    options.tenants.clone_from(&config.tenants);
    options.allowed_subjects.clone_from(&config.allowed_subjects);
    options.allowed_domains.clone_from(&config.allowed_domains);
    options.everyone = config.everyone;
    Ok(options)
}

fn configured_client(id: String, config: ClientConfig) -> Result<ConfiguredClient> {
    let ClientConfig { name, redirect_uris, secret: place } = config;
    let secret = place.map(|place| secret(&place, "secret of [auth.server.clients]")).transpose()?;
    Ok(ConfiguredClient { id, name, redirect_uris, secret })
}

fn secret(place: &str, option: &str) -> Result<Secret> {
    Ok(Secret::new(SecretSource::read_given(&auth::place(place, option)?, option)?))
}

fn public_url(base_url: &str) -> Result<PublicUrl> {
    base_url.parse().map_err(|error| {
        UserError::usage(format!("the public URL: {error}"), "write it as in https://mcp.example.com")
    })
}

fn wrong(section: &str, error: &dyn std::error::Error) -> anyhow::Error {
    UserError::usage(format!("[{section}]: {error}"), "see docs/identity-provider.md")
}
