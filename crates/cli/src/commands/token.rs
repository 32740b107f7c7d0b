//! `anyport token`: a token of a server's own, signed with the secret that the server has.

use std::{process::ExitCode, str::FromStr as _, time::Duration};

use anyhow::Result;
use anyport_auth::resource_server::{LEAST_SECRET, SharedSecretJwt};
use serde_json::json;

use super::key::{lifetime, scopes};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    secret_source::{InvalidSecretSource, SecretSource},
    user_error::UserError,
};

/// The arguments of `anyport token`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport token alice --secret env:JWT_SECRET --scope data:read\n  anyport token robot --secret file:jwt.secret --expires 10m --json"
)]
pub(crate) struct Arguments {
    /// Who the token is for (the claim user_id).
    user: String,
    /// Source of the secret that the server verifies tokens with: env:NAME, file:PATH or cmd:COMMAND. It has 32 bytes at least.
    #[arg(long, value_name = "PLACE")]
    secret: String,
    /// What the token allows: a scope, or several between spaces. May be repeated. Without it, the token allows nothing that needs a scope.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How long the token is valid, such as 10m or 12h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    expires: Duration,
    /// The issuer that the server expects (the claim iss), if it expects one.
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// The URL of the server that alone is to accept the token (the claim aud). Else every server with the secret does.
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Signs a token.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { user, scope, expires, issuer, audience, output, .. } = arguments;
    if user.is_empty() {
        return Err(UserError::usage("the token has no user", "name who it is for: anyport token USER"));
    }
    let scopes = scopes(scope)?;
    let mut signer = arguments.signer()?;
    if let Some(issuer) = issuer {
        signer = signer.issuer(issuer);
    }
    if let Some(audience) = audience {
        signer = signer.audience(audience);
    }
    let token = signer.issue(user, &scopes, *expires);
    let value =
        || json!({ "token": token.expose(), "user": user, "scopes": scopes, "expiresIn": expires.as_secs() });
    Output::stdout(output).show(value, |_| Ok(format!("{}\n", token.expose())))?;
    Ok(Exit::Done.into())
}

impl Arguments {
    fn signer(&self) -> Result<SharedSecretJwt> {
        let source = SecretSource::from_str(&self.secret).map_err(|InvalidSecretSource| {
            UserError::usage(
                "--secret takes the place of the secret, never the secret itself, which other users of this machine could read",
                "keep the secret in a variable or a file, and give --secret env:NAME or file:PATH",
            )
        })?;
        let secret = source.read("--secret")?;
        SharedSecretJwt::new(secret.as_bytes()).map_err(|error| {
            let problem = format!("the secret of --secret {source} is not used: {error}");
            UserError::usage(
                problem,
                format!("it needs {LEAST_SECRET} bytes: openssl rand -hex 32 makes one"),
            )
        })
    }
}
