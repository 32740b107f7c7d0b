//! The pages below `/connect`, at which a caller signs in to a server behind a gateway.
//!
//! 2026-07-28, elicitation §Phishing: "The MCP Server **MUST** verify the identity of the user who opens the URL before accepting
//! information." So the browser first signs in here, as the principal that has called, and only then goes to the server's authorization
//! server; what comes back is taken from this browser alone.

use std::sync::Arc;

use anyport_service::Principal;
use anyport_transport::http::Route;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    account::account,
    attempts::{Attempt, NotTaken},
    link::Link,
    own_logins::OwnLogins,
    refusals::{Answer, parameters, refusal, unavailable},
    registry::{CONNECT, CONNECT_CALLBACK, CallerLogins, LoginServer},
};
use crate::{
    authorization_server::{
        AuthorizationServer, Browser, is_of_our_page,
        page::{Form, Page, refused_browser},
    },
    error::Error,
    pkce::random,
    scope::Scopes,
};

/// The routes of the pages. `server` knows who has signed in to a browser. They need no token: browsers have none.
pub fn connect_routes(logins: &CallerLogins, server: &AuthorizationServer) -> Vec<Route> {
    logins.set_browsers(server);
    let pages = Arc::new(Pages { logins: logins.clone(), server: server.clone() });
    let route = |method, path, answer: fn(Arc<Pages>, Request<Bytes>) -> Answer| {
        let pages = pages.clone();
        Route::new(method, path, move |request| answer(pages.clone(), request))
            .open()
            .refusals(refused_browser)
    };
    vec![
        route(Method::GET, CONNECT, |pages, request| {
            Box::pin(async move { pages.show(&request).await.unwrap_or_else(|page| page) })
        }),
        route(Method::POST, CONNECT, |pages, request| {
            Box::pin(async move { pages.begin(&request).await.unwrap_or_else(|page| page) })
        }),
        route(Method::GET, CONNECT_CALLBACK, |pages, request| {
            Box::pin(async move { pages.finish(&request).await.unwrap_or_else(|page| page) })
        })
        .with_segment(),
        OwnLogins::end_route(logins, server),
    ]
}

struct Pages {
    logins: CallerLogins,
    server: AuthorizationServer,
}

/// A caller who is signed in to the browser that has opened his page.
struct Opened {
    link: Link,
    server: LoginServer,
    principal: Principal,
    browser: Browser,
}

impl Pages {
    /// The page with the button.
    async fn show(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Response<Bytes>> {
        let parameters = parameters(request.uri().query().unwrap_or_default().as_bytes())?;
        let Some(id) = parameters.get("id") else {
            let own = OwnLogins { logins: self.logins.clone(), server: self.server.clone() };
            return own.show(request).await;
        };
        let opened = self.open(request, id).await?;
        let token = opened.browser.form_token(&purpose(id));
        let title = &opened.server.title;
        let text = match opened.link.lacking.is_empty() {
            true => format!(
                "You have called {title} by way of this server. Sign in there once, and your calls go on with your own account."
            ),
            false => format!(
                "A call of yours needs more than you have allowed at {title} so far. Sign in there again, and you are asked for it."
            ),
        };
        let form = Form::post(&self.logins.path(CONNECT))
            .hidden("id", id)
            .hidden("token", token.expose())
            .button("do", "continue", &format!("Continue to {}", opened.server.title));
        let page = Page::new(&format!("Connect {}", opened.server.title)).paragraph(&text);
        let warning = "Did somebody send you this address? Then close the page: nothing has happened yet.";
        let mut response = page.paragraph(warning).form(form).respond();
        opened.browser.remember(response.headers_mut());
        Ok(response)
    }

    /// Sends the browser to the server's authorization server.
    async fn begin(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Response<Bytes>> {
        let parameters = parameters(request.body())?;
        let id = parameters.get("id").unwrap_or_default();
        let opened = self.open(request, id).await?;
        let token = parameters.get("token").unwrap_or_default();
        if !is_of_our_page(request.headers()) || !opened.browser.accepts(&purpose(id), token) {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "This form is not of this browser: open the page again.",
            ));
        }
        let (logins, browser) = (self.logins.clone(), opened.browser.hash());
        let (link, server, principal) = (opened.link, opened.server, opened.principal);
        let title = server.clone();
        // A browser that does not wait leaves no place taken.
        let begun = tokio::spawn(async move { begin(&logins, (&link, &server), &principal, browser).await });
        let url = match begun.await.map_err(|_| unavailable())? {
            Ok(Some(url)) => url,
            Ok(None) => {
                self.logins.refusals().max_open.increment();
                let text = "Several logins of yours are under way already (max_open_connects): end one of them, or wait a few minutes.";
                return Err(refusal(StatusCode::TOO_MANY_REQUESTS, text));
            }
            Err(error) => return Err(failed(&title, &error)),
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        let headers = response.headers_mut();
        let to = HeaderValue::try_from(url)
            .map_err(|_| refusal(StatusCode::BAD_GATEWAY, "The address of the login is none."))?;
        headers.insert(header::LOCATION, to);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        opened.browser.remember(headers);
        Ok(response)
    }

    /// Takes what the browser brings from there.
    async fn finish(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Response<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let parameters = parameters(query.as_bytes())?;
        let state = parameters.get("state").unwrap_or_default();
        let browser = self.server.browser(request.headers()).map_err(|_| unavailable())?;
        let user = self.server.signed_in(request.headers()).await.map_err(|_| unavailable())?;
        let over = "This login is over, or was begun by another user: call again, and open the page that you are then shown.";
        let Some(principal) = user.map(|user| user.principal()) else {
            return Err(refusal(StatusCode::FORBIDDEN, over));
        };
        let path = request.uri().path();
        let is_here = |name: &str| self.logins.redirect_uri(name).ends_with(path);
        let is_own = |attempt: &Attempt| browser.is(&attempt.browser) && is_here(&attempt.server);
        let taken = self.logins.attempts().take(&principal, state, is_own).await;
        let (name, login) = taken.map_err(|why| match why {
            NotTaken::Unknown => refusal(StatusCode::FORBIDDEN, over),
            NotTaken::Foreign => refusal(
                StatusCode::FORBIDDEN,
                "This login was begun in another browser, or at another server.",
            ),
            NotTaken::Failed(error) => {
                tracing::warn!(%error, "the logins of callers that are under way cannot be read");
                unavailable()
            }
        })?;
        let Some(server) = self.logins.server(&name) else { return Err(unavailable()) };
        let answer = format!("{}?{query}", self.logins.redirect_uri(&name));
        let sign_in =
            (server.sign_in)(&account(&name, &principal)).map_err(|error| failed(&server, &error))?;
        // The code is given for a token once, whether or not the browser waits for that.
        let ended = tokio::spawn(async move { sign_in.finish_login(&login, &answer).await });
        ended.await.map_err(|_| unavailable())?.map_err(|error| failed(&server, &error))?;
        self.logins.reload(&name, &principal).await;
        self.logins.changes(&name, &principal).notify_waiters();
        tracing::info!(server = server.name, %principal, "a caller has signed in");
        let text = "The call that waited for this goes on. You can close this page.";
        Ok(Page::new(&format!("{} is connected", server.title)).paragraph(text).respond())
    }

    /// The link of `id`, opened by a browser to which its own principal has signed in.
    async fn open(&self, request: &Request<Bytes>, id: &str) -> Result<Opened, Response<Bytes>> {
        let headers = request.headers();
        let link = Link::open(self.logins.sealer(), id, self.logins.now());
        let link = link.ok_or_else(|| {
            self.logins.refusals().lifetime.increment();
            refusal(
                StatusCode::FORBIDDEN,
                "This address is over: call again, and open the one that you are then shown.",
            )
        })?;
        let server = self.logins.server(&link.server).ok_or_else(|| {
            refusal(
                StatusCode::NOT_FOUND,
                "The server of this address is not connected by its users any more.",
            )
        })?;
        let Some(user) = self.server.signed_in(headers).await.map_err(|_| unavailable())? else {
            return Err(self.server.sign_in(request, &format!("{CONNECT}?id={id}")).await);
        };
        let principal = user.principal();
        if principal != link.principal() {
            let text = "This address is for another user. If somebody has sent it to you, then that user's calls would have gone to your \
                        account: nothing was connected.";
            return Err(refusal(StatusCode::FORBIDDEN, text));
        }
        let browser = self.server.browser(headers).map_err(|_| unavailable())?;
        Ok(Opened { link, server, principal, browser })
    }
}

/// Begins a login of `principal` for the browser with this hash, and returns the URL of the page to sign in at; `None` if too many are
/// under way.
async fn begin(
    logins: &CallerLogins,
    (link, server): (&Link, &LoginServer),
    principal: &Principal,
    browser: String,
) -> Result<Option<String>, Error> {
    let (attempts, state, lacking) = (logins.attempts(), random()?, Scopes::parse(&link.lacking));
    let reserved = Attempt { browser, server: link.server.clone(), login: None };
    if !attempts.reserve(principal, &state, &reserved).await? {
        return Ok(None);
    }
    let begun = async {
        let sign_in = (server.sign_in)(&account(&link.server, principal))?;
        let login = sign_in.begin_login(state.clone(), &lacking).await?;
        let url = login.url().to_owned();
        attempts.keep(principal, &state, &Attempt { login: Some(login), ..reserved }).await?;
        Ok(Some(url))
    };
    let begun: Result<_, Error> = begun.await;
    if begun.is_err() {
        attempts.end(principal, state.expose()).await?;
    }
    begun
}

fn purpose(id: &str) -> String {
    format!("connect {id}")
}

/// What others have said is not shown, since it may be what they want the user to read.
fn failed(server: &LoginServer, error: &Error) -> Response<Bytes> {
    let text = match error {
        Error::Response(_) => "The login there was refused, or was not brought to its end.",
        _ => "The login there failed; whoever runs this server finds the reason in its log.",
    };
    let page = Page::new("Nothing was connected").alert(text);
    page.paragraph(&format!("You can open the page to connect {} again.", server.title))
        .status(StatusCode::BAD_GATEWAY)
        .respond()
}
