//! The login of the user, after the consent, and what follows from it.

use std::net::IpAddr;

use anyport_transport::http::ConnectInfo;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use super::{
    authorization_request::{AuthorizationRequest, answer_url, query},
    browser::{Browser, is_of_our_page},
    grant::Consented,
    interaction::{Current, InteractionError, Purpose, Step},
    page::Page,
    parameters::Parameters,
    response::redirect,
    server::{AuthorizationServer, Inner},
    user::{Interaction, LoginError, Next, User},
};

/// Begins the login of an interaction. `user` is signed in to the browser already.
pub(super) async fn begin(server: &Inner, current: Current, user: Option<User>) -> Response<Bytes> {
    let (token, data) = (current.token.clone(), current.data.clone());
    let mut interaction = Interaction { token, data, user, address: None };
    let next = server.users.begin(&mut interaction).await;
    proceed(server, current, interaction, next).await
}

impl AuthorizationServer {
    /// Has the user of a request sign in, and sends the browser to the path `return_to` then, where
    /// [`signed_in`](Self::signed_in) knows the user.
    pub async fn sign_in(&self, request: &Request<Bytes>, return_to: &str) -> Response<Bytes> {
        sign_in(&self.0, request, return_to).await
    }
}

/// The address of the client of a request.
pub(super) fn address(request: &Request<Bytes>) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo>().and_then(|info| info.client())
}

async fn sign_in(server: &Inner, request: &Request<Bytes>, to: &str) -> Response<Bytes> {
    let headers = request.headers();
    // Browsers take `//host` and `/\host` for another site.
    let is_ours =
        to.starts_with('/') && !to.starts_with("//") && to.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_ours || to.contains('\\') {
        return failed(&InteractionError::Forbidden);
    }
    let begun = async {
        let browser = Browser::of(headers, server.cookies)?;
        let user = server.signed_in(headers).await?;
        let purpose = Purpose::Return { to: to.to_owned() };
        let current = server.interactions.begin(Step::Login, &browser, purpose, address(request)).await?;
        Ok((browser, current, user))
    };
    match begun.await {
        Ok((browser, current, user)) => {
            let mut response = begin(server, current, user).await;
            browser.remember(response.headers_mut());
            response
        }
        Err(error) => failed(&error),
    }
}

/// Goes on with a login, at the route of the authentication.
///
/// security_best_practices §OAuth State Parameter Validation: "Validate at the callback endpoint that the `state` query parameter exactly
/// matches the stored value in the callback request's cookies or in the request's cookie-based session", "Ensure `state` values are
/// single-use (delete after validation)".
pub(super) async fn resume(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    match resumed(server, request).await {
        Ok(response) => response,
        Err(error) => failed(&error),
    }
}

async fn resumed(server: &Inner, request: &Request<Bytes>) -> Result<Response<Bytes>, InteractionError> {
    let (headers, route) = (request.headers(), server.users.route());
    let is_form = request.method() == Method::POST;
    if is_form && !is_of_our_page(headers) {
        return Err(InteractionError::Forbidden);
    }
    let text = if is_form { request.body() } else { query(request.uri()) };
    let Ok(parameters) = Parameters::parse(text) else { return Err(InteractionError::Forbidden) };
    let browser = Browser::known(headers, server.cookies);
    let token = parameters.get(route.parameter);
    let current = server.interactions.take(Step::Login, browser.as_ref(), token).await?;
    let user = server.signed_in(headers).await?;
    let address = address(request);
    let (token, data) = (current.token.clone(), current.data.clone());
    let mut interaction = Interaction { token, data, user, address };
    let next = server.users.resume(&mut interaction, &parameters).await;
    Ok(proceed(server, current, interaction, next).await)
}

async fn proceed(
    server: &Inner,
    mut current: Current,
    interaction: Interaction,
    next: Next,
) -> Response<Bytes> {
    let went_on = async {
        match next {
            Next::User(user) => {
                server.interactions.end(&current).await?;
                finish(server, &current, user, interaction.user).await
            }
            Next::Failed(error) => {
                server.interactions.end(&current).await?;
                Ok(fail(server, &current, error))
            }
            Next::Page(page) => {
                current.data = interaction.data;
                server.interactions.keep(current).await?;
                Ok(page.respond())
            }
            Next::Redirect(url) => {
                current.data = interaction.data;
                server.interactions.keep(current).await?;
                Ok(redirect(&url))
            }
        }
    };
    went_on.await.unwrap_or_else(|error| failed(&error))
}

/// Gives what the interaction was for to a user who is known. `before` was signed in to the browser before.
async fn finish(
    server: &Inner,
    current: &Current,
    user: User,
    before: Option<User>,
) -> Result<Response<Bytes>, InteractionError> {
    let mut response = match &current.purpose {
        // A consent is the word of the user who gave it. Another one has signed in now, and sees the page at the next request.
        Purpose::Authorize { remembered: Some((issuer, subject)), .. }
            if (issuer, subject) != (&user.issuer, &user.subject) =>
        {
            fail(server, current, LoginError::AccessDenied)
        }
        Purpose::Authorize { asked, .. } => grant(server, asked, &user).await?,
        Purpose::Return { to } => redirect(&server.path(to)),
    };
    if before.as_ref() != Some(&user) {
        server.sessions.begin(&user, response.headers_mut()).await?;
    }
    Ok(response)
}

async fn grant(
    server: &Inner,
    asked: &AuthorizationRequest,
    user: &User,
) -> Result<Response<Bytes>, InteractionError> {
    let answer = |parameters: &[(&str, &str)]| {
        redirect(&answer_url(&asked.redirect_uri, server.issuer(), asked.state.as_deref(), parameters))
    };
    let Some(scopes) = asked.grantable(user, &server.settings.required_scopes) else {
        let why = "the user may grant none of these scopes";
        return Ok(answer(&[("error", "access_denied"), ("error_description", why)]));
    };
    server.consents.remember(asked, user).await?;
    server.registrations.note_use(&asked.client_id).await;
    let consented = Consented {
        client_id: asked.client_id.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        resource: asked.resource.clone(),
        scopes,
    };
    let code = server.grants.consent(consented, user.clone()).await?;
    Ok(answer(&[("code", code.expose())]))
}

fn fail(server: &Inner, current: &Current, error: LoginError) -> Response<Bytes> {
    match &current.purpose {
        Purpose::Authorize { asked, .. } => {
            let parameters = [("error", error.code()), ("error_description", "the user is not signed in")];
            redirect(&answer_url(&asked.redirect_uri, server.issuer(), asked.state.as_deref(), &parameters))
        }
        Purpose::Return { .. } => Page::new("You are not signed in")
            .alert("Signing in has failed, or was refused.")
            .paragraph("Start again where you came from.")
            .status(StatusCode::FORBIDDEN)
            .respond(),
    }
}

/// The page on why an interaction does not go on.
pub(super) fn failed(error: &InteractionError) -> Response<Bytes> {
    let (status, why) = match error {
        InteractionError::Forbidden => (StatusCode::FORBIDDEN, format!("{error}.")),
        InteractionError::TooMany => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}.")),
        InteractionError::Failed(error) => {
            tracing::warn!(%error, "an authorization cannot go on");
            (StatusCode::SERVICE_UNAVAILABLE, TROUBLE.to_owned())
        }
    };
    Page::new("This does not go on")
        .alert(&why)
        .paragraph("Start the connection again in your application.")
        .status(status)
        .respond()
}

/// What pages say of our own trouble.
pub(super) const TROUBLE: &str = "The server cannot answer now. Try again later.";
