//! A server that wants a token, with its authorization server, and a browser whose user agrees to everything.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyport_auth::{Error, SignIn, SignInOptions, UserAgent, Vault};
use anyport_store::Clock;
use anyport_transport::client::http::{Endpoint, Fault, SideRequest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What the servers know and do.
pub(crate) struct Known {
    pub(crate) access: BTreeSet<String>,
    pub(crate) refresh: BTreeSet<String>,
    pub(crate) given: usize,
    pub(crate) logins: usize,
    pub(crate) refreshes: usize,
    /// How often tokens were asked for, answered or not.
    pub(crate) asked_for_tokens: usize,
    pub(crate) registered: usize,
    /// The scopes of each login.
    pub(crate) scopes: Vec<String>,
    /// The seconds that tokens live.
    pub(crate) life: u64,
    /// The scope that requests lack, whatever was granted.
    pub(crate) lacking: Option<&'static str>,
    /// Whether it gives the same access token each time.
    pub(crate) same_access: bool,
    /// Whether the authorization server is out of order.
    pub(crate) is_broken: bool,
    /// What was asked of the token endpoint: the header `Authorization`, the parameters, the proof.
    pub(crate) token_requests: Vec<(Option<String>, String, Option<String>)>,
    /// Whether the server wants tokens that are bound to a key, with a nonce in each proof.
    pub(crate) wants_proofs: bool,
    /// Whether it looks at the nonce before it looks at the token.
    pub(crate) asks_nonce_first: bool,
    /// The proofs that came with calls that were answered.
    pub(crate) proofs: Vec<String>,
    /// What the page to sign in at was asked for, and what was registered.
    pub(crate) pages: Vec<String>,
    pub(crate) registrations: Vec<String>,
    /// Further members of the metadata of the authorization server.
    pub(crate) metadata: Value,
    /// Answers that come before all others, by path.
    pub(crate) scripted: Vec<(&'static str, String)>,
}

/// The servers, at one address.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) base: String,
    pub(crate) known: Arc<Mutex<Known>>,
    /// Who holds it keeps the authorization server from giving tokens.
    pub(crate) gate: Arc<tokio::sync::Mutex<()>>,
}

/// The headers of a request that say who calls.
struct Headers {
    authorization: Option<String>,
    proof: Option<String>,
}

impl Headers {
    fn token(&self, scheme: &str) -> Option<&str> {
        self.authorization.as_deref()?.strip_prefix(scheme)?.strip_prefix(' ')
    }

    /// The nonce of the proof.
    fn nonce(&self) -> Option<String> {
        claims(self.proof.as_deref()?)["nonce"].as_str().map(str::to_owned)
    }
}

/// The claims of a token in the form of JSON Web Tokens.
pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A time that tests set.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<SystemTime>>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock::new(move || *time.lock().unwrap())
    }
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn document(body: &Value) -> String {
    response("200 OK", "", &body.to_string())
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let known = Arc::new(Mutex::new(Known {
            access: BTreeSet::new(),
            refresh: BTreeSet::new(),
            given: 0,
            logins: 0,
            refreshes: 0,
            asked_for_tokens: 0,
            registered: 0,
            scopes: Vec::new(),
            life: 3600,
            lacking: None,
            same_access: false,
            is_broken: false,
            token_requests: Vec::new(),
            wants_proofs: false,
            asks_nonce_first: false,
            proofs: Vec::new(),
            pages: Vec::new(),
            registrations: Vec::new(),
            metadata: json!({}),
            scripted: Vec::new(),
        }));
        let servers = Self { base, known, gate: Arc::default() };
        let serving = servers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        servers
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let header = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once(": ").filter(|(other, _)| other.eq_ignore_ascii_case(name)))
        };
        let length: usize = header("content-length").map_or(0, |(_, length)| length.parse().unwrap());
        while bytes.len() < head + 4 + length {
            (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
        }
        let body = String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
        let target = text.split(' ').nth(1)?.to_owned();
        let value = |name| header(name).map(|(_, value)| value.to_owned());
        let headers = Headers { authorization: value("authorization"), proof: value("dpop") };
        if target == "/token" {
            self.known(|known| known.asked_for_tokens += 1);
            let _open = self.gate.lock().await;
        }
        let answer = self.answer(&target, &headers, &body);
        stream.write_all(answer.as_bytes()).await.ok()
    }

    fn answer(&self, target: &str, headers: &Headers, body: &str) -> String {
        let mut known = self.known.lock().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some((_, answer)) = known.scripted.iter().find(|(scripted, _)| *scripted == path) {
            return answer.clone();
        }
        let base = &self.base;
        let value = |text: &str, name: &str| {
            let pair = url::form_urlencoded::parse(text.as_bytes()).find(|(other, _)| other == name);
            pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        match path {
            "/.well-known/oauth-protected-resource/mcp" => document(
                &json!({"resource": format!("{base}/mcp"), "authorization_servers": [base], "scopes_supported": ["a"]}),
            ),
            "/.well-known/oauth-authorization-server" => {
                let mut metadata = json!({
                    "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
                    "registration_endpoint": format!("{base}/register"), "code_challenge_methods_supported": ["S256"],
                });
                for (name, value) in known.metadata.as_object().unwrap() {
                    metadata[name] = value.clone();
                }
                document(&metadata)
            }
            "/register" => {
                known.registered += 1;
                known.registrations.push(body.to_owned());
                document(&json!({"client_id": format!("client-{}", known.registered)}))
            }
            "/authorize" => {
                known.logins += 1;
                known.pages.push(query.to_owned());
                known.scopes.push(value(query, "scope"));
                let (to, state) = (value(query, "redirect_uri"), value(query, "state"));
                response("302 Found", &format!("Location: {to}?code=c&state={state}\r\n"), "")
            }
            "/token" if known.is_broken => response("503 Service Unavailable", "", "{}"),
            "/token" => {
                known.token_requests.push((
                    headers.authorization.clone(),
                    body.to_owned(),
                    headers.proof.clone(),
                ));
                if known.wants_proofs && headers.nonce().as_deref() != Some("of-as") {
                    return response(
                        "400 Bad Request",
                        "DPoP-Nonce: of-as\r\n",
                        r#"{"error": "use_dpop_nonce"}"#,
                    );
                }
                let grant = value(body, "grant_type");
                match grant.rsplit(':').next().unwrap() {
                    "refresh_token" if !known.refresh.remove(&value(body, "refresh_token")) => {
                        return response("400 Bad Request", "", r#"{"error": "invalid_grant"}"#);
                    }
                    "refresh_token" => known.refreshes += 1,
                    "jwt-bearer" if value(body, "assertion") == "old" => {
                        return response("400 Bad Request", "", r#"{"error": "invalid_grant"}"#);
                    }
                    "token-exchange" => {
                        return document(&json!({
                            "access_token": "id-jag", "token_type": "N_A",
                            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
                        }));
                    }
                    _ => {}
                }
                known.given += 1;
                let number = if known.same_access { 0 } else { known.given };
                let (access, refresh) = (format!("access-{number}"), format!("refresh-{}", known.given));
                known.access.insert(access.clone());
                let kind = if known.wants_proofs { "DPoP" } else { "Bearer" };
                let mut answer =
                    json!({"access_token": access, "token_type": kind, "expires_in": known.life});
                if matches!(grant.as_str(), "authorization_code" | "refresh_token") {
                    known.refresh.insert(refresh.clone());
                    answer["refresh_token"] = refresh.into();
                }
                document(&answer)
            }
            "/mcp" if known.wants_proofs => {
                let nonce = headers.nonce();
                let is_asked_first = known.asks_nonce_first && headers.proof.is_some() && nonce.is_none();
                let token = headers.token("DPoP");
                let token = token.filter(|token| is_asked_first || known.access.contains(*token));
                let metadata = format!("{base}/.well-known/oauth-protected-resource/mcp");
                match (token, nonce.as_deref()) {
                    (None, _) => {
                        let challenge =
                            format!("WWW-Authenticate: DPoP resource_metadata=\"{metadata}\"\r\n");
                        response("401 Unauthorized", &challenge, "")
                    }
                    (Some(_), Some("of-rs")) => {
                        known.proofs.extend(headers.proof.clone());
                        document(&json!({}))
                    }
                    (Some(_), _) => {
                        let challenge =
                            "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"\r\nDPoP-Nonce: of-rs\r\n";
                        response("401 Unauthorized", challenge, "")
                    }
                }
            }
            "/mcp" if !headers.token("Bearer").is_some_and(|token| known.access.contains(token)) => {
                response("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "")
            }
            "/mcp" => match known.lacking {
                Some(scope) => {
                    let challenge = format!(
                        "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"{scope}\"\r\n"
                    );
                    response("403 Forbidden", &challenge, "")
                }
                None => document(&json!({})),
            },
            _ => response("404 Not Found", "", ""),
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&format!("{}/mcp", self.base)).unwrap().without_proxy()
    }

    /// A sign-in whose time is `time`.
    pub(crate) fn sign_in(&self, vault: &Vault, time: &Time) -> SignIn {
        self.sign_in_with(SignInOptions::default(), vault, time)
    }

    /// A sign-in with these options.
    pub(crate) fn sign_in_with(&self, options: SignInOptions, vault: &Vault, time: &Time) -> SignIn {
        SignIn::new(&self.endpoint(), "default", vault.clone(), options).unwrap().clock(time.clock())
    }

    /// The server names the authorization server of `other` from now on.
    pub(crate) fn moves_to(&self, other: &Self) {
        let resource = format!("{}/mcp", self.base);
        let metadata = document(&json!({"resource": resource, "authorization_servers": [other.base]}));
        self.known(|known| known.scripted = vec![("/.well-known/oauth-protected-resource/mcp", metadata)]);
    }

    pub(crate) fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap())
    }
}

/// Follows the page.
pub(crate) struct Browser;

impl UserAgent for Browser {
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(async move {
            Endpoint::new(url).unwrap().without_proxy().fetch().await.map_err(|error| error.to_string())?;
            Ok(None)
        })
    }
}

/// Asks the server, and returns the status.
pub(crate) async fn ask(sign_in: &SignIn) -> u16 {
    let request = SideRequest::get(1 << 10, Duration::from_secs(30));
    sign_in.endpoint().ask(request).await.unwrap().status
}

/// Asks the server, and returns why no access was got.
pub(crate) async fn ask_in_vain(sign_in: &SignIn) -> Fault {
    let request = SideRequest::get(1 << 10, Duration::from_secs(30));
    sign_in.endpoint().ask(request).await.unwrap_err()
}

/// The words of an error.
pub(crate) fn words(error: &Error) -> String {
    error.to_string()
}
