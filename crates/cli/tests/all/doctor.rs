//! `anyport doctor`: each fault is found at its step, with what to do, against real ones.
//!
//! Invariant: `anyport doctor` reports a fault at its step, with advice.

#![cfg(unix)]

use std::{
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
};

use crate::support::{
    Ended, Program, anyport, documents, folder,
    scripted::{Asked, Scripted, document, modern, response, result},
    to_the_end,
};
use serde_json::{Value, json};

/// Runs `anyport doctor --json WORDS` with `variables`.
fn run(words: &[&str], variables: &[(&str, &Path)]) -> (Ended, Value) {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["doctor", "--json"]).args(words).env("HOME", home.path());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let ended = to_the_end(command);
    let found = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    (ended, found)
}

fn step<'a>(found: &'a Value, name: &str) -> &'a Value {
    let steps = found["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {found}"))
}

/// The way ends at `name`, with `exit`, and says `detail` and `help`; what comes before is well, nothing after is tried.
fn check(words: &[&str], name: &str, exit: i32, detail: &str, help: &str) -> Value {
    let (ended, found) = run(words, &[]);
    assert_eq!(
        (ended.code, &found["failed"], &found["exit"]),
        (Some(exit), &name.into(), &exit.into()),
        "{found}"
    );
    let failed = step(&found, name);
    assert_eq!(failed["verdict"], "failed");
    for (what, words) in [("detail", detail), ("help", help)] {
        assert!(failed[what].as_str().unwrap().contains(words), "{what} of {failed}");
    }
    let steps = found["steps"].as_array().unwrap();
    let at = steps.iter().position(|step| step["step"] == name).unwrap();
    assert!(steps[..at].iter().all(|step| step["verdict"] != "failed"), "{found}");
    assert!(steps[at + 1..].iter().all(|step| step["verdict"] == "skipped"), "{found}");
    found
}

#[test]
fn a_name_that_is_not_known_and_a_port_where_nobody_listens_are_told_apart() {
    check(&["http://no-such-name.invalid/mcp"], "dns", 4, "no-such-name.invalid is not known", "nslookup");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = check(
        &[&format!("http://{closed}/mcp")],
        "tcp",
        4,
        "refuses the connection",
        "start the server, or correct the port",
    );
    assert_eq!(step(&found, "dns")["detail"], "127.0.0.1");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told_and_what_trusts_it_is_tried() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let server = Scripted::secure(&certified, modern);
    let url = format!("https://localhost:{}/mcp", server.address.port());
    check(&[&url], "tls", 4, "UnknownIssuer", "SSL_CERT_FILE=FILE");
    let home = folder(&[("own.pem", &certified.cert.pem())]);
    let (ended, found) = run(&[&url], &[("SSL_CERT_FILE", &home.path().join("own.pem"))]);
    assert_eq!(ended.code, Some(0), "{found}");
    assert!(step(&found, "tls")["detail"].as_str().unwrap().starts_with("TLS 1.3"), "{found}");
    // The URL says http, the port TLS.
    let url = format!("http://localhost:{}/mcp", server.address.port());
    let say = format!("this port speaks TLS: try https://localhost:{}/mcp", server.address.port());
    check(&[&url], "speak", 4, "", &say);
}

#[test]
fn the_certificate_of_an_issuer_is_none_of_a_server() {
    let mut of = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    of.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let certified = rcgen::CertifiedKey { cert: of.self_signed(&signing_key).unwrap(), signing_key };
    let server = Scripted::secure(&certified, modern);
    let url = format!("https://localhost:{}/mcp", server.address.port());
    let home = folder(&[("own.pem", &certified.cert.pem())]);
    let (ended, found) = run(&[&url], &[("SSL_CERT_FILE", &home.path().join("own.pem"))]);
    assert_eq!((ended.code, &found["failed"]), (Some(4), &"tls".into()), "{found}");
    let detail = step(&found, "tls")["detail"].as_str().unwrap();
    assert!(detail.contains("make one for the server"), "{detail}");
}

/// Answers what is about tokens, and `otherwise` everything else.
fn with_metadata(asked: &Asked, path: &str, resource: &str, otherwise: Option<String>) -> Option<String> {
    match asked.verb.as_str() {
        "GET" if asked.path == path => {
            document(&json!({"resource": resource, "authorization_servers": ["https://login.example"]}))
        }
        "GET" => response("404 Not Found", &[], ""),
        _ => otherwise,
    }
}

#[test]
fn a_server_that_wants_a_token_says_where_to_get_one() {
    let server = Scripted::start(|asked| {
        let host = asked.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let challenge = format!(
            "WWW-Authenticate: Bearer resource_metadata=\"http://{host}/meta\", scope=\"files:read\""
        );
        let refused = response("401 Unauthorized", &[&challenge], "");
        with_metadata(asked, "/meta", &format!("http://{host}/mcp"), refused)
    });
    let found = check(
        &[&server.url()],
        "auth",
        3,
        "it wants to know who calls (HTTP status 401)",
        "get a token from https://login.example for the scope files:read, and give it with --bearer env:NAME",
    );
    assert_eq!(step(&found, "well-known")["verdict"], "ok", "{found}");
    // What is published about others is not followed.
    let server = Scripted::start(|asked| {
        let refused = response("401 Unauthorized", &["WWW-Authenticate: Bearer"], "");
        with_metadata(asked, "/.well-known/oauth-protected-resource/mcp", "https://other.example", refused)
    });
    let found = check(&[&server.url()], "auth", 3, "HTTP status 401", "from whoever runs the server");
    assert_eq!(step(&found, "well-known")["verdict"], "doubtful");
    assert!(step(&found, "well-known")["detail"].as_str().unwrap().contains("about the resource"), "{found}");
}

#[test]
fn a_token_that_is_not_taken_is_told_and_shown_nowhere() {
    const TOKEN: &str = "a-token-that-nobody-may-see";
    let server = Scripted::start(|asked| {
        let token = asked.headers.lines().find_map(|line| line.strip_prefix("authorization: "));
        let token = token.unwrap_or_default().to_owned();
        let said = format!(
            "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"{token} has expired\""
        );
        with_metadata(asked, "/", "", response("401 Unauthorized", &[&said], &token))
    });
    let home = folder(&[("token", TOKEN)]);
    let place = format!("file:{}", home.path().join("token").display());
    for more in [&[][..], &["-vvv"]] {
        let url = format!("{}?key=also-a-secret", server.url());
        let (ended, found) = run(&[&[&*url, "--bearer", &place], more].concat(), &[]);
        assert_eq!((ended.code, &found["failed"]), (Some(3), &"auth".into()), "{found}");
        let auth = step(&found, "auth");
        assert!(auth["detail"].as_str().unwrap().contains("<hidden> has expired"), "{auth}");
        assert!(auth["help"].as_str().unwrap().contains("get a new one"), "{auth}");
        for secret in [TOKEN, "also-a-secret"] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
        }
    }
    // It was not sent to where everybody may read.
    for asked in server.asked() {
        let is_walk = asked.verb == "GET" || asked.body["method"] == "ping";
        assert_eq!(asked.headers.contains(TOKEN), !is_walk, "{asked:?}");
    }
}

#[test]
fn a_caller_that_is_not_let_in_ends_with_3() {
    let server = Scripted::start(|asked| {
        let challenge = "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"files:write\"";
        with_metadata(asked, "/", "", response("403 Forbidden", &[challenge], "not for you"))
    });
    let detail = "HTTP status 403 Forbidden: it does not allow this; it says: not for you; it says: insufficient_scope";
    check(&[&server.url()], "auth", 3, detail, "get a token with the scope files:write");
    // In JSON-RPC, too.
    let server = Scripted::start(|asked| {
        let error =
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "Invalid Origin"}});
        let refused = response("403 Forbidden", &["Content-Type: application/json"], &error.to_string());
        with_metadata(asked, "/", "", refused)
    });
    check(&[&server.url()], "auth", 3, "Invalid Origin", "only some networks, hosts or origins");
}

#[test]
fn a_refusal_in_the_middle_of_a_session_ends_with_3() {
    let server = Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/call") => response("403 Forbidden", &[], "look is not for you"),
        _ => modern(asked),
    });
    check(&[&server.url()], "call", 3, "look is not for you", "--bearer env:NAME");
}

#[test]
fn a_wrong_path_is_told_with_the_right_one() {
    let server = Scripted::start(|asked| match asked.path.split('?').next().unwrap() {
        "/mcp" => modern(asked),
        _ => response("404 Not Found", &["Content-Type: text/html"], "<h1>Not found</h1>"),
    });
    let url = format!("http://{}/api?key=a-secret-of-the-url", server.address);
    let say = format!("the server is at another path: http://{}/mcp", server.address);
    let found = check(&[&url], "speak", 4, "there is no MCP endpoint at this path", &say);
    assert!(!found.to_string().contains("a-secret-of-the-url"), "{found}");
    let nothing = Scripted::start(|_| response("404 Not Found", &[], ""));
    check(&[&nothing.url()], "speak", 4, "HTTP status 404", "correct the path: many servers answer at /mcp");
}

#[test]
fn a_web_socket_is_reached_as_http_is_and_refused_at_the_same_steps() {
    const TOKEN: &str = "a-token-of-more-than-sixteen-characters";
    let home = folder(&[("token", TOKEN)]);
    let place = format!("file:{}", home.path().join("token").display());
    let mut command = anyport(home.path());
    command.args(["serve", "--transport", "websocket", "--port", "0", "--auth-token", &place]);
    command.args(["--docs", documents().to_str().unwrap()]);
    let mut program = Program::start(command);
    let line = program.error_line(|line| line.starts_with("  websocket "));
    let url = line.split_whitespace().last().unwrap();
    check(&[url], "auth", 3, "it wants to know who calls", "--bearer env:NAME");
    let (ended, found) = run(&[url, "--bearer", &place], &[]);
    assert_eq!((ended.code, &found["failed"]), (Some(0), &Value::Null), "{found}");
    // Over HTTP and over a WebSocket, the path of either is not that of the other.
    for (wrong, right) in [("/nowhere", "/ws"), ("/mcp/", "/ws")] {
        let words = [&*url.replace("/ws", wrong), "--bearer", &place];
        check(
            &words,
            "speak",
            4,
            "HTTP status 404",
            &format!("at another path: {}", url.replace("/ws", right)),
        );
    }
    let wrong = url.replace("ws://", "http://").replace("/ws", "/nowhere");
    let right = wrong.replace("/nowhere", "/mcp");
    check(&[&wrong, "--bearer", &place], "speak", 4, "HTTP status 404", &format!("at another path: {right}"));
    let refuses = Scripted::start(|_| response("403 Forbidden", &[], "not for you"));
    check(&[&refuses.url().replace("http:", "ws:")], "auth", 3, "not for you", "only some networks");
}

#[test]
fn a_web_page_is_no_server() {
    let server = Scripted::start(|_| {
        response("200 OK", &["Content-Type: text/html; charset=utf-8"], "<html>Welcome</html>")
    });
    let found = check(&[&server.url()], "speak", 4, "content type text/html", "correct the path");
    let detail = step(&found, "speak")["detail"].as_str().unwrap();
    assert!(detail.contains("is this the URL of an MCP server?") && !detail.contains("refused"), "{detail}");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Scripted::start(|_| None);
    check(&["--timeout", "0.5", &server.url()], "speak", 4, "within 0.5 s", "--timeout SECONDS");
    check(&["--timeout", "0.5", "--", "sleep", "100"], "speak", 4, "within 0.5 s", "--stdio or the like");
}

#[test]
fn a_program_that_is_not_there_exits_prints_garbage_or_echoes_is_told() {
    check(&["--", "no-such-program-anywhere"], "path", 4, "in no folder of PATH", "give its whole path");
    check(&["--", "./no-such"], "path", 4, "there is no file ./no-such", "correct the path");
    let home = folder(&[("bin/wonderful-server", "#!/bin/sh\n"), ("text", "no program")]);
    let file = home.path().join("bin/wonderful-server");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}", home.path().join("bin").display());
    check(
        &["-e", &path, "--", "wonderful-sever"],
        "path",
        4,
        "in no folder",
        "did you mean wonderful-server?",
    );
    let text = home.path().join("text");
    check(&["--", text.to_str().unwrap()], "path", 4, "no program that may be run", "chmod +x");
    let last = "echo last words >&2; exit 7";
    check(&["--", "sh", "-c", last], "start", 4, "exit status: 7", "-e gives it");
    let garbage = "echo Server starting...; sleep 100";
    let found = check(
        &["--timeout", "0.5", "--", "sh", "-c", garbage],
        "speak",
        4,
        "it writes to standard output what is no MCP: Server starting...",
        "logs to standard error",
    );
    assert_eq!(step(&found, "start")["verdict"], "ok");
    check(&["--", "cat"], "speak", 4, "it sends back whatever it is sent", "--stdio");
}

#[test]
fn what_a_program_repeats_of_its_environment_is_shown_nowhere() {
    const KEY: &str = "a-key-that-nobody-may-see";
    let (ended, found) =
        run(&["-vv", "-e", &format!("KEY={KEY}"), "--", "sh", "-c", "echo bad key $KEY >&2; exit 1"], &[]);
    assert!(step(&found, "start")["detail"].as_str().unwrap().contains("bad key <hidden>"), "{found}");
    assert!(!ended.stderr.contains(KEY) && !ended.stdout.contains(KEY), "{ended:?}");
}

#[test]
fn a_socket_that_is_none_or_has_nobody_behind_it_is_told() {
    let home = folder(&[("file", "")]);
    let at = |name: &str| format!("unix:{}", home.path().join(name).display());
    check(&[&at("none")], "socket", 4, "there is no", "start the server");
    check(&[&at("file")], "socket", 4, "is no socket", "name the socket");
    drop(UnixListener::bind(home.path().join("left")).unwrap());
    check(&[&at("left")], "connect", 4, "cannot be reached", "start it again");
}

#[test]
fn a_revision_that_is_not_spoken_is_told() {
    let server = Scripted::start(modern);
    let words = ["--revision", "2025-06-18", &server.url()];
    let (ended, found) = run(&words, &[]);
    assert_eq!((ended.code, &found["failed"]), (Some(1), &"revision".into()), "{found}");
    assert_eq!(step(&found, "speak")["verdict"], "ok");
}

#[test]
fn a_free_way_is_gone_to_its_end_over_every_transport() {
    let server = Scripted::start(modern);
    let (ended, found) = run(&[&server.url()], &[]);
    assert_eq!((ended.code, &found["failed"]), (Some(0), &Value::Null), "{found}");
    let verdicts: Vec<_> =
        found["steps"].as_array().unwrap().iter().map(|step| (&step["step"], &step["verdict"])).collect();
    let expected =
        ["dns", "tcp", "well-known", "issuer", "auth", "speak", "revision", "list", "call"].map(Value::from);
    let expected: Vec<_> =
        expected.iter().map(|step| (step, step == "well-known" || step == "issuer")).collect();
    for ((step, verdict), (name, skipped)) in verdicts.iter().zip(&expected) {
        assert_eq!((*step, *verdict), (*name, &Value::from(if *skipped { "skipped" } else { "ok" })));
    }
    assert_eq!(step(&found, "call")["detail"], "look answers");
    for revision in ["2026-07-28", "2025-06-18"] {
        let docs = documents();
        let serve = [env!("CARGO_BIN_EXE_anyport"), "serve", "--stdio", "--docs", docs.to_str().unwrap()];
        let (ended, found) = run(&[&["--revision", revision, "--"], &serve[..]].concat(), &[]);
        assert_eq!((ended.code, &found["failed"]), (Some(0), &Value::Null), "{found}");
        assert!(step(&found, "revision")["detail"].as_str().unwrap().starts_with(revision), "{found}");
    }
}

#[test]
fn the_tool_that_is_named_is_called_and_its_failure_ends_with_5() {
    let server = Scripted::start(|asked| match asked.body["method"].as_str() {
        Some("tools/call") => result(
            asked,
            &json!({"resultType": "complete", "isError": true, "content": [{"type": "text", "text": "no light"}]}),
        ),
        _ => modern(asked),
    });
    check(
        &[&server.url(), "--call", "look"],
        "call",
        5,
        "look answers that it failed: no light",
        "other arguments",
    );
    // One that nobody asked for shows only that the way is free.
    let (ended, found) = run(&[&server.url()], &[]);
    assert_eq!((ended.code, &step(&found, "call")["verdict"]), (Some(0), &"doubtful".into()), "{found}");
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["doctor", &server.url(), "--call", "lok"]);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("did you mean look?"), "{ended:?}");
}

#[test]
fn people_see_each_step_on_its_line() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["doctor", "--", "false"]);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(4));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("ok        path        /"), "{ended:?}");
    assert!(lines[1].starts_with("failed    start       "), "{ended:?}");
    assert!(lines[2].trim_start().starts_with("help: "), "{ended:?}");
    assert_eq!(lines[3..], ["skipped   speak, revision, list, call", "failed at start"]);
    let mut command = anyport(home.path());
    command.args(["doctor", "-q", "--", "false"]);
    let quiet = to_the_end(command).stdout;
    assert!(quiet.starts_with("failed    start") && !quiet.contains("skipped"), "{quiet}");
}
