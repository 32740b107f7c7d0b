//! What a server publishes about who may call it, as a login walks through it.

use anyport_auth::{
    DEFAULT_ACCOUNT, Error, HelpfulOption, ServerMetadata, SignIn, SignInOptions, Vault, Walk,
};
use anyport_transport::client::http::Endpoint;

use super::report::Report;
use crate::{client_session::network::as_http, target::LoginSettings};
use anyhow::Result;

/// What was found.
pub(super) struct Found(Option<Walk>);

/// Walks to the authorization server of the server at `url` as a login would; nothing that was given for the server is sent.
pub(super) async fn find(url: &str, login: Option<&LoginSettings>) -> Found {
    let options = login.map(|login| login.options.clone()).unwrap_or_default();
    let walked = walk(url, options).await;
    Found(walked.inspect_err(|error| tracing::debug!(%error, "no metadata were looked for")).ok())
}

async fn walk(url: &str, options: SignInOptions) -> Result<Walk, String> {
    let endpoint = Endpoint::new(&as_http(url)).map_err(|fault| fault.to_string())?;
    let vault = Vault::in_memory().map_err(|error| error.to_string())?;
    let sign_in =
        SignIn::new(&endpoint, DEFAULT_ACCOUNT, vault, options).map_err(|error| error.to_string())?;
    sign_in.walk().await.map_err(|error| error.to_string())
}

impl Found {
    /// Whether the server publishes nothing at all.
    pub(super) fn is_none(&self) -> bool {
        match &self.0 {
            None => true,
            Some(walk) => {
                matches!(walk.resource, Ok(None)) && !matches!(&walk.server, Some(Ok((Some(_), _)) | Err(_)))
            }
        }
    }

    /// The issuers of tokens, as the server names them.
    pub(super) fn issuers(&self) -> Vec<&str> {
        match self.0.as_ref().map(|walk| &walk.resource) {
            Some(Ok(Some((_, resource)))) => {
                resource.authorization_servers.iter().map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a login would find its way.
    pub(super) fn leads_to_login(&self) -> bool {
        self.0.as_ref().is_some_and(|walk| matches!(&walk.server, Some(Ok((Some(_), _)))))
    }

    /// Says it, step by step.
    pub(super) fn report(&self, report: &mut Report) -> Result<()> {
        let Some(walk) = &self.0 else { return nothing(report) };
        match &walk.resource {
            Err(error) => {
                let help =
                    "whoever runs the server must correct it: clients learn there where to get a token";
                return report.doubtful("well-known", error.to_string(), with_option(error, help));
            }
            Ok(Some((url, _))) => {
                let issuers = self.issuers().join(", ");
                report.ok("well-known", format!("{url}: tokens are given by {issuers}"))?;
            }
            Ok(None) => match &walk.server {
                Some(Ok((Some(url), _))) => {
                    let help =
                        "clients of 2025-06-18 and later look for /.well-known/oauth-protected-resource";
                    report.doubtful("well-known", format!("only {url}, as 2025-03-26 had it"), help)?;
                }
                Some(Err(error)) => {
                    let help =
                        "clients of 2025-06-18 and later look for /.well-known/oauth-protected-resource";
                    return report.doubtful("well-known", error.to_string(), with_option(error, help));
                }
                _ => return nothing(report),
            },
        }
        match &walk.server {
            Some(Ok((place, server))) => issuer(report, place.as_deref(), server),
            Some(Err(error)) => {
                let help =
                    "whoever runs the authorization server must correct it: no login leads on from here";
                report.doubtful("issuer", error.to_string(), with_option(error, help))
            }
            None => Ok(()),
        }
    }
}

/// What the authorization server says of itself.
fn issuer(report: &mut Report, place: Option<&str>, server: &ServerMetadata) -> Result<()> {
    let at = place.unwrap_or(&server.issuer);
    let registers = server.registration_endpoint.is_some();
    let option = match (server.has_pkce(), registers, server.client_id_metadata_document_supported) {
        (false, ..) => {
            Some(("it does not offer PKCE with S256, so no login begins", HelpfulOption::AssumePkce))
        }
        (true, false, false) => Some(("it registers no clients by itself", HelpfulOption::ClientId)),
        _ => None,
    };
    match option {
        Some((why, option)) => report.doubtful("issuer", format!("{at}: {why}"), option.words()),
        None if registers => report.ok("issuer", format!("{at}: it registers clients")),
        None => report.ok("issuer", format!("{at}: it takes clients that publish metadata")),
    }
}

/// The option that helps against `error`, else `help`.
fn with_option(error: &Error, help: &str) -> String {
    error.option().map_or_else(|| help.to_owned(), |option| option.words().to_owned())
}

fn nothing(report: &mut Report) -> Result<()> {
    let help = "without /.well-known/oauth-protected-resource no client can find out where to get a token";
    report.doubtful("well-known", "no authorization metadata (RFC 9728)", help)
}
