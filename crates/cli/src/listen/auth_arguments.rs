use anyhow::Result;
use anyport_config::gateway::{AuthConfig, IssuerConfig, SecretConfig};

use super::auth;
use crate::user_error::UserError;

/// Who may call over HTTP, as options: the common cases of `[auth]` in a file.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct AuthArguments {
    /// An authorization server whose tokens callers present: its issuer; may be given several times.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "URL",
        env = "ANYPORT_AUTH_ISSUER",
        value_delimiter = ',',
        hide_env = true
    )]
    auth_issuer: Vec<String>,
    /// An audience that tokens may name; may be given several times. Else the URL of the endpoint, which needs --public-url.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "TEXT",
        env = "ANYPORT_AUTH_AUDIENCE",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    auth_audience: Vec<String>,
    /// Source of the secret that signs tokens of callers (HS256), such as those of anyport token: env:NAME or file:PATH.
    // Read by `config`: clap repeats a wrong value, and this one may be the secret itself.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "PLACE",
        env = "ANYPORT_AUTH_SECRET",
        hide_env = true,
        hide_short_help = true
    )]
    auth_secret: Option<String>,
    /// Accept API keys, those of anyport key.
    #[arg(long, help_heading = "Access")]
    auth_keys: bool,
    /// A scope that every call needs; may be given several times.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "SCOPE",
        env = "ANYPORT_AUTH_REQUIRE",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    auth_require: Vec<String>,
}

impl AuthArguments {
    /// What the options say; `None` if there are none.
    pub(super) fn config(&self) -> Option<AuthConfig> {
        let Self { auth_issuer, auth_audience, auth_secret, auth_keys, auth_require } = self;
        let issuer = |issuer: &String| IssuerConfig {
            issuer: issuer.clone(),
            audiences: auth_audience.clone(),
            ..IssuerConfig::default()
        };
        let secret = |from: &String| SecretConfig {
            from: from.clone(),
            audiences: auth_audience.clone(),
            ..SecretConfig::default()
        };
        let config = AuthConfig {
            issuers: auth_issuer.iter().map(|one| (one.clone(), issuer(one))).collect(),
            secret: auth_secret.as_ref().map(secret),
            keys: *auth_keys,
            require: auth_require.clone(),
            ..AuthConfig::default()
        };
        (config != AuthConfig::default() || !auth_audience.is_empty()).then_some(config)
    }

    /// Checks that they go together.
    pub(super) fn check(&self, public_url: Option<&str>) -> Result<()> {
        let Some(config) = self.config() else { return Ok(()) };
        if !config.is_set() {
            return Err(UserError::usage(
                "--auth-audience and --auth-require are about tokens, and none are accepted",
                "add --auth-issuer URL, --auth-secret env:NAME or --auth-keys",
            ));
        }
        if let Some(secret) = &self.auth_secret {
            auth::place(secret, "--auth-secret (or ANYPORT_AUTH_SECRET)")?;
        }
        config.check(public_url).map_err(|(keys, reason)| {
            let option = match keys.first().map(String::as_str) {
                Some("issuers") => "--auth-issuer",
                Some("secret") => "--auth-secret",
                _ => "--auth-require",
            };
            let reason = reason
                .replace("`public_url` of [gateway], or `audiences`", "--public-url, or --auth-audience");
            UserError::usage(format!("{option}: {reason}"), "see docs/protecting.md")
        })
    }
}
