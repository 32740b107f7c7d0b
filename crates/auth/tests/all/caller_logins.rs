//! Callers of a gateway who sign in to a server behind it, each with his own browser.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyport_auth::{
    AskedLogin, CONNECT_ATTEMPTS, CallerLogin, CallerLoginLimits, CallerLogins, ClientOptions, LoginServer,
    Secret, SignIn, SignInOptions, Vault,
    authorization_server::{
        AuthorizationServer, AuthorizationServerLimits, AuthorizationServerSettings, BUCKETS,
        LocalUserRecords, LocalUsers, Resources,
    },
    connect_routes, is_caller_account,
};
use anyport_metrics::Metrics;
use anyport_protocol::Error;
use anyport_seal::{Key, Sealer};
use anyport_service::{Context, Principal, Reply, Service};
use anyport_store::{MemoryStore, Store};
use anyport_transport::{
    client::http::SideRequest,
    http::{Config, ConnectInfo, Endpoint, PublicUrl},
};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Servers, Time};

const URL: &str = "https://mcp.example.com";
const PASSWORD: &str = "correct horse battery";

struct Nothing;

impl Service for Nothing {
    fn call(&self, _: anyport_service::Request, _: Context) -> Reply {
        Reply::error(Error::internal("nothing is here"))
    }
}

/// A gateway with the local users ada and bob, and the server `far` behind it.
struct Gateway {
    endpoint: Endpoint,
    logins: CallerLogins,
    metrics: Metrics,
    ada: Principal,
    bob: Principal,
}

/// What outlives a gateway.
struct Stored {
    store: Arc<dyn Store>,
    vault: Vault,
    /// The time of sign-ins.
    time: Time,
}

impl Stored {
    async fn new() -> Self {
        let buckets = [&BUCKETS[..], &[&CONNECT_ATTEMPTS]].concat();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&buckets, &Metrics::new()));
        for name in ["ada", "bob"] {
            LocalUserRecords::new(store.clone()).add(name, &Secret::new(PASSWORD), None).await.unwrap();
        }
        Self { store, vault: Vault::in_memory().unwrap(), time: Time::new() }
    }

    async fn gateway(&self, servers: &Servers, limits: CallerLoginLimits) -> Gateway {
        let public_url: PublicUrl = URL.parse().unwrap();
        let metrics = Metrics::new();
        let sealer = Sealer::new(&Key::from_bytes([7; 32]));
        let of_server = AuthorizationServerLimits::default();
        let users = LocalUsers::new(self.store.clone(), &public_url, of_server, &metrics);
        let settings = AuthorizationServerSettings::new(
            public_url.clone(),
            Resources::new(|| vec![format!("{URL}/mcp")]),
        );
        let server =
            AuthorizationServer::new(settings, self.store.clone(), sealer.clone(), Arc::new(users)).unwrap();
        let logins = CallerLogins::new(URL, self.store.clone(), sealer, limits, &metrics);
        let client =
            ClientOptions { redirect_uri: Some(logins.redirect_uri("far")), ..ClientOptions::default() };
        let options = SignInOptions { client, ..SignInOptions::default() };
        let (far, vault, clock) = (servers.endpoint(), self.vault.clone(), self.time.clock());
        logins.add(LoginServer {
            name: "far".into(),
            title: "Far <b>".into(),
            sign_in: Arc::new(move |account| {
                Ok(SignIn::new(&far, account, vault.clone(), options.clone())?.clock(clock.clone()))
            }),
        });
        let routes = server.routes().into_iter().chain(connect_routes(&logins, &server));
        let config = Config::default().public_url(Some(public_url)).routes(routes.collect::<Vec<_>>());
        let principal = async |name: &str| {
            let all = LocalUserRecords::new(self.store.clone()).list().await.unwrap();
            let user = all.into_iter().find(|user| user.name == name).unwrap();
            Principal::subject_of(URL, user.subject)
        };
        let (ada, bob) = (principal("ada").await, principal("bob").await);
        Gateway { endpoint: Endpoint::new(Nothing, config), logins, metrics, ada, bob }
    }
}

impl Gateway {
    fn login(&self, principal: &Principal) -> CallerLogin {
        CallerLogin::new(&self.logins, "far", principal).unwrap()
    }

    fn page(&self, principal: &Principal) -> String {
        self.login(principal).page("").unwrap().strip_prefix(URL).unwrap().to_owned()
    }

    fn refusals(&self, limit: &'static str) -> u64 {
        self.metrics.refusals(limit).value()
    }
}

/// A browser with its cookies.
#[derive(Clone, Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    async fn send(
        &mut self,
        gateway: &Gateway,
        request: http::request::Builder,
        body: String,
    ) -> Response<String> {
        let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("host", "mcp.example.com").header("cookie", cookies.join("; "));
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        let response = gateway.endpoint.handle(request, ConnectInfo::default()).await;
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.0.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&mut self, gateway: &Gateway, url: &str) -> Response<String> {
        self.send(gateway, Request::get(url), String::new()).await
    }

    async fn post(&mut self, gateway: &Gateway, path: &str, form: &[(&str, &str)]) -> Response<String> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(path).header("origin", URL);
        self.send(gateway, request.header("content-type", "application/x-www-form-urlencoded"), form).await
    }

    /// Opens a page to connect at, and signs in here if that is wanted first.
    async fn open(&mut self, gateway: &Gateway, page: &str, name: &str) -> Response<String> {
        let opened = self.get(gateway, page).await;
        if !opened.body().contains("name=\"password\"") {
            return opened;
        }
        let form =
            [("interaction", &*hidden(&opened, "interaction")), ("username", name), ("password", PASSWORD)];
        let answer = self.post(gateway, "/oauth/login", &form).await;
        assert_eq!((answer.status().as_u16(), location(&answer)), (303, page), "{answer:?}");
        self.get(gateway, page).await
    }

    /// Presses the button of an opened page. Returns the answer.
    async fn press(&mut self, gateway: &Gateway, opened: &Response<String>) -> Response<String> {
        let form = [("id", &*hidden(opened, "id")), ("token", &*hidden(opened, "token"))];
        self.post(gateway, "/connect", &form).await
    }

    /// Goes the whole way to the page of the callback, without opening that.
    async fn come_back(&mut self, gateway: &Gateway, page: &str, name: &str) -> String {
        let opened = self.open(gateway, page, name).await;
        let sent = self.press(gateway, &opened).await;
        assert_eq!(sent.status(), 303, "{sent:?}");
        let back = visit(location(&sent)).await;
        back.strip_prefix(URL).unwrap_or_else(|| panic!("{back}")).to_owned()
    }
}

/// What the caller of `login` is asked now.
fn asked(login: &CallerLogin) -> AskedLogin {
    login.asked(&login.question(false).unwrap()).unwrap()
}

fn hidden(page: &Response<String>, name: &str) -> String {
    let (_, rest) =
        page.body().split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page:?}"));
    rest.split_once('"').unwrap().0.to_owned()
}

fn location<T>(response: &Response<T>) -> &str {
    response.headers().get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
}

/// Opens a page of the other authorization server, whose user agrees. Returns where the browser is sent.
async fn visit(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let address = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {}?{} HTTP/1.1\r\nHost: x\r\n\r\n", url.path(), url.query().unwrap());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// Invariant: Each caller of a gateway reaches a server with the login that the caller itself has made there, and no other caller has it.
#[tokio::test]
async fn a_caller_connects_a_server_and_the_call_that_waits_goes_on() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let gateway = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let login = gateway.login(&gateway.ada);
    assert!(!login.is_signed_in().await && login.needs_login());
    let page = gateway.page(&gateway.ada);
    assert_eq!(
        login.page("").unwrap(),
        login.page("").unwrap(),
        "a caller who is asked again knows the page"
    );
    let waiting = {
        let login = login.clone();
        tokio::spawn(async move { login.signed_in(&asked(&login)).await })
    };
    let mut browser = Browser::default();
    let opened = browser.open(&gateway, &page, "ada").await;
    let (status, text) = (opened.status(), opened.body());
    assert!(status == 200 && text.contains("Connect Far &lt;b&gt;") && !text.contains("<b>"), "{text}");
    assert_eq!(opened.headers()["x-frame-options"], "DENY");
    assert_eq!(
        servers.known(|known| known.pages.len()),
        0,
        "nothing goes there before the button is pressed"
    );
    let back = browser.come_back(&gateway, &page, "ada").await;
    assert!(back.starts_with("/connect/callback/far?"), "{back}");
    let connected = browser.get(&gateway, &back).await;
    assert!(connected.status() == 200 && connected.body().contains("is connected"), "{connected:?}");
    assert!(waiting.await.unwrap());
    assert!(login.is_signed_in().await);
    assert!(!gateway.login(&gateway.bob).is_signed_in().await);
    // A second caller has a login of its own.
    let page = gateway.page(&gateway.bob);
    let mut other = Browser::default();
    let back = other.come_back(&gateway, &page, "bob").await;
    assert_eq!(other.get(&gateway, &back).await.status(), 200);
    let kept = stored.vault.list().await.unwrap();
    assert!(kept.len() == 2 && kept.iter().all(|one| is_caller_account(&one.account)), "{kept:?}");
    // After a restart nobody signs in again.
    let again = stored.gateway(&servers, CallerLoginLimits::default()).await;
    assert!(again.login(&again.ada).is_signed_in().await);
}

/// Invariant: The link of one caller connects nothing in the browser of another one, nor does the answer of a login that another browser
/// has begun.
#[tokio::test]
async fn a_link_that_is_passed_on_and_an_answer_of_another_browser_are_refused() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let gateway = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let page = gateway.page(&gateway.ada);
    let mut bob = Browser::default();
    let opened = bob.open(&gateway, &page, "bob").await;
    assert!(opened.status() == 403 && opened.body().contains("for another user"), "{opened:?}");
    assert_eq!(servers.known(|known| (known.pages.len(), known.registered)), (0, 0));
    // Ada's form is of no use in bob's browser, nor without its token, nor from another browser of hers.
    let mut ada = Browser::default();
    let form = ada.open(&gateway, &page, "ada").await;
    assert_eq!(bob.press(&gateway, &form).await.status(), 403);
    let mut elsewhere = Browser::default();
    elsewhere.open(&gateway, &page, "ada").await;
    assert_eq!(elsewhere.press(&gateway, &form).await.status(), 403);
    assert_eq!(ada.post(&gateway, "/connect", &[("id", &*hidden(&form, "id"))]).await.status(), 403);

    let back = ada.come_back(&gateway, &page, "ada").await;
    for (other, said) in [
        (&mut Browser::default(), "another user"),
        (&mut bob, "another user"),
        (&mut elsewhere, "another browser"),
    ] {
        let answer = other.get(&gateway, &back).await;
        assert!(answer.status() == 403 && answer.body().contains(said), "{answer:?}");
    }
    // Nor at the place of another server, whose authorization server may be hostile.
    let at_other = ada.get(&gateway, &back.replace("/far?", "/other?")).await;
    assert!(at_other.status() == 403 && at_other.body().contains("at another server"), "{at_other:?}");
    assert_eq!(servers.known(|known| known.given), 0, "no code was redeemed");
    assert_eq!(ada.get(&gateway, &back).await.status(), 200, "and they did not end it");
    let replayed = ada.get(&gateway, &back).await;
    assert!(replayed.status() == 403 && replayed.body().contains("is over"), "{replayed:?}");
    for wrong in ["/connect?id=x", "/connect/callback/far?state=x&code=c", "/connect/callback/far"] {
        assert_eq!(ada.get(&gateway, wrong).await.status(), 403, "{wrong}");
    }
    assert_eq!(ada.get(&gateway, "/connect/callback").await.status(), 404);
    assert_eq!(ada.get(&gateway, "/connect?id=a&id=b").await.status(), 400);
    // What calls with a key has no browser.
    let key = CallerLogin::new(&gateway.logins, "far", &Principal::named("robot")).unwrap();
    assert!(key.page("").unwrap_err().to_string().contains("API key"));
    // Nor has who has signed in elsewhere.
    let elsewhere = Principal::subject_of("https://login.example", "ada");
    let elsewhere = CallerLogin::new(&gateway.logins, "far", &elsewhere).unwrap();
    assert!(
        elsewhere.page("").unwrap_err().to_string().contains("a token of an issuer at which nobody signs in")
    );
}

/// Invariant: Any process with the same store takes the answer of a login, once.
#[tokio::test]
async fn another_process_takes_the_answer_of_a_login() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let before = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let (page, mut browser) = (before.page(&before.ada), Browser::default());
    let back = browser.come_back(&before, &page, "ada").await;
    let other = stored.gateway(&servers, CallerLoginLimits::default()).await;
    assert_eq!(browser.get(&other, &back).await.status(), 200);
    assert!(other.login(&other.ada).is_signed_in().await && before.login(&before.ada).is_signed_in().await);
    assert_eq!(browser.get(&before, &back).await.status(), 403, "it was taken");
}

#[tokio::test]
async fn a_caller_is_asked_anew_when_the_server_takes_the_login_back() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let gateway = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let (page, mut browser) = (gateway.page(&gateway.ada), Browser::default());
    let back = browser.come_back(&gateway, &page, "ada").await;
    assert_eq!(browser.get(&gateway, &back).await.status(), 200);
    servers.known(|known| known.refresh.clear());
    stored.time.advance(3600);
    let login = gateway.login(&gateway.ada);
    assert!(!login.is_signed_in().await && login.needs_login());
    let back = browser.come_back(&gateway, &page, "ada").await;
    assert_eq!(browser.get(&gateway, &back).await.status(), 200);
    assert!(login.is_signed_in().await, "the login that was there uses the new one");
}

/// Limit: max_open_connects.
/// Limit: connect_lifetime.
/// Limit: connect_wait.
#[tokio::test]
async fn logins_under_way_their_time_and_the_time_of_a_call_are_bounded() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let limits = CallerLoginLimits::default().max_open(2).wait(Duration::ZERO);
    let gateway = stored.gateway(&servers, limits).await;
    let (page, mut browser) = (gateway.page(&gateway.ada), Browser::default());
    for _ in 0..2 {
        browser.come_back(&gateway, &page, "ada").await;
    }
    let opened = browser.open(&gateway, &page, "ada").await;
    let refused = browser.press(&gateway, &opened).await;
    assert!(refused.status() == 429 && refused.body().contains("max_open_connects"), "{refused:?}");
    assert_eq!(gateway.refusals("max_open_connects"), 1);
    // Nor do more begin that come at once.
    let (page, mut other) = (gateway.page(&gateway.bob), Browser::default());
    let opened = other.open(&gateway, &page, "bob").await;
    let press = async |mut browser: Browser| browser.press(&gateway, &opened).await.status().as_u16();
    let [one, two, three, four] = [(); 4].map(|()| press(other.clone()));
    let mut all: [u16; 4] = tokio::join!(one, two, three, four).into();
    all.sort_unstable();
    assert_eq!(all, [303, 303, 429, 429]);
    assert_eq!(gateway.refusals("max_open_connects"), 3);

    assert!(!gateway.login(&gateway.ada).signed_in(&asked(&gateway.login(&gateway.ada))).await);
    assert_eq!(gateway.refusals("connect_wait"), 1);

    let limits = limits.lifetime(Duration::ZERO);
    let gateway = stored.gateway(&servers, limits).await;
    let over = Browser::default().get(&gateway, &gateway.page(&gateway.ada)).await;
    assert!(over.status() == 403 && over.body().contains("is over"), "{over:?}");
    assert_eq!(gateway.refusals("connect_lifetime"), 1);
}

/// The token is sent to the server, and no other one.
#[tokio::test]
async fn the_calls_of_a_caller_have_the_token_of_its_login() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let gateway = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let (page, mut browser) = (gateway.page(&gateway.ada), Browser::default());
    let back = browser.come_back(&gateway, &page, "ada").await;
    browser.get(&gateway, &back).await;
    let (ada, bob) = (gateway.login(&gateway.ada), gateway.login(&gateway.bob));
    assert!(ada.is_signed_in().await);
    let ask = async |login: &CallerLogin| {
        let request = SideRequest::get(1 << 10, Duration::from_secs(30));
        login.endpoint().ask(request).await.unwrap().status
    };
    assert_eq!((ask(&ada).await, ask(&bob).await), (200, 401));
}

#[tokio::test]
async fn a_user_sees_its_logins_and_ends_them() {
    let (servers, stored) = (Servers::start().await, Stored::new().await);
    let gateway = stored.gateway(&servers, CallerLoginLimits::default()).await;
    let mut browser = Browser::default();
    let none = browser.open(&gateway, "/connect", "ada").await;
    assert!(none.status() == 200 && none.body().contains("at no server"), "{none:?}");
    for (name, principal) in [("ada", &gateway.ada), ("bob", &gateway.bob)] {
        let (page, mut browser) = (gateway.page(principal), Browser::default());
        let back = browser.come_back(&gateway, &page, name).await;
        assert_eq!(browser.get(&gateway, &back).await.status(), 200);
    }
    let (ada, bob) = (gateway.login(&gateway.ada), gateway.login(&gateway.bob));
    assert!(ada.is_signed_in().await && bob.is_signed_in().await);
    let counts = gateway.logins.callers("far");
    assert_eq!((counts.signed_in, counts.signed_out, counts.waiting), (2, 0, 0));
    let own = browser.get(&gateway, "/connect").await;
    let form = [("server", "far"), ("token", &*hidden(&own, "token"))];
    // Not without the token of the form, nor from another browser.
    assert_eq!(browser.post(&gateway, "/connect/end", &form[..1]).await.status(), 403);
    let mut other = Browser::default();
    other.open(&gateway, "/connect", "bob").await;
    assert_eq!(other.post(&gateway, "/connect/end", &form).await.status(), 403);
    // Another user has signed in to the browser since.
    let mut shared = browser.clone();
    assert_eq!(shared.open(&gateway, "/oauth/sign-out", "ada").await.status(), 200);
    shared.0.retain(|name, _| !name.contains("session"));
    shared.open(&gateway, "/connect", "bob").await;
    assert_eq!(shared.post(&gateway, "/connect/end", &form).await.status(), 403);
    // A form that a page of another site sends.
    let from_elsewhere = Request::post("/connect/end").header("sec-fetch-site", "same-site");
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let sent = browser.send(&gateway, from_elsewhere, body).await;
    assert_eq!(sent.status(), 403, "{sent:?}");
    assert!(ada.is_signed_in().await && bob.is_signed_in().await);
    let ended = browser.post(&gateway, "/connect/end", &form).await;
    assert!(ended.status() == 200 && ended.body().contains("has ended"), "{ended:?}");
    assert!(!ada.is_ready() && !ada.is_signed_in().await && bob.is_signed_in().await);
    let counts = gateway.logins.callers("far");
    assert_eq!((counts.signed_in, counts.signed_out), (1, 1));
    assert!(browser.get(&gateway, "/connect").await.body().contains("at no server"));
    gateway.logins.retain(|_| false);
    assert_eq!(other.post(&gateway, "/connect/end", &form).await.status(), 403);
}
