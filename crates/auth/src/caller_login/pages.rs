//! The pages below `/connect`, at which a caller signs in to a server behind a gateway.
//!
//! 2026-07-28, elicitation §Phishing: "The MCP Server **MUST** verify the identity of the user who opens the URL before accepting
//! information." So the browser first signs in here, as the principal that has called, and only then goes to the server's authorization
//! server; what comes back is taken from this browser alone.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_service::{Principal, sync::Lock};
use anyport_transport::http::Route;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::sync::oneshot;

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
        AuthorizationServer, Browser,
        page::{Form, Page, refused_browser},
    },
    error::Error,
    user_agent::UserAgent,
};

/// The routes of the pages. `server` knows who has signed in to a browser. They need no token: browsers have none.
pub fn connect_routes(logins: &CallerLogins, server: &AuthorizationServer) -> Vec<Route> {
    let pages =
        Arc::new(Pages { logins: logins.clone(), server: server.clone(), under_way: Lock::default() });
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
        }),
        OwnLogins::end_route(logins, server),
    ]
}

/// How a login ends.
type Ended = oneshot::Receiver<Result<(), Error>>;

struct Pages {
    logins: CallerLogins,
    server: AuthorizationServer,
    /// How the logins that are under way end, by their `state`.
    under_way: Lock<Vec<(String, Ended)>>,
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
        let text = format!(
            "You have called {} by way of this server. Sign in there once, and your calls go on with your own account.",
            opened.server.title
        );
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
        if !opened.browser.accepts(&purpose(id), parameters.get("token").unwrap_or_default()) {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "This form is not of this browser: open the page again.",
            ));
        }
        let (now, limits) = (self.logins.now(), self.logins.limits());
        if self.logins.attempts().of(&opened.principal, now) >= limits.max_open {
            self.logins.refusals().max_open.increment();
            let text = "Several logins of yours are under way already (max_open_connects): end one of them, or wait a few minutes.";
            return Err(refusal(StatusCode::TOO_MANY_REQUESTS, text));
        }
        let url = self.log_in(&opened).await.map_err(|error| failed(&opened.server, &error))?;
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
        let principal = user.map(|user| user.principal());
        let is_own = |attempt: &Attempt| {
            browser.is(&attempt.browser) && principal.as_ref() == Some(&attempt.principal)
        };
        let attempt = self.logins.attempts().take(state, self.logins.now(), is_own).map_err(|why| match why {
            NotTaken::Unknown => refusal(
                StatusCode::FORBIDDEN,
                "This login is over, or was begun before a restart: call again, and open the page that you are then shown.",
            ),
            NotTaken::Foreign => refusal(StatusCode::FORBIDDEN, "This login was begun in another browser, or by another user."),
        })?;
        let ended = {
            let mut under_way = self.under_way.lock();
            let at = under_way.iter().position(|(known, _)| known == state);
            at.map(|at| under_way.swap_remove(at).1)
        };
        let Some(server) = self.logins.server(&attempt.server) else { return Err(unavailable()) };
        let _ = attempt.answer.send(format!("{}?{query}", self.logins.redirect_uri()));
        let outcome = match ended {
            Some(ended) => ended.await.unwrap_or_else(|_| Err(Error::NeedsLogin(server.name.clone()))),
            None => Err(Error::NeedsLogin(server.name.clone())),
        };
        outcome.map_err(|error| failed(&server, &error))?;
        self.logins.reload(&attempt.server, &attempt.principal).await;
        self.logins.changes(&attempt.server, &attempt.principal).notify_waiters();
        tracing::info!(server = server.name, principal = %attempt.principal, "a caller has signed in");
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

    /// Begins a login, and returns the URL of the page to sign in at.
    async fn log_in(&self, opened: &Opened) -> Result<String, Error> {
        let (shown, url) = oneshot::channel();
        let (answer, brought) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let agent = Relay(Lock::new(Some((shown, brought))));
        let sign_in =
            (opened.server.sign_in)(&account(&opened.link.server, &opened.principal))?.user_agent(agent);
        let running = tokio::spawn(async move {
            let outcome = sign_in.log_in().await.map(drop);
            if let Err(error) = &outcome {
                tracing::warn!(%error, "a caller could not sign in");
            }
            let failure = outcome.as_ref().err().cloned();
            let _ = end.send(outcome);
            failure
        });
        // It fails without a page, or has shown one.
        let Ok(url) = url.await else {
            let failure = running.await.ok().flatten();
            return Err(failure.unwrap_or_else(|| Error::NeedsLogin(opened.server.name.clone())));
        };
        let parsed = url::Url::parse(&url).ok();
        let state = parsed.and_then(|url| {
            url.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned())
        });
        let state = state.unwrap_or_default();
        let attempt = Attempt {
            browser: opened.browser.hash(),
            principal: opened.principal.clone(),
            server: opened.link.server.clone(),
            ends: self.logins.now() + self.logins.limits().lifetime,
            answer,
        };
        self.logins.attempts().begin(state.clone(), attempt);
        let mut under_way = self.under_way.lock();
        under_way
            .retain_mut(|(_, ended)| matches!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        under_way.push((state, ended));
        Ok(url)
    }
}

/// What stands between a login and the browser of its user: the browser gets the page, and brings the answer to a page of ours.
struct Relay(Lock<Option<(oneshot::Sender<String>, oneshot::Receiver<String>)>>);

impl UserAgent for Relay {
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(async move {
            let gone = || "the browser has gone away".to_owned();
            let (shown, brought) = self.0.lock().take().ok_or_else(gone)?;
            shown.send(url.to_owned()).map_err(|_| gone())?;
            brought.await.map(Some).map_err(|_| gone())
        })
    }

    fn brings_answers(&self) -> bool {
        true
    }
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
