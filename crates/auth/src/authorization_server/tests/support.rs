//! An authorization server beside an endpoint, and browsers and clients that come to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use anyport_protocol::Error;
use anyport_service::{Authorization, Context, Reply, Service};
use anyport_store::{Clock, MemoryStore, Store};
use anyport_transport::http::{
    Authentication, Config, ConnectInfo, Endpoint, PublicUrl, Route, TrustedProxy,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::super::{
    AuthorizationServer, AuthorizationServerLimits, AuthorizationServerSettings, BUCKETS, IssuedTokens,
    LocalUserRecords, LocalUsers, Resources, UserAuthentication,
};
use crate::{CallerLogins, Secret, Verifier, connect_routes, resource_server::Verifiers};

pub(super) const ISSUER: &str = "https://mcp.example.com";
pub(super) const RESOURCE: &str = "https://mcp.example.com/mcp";
pub(super) const WEB_CLIENT: &str = "https://client.example/callback";
pub(super) const PASSWORD: &str = "correct horse";

/// An endpoint with its authorization server.
pub(super) struct Rig {
    pub(super) endpoint: Endpoint,
    pub(super) server: AuthorizationServer,
    pub(super) users: LocalUserRecords,
    pub(super) metrics: Metrics,
    store: Arc<dyn Store>,
    now: Arc<Mutex<SystemTime>>,
}

struct Nothing;

impl Service for Nothing {
    fn call(&self, _: anyport_service::Request, _: Context) -> Reply {
        Reply::error(Error::internal("nothing is here"))
    }
}

pub(super) fn settings() -> AuthorizationServerSettings {
    let resources = Resources::new(|| vec![RESOURCE.to_owned()]);
    AuthorizationServerSettings::new(ISSUER.parse::<PublicUrl>().unwrap(), resources)
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::with(settings()).await
    }

    /// With the local user `ada`.
    pub(super) async fn with(settings: AuthorizationServerSettings) -> Self {
        let now = Arc::new(Mutex::new(SystemTime::now()));
        let store = MemoryStore::with_clock(&BUCKETS, &Metrics::new(), clock(&now));
        let store: Arc<dyn Store> = Arc::new(store);
        LocalUserRecords::new(store.clone()).add("ada", &Secret::new(PASSWORD), None).await.unwrap();
        Self::on(store, settings, now)
    }

    fn on(store: Arc<dyn Store>, settings: AuthorizationServerSettings, now: Arc<Mutex<SystemTime>>) -> Self {
        let metrics = Metrics::new();
        let limits = settings.limits;
        let users = LocalUsers::new(store.clone(), &settings.public_url, limits, &metrics).clock(clock(&now));
        Self::of(store, settings, now, metrics, Arc::new(users))
    }

    /// Where `users` authenticates.
    pub(super) fn of(
        store: Arc<dyn Store>,
        settings: AuthorizationServerSettings,
        now: Arc<Mutex<SystemTime>>,
        metrics: Metrics,
        users: Arc<dyn UserAuthentication>,
    ) -> Self {
        let settings = settings.clock(clock(&now)).metrics(&metrics);
        let sealer = anyport_seal::Sealer::new(&anyport_seal::Key::from_bytes([7; 32]));
        let server = AuthorizationServer::new(settings.clone(), store.clone(), sealer, users).unwrap();
        let endpoint = endpoint(&server, Vec::new());
        Self { endpoint, server, users: LocalUserRecords::new(store.clone()), metrics, store, now }
    }

    /// Has the endpoint believe these proxies.
    pub(super) fn trust(&mut self, proxies: &str) {
        self.endpoint = endpoint(&self.server, vec![proxies.parse().unwrap()]);
    }

    /// Has the endpoint show the pages of the logins of callers.
    pub(super) fn connecting(&mut self, logins: &CallerLogins) {
        let pages = connect_routes(logins, &self.server);
        self.endpoint = endpoint_with(&self.server, Vec::new(), pages);
    }

    /// Another process on the same store, or this one after a restart.
    pub(super) fn again(&self) -> Self {
        self.again_with(settings())
    }

    /// The same after its configuration has changed.
    pub(super) fn again_with(&self, settings: AuthorizationServerSettings) -> Self {
        Self::on(self.store.clone(), settings, self.now.clone())
    }

    /// Lets time go by.
    pub(super) fn wait(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    pub(super) fn refusals(&self, limit: &'static str) -> u64 {
        self.metrics.refusals(limit).value()
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let info = ConnectInfo::default().from([203, 0, 113, 7].into());
        let response = self.endpoint.handle(request, info).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer(Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap()))
    }

    /// A form of a client.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(form_request(path, form).body(body(form)).unwrap()).await
    }

    /// A form of a client that proves itself by the header.
    pub(super) async fn post_as(&self, path: &str, authorization: &str, form: &[(&str, &str)]) -> Answer {
        let request = form_request(path, form).header("authorization", authorization);
        self.send(request.body(body(form)).unwrap()).await
    }

    pub(super) async fn register(&self, metadata: &Value) -> Answer {
        let request = Request::post("/register").header("host", "mcp.example.com");
        let request = request.header("content-type", "application/json");
        self.send(request.body(Full::new(metadata.to_string().into())).unwrap()).await
    }

    /// Registers a client with these redirect URIs. Returns its id.
    pub(super) async fn client(&self, redirect_uris: &[&str]) -> String {
        let metadata = json!({ "client_name": "Robot", "redirect_uris": redirect_uris });
        let registered = self.register(&metadata).await;
        assert_eq!(registered.status(), 201, "{registered:?}");
        registered.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// Calls with a token. Returns who the caller is, or the status.
    pub(super) async fn call(&self, token: &str) -> Result<String, StatusCode> {
        let request = Request::get("/who").header("host", "mcp.example.com");
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = self.send(request.body(Full::default()).unwrap()).await;
        if answer.status() == 200 { Ok(answer.0.into_body()) } else { Err(answer.status()) }
    }

    /// A whole login of `ada` for a client: returns the code and its verifier.
    pub(super) async fn code(&self, client_id: &str, redirect_uri: &str, more: &str) -> (String, Verifier) {
        let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
        let url = authorize_url(client_id, redirect_uri, &verifier, more);
        let answer = browser.sign_in(self, &url).await;
        (answer.parameter("code").unwrap_or_else(|| panic!("{answer:?}")), verifier)
    }

    /// Redeems a code.
    pub(super) async fn redeem(
        &self,
        client_id: &str,
        redirect_uri: &str,
        code: &str,
        verifier: &Verifier,
    ) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.secret().expose()),
            ("resource", RESOURCE),
        ];
        self.post("/token", &form).await
    }

    /// The tokens of a whole login of `ada`.
    pub(super) async fn tokens(&self, client_id: &str, redirect_uri: &str) -> Tokens {
        let (code, verifier) = self.code(client_id, redirect_uri, "&scope=a+b").await;
        self.redeem(client_id, redirect_uri, &code, &verifier).await.tokens()
    }

    pub(super) async fn refresh(&self, client_id: &str, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
        self.post("/token", &form).await
    }
}

fn endpoint(server: &AuthorizationServer, proxies: Vec<TrustedProxy>) -> Endpoint {
    endpoint_with(server, proxies, Vec::new())
}

fn endpoint_with(server: &AuthorizationServer, proxies: Vec<TrustedProxy>, pages: Vec<Route>) -> Endpoint {
    let mut routes = server.routes();
    routes.extend(pages);
    routes.push(Route::new(Method::GET, "/who", who));
    let verifiers = Verifiers::new().issued(IssuedTokens::of(server)).unwrap();
    let config = Config::default()
        .public_url(Some(server.0.settings.public_url.clone()))
        .authentication(Authentication::verified_by(verifiers))
        .trusted_proxies(proxies)
        .routes(routes);
    Endpoint::new(Nothing, config)
}

fn clock(now: &Arc<Mutex<SystemTime>>) -> Clock {
    let now = now.clone();
    Clock::new(move || *now.lock().unwrap())
}

async fn who(request: Request<Bytes>) -> Response<Bytes> {
    let authorization: &Authorization = request.extensions().get().unwrap();
    let scopes: Vec<&str> = authorization.scopes().into_iter().flatten().collect();
    Response::new(format!("{} {}", authorization.principal().subject().unwrap(), scopes.join(",")).into())
}

fn form_request(path: &str, _: &[(&str, &str)]) -> http::request::Builder {
    Request::post(path)
        .header("host", "mcp.example.com")
        .header("content-type", "application/x-www-form-urlencoded")
}

fn body(form: &[(&str, &str)]) -> Full<Bytes> {
    Full::new(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into())
}

pub(super) fn authorize_url(client_id: &str, redirect_uri: &str, verifier: &Verifier, more: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_challenge", &verifier.challenge())
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", "a state")
        .append_pair("resource", RESOURCE)
        .finish();
    format!("/authorize?{query}{more}")
}

/// What the token endpoint has given.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Response<String>);

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(super) fn text(&self) -> &str {
        self.0.body()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.0.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The status and the code of an error of OAuth.
    pub(super) fn error(&self) -> (u16, String) {
        (self.status().as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn tokens(&self) -> Tokens {
        assert_eq!(self.status(), 200, "{self:?}");
        let (json, text) = (self.json(), |value: &Value| value.as_str().unwrap().to_owned());
        Tokens { access: text(&json["access_token"]), refresh: text(&json["refresh_token"]) }
    }

    /// A parameter of the URL that the browser is sent to.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.header("location").split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into())
    }

    /// The hidden value of the form of a page.
    pub(super) fn hidden(&self) -> String {
        let (_, rest) =
            self.text().split_once("name=\"interaction\" value=\"").unwrap_or_else(|| panic!("{self:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// A browser with its cookies.
#[derive(Clone, Debug, Default)]
pub(super) struct Browser {
    pub(super) cookies: BTreeMap<String, String>,
    /// Headers that it adds.
    pub(super) headers: HeaderMap,
}

impl Browser {
    async fn send(&mut self, rig: &Rig, mut request: Request<Full<Bytes>>) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        request.headers_mut().extend(self.headers.clone());
        let answer = rig.send(request).await;
        for cookie in answer.0.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }

    pub(super) async fn get(&mut self, rig: &Rig, url: &str) -> Answer {
        let request = Request::get(url).header("host", "mcp.example.com");
        self.send(rig, request.body(Full::default()).unwrap()).await
    }

    pub(super) async fn post(&mut self, rig: &Rig, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = form_request(path, form).header("origin", ISSUER);
        self.send(rig, request.body(body(form)).unwrap()).await
    }

    /// Consents on `page`.
    pub(super) async fn consent(&mut self, rig: &Rig, page: &Answer) -> Answer {
        assert!(page.text().contains("/oauth/consent"), "{page:?}");
        self.post(rig, "/oauth/consent", &[("interaction", &page.hidden()), ("decision", "allow")]).await
    }

    /// Signs in on `page`.
    pub(super) async fn password(&mut self, rig: &Rig, page: &Answer, name: &str, password: &str) -> Answer {
        let form = [("interaction", &*page.hidden()), ("username", name), ("password", password)];
        self.post(rig, "/oauth/login", &form).await
    }

    /// The whole way from an authorization URL to the answer for the client, as `ada`.
    pub(super) async fn sign_in(&mut self, rig: &Rig, url: &str) -> Answer {
        let page = self.get(rig, url).await;
        assert_eq!(page.status(), 200, "{page:?}");
        let next = self.consent(rig, &page).await;
        if next.status() == 303 {
            return next;
        }
        self.password(rig, &next, "ada", PASSWORD).await
    }
}

pub(super) fn limits() -> AuthorizationServerLimits {
    AuthorizationServerLimits::default()
}
