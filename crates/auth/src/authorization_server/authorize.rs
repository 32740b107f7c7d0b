//! The authorization endpoint (RFC 6749 §3.1).

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{
    authorization_request::{AuthorizationRequest, Known, RequestError, answer_url, query},
    client::{Client, ClientKind, document::DocumentError, redirect_uri},
    consent,
    interaction::{InteractionError, Purpose, Step},
    login,
    page::Page,
    parameters::Parameters,
    response::redirect,
    server::{ClientError, Inner},
    sign_out,
};

/// Answers a request of a client: with the page on which the user consents.
///
/// As long as client and redirect URI are not in order, nothing is sent anywhere. RFC 6749 §4.1.2.1: "the authorization server SHOULD
/// inform the resource owner of the error and MUST NOT automatically redirect the user-agent to the invalid redirection URI."
pub(super) async fn authorize(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    let parameters = match Parameters::parse(query(request.uri())) {
        Ok(parameters) => parameters,
        Err(repeated) => return refused(StatusCode::BAD_REQUEST, &repeated.to_string()),
    };
    let client = match client(server, &parameters).await {
        Ok(client) => client,
        Err((status, why)) => return refused(status, &why),
    };
    let redirect_uri = match redirect_uri_of(server, &client, &parameters) {
        Ok(redirect_uri) => redirect_uri,
        Err(why) => return refused(StatusCode::BAD_REQUEST, why),
    };
    let known = Known {
        resources: &server.settings.resources.now(),
        scopes: &server.settings.scopes,
        default_scopes: &server.settings.default_scopes,
    };
    let ids = (client.id.clone(), redirect_uri.clone());
    match AuthorizationRequest::read(&parameters, ids, &known) {
        Ok(asked) => ask(server, request, &client, asked).await,
        Err(error) => {
            let RequestError { code, description } = error;
            let answer = [("error", code), ("error_description", description)];
            let url = answer_url(&redirect_uri, server.issuer(), parameters.get("state"), &answer);
            match client.kind {
                ClientKind::Configured => redirect(&url),
                ClientKind::Registered | ClientKind::Document => {
                    untrusted(&client, (&redirect_uri, &url), description)
                }
            }
        }
    }
}

/// A page on what is wrong with a request whose redirect URI is not trusted: any client can register one, and a link to this host would
/// redirect to any other host (an open redirect). The user decides whether to go on.
///
/// 2026-07-28, security-considerations §Open Redirection: "Authorization servers **SHOULD** only automatically redirect the user agent
/// if it trusts the redirection URI. If the URI is not trusted, the authorization server MAY inform the user and rely on the user to
/// make the correct decision." RFC 9700 §4.11.2 has the attack.
fn untrusted(client: &Client, (redirect_uri, answer): (&str, &str), why: &str) -> Response<Bytes> {
    let host = redirect_uri::shown_host(redirect_uri);
    let mut terms = consent::client_terms(client);
    terms.push(("It continues at", host.clone()));
    Page::new("This connection cannot be made")
        .alert(&format!("The application has asked for something that cannot be: {why}."))
        .terms(terms)
        .paragraph(
            "If you have just started this connection yourself, you can go back to the application, which then learns what \
             is wrong. Otherwise close this page: nothing has happened.",
        )
        .link(&format!("Go on to {host}"), answer)
        .status(StatusCode::BAD_REQUEST)
        .respond()
}

/// Asks the user, or goes on to the login if the consent is remembered.
async fn ask(
    server: &Inner,
    request: &Request<Bytes>,
    client: &Client,
    asked: AuthorizationRequest,
) -> Response<Bytes> {
    let headers = request.headers();
    let begun = async {
        let browser = super::browser::Browser::of(headers, server.cookies)?;
        let user = server.signed_in(headers).await?;
        let is_remembered = match &user {
            Some(user) => server.consents.has(&asked, user, headers).await?,
            None => false,
        };
        let remembered = user.as_ref().filter(|_| is_remembered);
        let remembered = remembered.map(|user| (user.issuer.clone(), user.subject.clone()));
        let purpose = Purpose::Authorize { asked: asked.clone(), remembered };
        let step = if is_remembered { Step::Login } else { Step::Consent };
        let current = server.interactions.begin(step, &browser, purpose, login::address(request)).await?;
        Ok::<_, InteractionError>((browser, current, user, is_remembered))
    };
    let (browser, current, user, is_remembered) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return login::failed(&error),
    };
    let mut response = match is_remembered {
        true => login::begin(server, current, user).await,
        false => {
            // A provider asks for the account anew.
            let signed_in =
                user.filter(|_| server.users.provider().is_none()).map(|user| consent::SignedIn {
                    name: user.name,
                    sign_out: sign_out::form(server, &browser, request.uri().query()),
                });
            consent::page(server, client, &asked, (&current.token, signed_in)).respond()
        }
    };
    browser.remember(response.headers_mut());
    response
}

async fn client(server: &Inner, parameters: &Parameters) -> Result<Client, (StatusCode, String)> {
    let Some(id) = parameters.get("client_id") else {
        return Err((StatusCode::BAD_REQUEST, "The parameter client_id is missing.".to_owned()));
    };
    server.client(id).await.map_err(|error| {
        let status = match &error {
            ClientError::Failed(error) => {
                tracing::warn!(%error, "a client cannot be looked up");
                return (StatusCode::SERVICE_UNAVAILABLE, login::TROUBLE.to_owned());
            }
            ClientError::Document(DocumentError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, format!("{error}."))
    })
}

/// Where the answer goes: what the request says, if that is registered.
///
/// 2026-07-28, security-considerations §Open Redirection: authorization servers "**MUST** validate exact redirect URIs against
/// pre-registered values to prevent redirection attacks."
fn redirect_uri_of(server: &Inner, client: &Client, parameters: &Parameters) -> Result<String, &'static str> {
    match (parameters.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), _) => {
            let is_usable = redirect_uri::check(asked, &server.settings.redirect_schemes).is_ok();
            match is_usable && client.has_redirect_uri(asked) {
                true => Ok(asked.to_owned()),
                false => Err("The redirect_uri is not one that the client has registered."),
            }
        }
        // RFC 6749 §3.1.2.3: it may be left out if one is registered, and is complete: without its port, it is not.
        (None, [only]) if !redirect_uri::is_on_this_machine(only) => Ok(only.clone()),
        (None, _) => Err("The parameter redirect_uri is missing."),
    }
}

/// A page on what is wrong with a request that cannot be answered to its client.
fn refused(status: StatusCode, why: &str) -> Response<Bytes> {
    Page::new("This connection cannot be made")
        .alert(why)
        .paragraph("Remove the server in your application and add it again. If that does not help, ask the administrator of this server.")
        .status(status)
        .respond()
}
