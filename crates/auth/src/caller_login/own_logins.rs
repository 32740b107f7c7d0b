//! The page at which a user sees the servers that it has connected, and ends logins there.

use anyport_service::Principal;
use anyport_transport::http::Route;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use super::{
    account::account,
    refusals::{Answer, parameters, refusal, unavailable},
    registry::{CONNECT, CONNECT_END, CallerLogins, LoginServer},
};
use crate::{
    authorization_server::{
        AuthorizationServer, Browser, is_of_our_page,
        page::{Form, Page, refused_browser},
    },
    error::Error,
    sign_in::SignInState,
};

/// The logins of the user of a browser.
pub(super) struct OwnLogins {
    pub(super) logins: CallerLogins,
    pub(super) server: AuthorizationServer,
}

impl OwnLogins {
    /// The route to end a login.
    pub(super) fn end_route(logins: &CallerLogins, server: &AuthorizationServer) -> Route {
        let (logins, server) = (logins.clone(), server.clone());
        let answer = move |request: Request<Bytes>| -> Answer {
            let own = Self { logins: logins.clone(), server: server.clone() };
            Box::pin(async move { own.end(&request).await.unwrap_or_else(|page| page) })
        };
        Route::new(Method::POST, CONNECT_END, answer).open().refusals(refused_browser)
    }

    /// The page.
    pub(super) async fn show(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Response<Bytes>> {
        let (principal, browser) = self.user(request).await?;
        let mut page = Page::new("Your logins");
        let mut is_any = false;
        for server in self.logins.servers() {
            if !self.is_signed_in(&server, &principal).await.map_err(|error| failed(&error))? {
                continue;
            }
            is_any = true;
            let token = browser.form_token(&purpose(&server.name, &principal));
            let form = Form::post(&self.logins.path(CONNECT_END))
                .hidden("server", &server.name)
                .hidden("token", token.expose())
                .button("do", "end", &format!("End the login at {}", server.title));
            page = page.paragraph(&format!("You are signed in at {}.", server.title)).form(form);
        }
        if !is_any {
            page = page.paragraph("You are signed in at no server.");
        }
        let mut response = page.respond();
        browser.remember(response.headers_mut());
        Ok(response)
    }

    /// Ends a login: the tokens are taken back, and forgotten.
    async fn end(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Response<Bytes>> {
        let parameters = parameters(request.body())?;
        let (principal, browser) = self.user(request).await?;
        let name = parameters.get("server").unwrap_or_default();
        let token = parameters.get("token").unwrap_or_default();
        if !is_of_our_page(request.headers()) || !browser.accepts(&purpose(name, &principal), token) {
            let text = "This form is not of this browser: open the page again.";
            return Err(refusal(StatusCode::FORBIDDEN, text));
        }
        let server = self.logins.server(name);
        let server =
            server.ok_or_else(|| refusal(StatusCode::NOT_FOUND, "There is no server of this name."))?;
        let sign_in = (server.sign_in)(&account(name, &principal)).map_err(|error| failed(&error))?;
        let ended = sign_in.log_out().await.map_err(|error| failed(&error))?;
        self.logins.reload(name, &principal).await;
        tracing::info!(server = name, %principal, "a caller has ended its login");
        let page = Page::new(&format!("The login at {} has ended", server.title));
        let page = match ended {
            Some((_, Ok(false) | Err(_))) => page.paragraph(&format!(
                "The tokens are forgotten here. {} could not take them back: they are valid there until they end.",
                server.title
            )),
            _ => page.paragraph("The tokens are taken back, and forgotten."),
        };
        Ok(page.respond())
    }

    async fn is_signed_in(&self, server: &LoginServer, principal: &Principal) -> Result<bool, Error> {
        let sign_in = (server.sign_in)(&account(&server.name, principal))?;
        sign_in.reload().await?;
        Ok(sign_in.state() != SignInState::SignedOut)
    }

    /// The user who has signed in to the browser. Who has not does that first.
    async fn user(&self, request: &Request<Bytes>) -> Result<(Principal, Browser), Response<Bytes>> {
        let headers = request.headers();
        let Some(user) = self.server.signed_in(headers).await.map_err(|_| unavailable())? else {
            return Err(self.server.sign_in(request, CONNECT).await);
        };
        Ok((user.principal(), self.server.browser(headers).map_err(|_| unavailable())?))
    }
}

/// A form is of one user: another one may have signed in to the same browser since.
fn purpose(server: &str, principal: &Principal) -> String {
    format!("end the login at {server} of {principal}")
}

fn failed(error: &Error) -> Response<Bytes> {
    tracing::warn!(%error, "the logins of a caller cannot be read or ended");
    unavailable()
}
