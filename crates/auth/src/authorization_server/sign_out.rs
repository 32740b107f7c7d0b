//! The end of a browser's session: at a page of its own, and at the page of a consent, where somebody else may be signed in.

use bytes::Bytes;
use http::{Request, Response};

use super::{
    browser::{Browser, is_of_our_page},
    interaction::InteractionError,
    login,
    metadata::AUTHORIZE,
    page::{Form, Page},
    parameters::Parameters,
    response::redirect,
    server::Inner,
};

/// The path of the page, and of its form.
pub(super) const SIGN_OUT: &str = "/oauth/sign-out";
/// The field with the token of the form.
const TOKEN: &str = "token";
/// The field with the authorization request that begins again.
const RETURN: &str = "return_to";
/// What the token of the form is for.
const PURPOSE: &str = "sign-out";

/// The page that says who is signed in to the browser, with a form to end that.
pub(super) async fn page(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    let shown = async {
        let browser = Browser::of(request.headers(), server.cookies)?;
        Ok::<_, InteractionError>((server.signed_in(request.headers()).await?, browser))
    };
    let (user, browser) = match shown.await {
        Ok(shown) => shown,
        Err(error) => return login::failed(&error),
    };
    let page = Page::new("Sign out");
    let page = match user {
        Some(user) => page
            .terms([("You are signed in as", user.name)])
            .form(form(server, &browser, None).button("do", "sign-out", "Sign out")),
        None => page.paragraph("Nobody is signed in to this server with this browser."),
    };
    let mut response = page.respond();
    browser.remember(response.headers_mut());
    response
}

/// A form that ends the session, without its button. `return_to` is the query of an authorization request that begins again then.
pub(super) fn form(server: &Inner, browser: &Browser, return_to: Option<&str>) -> Form {
    let form = Form::post(&server.path(SIGN_OUT)).hidden(TOKEN, browser.form_token(PURPOSE).expose());
    match return_to {
        Some(query) => form.hidden(RETURN, query),
        None => form,
    }
}

/// Ends the session of a browser that has posted the form.
pub(super) async fn sign_out(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    signed_out(server, request).await.unwrap_or_else(|error| login::failed(&error))
}

async fn signed_out(server: &Inner, request: &Request<Bytes>) -> Result<Response<Bytes>, InteractionError> {
    let headers = request.headers();
    let parameters = Parameters::parse(request.body()).map_err(|_| InteractionError::Forbidden)?;
    let browser = Browser::known(headers, server.cookies).ok_or(InteractionError::Forbidden)?;
    if !is_of_our_page(headers) || !browser.accepts(PURPOSE, parameters.get(TOKEN).unwrap_or_default()) {
        return Err(InteractionError::Forbidden);
    }
    let mut response = match parameters.get(RETURN) {
        // It stays on this page of ours, whatever the query says.
        Some(query) => redirect(&format!("{}?{query}", server.path(AUTHORIZE))),
        None => Page::new("You are signed out")
            .paragraph("Applications that you have allowed keep their access. You can close this page.")
            .respond(),
    };
    server.sessions.end(headers, response.headers_mut()).await?;
    Ok(response)
}
