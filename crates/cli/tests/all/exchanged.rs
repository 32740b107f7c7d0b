//! `auth = "token_exchange"` of a gateway: the token of each caller is exchanged for one of the server, at its own issuer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, folder,
    http::{Answer, Server},
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    to_the_end,
};

/// The value of a parameter of a form.
fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let body = asked.body.as_str().unwrap_or_default();
    let pair = url::form_urlencoded::parse(body.as_bytes()).find(|(other, _)| other == name);
    pair.map(|(_, value)| value.into_owned())
}

/// An authorization server whose tokens are `caller-SUBJECT-SCOPE-NUMBER`, and which exchanges them for `other-SUBJECT-SCOPE-N`.
fn issuer() -> (Scripted, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    let answer = move |asked: &Asked| {
        let host = asked.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let base = format!("http://{host}");
        match asked.path.as_str() {
            "/.well-known/oauth-authorization-server" => scripted::document(&json!({
                "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"), "response_types_supported": ["code"],
            })),
            "/introspect" => {
                let token = parameter(asked, "token").unwrap();
                let parts: Vec<&str> = token.split('-').collect();
                match *parts {
                    ["caller", subject, scope, _] => scripted::document(
                        &json!({"active": true, "sub": subject, "scope": scope, "aud": "gateway", "iss": base}),
                    ),
                    _ => scripted::document(&json!({"active": false})),
                }
            }
            "/token" => {
                let subject = parameter(asked, "subject_token").or_else(|| parameter(asked, "assertion"));
                let subject = subject.unwrap();
                let parts: Vec<&str> = subject.split('-').collect();
                if parts[1] == "eve" {
                    let error = r#"{"error": "invalid_target", "error_description": "unknown audience"}"#;
                    return scripted::response("400 Bad Request", &["Content-Type: application/json"], error);
                }
                let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
                scripted::document(&json!({
                    "access_token": format!("other-{}-{}-{number}", parts[1], parts[2]), "token_type": "Bearer",
                    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "expires_in": 3600,
                }))
            }
            _ => scripted::response("404 Not Found", &[], ""),
        }
    };
    (Scripted::start(answer), given)
}

/// The bearer token of a request, in lower case, or "none".
fn bearer(asked: &Asked) -> String {
    let header = asked.headers.lines().find_map(|line| line.strip_prefix("authorization: bearer "));
    header.unwrap_or("none").to_owned()
}

/// A server of 2026-07-28 that wants a token `other-…`, and whose tool has the name of its owner and says the token.
fn of_the_token(asked: &Asked) -> Option<String> {
    let token = bearer(asked);
    let Some(rest) = token.strip_prefix("other-") else {
        return scripted::response("401 Unauthorized", &["WWW-Authenticate: Bearer"], "");
    };
    match asked.body["method"].as_str().unwrap_or_default() {
        "tools/list" => {
            let owner = rest.rsplit_once('-').unwrap().0.replace('-', "_");
            let kept = json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "tools": [{"name": format!("of_{owner}"), "inputSchema": {"type": "object"}}],
            });
            scripted::result(asked, &kept)
        }
        "tools/call" => scripted::result(
            asked,
            &json!({"resultType": "complete", "content": [{"type": "text", "text": token}]}),
        ),
        _ => scripted::modern(asked),
    }
}

/// A gateway with these upstreams, whose callers have tokens of `issuer`.
fn started(issuer: &Scripted, upstreams: &str) -> (tempfile::TempDir, Program, Server) {
    let base = format!("http://{}", issuer.address);
    let text = format!(
        "[auth]\nkeys = true\n[auth.issuers.company]\nissuer = \"{base}\"\naudiences = [\"gateway\"]\n\
         introspection = {{ url = \"{base}/introspect\", client_id = \"gateway\", client_secret = \"env:SECRET\" }}\n{upstreams}"
    );
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("SECRET", "client-secret-of-tests");
    let mut program = Program::start(command);
    let server = program.server();
    (home, program, server)
}

fn exchanging(server: &Scripted, more: &str) -> String {
    format!(
        "[upstreams.far]\nurl = {:?}\nauth = \"token_exchange\"\nclient_id = \"gateway\"\nclient_secret = \"env:SECRET\"\n{more}\n",
        server.url()
    )
}

fn with(token: &str) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("Bearer {token}"))]
}

fn ask(server: &Server, message: &Value, token: &str, more: &[(&str, &str)]) -> Answer {
    let sent = with(token);
    let mut headers: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.extend(more);
    server.post(message, &headers)
}

fn called(server: &Server, tool: &str, token: &str) -> Value {
    let message = modern(1, "tools/call", json!({"name": tool, "arguments": {}}));
    ask(server, &message, token, &[]).json()
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// Invariant: The token of a caller goes to no server behind a gateway, by no route: a server gets a token that was got in exchange for it,
/// which no caller of another principal or with other scopes has.
#[test]
fn each_caller_reaches_the_server_with_a_token_of_its_own_and_never_with_the_one_it_sent() {
    let (issuer, given) = issuer();
    let (far, plain, given_token) =
        (Scripted::start(of_the_token), Scripted::start(scripted::modern), Scripted::start(scripted::modern));
    let upstreams = exchanging(&far, "audience = \"far-api\"\nscope = \"look\"")
        + &format!("[upstreams.plain]\nurl = {:?}\nauth = \"none\"\n", plain.url())
        + &format!(
            "[upstreams.given]\nurl = {:?}\nauth = \"bearer\"\nbearer = \"env:SECRET\"\n",
            given_token.url()
        );
    let (_home, mut gateway, server) = started(&issuer, &upstreams);
    let callers = [
        ("caller-ada-read-1", "ada_read"),
        ("caller-bob-read-2", "bob_read"),
        ("caller-ada-all-3", "ada_all"),
    ];
    std::thread::scope(|scope| {
        for (token, owner) in callers {
            let server = &server;
            scope.spawn(move || {
                let expected = format!("other-{}-", owner.replace('_', "-"));
                for _ in 0..3 {
                    let answer = called(server, &format!("far_of_{owner}"), token);
                    assert!(text(&answer).starts_with(&expected), "{answer}");
                    assert_eq!(text(&called(server, "plain_look", token)), "seen");
                    assert_eq!(text(&called(server, "given_look", token)), "seen");
                }
                let listed = ask(server, &modern(1, "tools/list", json!({})), token, &[]).json();
                let tools = listed["result"]["tools"].as_array().unwrap();
                let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
                assert_eq!(names, [format!("far_of_{owner}"), "plain_look".into(), "given_look".into()]);
            });
        }
    });
    assert_eq!(given.load(Ordering::Relaxed), 3, "one exchange for each caller");
    // The other routes: a session of an older revision, whose requests may bring other tokens of its principal, and the REST interface.
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let opened = ask(&server, &initialize(1, revision), "caller-ada-read-1", &[]);
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        for (token, owner) in [callers[0], callers[2]] {
            let message =
                legacy(2, "tools/call", json!({"name": format!("far_of_{owner}"), "arguments": {}}));
            let answer = ask(&server, &message, token, &[("Mcp-Session-Id", &session)]).json();
            let expected = format!("other-{}-", owner.replace('_', "-"));
            assert!(text(&answer).starts_with(&expected), "{revision}: {answer}");
        }
        let foreign = legacy(3, "tools/call", json!({"name": "far_of_bob_read", "arguments": {}}));
        assert_eq!(ask(&server, &foreign, callers[1].0, &[("Mcp-Session-Id", &session)]).status, 404);
    }
    for (token, owner) in callers {
        let headers = with(token);
        let mut headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("Content-Type", "application/json"));
        let call = json!({"method": format!("far_of_{owner}"), "params": {}, "id": 1}).to_string();
        let answer = server.ask("POST", "/mcp/call", &headers, &call);
        assert!(answer.body.contains(&format!("other-{}-", owner.replace('_', "-"))), "{answer:?}");
    }
    assert_eq!(given.load(Ordering::Relaxed), 3, "and no more");
    // A second token of the same caller uses what is there.
    let answer = called(&server, "far_of_ada_read", "caller-ada-read-9");
    assert!(text(&answer).starts_with("other-ada-read-") && given.load(Ordering::Relaxed) == 3, "{answer}");

    for reached in [&far, &plain, &given_token] {
        let all: String = reached.asked().iter().map(|asked| format!("{asked:?}")).collect();
        assert!(!all.contains("caller-"), "the caller's token was passed on: {all}");
    }
    assert!(plain.asked().iter().all(|asked| bearer(asked) == "none"));
    assert!(given_token.asked().iter().all(|asked| bearer(asked) == "client-secret-of-tests"));
    let exchanges: Vec<Asked> = issuer.asked().into_iter().filter(|asked| asked.path == "/token").collect();
    for asked in &exchanges {
        let of = |name| parameter(asked, name);
        assert_eq!(of("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:token-exchange"));
        assert_eq!(
            of("subject_token_type").as_deref(),
            Some("urn:ietf:params:oauth:token-type:access_token")
        );
        assert_eq!((of("audience").as_deref(), of("scope").as_deref()), (Some("far-api"), Some("look")));
        assert_eq!(of("resource"), Some(far.url()));
        assert!(asked.headers.contains("authorization: basic "), "{}", asked.headers);
    }
    gateway.kill();
    let said = gateway.stderr();
    assert!(!said.contains("caller-") && !said.contains("other-"), "{said}");
}

#[test]
fn a_caller_without_a_token_that_can_be_exchanged_learns_why_and_what_to_change() {
    let (issuer, _) = issuer();
    let far = Scripted::start(of_the_token);
    let (home, _gateway, server) = started(&issuer, &exchanging(&far, "prefix = \"\""));
    let refused = |token: &str| {
        let error = called(&server, "of_any", token)["error"].clone();
        assert_eq!(error["data"]["upstream"], "far", "{error}");
        (error["data"]["reason"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    };
    let (reason, message) = refused("caller-eve-read-1");
    let base = format!("http://{}", issuer.address);
    assert_eq!(reason, "forbidden");
    for part in [&*base, "invalid_target", "set `audience`"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("caller-eve"), "{message}");
    let mut command = anyport(home.path());
    let made = to_the_end({
        command.args(["key", "create", "robot"]);
        command
    });
    let key =
        made.stdout.split_whitespace().find(|word| word.len() > 40).unwrap_or_else(|| panic!("{made:?}"));
    let (reason, message) = refused(key);
    assert!(reason == "forbidden" && message.contains(&base) && message.contains("API key"), "{message}");
}

#[test]
fn entra_is_asked_on_behalf_of_the_user() {
    let (issuer, _) = issuer();
    let far = Scripted::start(of_the_token);
    let more = "exchange = \"on_behalf_of\"\nscope = \"api://far/.default\"\nprefix = \"\"";
    let (_home, _gateway, server) = started(&issuer, &exchanging(&far, more));
    let answer = called(&server, "of_ada_read", "caller-ada-read-1");
    assert_eq!(text(&answer), "other-ada-read-1");
    let asked = issuer.asked().into_iter().find(|asked| asked.path == "/token").unwrap();
    let of = |name| parameter(&asked, name);
    assert_eq!(of("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    assert_eq!(of("requested_token_use").as_deref(), Some("on_behalf_of"));
    assert_eq!(
        (of("assertion").as_deref(), of("scope").as_deref()),
        (Some("caller-ada-read-1"), Some("api://far/.default"))
    );
    assert_eq!((of("resource"), of("audience"), of("subject_token")), (None, None, None));
}

#[test]
fn an_exchange_needs_an_issuer_whose_tokens_are_accepted() {
    let upstream = "[upstreams.far]\nurl = \"https://far.example/mcp\"\nauth = \"token_exchange\"\nclient_id = \"c\"\nclient_secret = \"env:S\"\n";
    let issuer = |name: &str| {
        format!("[auth.issuers.{name}]\nissuer = \"https://{name}.example\"\naudiences = [\"gateway\"]\n")
    };
    let two = issuer("a") + &issuer("b");
    for (text, said) in [
        (upstream.to_owned(), "none of another issuer are accepted"),
        (format!("{upstream}{two}"), "name the one at which `client_id` is registered"),
        (
            format!("{upstream}issuer = \"https://c.example\"\n{two}"),
            "its `issuer` is none of [auth.issuers]",
        ),
        (format!("{upstream}issuer = \"https://b.example\"\n{two}"), "is right"),
        (
            format!("{upstream}audience = \"x\"\nexchange = \"on_behalf_of\"\n{two}"),
            "needs the scopes of the server",
        ),
    ] {
        let home = folder(&[("anyport.toml", &text)]);
        let mut command = anyport(home.path());
        command.args(["config", "check"]);
        let ended = to_the_end(command);
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(said), "{said} in {ended:?}");
    }
}
