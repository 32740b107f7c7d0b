//! The options of `anyport login` about the login itself: those of a server's file, by the same names, come second.

use std::str::FromStr as _;

use anyhow::Result;
use anyport_auth::{ClientOptions, GivenClient, LoginGrant, Scopes, Secret, SignInOptions, safe_url};

use crate::{
    secret_source::{InvalidSecretSource, SecretSource},
    sign_in::absolute,
    target::{SecretValue, Surroundings},
    user_error::UserError,
};

/// How this program signs in.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// The id of a client that is registered with the authorization server already.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Source of the secret of this client: env:NAME, file:PATH or cmd:COMMAND.
    #[arg(long, value_name = "PLACE", requires = "client_id")]
    client_secret: Option<String>,
    /// Source of the private key of this client, in PEM, by which it proves who it is: env:NAME, file:PATH or cmd:COMMAND.
    #[arg(long, value_name = "PLACE", requires = "client_id", conflicts_with = "client_secret")]
    client_key: Option<String>,
    /// The URL of the metadata of a client that you host, for authorization servers that take it as an id.
    #[arg(long, value_name = "URL", value_parser = metadata_url)]
    client_metadata_url: Option<String>,
    /// Where the browser brings the answer; else a free port of this machine. An address elsewhere needs --no-browser.
    #[arg(long, value_name = "URL", value_parser = redirect_uri)]
    redirect_uri: Option<String>,
    /// The scopes to ask for, separated by spaces; else those that the server names.
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The authorization server, in place of the one that the server names: its issuer, as it writes it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// omit: do not tell the authorization server the resource, which some refuse.
    #[arg(long, value_name = "omit", value_parser = ["omit"])]
    resource: Option<String>,
    /// assume: the authorization server checks who redeems a code (PKCE), though it does not say so.
    #[arg(long, value_name = "assume", value_parser = ["assume"])]
    pkce: Option<String>,
    /// A further parameter of the page to sign in at. May be given several times.
    #[arg(long = "authorize-param", value_name = "NAME=VALUE", value_parser = parameter)]
    authorize_params: Vec<(String, String)>,
    /// Sign in without a user: by the secret or the key of the client.
    #[arg(long, requires = "client_id", conflicts_with_all = ["assertion", "idp"])]
    client_credentials: bool,
    /// Sign in without a user: source of what the platform says of this program, read before each request: env:NAME, file:PATH or
    /// cmd:COMMAND.
    #[arg(long, value_name = "PLACE", requires = "client_id", conflicts_with = "idp")]
    assertion: Option<String>,
    /// Sign in by the identity provider of this name, at which you are signed in.
    #[arg(long, value_name = "NAME")]
    idp: Option<String>,
}

/// What the login itself says.
const PARAMETERS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "scope",
    "resource",
];

fn redirect_uri(text: &str) -> Result<String, String> {
    safe_url(text).map(|_| text.to_owned()).map_err(|why| why.to_string())
}

/// 2026-07-28, client-registration §Client ID Metadata Documents: "The `client_id` URL **MUST** use the "https" scheme and contain a
/// path component, e.g. `https://example.com/client.json`".
fn metadata_url(text: &str) -> Result<String, String> {
    let url = safe_url(text).map_err(|why| why.to_string())?;
    match url.scheme() == "https" && url.path() != "/" {
        true => Ok(text.to_owned()),
        false => Err("it must begin with https:// and have a path".to_owned()),
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if PARAMETERS.contains(&name) => {
            Err(format!("the login itself says {name}, which no further parameter can say again"))
        }
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE, for example audience=https://api.example.com".to_owned()),
    }
}

impl Options {
    /// The name of the identity provider.
    pub(super) fn idp(&self) -> Option<&str> {
        self.idp.as_deref()
    }

    /// The issuer that is given.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// These options, and those of the server's file where these say nothing.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub(super) fn over(&self, file: Option<&SignInOptions>, here: &Surroundings) -> Result<SignInOptions> {
        let file = file.cloned().unwrap_or_default();
        let own = self.client()?;
        let client = ClientOptions {
            given: own.given.or(file.client.given),
            metadata_url: own.metadata_url.or(file.client.metadata_url),
            redirect_uri: own.redirect_uri.or(file.client.redirect_uri),
        };
        let params = &self.authorize_params;
        let authorize_parameters = if params.is_empty() { file.authorize_parameters } else { params.clone() };
        Ok(SignInOptions {
            grant: self.grant(here)?.unwrap_or(file.grant),
            client,
            issuer: self.issuer.clone().or(file.issuer),
            scopes: self.scope.as_deref().map(Scopes::parse).or(file.scopes),
            omits_resource: self.resource.is_some() || file.omits_resource,
            assumes_pkce: self.pkce.is_some() || file.assumes_pkce,
            authorize_parameters,
            limits: file.limits,
        })
    }

    /// The options of a login to the identity provider itself, which knows nothing of servers.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub(super) fn of_provider(&self, here: &Surroundings) -> Result<SignInOptions> {
        let grant = LoginGrant::AuthorizationCode;
        Ok(SignInOptions { grant, issuer: None, omits_resource: true, ..self.over(None, here)? })
    }

    fn grant(&self, here: &Surroundings) -> Result<Option<LoginGrant>> {
        Ok(match (&self.assertion, &self.idp) {
            (Some(assertion), _) => {
                let assertion = absolute(place("--assertion", assertion)?, here).to_string();
                Some(LoginGrant::WorkloadIdentity { assertion })
            }
            (None, Some(name)) => Some(LoginGrant::IdentityProvider { name: name.clone() }),
            (None, None) => self.client_credentials.then_some(LoginGrant::ClientCredentials),
        })
    }

    fn client(&self) -> Result<ClientOptions> {
        let given = match &self.client_id {
            None => None,
            Some(id) => Some(GivenClient {
                id: id.clone(),
                secret: self.client_secret.as_deref().map(|at| secret("--client-secret", at)).transpose()?,
                key: self.client_key.as_deref().map(key).transpose()?,
            }),
        };
        Ok(ClientOptions {
            given,
            metadata_url: self.client_metadata_url.clone(),
            redirect_uri: self.redirect_uri.clone(),
        })
    }
}

fn secret(option: &str, at: &str) -> Result<Secret> {
    Ok(Secret::new(SecretValue::new(place(option, at)?.read_given(option)?).0))
}

/// A key has several lines.
fn key(at: &str) -> Result<Secret> {
    let text = place("--client-key", at)?.read_text(&Surroundings::here());
    let text = text.map_err(|why| UserError::usage(format!("no key for --client-key: {why}"), HELP))?;
    Ok(Secret::new(SecretValue::new(text).0))
}

const HELP: &str =
    "keep the secret in a variable or a file, and give its place: env:NAME, file:PATH or cmd:COMMAND";

fn place(option: &str, text: &str) -> Result<SecretSource> {
    SecretSource::from_str(text).map_err(|InvalidSecretSource| {
        let problem = format!(
            "{option} takes the place of the secret, never the secret itself, which other users of this machine could read"
        );
        UserError::usage(problem, HELP)
    })
}
