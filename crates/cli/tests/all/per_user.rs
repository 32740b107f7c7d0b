//! `auth = "per_user"` of a gateway: each caller signs in at the server itself, and reaches it with a login of its own.

use std::{
    collections::HashMap,
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, browser,
    browser::{Browser, PASSWORD, PUBLIC},
    folder,
    http::{Answer, Server},
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    to_the_end, until, with_input,
};

/// What the authorization server of the far server knows.
#[derive(Default)]
struct Known {
    /// The number of tokens that were given.
    given: usize,
    valid: Vec<String>,
    /// The tokens that were taken back.
    revoked: Vec<String>,
    registered: usize,
    /// Whether its lists need no login.
    is_public: bool,
    /// Whether it notifies of changes of its lists.
    notifies: bool,
    /// The scope that its tool `write` needs, if it has that tool.
    write: Option<String>,
    /// The scopes of the access tokens.
    scopes: HashMap<String, String>,
    /// Whether it refuses every token.
    refuses: bool,
}

/// A server of 2026-07-28 with an authorization server of its own, whose tokens are `far-USER-NUMBER`. Its tool says the token.
#[derive(Clone)]
struct Far {
    server: Arc<Scripted>,
    known: Arc<Mutex<Known>>,
}

impl Far {
    fn start() -> Self {
        let known = Arc::<Mutex<Known>>::default();
        let state = known.clone();
        let server = Scripted::start(move |asked| answer(asked, &mut state.lock().unwrap()));
        Self { server: Arc::new(server), known }
    }

    /// Takes back whatever was given.
    fn revoke(&self) {
        self.known.lock().unwrap().valid.clear();
    }

    /// The tokens with which its tool was called.
    fn callers(&self) -> Vec<String> {
        let calls = self.server.asked().into_iter().filter(|asked| asked.body["method"] == "tools/call");
        calls.map(|asked| bearer(&asked)).collect()
    }

    /// The tokens with which its lists are followed.
    fn listeners(&self) -> Vec<String> {
        let mut tokens: Vec<_> = self.server.streams().iter().map(bearer).collect();
        tokens.sort_unstable();
        tokens
    }

    /// Opens its page to sign in at as `user`, who agrees. Returns where the browser is sent.
    fn visit(&self, url: &str, user: &str) -> String {
        let at =
            url.strip_prefix(&format!("http://{}", self.server.address)).unwrap_or_else(|| panic!("{url}"));
        let server = Server { authority: self.server.address.to_string(), path: String::new() };
        let answer = server.get(&format!("{at}&user={user}"), &[]);
        let to = answer.head.lines().find_map(|line| line.strip_prefix("Location: "));
        to.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }
}

impl Known {
    fn may_write(&self, token: &str) -> bool {
        let scopes = self.scopes.get(token).into_iter().flat_map(|scopes| scopes.split(' '));
        self.write
            .as_deref()
            .is_some_and(|write| scopes.clone().any(|scope| scope == write && scope != "none"))
    }
}

fn bearer(asked: &Asked) -> String {
    let header = asked.headers.lines().find_map(|line| line.strip_prefix("authorization: bearer "));
    header.unwrap_or("none").to_owned()
}

fn pairs(text: &str) -> impl Fn(&str) -> String {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    move |name| {
        pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

fn answer(asked: &Asked, known: &mut Known) -> Option<String> {
    let host = asked.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let base = format!("http://{host}");
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match path {
        "/.well-known/oauth-protected-resource/mcp" => scripted::document(
            &json!({"resource": format!("{base}/mcp"), "authorization_servers": [base], "scopes_supported": ["look"]}),
        ),
        "/.well-known/oauth-authorization-server" => scripted::document(&json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
            "registration_endpoint": format!("{base}/register"), "revocation_endpoint": format!("{base}/revoke"),
            "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        })),
        "/register" => {
            known.registered += 1;
            let mut metadata = asked.body.clone();
            metadata["client_id"] = json!(format!("client-{}", known.registered));
            let created =
                scripted::response("201 Created", &["Content-Type: application/json"], &metadata.to_string());
            assert_eq!(asked.body["redirect_uris"], json!([format!("{PUBLIC}/connect/callback/far")]));
            created
        }
        "/authorize" => {
            let of = pairs(query);
            assert_eq!(of("resource"), format!("{base}/mcp"));
            let code = format!("{}|{}", of("user"), of("scope"));
            let code = url::form_urlencoded::byte_serialize(code.as_bytes()).collect::<String>();
            let state: String = url::form_urlencoded::byte_serialize(of("state").as_bytes()).collect();
            let to = format!("Location: {}?code={code}&state={state}", of("redirect_uri"));
            scripted::response("302 Found", &[&to], "")
        }
        "/token" => {
            let of = pairs(asked.body.as_str().unwrap_or_default());
            let code = of("code");
            let (user, scope) = code.split_once('|').unwrap_or_default();
            let user = match &*of("grant_type") {
                "authorization_code" => user.to_owned(),
                _ if !known.valid.contains(&of("refresh_token")) => {
                    let error = json!({"error": "invalid_grant"}).to_string();
                    return scripted::response(
                        "400 Bad Request",
                        &["Content-Type: application/json"],
                        &error,
                    );
                }
                _ => of("refresh_token").split('-').nth(1).unwrap().to_owned(),
            };
            known.given += 1;
            let (access, refresh) =
                (format!("far-{user}-{}", known.given), format!("refresh-{user}-{}", known.given));
            known.valid.extend([access.clone(), refresh.clone()]);
            known.scopes.insert(access.clone(), scope.to_owned());
            scripted::document(&json!({
                "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh, "scope": "look",
            }))
        }
        "/revoke" => {
            let token = pairs(asked.body.as_str().unwrap_or_default())("token");
            known.valid.retain(|valid| *valid != token);
            known.revoked.push(token);
            scripted::response("200 OK", &[], "")
        }
        "/mcp" => served(asked, &base, known),
        _ => scripted::response("404 Not Found", &[], ""),
    }
}

fn served(asked: &Asked, base: &str, known: &Known) -> Option<String> {
    let (token, method) = (bearer(asked), asked.body["method"].as_str().unwrap_or_default());
    let is_public = known.is_public && method != "tools/call";
    if (!known.valid.contains(&token) || known.refuses) && !is_public {
        let challenge = format!(
            "WWW-Authenticate: Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\""
        );
        return scripted::response("401 Unauthorized", &[&challenge], "");
    }
    match method {
        "tools/list" => {
            let owner = token.split('-').nth(1).unwrap_or("anybody");
            let mut tools = json!([
                {"name": "who", "inputSchema": {"type": "object"}},
                {"name": format!("of_{owner}"), "inputSchema": {"type": "object"}},
            ]);
            if known.write.is_some() {
                tools[1]["name"] = json!("write");
            }
            scripted::result(
                asked,
                &json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools}),
            )
        }
        "server/discover" if known.notifies => scripted::result(
            asked,
            &json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {"listChanged": true}},
            }),
        ),
        "subscriptions/listen" if known.notifies => scripted::stream(&json!({
            "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": {
                "_meta": {"io.modelcontextprotocol/subscriptionId": asked.body["id"]},
                "notifications": {"toolsListChanged": true},
            },
        })),
        "tools/call" if asked.body["params"]["name"] == "write" && !known.may_write(&token) => {
            let scope = known.write.as_deref().unwrap();
            let challenge =
                format!("WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            scripted::response("403 Forbidden", &[&challenge], "")
        }
        "tools/call" => {
            let content = json!([{"type": "text", "text": token}]);
            scripted::result(asked, &json!({"resultType": "complete", "content": content}))
        }
        _ => scripted::modern(asked),
    }
}

/// A gateway with the users ada and bob, in a folder of its own.
struct Gateway {
    home: tempfile::TempDir,
    program: Option<Program>,
    client: Client,
}

/// A client of a gateway.
struct Client {
    server: Server,
}

impl Deref for Gateway {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Gateway {
    fn start(far: &Far, more: &str) -> Self {
        let url = far.server.url();
        let text = browser::configuration()
            + &format!("[upstreams.far]\ntitle = \"Far\"\nurl = {url:?}\nauth = \"per_user\"\n{more}\n");
        let home = folder(&[("anyport.toml", &text)]);
        for user in ["ada", "bob"] {
            let mut command = anyport(home.path());
            command.args(["user", "add", user]);
            let added = with_input(command, &format!("{PASSWORD}\n"));
            assert_eq!(added.code, Some(0), "{added:?}");
        }
        let mut gateway =
            Self { home, program: None, client: Client { server: Server::at("http://127.0.0.1:1/mcp") } };
        gateway.restart();
        gateway
    }

    /// Starts it, again if it runs.
    fn restart(&mut self) {
        drop(self.program.take());
        let mut command = anyport(self.home.path());
        command.args(["serve", "--port", "0"]);
        let mut program = Program::start(command);
        program.error_line(|line| line.contains(&format!("{PUBLIC}/mcp")));
        let address = status(self.home.path())["address"].as_str().unwrap().to_owned();
        self.client.server = Server { authority: address, path: "/mcp".to_owned() };
        self.program = Some(program);
    }
}

impl Client {
    fn post(&self, message: &Value, token: &str, more: &[(&str, &str)]) -> Answer {
        let header = format!("Bearer {token}");
        self.server.post(message, &[&[("Authorization", &*header)], more].concat())
    }

    /// A client of 2026-07-28, which can be sent to URLs if `visits`.
    fn ask(&self, method: &str, params: Value, token: &str, visits: bool) -> Value {
        let mut message = modern(1, method, params);
        if visits {
            message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
                json!({"elicitation": {"url": {}}});
        }
        self.post(&message, token, &[]).json()
    }

    fn call(&self, tool: &str, token: &str, answers: Option<Value>) -> Value {
        let mut params = json!({"name": tool, "arguments": {}});
        if let Some(answers) = answers {
            params["inputResponses"] = answers;
        }
        self.ask("tools/call", params, token, true)
    }

    /// The names of the tools, once they fit.
    fn tools(&self, token: &str, fits: impl Fn(&[&str]) -> bool) -> Vec<String> {
        let read = || self.ask("tools/list", json!({}), token, true);
        let listed = until(read, |answer| fits(&names(answer)));
        names(&listed).into_iter().map(str::to_owned).collect()
    }

    /// The token and the browser of `user`, who has signed in at the far server and sees its tools.
    fn signed_in(&self, far: &Far, user: &str) -> (String, Browser) {
        let mut browser = Browser::new(&self.server, user);
        let token = browser::token(&self.server, &mut browser);
        self.tools(&token, |_| true);
        let (_, url) = asked(&self.call("far_sign_in", &token, None));
        self.connect(far, &url, &mut browser, user);
        self.tools(&token, |names| names.len() == 2);
        (token, browser)
    }

    /// Sends `browser` the whole way from the page at `url`, and has `user` sign in at the far server.
    fn connect(&self, far: &Far, url: &str, browser: &mut Browser, user: &str) -> Answer {
        let page = browser.get(url.strip_prefix(PUBLIC).unwrap_or_else(|| panic!("{url}")));
        let page = browser.sign_in(page);
        assert_eq!(page.status, 200, "{page:?}");
        let sent = browser.press(&page);
        let back = far.visit(sent.header("location").unwrap_or_else(|| panic!("{sent:?}")), user);
        browser.get(back.strip_prefix(PUBLIC).unwrap_or_else(|| panic!("{back}")))
    }
}

fn status(home: &Path) -> Value {
    let mut command = anyport(home);
    command.args(["status", "--json"]);
    let status: Value = serde_json::from_str(&to_the_end(command).stdout).unwrap();
    status["gateways"][0].clone()
}

fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array();
    tools.into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// The URL that a client of 2026-07-28 is asked to visit, and the key of the question.
fn asked(answer: &Value) -> (String, String) {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    let questions = answer["result"]["inputRequests"].as_object().unwrap();
    let (key, question) = questions.iter().next().unwrap();
    assert_eq!(
        (&question["method"], &question["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    (key.clone(), question["params"]["url"].as_str().unwrap().to_owned())
}

fn url_in(text: &str) -> String {
    let from = text.find(&format!("{PUBLIC}/connect?id=")).unwrap_or_else(|| panic!("{text}"));
    text[from..].split_whitespace().next().unwrap().to_owned()
}

/// Invariant: Each caller of a gateway reaches a server of `auth = "per_user"` with a token that it has got there itself, by no other
/// route with one of another caller, and sees no list of another caller.
#[test]
fn each_caller_signs_in_itself_and_then_its_call_goes_on() {
    let far = Far::start();
    let mut gateway = Gateway::start(&far, "");
    let (mut ada, mut bob) = (Browser::new(&gateway.server, "ada"), Browser::new(&gateway.server, "bob"));
    let (of_ada, of_bob) =
        (browser::token(&gateway.server, &mut ada), browser::token(&gateway.server, &mut bob));
    assert_eq!(gateway.tools(&of_ada, |_| true), ["far_sign_in"]);
    let (key, url) = asked(&gateway.call("far_sign_in", &of_ada, None));

    // The link of ada connects nothing in the browser of bob.
    let stolen = bob.get(url.strip_prefix(PUBLIC).unwrap());
    assert!(stolen.status == 403 && stolen.body.contains("for another user"), "{stolen:?}");
    let pages = || far.server.asked().iter().filter(|asked| asked.path.starts_with("/authorize")).count();
    assert_eq!((pages(), far.known.lock().unwrap().registered), (0, 0), "nothing was fetched");

    let connected = gateway.connect(&far, &url, &mut ada, "ada-there");
    assert!(connected.status == 200 && connected.body.contains("Far is connected"), "{connected:?}");
    let accepted = json!({key.clone(): {"action": "accept"}});
    let answer = gateway.call("far_sign_in", &of_ada, Some(accepted.clone()));
    assert!(text(&answer).contains("signed in at Far"), "{answer}");
    // Its tools can be called at once.
    assert_eq!(text(&gateway.call("far_who", &of_ada, None)), "far-ada-there-1");
    assert_eq!(gateway.tools(&of_ada, |names| names.len() == 2), ["far_who", "far_of_ada"]);
    assert_eq!(text(&gateway.call("far_who", &of_ada, None)), "far-ada-there-1");

    // Bob sees nothing of that, and has an account of his own.
    assert_eq!(gateway.tools(&of_bob, |_| true), ["far_sign_in"]);
    let (_, url) = asked(&gateway.call("far_sign_in", &of_bob, None));
    assert_eq!(gateway.connect(&far, &url, &mut bob, "bob").status, 200);
    assert_eq!(gateway.tools(&of_bob, |names| names.len() == 2), ["far_who", "far_of_bob"]);
    for _ in 0..3 {
        assert_eq!(text(&gateway.call("far_who", &of_bob, None)), "far-bob-2");
        assert_eq!(text(&gateway.call("far_who", &of_ada, None)), "far-ada-there-1");
    }
    assert_eq!(far.known.lock().unwrap().registered, 1, "both are logins of one client");
    let server = &status(gateway.home.path())["servers"][0];
    assert_eq!(server["callers"], json!({"signed_in": 2, "signed_out": 0, "waiting": 0}), "{server}");
    let mut accounts = anyport(gateway.home.path());
    accounts.args(["accounts"]);
    let accounts = to_the_end(accounts);
    assert!(accounts.stdout.contains("nobody is signed in"), "{accounts:?}");

    // A restart asks nobody again.
    gateway.restart();
    gateway.tools(&of_ada, |names| names.contains(&"far_who"));
    assert_eq!(text(&gateway.call("far_who", &of_ada, None)), "far-ada-there-1");
    assert!(far.callers().iter().all(|token| token.starts_with("far-")), "{:?}", far.callers());
    let mut program = gateway.program.take().unwrap();
    program.kill();
    let said = program.stderr();
    assert!(!said.contains("far-ada") && !said.contains("refresh-"), "{said}");
}

/// Invariant: A login that a server has taken back is asked for again, and the call goes on with the new one.
#[test]
fn who_is_refused_is_asked_again() {
    let far = Far::start();
    let gateway = Gateway::start(&far, "pin = \"strict\"");
    let (token, mut ada) = gateway.signed_in(&far, "ada");
    assert_eq!(text(&gateway.call("far_who", &token, None)), "far-ada-1");
    far.revoke();
    let (key, url) = asked(&gateway.call("far_who", &token, None));
    assert_eq!(gateway.tools(&token, |_| true), ["far_who", "far_of_ada"], "the lists stay");
    let declined = gateway.call("far_who", &token, Some(json!({key.clone(): {"action": "decline"}})));
    assert!(declined["result"]["isError"] == true && text(&declined).contains("declined"), "{declined}");
    let odd = gateway.call("far_who", &token, Some(json!({key.clone(): {"action": "perhaps"}})));
    assert_eq!(odd["error"]["code"], -32602, "{odd}");
    // The calls come before the browser is through, and wait for one login.
    let answers = std::thread::scope(|scope| {
        let (client, token, key) = (&gateway.client, &token, &key);
        let call = move || client.call("far_who", token, Some(json!({key: {"action": "accept"}})));
        let waiting = [(); 5].map(|()| scope.spawn(call));
        until(
            || status(gateway.home.path())["servers"][0]["callers"].clone(),
            |callers| callers["waiting"] == 5,
        );
        gateway.connect(&far, &url, &mut ada, "ada");
        waiting.map(|call| call.join().unwrap())
    });
    for answer in &answers {
        assert_eq!(text(answer), "far-ada-2");
    }
    // The user ends the login: its tokens are taken back, and the next call asks.
    let own = ada.get("/connect");
    assert!(own.body.contains("You are signed in at Far."), "{own:?}");
    let ended = ada.press(&own);
    assert!(ended.status == 200 && ended.body.contains("taken back"), "{ended:?}");
    assert!(far.known.lock().unwrap().revoked.iter().any(|token| token.ends_with("-ada-2")));
    asked(&gateway.call("far_who", &token, None));
}

/// Invariant: What a gateway has got by one login at a server is nothing for the next one of the same caller: lists, connections and streams end
/// with it.
#[test]
fn lists_and_streams_end_with_the_login_they_were_got_by() {
    let far = Far::start();
    far.known.lock().unwrap().notifies = true;
    let gateway = Gateway::start(&far, "");
    let listeners = |expected: Value| {
        until(|| json!(far.listeners()), |listeners| *listeners == expected);
    };
    let (token, mut ada) = gateway.signed_in(&far, "ada");
    listeners(json!(["far-ada-1"]));
    let mut listen = modern(7, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    // Of the client that has read the list.
    listen["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {"url": {}}});
    let headers = [
        ("Authorization", &*format!("Bearer {token}")),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    let mut stream = gateway.server.send("POST", "/mcp", &headers, &listen.to_string());
    assert_eq!(stream.head().0, 200);
    let mut told = || stream.event().map(|event| event["method"].clone()).unwrap();
    assert_eq!(told(), "notifications/subscriptions/acknowledged");

    let own = ada.get("/connect");
    ada.press(&own);
    assert_eq!(told(), "notifications/tools/list_changed");
    assert_eq!(gateway.tools(&token, |names| names.len() == 1), ["far_sign_in"]);
    listeners(json!([]));

    let (_, url) = asked(&gateway.call("far_sign_in", &token, None));
    gateway.connect(&far, &url, &mut ada, "second");
    assert_eq!(told(), "notifications/tools/list_changed");
    assert_eq!(gateway.tools(&token, |names| names.len() == 2), ["far_who", "far_of_second"]);
    assert_eq!(text(&gateway.call("far_who", &token, None)), "far-second-2");
    listeners(json!(["far-second-2"]));

    // A page that was opened before leads to a login in place of the one that there is.
    let again = ada.get(url.strip_prefix(PUBLIC).unwrap());
    let sent = ada.press(&again);
    let back = far.visit(sent.header("location").unwrap(), "third");
    assert_eq!(ada.get(back.strip_prefix(PUBLIC).unwrap()).status, 200);
    assert_eq!(gateway.tools(&token, |names| names.contains(&"far_of_third")), ["far_who", "far_of_third"]);
    listeners(json!(["far-third-3"]));
}

/// Invariant: A caller is asked for the scopes that a call lacks together with those of its login, a few times for one operation; its login stays
/// good for other calls meanwhile.
/// Limit: max_step_ups.
#[test]
fn a_call_that_lacks_a_scope_asks_for_it_a_few_times() {
    let far = Far::start();
    let needs = |scope: &str| far.known.lock().unwrap().write = Some(scope.to_owned());
    needs("write");
    let gateway = Gateway::start(&far, "");
    let (token, mut ada) = gateway.signed_in(&far, "ada");
    let client = &gateway.client;
    let write = |key: &str| client.call("far_write", &token, Some(json!({key: {"action": "accept"}})));
    let (key, url) = asked(&gateway.call("far_write", &token, None));
    assert_eq!(text(&gateway.call("far_who", &token, None)), "far-ada-1");
    let page = ada.get(url.strip_prefix(PUBLIC).unwrap());
    assert!(page.body.contains("needs more than you have allowed at Far"), "{page:?}");
    let declined = gateway.call("far_write", &token, Some(json!({key.clone(): {"action": "decline"}})));
    assert!(text(&declined).contains("declined"), "{declined}");
    // The call waits for the other login, though there is one.
    let answer = std::thread::scope(|scope| {
        let (write, key) = (&write, &key);
        let waiting = scope.spawn(move || write(key));
        let callers = || status(gateway.home.path())["servers"][0]["callers"].clone();
        until(callers, |callers| callers["waiting"] == 1);
        assert_eq!(gateway.connect(&far, &url, &mut ada, "ada").status, 200);
        waiting.join().unwrap()
    });
    assert_eq!(text(&answer), "far-ada-2");
    assert_eq!(far.known.lock().unwrap().scopes["far-ada-2"], "look write");

    // What was asked for already is not asked for again.
    needs("look");
    far.known.lock().unwrap().scopes.clear();
    let refused = gateway.call("far_write", &token, None);
    assert_eq!(refused["error"]["data"]["httpStatus"], 403, "{refused}");

    // A server that never has enough gets two logins for one operation.
    for scope in ["more", "most"] {
        needs(scope);
        let (_, url) = asked(&gateway.call("far_write", &token, None));
        gateway.connect(&far, &url, &mut ada, "ada");
    }
    needs("still-more");
    for _ in 0..2 {
        let refused = gateway.call("far_write", &token, None);
        assert_eq!(refused["error"]["data"]["httpStatus"], 403, "{refused}");
    }
    assert_eq!(text(&gateway.call("far_who", &token, None)), "far-ada-4");
}

/// Limit: connect_list_wait, for lists that the server does not give.
#[test]
fn a_server_that_does_not_accept_the_login_it_has_given_is_named() {
    let far = Far::start();
    let gateway = Gateway::start(&far, "[limits]\nconnect_list_wait = 1");
    let mut ada = Browser::new(&gateway.server, "ada");
    let token = browser::token(&gateway.server, &mut ada);
    gateway.tools(&token, |_| true);
    let (_, url) = asked(&gateway.call("far_sign_in", &token, None));
    far.known.lock().unwrap().refuses = true;
    assert_eq!(gateway.connect(&far, &url, &mut ada, "ada").status, 200);
    let message = |answer: &Value| {
        let questions = answer["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{answer}"));
        questions.values().next().unwrap()["params"]["message"].as_str().unwrap().to_owned()
    };
    let again = message(&gateway.call("far_sign_in", &token, None));
    assert!(again.contains("Far has not accepted the login that you made last"), "{again}");
}

/// Invariant: With a user go the browsers and applications that the user is signed in to, and the logins at servers behind a gateway.
#[test]
fn who_runs_a_gateway_ends_what_a_user_is_signed_in_to() {
    let far = Far::start();
    let gateway = Gateway::start(&far, "");
    let run = |arguments: &[&str], input: &str| {
        let mut command = anyport(gateway.home.path());
        command.args(arguments);
        let ended = with_input(command, input);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    let is_refused = |token: &str| {
        let list = modern(1, "tools/list", json!({}));
        until(|| json!(gateway.post(&list, token, &[]).status), |status| *status == json!(401));
    };
    let is_signed_out = |browser: &mut Browser| {
        let page = browser.get("/connect");
        assert!(page.body.contains("type=\"password\""), "{page:?}");
    };
    let (of_ada, mut ada) = gateway.signed_in(&far, "ada");
    let (of_bob, mut bob) = gateway.signed_in(&far, "bob");
    let said = run(&["user", "logout", "ada"], "");
    assert!(
        said.contains("sessions of browsers: 1, grants of applications: 1, logins at servers: 1"),
        "{said}"
    );
    let revoked = || far.known.lock().unwrap().revoked.clone();
    assert_eq!(revoked(), ["refresh-ada-1", "far-ada-1"]);
    is_refused(&of_ada);
    is_signed_out(&mut ada);
    assert_eq!(text(&gateway.call("far_who", &of_bob, None)), "far-bob-2", "the other user is not");

    // With another password the browsers and applications sign in again; the logins at servers stay.
    let said = run(&["user", "password", "bob"], "another horse battery\n");
    assert!(said.contains("sessions of browsers: 1, grants of applications: 1\n"), "{said}");
    is_refused(&of_bob);
    is_signed_out(&mut bob);
    let page = bob.get("/connect");
    let wrong = bob.press(&page);
    assert!(wrong.body.contains("type=\"password\""), "the old password: {wrong:?}");
    let mut bob = Browser::new(&gateway.server, "bob").with_password("another horse battery");
    let of_bob = browser::token(&gateway.server, &mut bob);
    gateway.tools(&of_bob, |names| names.contains(&"far_who"));
    assert_eq!(text(&gateway.call("far_who", &of_bob, None)), "far-bob-2");

    let said = run(&["user", "remove", "bob", "--json"], "");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["ended"], json!({"browsers": 1, "grants": 1, "logins": 1, "unrevoked": 0}), "{said}");
    assert_eq!(revoked()[2..], ["refresh-bob-2", "far-bob-2"]);
    is_refused(&of_bob);
}

#[test]
fn who_does_not_finish_a_login_takes_no_place_of_others() {
    let far = Far::start();
    let gateway = Gateway::start(&far, "max_concurrent_calls = 1\n[limits]\nconnect_wait = 4");
    let [mut ada, mut bob] = ["ada", "bob"].map(|user| Browser::new(&gateway.server, user));
    let [of_ada, of_bob] = [&mut ada, &mut bob].map(|browser| browser::token(&gateway.server, browser));
    for token in [&of_ada, &of_bob] {
        gateway.tools(token, |_| true);
    }
    let (_, url) = asked(&gateway.call("far_sign_in", &of_bob, None));
    gateway.connect(&far, &url, &mut bob, "bob");
    gateway.tools(&of_bob, |names| names.len() == 2);
    let (key, _) = asked(&gateway.call("far_sign_in", &of_ada, None));
    std::thread::scope(|scope| {
        let (client, of_ada) = (&gateway.client, &of_ada);
        let accepted = json!({key: {"action": "accept"}});
        for _ in 0..3 {
            let accepted = accepted.clone();
            scope.spawn(move || client.call("far_sign_in", of_ada, Some(accepted)));
        }
        let waiting = || status(gateway.home.path())["servers"][0]["callers"].clone();
        until(waiting, |callers| callers["waiting"] == 3);
        assert_eq!(text(&gateway.call("far_who", &of_bob, None)), "far-bob-1");
    });
}

/// Invariant: The lists that a gateway follows by itself keep no caller from a server at which callers sign in, and hold no place.
#[test]
fn callers_who_are_gone_make_room_for_others() {
    let far = Far::start();
    far.known.lock().unwrap().notifies = true;
    let gateway = Gateway::start(&far, "[limits]\nmax_client_keys = 1");
    let follow = |token: &str| {
        until(|| json!(far.listeners()), |listeners| *listeners == json!([token]));
    };
    let (of_ada, _) = gateway.signed_in(&far, "ada");
    follow("far-ada-1");
    let (of_bob, _) = gateway.signed_in(&far, "bob");
    follow("far-bob-2");
    assert_eq!(text(&gateway.call("far_who", &of_bob, None)), "far-bob-2");
    // Who comes again goes on.
    assert_eq!(text(&gateway.call("far_who", &of_ada, None)), "far-ada-1");
    follow("far-ada-1");
    assert_eq!(gateway.tools(&of_ada, |_| true), ["far_who", "far_of_ada"]);
    let open =
        far.server.asked().iter().filter(|asked| asked.body["method"] == "subscriptions/listen").count();
    assert!(open <= 6, "they do not take the place from each other: {open}");
}

/// Clients that cannot be sent to a URL get it in words; those of 2025-11-25 that can are asked while the call is open.
#[test]
fn clients_of_every_revision_learn_where_to_sign_in() {
    let far = Far::start();
    far.known.lock().unwrap().is_public = true;
    let gateway = Gateway::start(&far, "");
    let mut ada = Browser::new(&gateway.server, "ada");
    let token = browser::token(&gateway.server, &mut ada);
    // The server lists what it has to everybody.
    assert_eq!(gateway.tools(&token, |_| true), ["far_who", "far_of_anybody"]);
    let call = || legacy(2, "tools/call", json!({"name": "far_who", "arguments": {}}));
    let opened = |message: &Value| {
        let opened = gateway.post(message, &token, &[]);
        opened.header("mcp-session-id").unwrap_or_else(|| panic!("{opened:?}")).to_owned()
    };
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = opened(&initialize(1, revision));
        let answer = gateway.post(&call(), &token, &[("Mcp-Session-Id", &session)]).json();
        assert_eq!(answer["result"]["isError"], true, "{revision}: {answer}");
        url_in(text(&answer));
    }
    let words = gateway.ask("tools/call", json!({"name": "far_who", "arguments": {}}), &token, false);
    assert_eq!(words["result"]["isError"], true, "{words}");
    url_in(text(&words));

    let mut visits = initialize(1, "2025-11-25");
    visits["params"]["capabilities"] = json!({"elicitation": {"url": {}}});
    let session = opened(&visits);
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(gateway.post(&initialized, &token, &[("Mcp-Session-Id", &session)]).status, 202);
    let header = format!("Bearer {token}");
    let headers = [
        ("Authorization", &*header),
        ("Mcp-Session-Id", &*session),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let mut stream = gateway.server.send("POST", "/mcp", &headers, &call().to_string());
    assert_eq!(stream.head().0, 200);
    let question =
        std::iter::from_fn(|| stream.event()).find(|event| event["method"] == "elicitation/create").unwrap();
    assert_eq!(question["params"]["mode"], "url", "{question}");
    assert!(question["params"]["elicitationId"].is_string(), "{question}");
    let url = url_in(question["params"]["url"].as_str().unwrap());
    let accepted = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    let taken = gateway.post(&accepted, &token, &[("Mcp-Session-Id", &session)]);
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(gateway.connect(&far, &url, &mut ada, "ada").status, 200);
    let answer = std::iter::from_fn(|| stream.event()).find(|event| event["id"] == 2).unwrap();
    assert_eq!(text(&answer), "far-ada-1", "{answer}");
}

#[test]
fn it_needs_users_of_the_gateway() {
    let upstream = "[upstreams.far]\nurl = \"https://far.example/mcp\"\nauth = \"per_user\"\n";
    let users = browser::configuration();
    for (text, said) in [
        (upstream.to_owned(), "add [auth.builtin] or [auth.proxy]"),
        (format!("[auth]\nkeys = true\n{upstream}"), "add [auth.builtin] or [auth.proxy]"),
        (format!("{users}{upstream}account = \"work\""), "each caller has a login of its own"),
        (format!("{users}{upstream}redirect_uri = \"https://a.example\""), "below the public URL"),
        (
            format!("{users}{upstream}forward_headers = {{ X-Key = \"Authorization\" }}"),
            "is sent in Authorization",
        ),
        (format!("{users}{upstream}bearer = \"env:S\""), "given a token, too"),
        (format!("{users}[upstreams.far]\ncommand = \"far\"\nauth = \"per_user\"\n"), "it is for a `url`"),
        (format!("{users}{upstream}"), "is right"),
    ] {
        let home = folder(&[("anyport.toml", &text)]);
        let mut command = anyport(home.path());
        command.args(["config", "check"]);
        let ended = to_the_end(command);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{said} in {ended:?}");
    }
}
