//! The provider.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyport_store::Clock;
use anyport_transport::client::http::Endpoint;
use serde_json::{Value, json};
use url::Url;

use crate::{
    Secret, TokenAnswer,
    identity_provider::{
        IdentityProvider, ProviderKind, ProviderOptions, ProviderSetup, SignInError, SignedInUser,
        StartedSignIn,
    },
    resource_server::tests::{
        fixture::{TestKey, now},
        server::Server,
    },
};

pub(crate) const REDIRECT_URI: &str = "https://gateway.example/oauth/callback";
pub(crate) const STATE: &str = "a-state-that-nobody-guesses";

/// A provider, and this program as its client `anyport`.
pub(crate) struct Fake {
    pub(crate) server: Server,
    pub(crate) key: TestKey,
    pub(crate) provider: Arc<IdentityProvider>,
    time: Arc<Mutex<SystemTime>>,
}

/// The options of a client of `kind` at `url`.
pub(crate) fn options(kind: ProviderKind, url: &str) -> ProviderOptions {
    let mut options = ProviderOptions::new(kind, "anyport");
    options.client_secret = Some(Secret::new("the-secret-of-the-client"));
    options.issuer = Some(url.to_owned());
    options
}

fn setup(url: &str, time: &Arc<Mutex<SystemTime>>) -> ProviderSetup {
    let clock = time.clone();
    ProviderSetup {
        redirect_uri: REDIRECT_URI.to_owned(),
        endpoint: Some(Endpoint::new(url).unwrap().without_proxy()),
        clock: Clock::new(move || *clock.lock().unwrap()),
        ..ProviderSetup::default()
    }
}

impl Fake {
    /// An OpenID provider.
    pub(crate) async fn new() -> Self {
        Self::with(ProviderKind::OpenId, |_, _| {}).await
    }

    /// The same provider, after the options have been changed.
    pub(crate) fn again(&self, change: impl FnOnce(&mut ProviderOptions)) -> Arc<IdentityProvider> {
        let mut options = options(ProviderKind::OpenId, &self.server.url);
        change(&mut options);
        Arc::new(IdentityProvider::new(options, setup(&self.server.url, &self.time)).unwrap())
    }

    /// A provider of `kind`, whose options `change` changes by its URL.
    pub(crate) async fn with(kind: ProviderKind, change: impl FnOnce(&str, &mut ProviderOptions)) -> Self {
        let server = Server::start().await;
        let key = TestKey::new("k");
        server.publish(&[&key]);
        let url = server.url.clone();
        let mut options = options(kind, &url);
        change(&url, &mut options);
        let has_list = !options.allowed_subjects.is_empty() || !options.allowed_domains.is_empty();
        options.everyone |= kind == ProviderKind::OpenId && !has_list;
        let time = Arc::new(Mutex::new(SystemTime::now()));
        let provider = Arc::new(IdentityProvider::new(options, setup(&url, &time)).unwrap());
        let fake = Self { server, key, provider, time };
        fake.describe(&url, json!({}));
        fake
    }

    /// Its issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.server.url
    }

    /// Publishes metadata in which `issuer` names itself, with `more`.
    pub(crate) fn describe(&self, issuer: &str, more: Value) {
        let url = &self.server.url;
        let mut metadata = json!({
            "issuer": issuer, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys"),
        });
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let place = "/.well-known/openid-configuration".to_owned();
        self.server.state().documents.insert(place, metadata.to_string());
    }

    pub(crate) fn advance(&self, seconds: u64) {
        *self.time.lock().unwrap() += Duration::from_secs(seconds);
    }

    pub(crate) async fn begin(&self) -> StartedSignIn {
        self.provider.begin(Secret::new(STATE)).await.unwrap()
    }

    /// Has the token endpoint answer with `answer`, and the status `status`.
    pub(crate) fn answer(&self, status: u16, answer: &Value) {
        let mut state = self.server.state();
        state.documents.insert("/token".into(), answer.to_string());
        state.statuses.insert("/token".into(), status);
    }

    /// The claims of a good ID token for the sign-in at `page`, with `changes`; `null` takes one away.
    pub(crate) fn claims(&self, page: &str, changes: &Value) -> Value {
        let nonce = parameters(page).remove("nonce");
        let mut claims = json!({
            "iss": self.server.url, "sub": "alice", "aud": "anyport", "iat": now(), "exp": now() + 300, "nonce": nonce,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// Has the token endpoint give `id_token`.
    pub(crate) fn give(&self, id_token: &str) {
        self.answer(200, &json!({
            "access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-1", "id_token": id_token,
        }));
    }

    /// Brings the answer `pairs` back.
    pub(crate) async fn finish(
        &self,
        started: &StartedSignIn,
        pairs: &[(&str, &str)],
    ) -> Result<(SignedInUser, TokenAnswer), SignInError> {
        let parameter = |name: &str| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        self.provider.finish(&started.pending, parameter).await
    }

    /// A whole sign-in, whose ID token has `changes`.
    pub(crate) async fn sign_in(&self, changes: Value) -> Result<(SignedInUser, TokenAnswer), SignInError> {
        let started = self.begin().await;
        let claims = self.claims(&started.url, &changes);
        self.give(&self.key.sign_with(json!({ "typ": "JWT" }), &claims));
        self.finish(&started, &[("state", STATE), ("code", "the-code")]).await
    }

    /// The parameters of the requests to `path`, with their heads.
    pub(crate) fn requests(&self, path: &str) -> Vec<(String, HashMap<String, String>)> {
        let mark = format!(" {path} ");
        let state = self.server.state();
        let of_path = state.requests.iter().filter(|(head, _)| head.lines().next().unwrap().contains(&mark));
        let read = |body: &str| form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        of_path.map(|(head, body)| (head.to_ascii_lowercase(), read(body))).collect()
    }
}

/// The parameters of a URL.
pub(crate) fn parameters(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}
