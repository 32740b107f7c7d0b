//! The consent of the user: at every authorization, before anything else happens.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use url::Url;

use super::{
    authorization_request::{AuthorizationRequest, answer_url},
    browser::{Browser, is_of_our_page},
    client::{Client, ClientKind, redirect_uri},
    interaction::{Current, InteractionError, Purpose, Step},
    login,
    page::{Form, Page},
    parameters::Parameters,
    response::redirect,
    server::Inner,
};
use crate::secret::Secret;

/// The path that the form is posted to.
pub(super) const CONSENT: &str = "/oauth/consent";
/// The field with the token of the interaction.
const TOKEN: &str = "interaction";
/// The field with what the user has decided.
const DECISION: &str = "decision";

/// The page on which the user consents.
///
/// security_best_practices §Confused Deputy Problem: the consent page **MUST** "Clearly identify the requesting MCP client by name",
/// "Display the specific third-party API scopes being requested", "Show the registered `redirect_uri` where tokens will be sent".
pub(super) fn page(
    server: &Inner,
    client: &Client,
    asked: &AuthorizationRequest,
    (token, signed_in): (&Secret, Option<SignedIn>),
) -> Page {
    let mut terms = client_terms(client);
    terms.push(("Access is handed to", redirect_uri::shown_host(&asked.redirect_uri)));
    terms.push(("Server", asked.resource.clone()));
    let scopes = match asked.scopes.is_empty() {
        true => "What needs no scope".to_owned(),
        false => asked.scopes.join(", "),
    };
    terms.push(("It may use", scopes));
    if let Some(SignedIn { name, .. }) = &signed_in {
        terms.push(("You are signed in as", name.clone()));
    }
    if let Some(provider) = server.users.provider() {
        terms.push(("You then sign in with", provider.to_owned()));
    }
    let mut page = Page::new("Allow access?")
        .paragraph("An application asks for access to this server in your name.")
        .terms(terms);
    // 2026-07-28, security-considerations §Localhost Redirect URI Risks: authorization servers "**SHOULD** display additional
    // warnings for `localhost`-only redirect URIs".
    if redirect_uri::is_on_this_machine(&asked.redirect_uri) {
        page = page.alert(
            "Access is handed to a program on this device, and any program here can claim this name. Go on only if you \
             have just started this connection yourself.",
        );
    }
    let page = page.form(
        Form::post(&server.path(CONSENT))
            .hidden(TOKEN, token.expose())
            .button(DECISION, ALLOW, "Allow")
            .button(DECISION, "deny", "Deny"),
    );
    match signed_in {
        Some(SignedIn { sign_out, .. }) => page.form(sign_out.button("do", "sign-out", "Not you? Sign out")),
        None => page,
    }
}

/// The account that a consent is given with, if the user is not asked for one after it.
pub(super) struct SignedIn {
    /// Its name.
    pub(super) name: String,
    /// The form that signs it out, and begins the authorization again.
    pub(super) sign_out: Form,
}

/// What a page says of a client.
pub(super) fn client_terms(client: &Client) -> Vec<(&'static str, String)> {
    let name = client.name.as_deref().unwrap_or("An application without a name");
    let mut terms = vec![match client.kind {
        ClientKind::Configured => ("Application", name.to_owned()),
        _ => ("Application (as it calls itself; this is not verified)", name.to_owned()),
    }];
    if client.kind == ClientKind::Document {
        let host = Url::parse(&client.id).ok().and_then(|url| url.host_str().map(str::to_owned));
        terms.push(("Published by", host.unwrap_or_default()));
    }
    terms
}

const ALLOW: &str = "allow";

/// Answers what the user has decided.
pub(super) async fn decide(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    match decided(server, request).await {
        Ok(response) => response,
        Err(error) => login::failed(&error),
    }
}

async fn decided(server: &Inner, request: &Request<Bytes>) -> Result<Response<Bytes>, InteractionError> {
    let headers = request.headers();
    if !is_of_our_page(headers) {
        return Err(InteractionError::Forbidden);
    }
    let Ok(parameters) = Parameters::parse(request.body()) else { return Err(InteractionError::Forbidden) };
    let browser = Browser::known(headers, server.cookies);
    let current = server.interactions.take(Step::Consent, browser.as_ref(), parameters.get(TOKEN)).await?;
    if parameters.get(DECISION) == Some(ALLOW) {
        let user = server.signed_in(headers).await?;
        return Ok(login::begin(server, current, user).await);
    }
    server.interactions.end(&current).await?;
    Ok(deny(server, &current))
}

fn deny(server: &Inner, current: &Current) -> Response<Bytes> {
    match &current.purpose {
        Purpose::Authorize { asked, .. } => {
            let error = [("error", "access_denied"), ("error_description", "the user has refused")];
            redirect(&answer_url(&asked.redirect_uri, server.issuer(), asked.state.as_deref(), &error))
        }
        Purpose::Return { .. } => Page::new("Nothing has happened")
            .paragraph("You can close this page.")
            .status(StatusCode::FORBIDDEN)
            .respond(),
    }
}
