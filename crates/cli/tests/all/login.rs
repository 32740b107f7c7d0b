//! `anyport login`: a server that wants to know who calls, its authorization server, and a browser whose user agrees to everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{
    Ended, Program, anyport, folder,
    http::{Answer, Server},
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    to_the_end, until,
};

/// What the authorization server knows.
#[derive(Default)]
struct Known {
    /// Codes with the parameters that they were asked for with.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    access: BTreeSet<String>,
    refresh: BTreeSet<String>,
    /// How many of each were given.
    given: usize,
    registered: usize,
    refreshed: usize,
    revoked: Vec<String>,
    /// How long tokens live, in seconds.
    life: u64,
    /// Whether the servers answer with an error that repeats the token.
    repeats: bool,
    /// Whether the authorization server refuses a resource, as one of Microsoft does.
    refuses_resource: bool,
    /// Whether the authorization server says nothing of PKCE.
    hides_pkce: bool,
    /// The path that is out of order.
    broken: Option<&'static str>,
    /// The authorization server that the server names, if it is another one.
    issuer: Option<String>,
    /// The scope that calls lack, whatever was granted.
    lacking: Option<&'static str>,
}

/// A server of MCP at `/mcp`, and its authorization server.
struct Guarded {
    server: Scripted,
    known: Arc<Mutex<Known>>,
    home: TempDir,
}

fn form(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn refused(error: &str) -> Option<String> {
    let body = json!({"error": error}).to_string();
    scripted::response("400 Bad Request", &["Content-Type: application/json"], &body)
}

impl Known {
    fn authorize(&mut self, base: &str, query: &str) -> Option<String> {
        let asked = form(query);
        self.given += 1;
        let code = format!("code-{}-of-the-test", self.given);
        let (state, to) = (asked["state"].clone(), asked["redirect_uri"].clone());
        self.codes.insert(code.clone(), asked);
        let location = format!("Location: {to}?code={code}&state={state}&iss={base}");
        scripted::response("302 Found", &[&location], "")
    }

    fn token(&mut self, base: &str, asked: &BTreeMap<String, String>) -> Option<String> {
        assert_eq!(asked.get("resource").map(String::as_str), self.resource(base).as_deref());
        assert_eq!(asked["client_id"], "client-1");
        match asked["grant_type"].as_str() {
            "client_credentials" => {
                if asked["client_secret"] != "secret-of-the-test" {
                    return refused("invalid_client");
                }
            }
            "authorization_code" => {
                let Some(login) = self.codes.remove(&asked["code"]) else { return refused("invalid_grant") };
                let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&asked["code_verifier"]));
                assert_eq!(
                    (&challenge, "S256"),
                    (&login["code_challenge"], login["code_challenge_method"].as_str())
                );
                assert_eq!(asked["redirect_uri"], login["redirect_uri"]);
            }
            _ if !self.refresh.remove(&asked["refresh_token"]) => return refused("invalid_grant"),
            _ => self.refreshed += 1,
        }
        self.given += 1;
        let (access, refresh) =
            (format!("access-{}-of-the-test", self.given), format!("refresh-{}-of-the-test", self.given));
        self.access.insert(access.clone());
        self.refresh.insert(refresh.clone());
        scripted::document(&json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.life, "scope": "look",
        }))
    }

    /// The resource that tokens must be asked for.
    fn resource(&self, base: &str) -> Option<String> {
        (!self.refuses_resource).then(|| format!("{base}/mcp"))
    }

    fn answer(&mut self, asked: &Asked) -> Option<String> {
        let host = asked.headers.lines().find_map(|line| line.strip_prefix("host: "))?;
        let base = format!("http://{host}");
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match (asked.verb.as_str(), path) {
            (_, path) if self.broken == Some(path) => scripted::response("503 Service Unavailable", &[], ""),
            ("GET", "/.well-known/oauth-protected-resource/mcp") => {
                let issuer = self.issuer.as_ref().unwrap_or(&base);
                scripted::document(
                    &json!({"resource": format!("{base}/mcp"), "authorization_servers": [issuer], "scopes_supported": ["look"]}),
                )
            }
            ("GET", "/.well-known/oauth-authorization-server") if self.hides_pkce => {
                scripted::document(&json!({
                    "issuer": base,
                    "authorization_endpoint": format!("{base}/authorize"),
                    "token_endpoint": format!("{base}/token"),
                    "registration_endpoint": format!("{base}/register"),
                }))
            }
            ("GET", "/.well-known/oauth-authorization-server") => scripted::document(&json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
                "revocation_endpoint": format!("{base}/revoke"),
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
                "authorization_response_iss_parameter_supported": true,
            })),
            ("POST", "/register") => {
                self.registered += 1;
                scripted::document(&json!({"client_id": "client-1"}))
            }
            ("GET", "/authorize") if self.refuses_resource && query.contains("resource=") => {
                let asked = form(query);
                let (to, state) = (&asked["redirect_uri"], &asked["state"]);
                let words = "AADSTS9010010: The resource parameter provided in the request doesn't match";
                let words: String = url::form_urlencoded::byte_serialize(words.as_bytes()).collect();
                let location = format!(
                    "Location: {to}?error=invalid_target&error_description={words}&state={state}&iss={base}"
                );
                scripted::response("302 Found", &[&location], "")
            }
            ("GET", "/authorize") => self.authorize(&base, query),
            ("POST", "/token") => self.token(&base, &form(asked.body.as_str()?)),
            ("POST", "/revoke") if self.repeats => {
                let token = form(asked.body.as_str()?)["token"].clone();
                refused(&format!("cannot take {token} back"))
            }
            ("POST", "/revoke") => {
                self.revoked.push(form(asked.body.as_str()?)["token"].clone());
                scripted::response("200 OK", &[], "")
            }
            (_, "/mcp") => {
                let token =
                    asked.headers.lines().find_map(|line| line.strip_prefix("authorization: bearer "));
                if let Some(token) = token.filter(|_| self.repeats) {
                    let body = format!("what is {token}?");
                    return scripted::response(
                        "500 Internal Server Error",
                        &["Content-Type: text/plain"],
                        &body,
                    );
                }
                match token.is_some_and(|token| self.access.contains(token)) {
                    true if self.lacking.is_some() && asked.body["method"] == "tools/call" => {
                        let error = json!({"code": -32000, "message": "not with this token"});
                        let body = json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": error});
                        let scope = self.lacking?;
                        let challenge = format!(
                            "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"{scope}\""
                        );
                        let headers = ["Content-Type: application/json", &challenge];
                        scripted::response("403 Forbidden", &headers, &body.to_string())
                    }
                    true => scripted::modern(asked),
                    false => scripted::response(
                        "401 Unauthorized",
                        &["WWW-Authenticate: Bearer error=\"invalid_token\""],
                        "",
                    ),
                }
            }
            _ => scripted::response("404 Not Found", &[], ""),
        }
    }
}

impl Guarded {
    fn start() -> Self {
        let known = Arc::new(Mutex::new(Known { life: 3600, ..Known::default() }));
        let of_server = known.clone();
        let server = Scripted::start(move |asked| of_server.lock().unwrap().answer(asked));
        let home = folder(&[(
            "bin/xdg-open",
            "#!/bin/sh\nprintf %s \"$1\" > \"$OPENED.new\" && mv \"$OPENED.new\" \"$OPENED\"\n",
        )]);
        let script = home.path().join("bin/xdg-open");
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { server, known, home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = anyport(self.home.path());
        let path = format!(
            "{}:{}",
            self.home.path().join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        command.env("PATH", path).env("OPENED", self.home.path().join("opened")).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let ended = to_the_end(self.command(arguments));
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!told.contains("-of-the-test"), "{arguments:?}: {told}");
        ended
    }

    /// Signs in with a browser that follows the page.
    fn log_in(&self, arguments: &[&str]) -> Ended {
        let opened = self.home.path().join("opened");
        let _ = fs::remove_file(&opened);
        let browser = thread::spawn(move || {
            let url = until(
                || fs::read_to_string(&opened).ok().map_or(Value::Null, Value::String),
                |url| url.is_string(),
            );
            follow(url.as_str().unwrap())
        });
        let ended = self.run(&[&["login", &self.server.url()], arguments].concat());
        assert_eq!(browser.join().unwrap().status, 200);
        ended
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap())
    }
}

/// Where the page sends the browser.
fn page(url: &str) -> String {
    let at = Server::at(url);
    let mut answer = String::new();
    at.send("GET", &at.path, &[], "").0.read_to_string(&mut answer).unwrap();
    answer.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap().to_owned()
}

/// Opens the page, and brings the answer.
fn follow(url: &str) -> Answer {
    let back = Server::at(&page(url));
    back.get(&back.path, &[])
}

#[test]
fn a_login_is_used_renewed_and_taken_back() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let before = guarded.run(&["call", &url, "look"]);
    assert_eq!(before.code, Some(3), "{}", before.stderr);
    assert!(before.stderr.contains(&format!("anyport login {url}")), "{}", before.stderr);
    assert!(!guarded.home.path().join("state/anyport/credentials.key").exists(), "nobody has signed in");

    let ended = guarded.log_in(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with(&format!("signed in to {url} as default\n")), "{}", ended.stdout);

    let called = guarded.run(&["call", &url, "look"]);
    assert_eq!((called.code, called.stdout.trim()), (Some(0), "seen"), "{}", called.stderr);
    assert_eq!(guarded.known(|known| known.refreshed), 0);

    // The server has forgotten the token, which is renewed, and the new one stored.
    guarded.known(|known| known.access.clear());
    for _ in 0..2 {
        let called = guarded.run(&["call", &url, "look"]);
        assert_eq!((called.code, called.stdout.trim()), (Some(0), "seen"), "{}", called.stderr);
    }
    assert_eq!(guarded.known(|known| (known.refreshed, known.registered)), (1, 1));

    let accounts = guarded.run(&["accounts", "--json"]);
    let accounts: Value = serde_json::from_str(&accounts.stdout).unwrap();
    assert_eq!(
        (&accounts["accounts"][0]["server"], &accounts["accounts"][0]["state"]),
        (&json!(url), &json!("signed in"))
    );

    let out = guarded.run(&["logout", &url]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    assert_eq!(guarded.known(|known| known.revoked.len()), 2);
    assert_eq!(guarded.run(&["call", &url, "look"]).code, Some(3));
    assert_eq!(guarded.run(&["logout", &url]).code, Some(1));
}

/// Invariant: No error, log or recording shows the token of a login, even if the server repeats it.
#[test]
fn a_token_that_a_server_repeats_is_hidden() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    guarded.known(|known| known.repeats = true);
    let record = guarded.home.path().join("record.jsonl");
    // `run` looks for the token in all that is said.
    let called = guarded.run(&["call", &url, "look", "-vv", "--record", record.to_str().unwrap()]);
    assert!(called.code != Some(0) && called.stderr.contains("what is <hidden>?"), "{}", called.stderr);
    let recorded = fs::read_to_string(record).unwrap();
    assert!(!recorded.is_empty() && !recorded.contains("-of-the-test"), "{recorded}");
    let out = guarded.run(&["logout", &url]);
    assert!(out.stdout.contains("cannot take <hidden> back"), "{}{}", out.stdout, out.stderr);
}

/// Invariant: A credential is stored sealed, under a key that only the user can read, and is in no output.
#[test]
fn what_is_stored_is_sealed() {
    let guarded = Guarded::start();
    assert_eq!(guarded.log_in(&["--account", "work"]).code, Some(0));
    let state = guarded.home.path().join("state/anyport");
    assert_eq!(fs::metadata(state.join("credentials.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let mut files = Vec::new();
    collect(&state, &mut files);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in ["-of-the-test", "client-1", &guarded.server.url()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", file.display());
        }
    }
    let url = guarded.server.url();
    assert_eq!(guarded.run(&["call", &url, "look"]).code, Some(3), "the login of another name");
    assert_eq!(guarded.run(&["call", &url, "look", "--account", "work"]).code, Some(0));
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => collect(&entry.path(), files),
            false => files.push(entry.path()),
        }
    }
}

#[test]
fn a_login_that_was_taken_back_is_asked_for_again() {
    let guarded = Guarded::start();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    guarded.known(|known| {
        known.access.clear();
        known.refresh.clear();
    });
    let url = guarded.server.url();
    let called = guarded.run(&["call", &url, "look"]);
    assert_eq!(called.code, Some(3), "{}", called.stderr);
    assert!(called.stderr.contains(&format!("anyport login {url}")), "{}", called.stderr);
    let accounts = guarded.run(&["accounts"]);
    assert!(accounts.stdout.contains("needs login"), "{}", accounts.stdout);
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    assert_eq!(guarded.run(&["call", &url, "look"]).code, Some(0));
    assert_eq!(guarded.known(|known| known.registered), 1, "the client is still the same");
}

#[test]
fn without_a_browser_the_answer_is_pasted() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let mut login = Program::start(guarded.command(&["login", &url, "--no-browser"]));
    let address = login.error_line(|line| line.starts_with("http://"));
    login.write(format!("{}\n", page(&address)).as_bytes());
    assert!(login.wait().success(), "{}", login.stderr());
    assert_eq!(guarded.run(&["call", &url, "look"]).code, Some(0));
}

#[test]
fn a_login_waits_for_its_user_as_long_as_it_is_told() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let mut login = Program::start(guarded.command(&["login", &url, "--no-browser", "--timeout", "0.2"]));
    login.error_line(|line| line.starts_with("http://"));
    assert_eq!(login.wait().code(), Some(3), "{}", login.stderr());
    let said = login.stderr();
    assert!(said.contains("nobody signed in within") && said.contains("--timeout SECONDS"), "{said}");
}

/// Invariant: Processes that share a login renew its token once, however many of them need it at once.
#[test]
fn several_processes_renew_a_token_once() {
    let guarded = Guarded::start();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    guarded.known(|known| known.access.clear());
    let url = guarded.server.url();
    let calls: Vec<Program> =
        (0..5).map(|_| Program::start(guarded.command(&["call", &url, "look"]))).collect();
    for mut call in calls {
        call.close_input();
        assert!(call.wait().success(), "{}", call.stderr());
    }
    assert_eq!(guarded.known(|known| known.refreshed), 1);
}

#[test]
fn a_token_that_is_given_starts_no_login() {
    let guarded = Guarded::start();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    let asked = guarded.server.asked().len();
    let mut command = guarded.command(&["call", &guarded.server.url(), "look", "--bearer", "env:TOKEN"]);
    command.env("TOKEN", "a-token-of-somebody-else");
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let since = guarded.server.asked().split_off(asked);
    assert!(since.iter().all(|asked| asked.path == "/mcp"), "{since:?}");
}

#[test]
fn a_gateway_calls_a_server_with_the_login_of_its_user() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let file = format!("[upstreams.guarded]\nurl = \"{url}\"\nauth = \"oauth\"\n");
    fs::write(guarded.home.path().join("anyport.toml"), file).unwrap();
    let mut gateway = Program::start(guarded.command(&["serve", "--port", "0"]));
    let client = gateway.server();
    let call = || {
        let message = modern(1, "tools/call", json!({"name": "guarded_look", "arguments": {}}));
        client.post(&message, &[]).json()
    };
    let refused = call();
    assert!(refused["error"].is_object(), "{refused}");
    let status = guarded.run(&["status"]);
    assert!(status.stdout.contains("needs login"), "{}", status.stdout);
    assert!(
        status.stdout.contains("anyport login ") && status.stdout.contains("anyport.toml#guarded"),
        "{}",
        status.stdout
    );
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    until(call, |answer| answer["result"]["content"][0]["text"] == "seen");
    // A token that was forgotten is renewed within the call.
    guarded.known(|known| known.access.clear());
    assert_eq!(call()["result"]["content"][0]["text"], "seen");
    assert_eq!(guarded.known(|known| known.refreshed), 1);
    let status: Value = serde_json::from_str(&guarded.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["gateways"][0]["servers"][0]["login"], "signed in");
}

/// Invariant: A gateway that runs uses no login any more that was taken back by `anyport logout`.
#[test]
fn a_logout_reaches_a_running_gateway() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    write_file(&guarded, "auth = \"oauth\"");
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    let mut gateway = Program::start(guarded.command(&["serve", "--port", "0"]));
    let client = gateway.server();
    let call = || {
        let message = modern(1, "tools/call", json!({"name": "guarded_look", "arguments": {}}));
        client.post(&message, &[]).json()
    };
    until(call, |answer| answer["result"]["content"][0]["text"] == "seen");
    // The server takes the token still.
    assert_eq!(guarded.run(&["logout", &url]).code, Some(0));
    until(call, |answer| answer["error"].is_object());
}

/// Invariant: What may work later is no reason to sign in again.
#[test]
fn what_is_out_of_order_is_to_be_tried_later() {
    let guarded = Guarded::start();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    let url = guarded.server.url();
    guarded.known(|known| known.access.clear());
    guarded.known(|known| known.broken = Some("/token"));
    let called = guarded.run(&["call", &url, "look"]);
    assert_eq!(called.code, Some(4), "{}", called.stderr);
    assert!(called.stderr.contains("try again later"), "{}", called.stderr);
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"] {
        guarded.known(|known| known.broken = Some(path));
        let refused = guarded.run(&["login", &url]);
        assert_eq!(refused.code, Some(4), "{path}: {}", refused.stderr);
        assert!(refused.stderr.contains("try again later"), "{}", refused.stderr);
        // The token itself comes from where it came from before.
        let called = guarded.run(&["call", &url, "look"]);
        assert_eq!((called.code, called.stdout.trim()), (Some(0), "seen"), "{}", called.stderr);
        guarded.known(|known| known.access.clear());
    }
}

#[test]
fn the_command_to_sign_in_says_which_login_is_missing() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let told = |arguments: &[&str], expected: &str| {
        let called = guarded.run(&[&["call"], arguments].concat());
        assert_eq!(called.code, Some(3), "{}", called.stderr);
        assert!(called.stderr.contains(expected), "{expected}: {}", called.stderr);
        called.stderr
    };
    told(&[&url, "look", "--account", "at work"], &format!("anyport login {url} --account 'at work'"));
    let with_query = told(&[&format!("{url}?key=hidden-one"), "look"], "with the query of its URL");
    assert!(!with_query.contains("hidden-one"), "{with_query}");
    write_file(&guarded, "auth = \"oauth\"\naccount = \"work\"");
    let of_file = told(&["anyport.toml#guarded", "look"], "anyport.toml#guarded");
    assert!(of_file.contains("anyport login "), "{of_file}");
}

#[test]
fn a_scope_that_is_missing_is_named_with_the_command_that_gets_it() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    guarded.known(|known| known.lacking = Some("write"));
    let called = guarded.run(&["call", &url, "look"]);
    assert_eq!(called.code, Some(3), "{}{}", called.stdout, called.stderr);
    assert!(called.stderr.contains("not with this token"), "{}", called.stderr);
    assert!(called.stderr.contains(&format!("anyport login {url} --scope write")), "{}", called.stderr);
}

/// Invariant: The secret of a client goes to the authorization server that it first went to, in each later run.
#[test]
fn the_secret_of_a_client_follows_no_server_elsewhere() {
    let (guarded, other) = (Guarded::start(), Guarded::start());
    write_file(&guarded, CLIENT);
    fs::write(guarded.home.path().join("secret"), "secret-of-the-test\n").unwrap();
    let call = || guarded.run(&["call", "anyport.toml#guarded", "look"]);
    assert_eq!(call().code, Some(0));
    let other_base = other.server.url().trim_end_matches("/mcp").to_owned();
    guarded.known(|known| known.issuer = Some(other_base.clone()));
    let refused = call();
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let base = guarded.server.url().trim_end_matches("/mcp").to_owned();
    for expected in [&base, &other_base, "issuer"] {
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
    assert!(other.server.asked().iter().all(|asked| asked.verb == "GET"), "{:?}", other.server.asked());
}

#[test]
fn options_of_a_login_that_cannot_work_are_refused_at_once() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    for (option, value, expected) in [
        ("--redirect-uri", "https://a.example/callback", "--no-browser"),
        ("--redirect-uri", "javascript:x", "https://"),
        ("--redirect-uri", "http://0.0.0.0:1/callback", "https://"),
        ("--authorize-param", "state=fixed", "state"),
        ("--authorize-param", "redirect_uri=http://127.0.0.1:1/", "redirect_uri"),
        ("--client-metadata-url", "http://127.0.0.1/client.json", "https://"),
        ("--client-metadata-url", "https://a.example/", "path"),
        ("--client-metadata-url", "https://me:pw@a.example/client.json", "user"),
        ("--account", "", "name"),
        ("--account", "a\u{202e}b", "name"),
    ] {
        let refused = guarded.run(&["login", &url, option, value]);
        assert_eq!(refused.code, Some(2), "{option} {value}: {}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{option} {value}: {}", refused.stderr);
    }
    assert!(guarded.server.asked().is_empty());
}

#[test]
fn a_bridge_of_one_client_uses_the_login_and_one_of_many_only_as_told() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    let message = modern(1, "tools/call", json!({"name": "look", "arguments": {}}));
    let mut alone = Program::start(guarded.command(&["bridge", "--stdio", &url]));
    assert_eq!(alone.call(&message)["result"]["content"][0]["text"], "seen");
    for (arguments, is_let_in) in [(&[][..], false), (&["--account", "default"], true)] {
        let mut bridge =
            Program::start(guarded.command(&[&["bridge", "--port", "0", &url], arguments].concat()));
        let answer = bridge.server().post(&message, &[]).json();
        assert_eq!(answer["result"]["content"][0]["text"] == "seen", is_let_in, "{arguments:?}: {answer}");
    }
}

/// A server's file in the folder of the test.
fn write_file(guarded: &Guarded, keys: &str) {
    let file = format!("[upstreams.guarded]\nurl = \"{}\"\n{keys}\n", guarded.server.url());
    fs::write(guarded.home.path().join("anyport.toml"), file).unwrap();
}

const CLIENT: &str =
    "auth = \"client_credentials\"\nclient_id = \"client-1\"\nclient_secret = \"file:secret\"";

#[track_caller]
fn says(answer: &Value, help: &str) {
    let error = &answer["error"];
    assert!(error["message"].as_str().is_some_and(|message| message.contains(help)), "{help}: {answer}");
    assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(-32603), &json!("upstream_down")));
}

#[test]
fn clients_of_a_bridge_or_gateway_learn_the_command_that_signs_in() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let start = |arguments: &[&str]| Program::start(guarded.command(arguments));
    let look = |name: &str| json!({"name": name, "arguments": {}});
    let command = format!("sign in: anyport login {url}; then call again");
    says(&start(&["bridge", "--stdio", &url]).call(&modern(1, "tools/call", look("look"))), &command);
    says(&start(&["bridge", "--stdio", &url]).call(&initialize(1, "2025-11-25")), &command);
    for (keys, help) in [
        ("auth = \"oauth\"", "sign in: anyport login "),
        ("", "give it a token with `bearer`, or `auth = \"oauth\"` and sign in: anyport login "),
    ] {
        write_file(&guarded, keys);
        let mut gateway = start(&["serve", "--stdio"]);
        let answer = gateway.call(&modern(1, "tools/call", look("guarded_look")));
        says(&answer, help);
        says(&answer, "anyport.toml#guarded");
        let mut gateway = start(&["serve", "--stdio"]);
        assert!(gateway.call(&initialize(1, "2025-06-18"))["result"].is_object());
        gateway.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        says(&gateway.call(&legacy(2, "tools/call", look("guarded_look"))), help);
    }
    // What the file is called is nothing for callers from elsewhere.
    let mut gateway = start(&["serve", "--port", "0", "--allow-host", "mcp.example.com"]);
    let answer = gateway.server().post(&modern(1, "tools/call", look("guarded_look")), &[]).json();
    says(&answer, "whoever runs this server signs in to guarded");
    assert!(!answer.to_string().contains("anyport.toml"), "{answer}");
}

/// A session that has begun is told as well.
#[test]
fn a_client_learns_the_command_when_the_login_is_taken_back_meanwhile() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    assert_eq!(guarded.log_in(&[]).code, Some(0));
    let mut bridge = Program::start(guarded.command(&["bridge", "--stdio", &url]));
    let look = |id: u64| modern(id, "tools/call", json!({"name": "look", "arguments": {}}));
    assert!(bridge.call(&look(1))["result"].is_object());
    guarded.known(|known| {
        known.access.clear();
        known.refresh.clear();
    });
    let refused = bridge.call(&look(2));
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("sign in: anyport login {url}")), "{refused}");
}

#[test]
fn a_client_of_a_file_needs_no_user() {
    let guarded = Guarded::start();
    write_file(&guarded, CLIENT);
    fs::write(guarded.home.path().join("secret"), "secret-of-the-test\n").unwrap();
    let called = guarded.run(&["call", "anyport.toml#guarded", "look"]);
    assert_eq!((called.code, called.stdout.trim()), (Some(0), "seen"), "{}", called.stderr);
    assert!(!guarded.home.path().join("state/anyport/credentials.key").exists(), "nothing is kept");
    let mut gateway = Program::start(guarded.command(&["serve", "--port", "0"]));
    let client = gateway.server();
    let message = modern(1, "tools/call", json!({"name": "guarded_look", "arguments": {}}));
    until(|| client.post(&message, &[]).json(), |answer| answer["result"]["content"][0]["text"] == "seen");
    let status: Value = serde_json::from_str(&guarded.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["gateways"][0]["servers"][0]["login"], "signed in");
    assert_eq!(guarded.known(|known| known.registered), 0);
}

#[test]
fn a_login_by_the_secret_of_a_client_is_kept() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let login = |secret: &str| {
        let arguments = [
            "login",
            &url,
            "--client-credentials",
            "--client-id",
            "client-1",
            "--client-secret",
            "env:SECRET",
        ];
        let mut command = guarded.command(&arguments);
        command.env("SECRET", secret);
        to_the_end(command)
    };
    let refused = login("another-of-the-test");
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("invalid_client") && !refused.stderr.contains("-of-the-test"),
        "{}",
        refused.stderr
    );
    assert_eq!(login("secret-of-the-test").code, Some(0));
    guarded.known(|known| known.access.clear());
    let called = guarded.run(&["call", &url, "look"]);
    assert_eq!((called.code, called.stdout.trim()), (Some(0), "seen"), "{}", called.stderr);
}

/// Invariant: A login that fails for want of an option names that option, and an option that gives protection up warns.
#[test]
fn a_login_names_the_option_that_helps_and_the_option_warns() {
    let guarded = Guarded::start();
    guarded.known(|known| known.refuses_resource = true);
    let refused = guarded.log_in(&[]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("--resource omit"), "{}", refused.stderr);
    let signed_in = guarded.log_in(&["--resource", "omit"]);
    assert_eq!(signed_in.code, Some(0), "{}", signed_in.stderr);
    assert!(
        signed_in.stderr.contains("warning: ") && signed_in.stderr.contains("resource = "),
        "{}",
        signed_in.stderr
    );
    // The renewal, too, is without it.
    guarded.known(|known| known.access.clear());
    assert_eq!(guarded.run(&["call", &guarded.server.url(), "look"]).code, Some(0));

    guarded.known(|known| known.hides_pkce = true);
    let url = guarded.server.url();
    let refused = guarded.run(&["login", &url, "--resource", "omit"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("--pkce assume"), "{}", refused.stderr);
    write_file(
        &guarded,
        "auth = \"oauth\"\nresource = \"omit\"\npkce = \"assume\"\nauthorize_params = { audience = \"a\" }",
    );
    let opened = guarded.home.path().join("opened");
    fs::remove_file(&opened).unwrap();
    let browser = thread::spawn(move || {
        let url = until(
            || fs::read_to_string(&opened).ok().map_or(Value::Null, Value::String),
            |url| url.is_string(),
        );
        follow(url.as_str().unwrap());
        url
    });
    let signed_in = guarded.run(&["login", "anyport.toml#guarded"]);
    assert_eq!(signed_in.code, Some(0), "{}", signed_in.stderr);
    for option in ["resource = ", "pkce = ", "authorize_params"] {
        assert!(signed_in.stderr.contains(option), "{option}: {}", signed_in.stderr);
    }
    assert!(browser.join().unwrap().as_str().unwrap().contains("audience=a"));
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    for option in ["--client-secret", "--client-key", "--assertion"] {
        let refused = guarded.run(&["login", &url, "--client-id", "c", option, "secret-on-the-line"]);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(!refused.stderr.contains("secret-on-the-line"), "{}", refused.stderr);
    }
}

/// Invariant: The doctor goes the way of a login to the authorization server, and names the option that helps where it ends.
#[test]
fn the_doctor_goes_the_way_of_a_login() {
    let guarded = Guarded::start();
    let url = guarded.server.url();
    let steps = || {
        let ended = guarded.run(&["doctor", &url, "--json"]);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let found: Value = serde_json::from_str(&ended.stdout).unwrap();
        let step = |name: &str| {
            found["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).cloned().unwrap()
        };
        (step("issuer"), step("auth"))
    };
    let (issuer, auth) = steps();
    assert_eq!(issuer["verdict"], "ok", "{issuer}");
    assert!(auth["help"].as_str().unwrap().contains(&format!("anyport login {url}")), "{auth}");
    guarded.known(|known| known.hides_pkce = true);
    let (issuer, _) = steps();
    assert_eq!(issuer["verdict"], "doubtful", "{issuer}");
    assert!(issuer["help"].as_str().unwrap().contains("--pkce assume"), "{issuer}");
}
