//! The gateway as the authorization server of its clients: `[auth.builtin]`, `[auth.proxy]`, `[auth.server]`, `[auth.trusted_idps]`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Program, anyport, documents, folder, http::Server, to_the_end};

/// What `anyport config check` says, with the secrets of the page in their places.
fn checked(text: &str) -> (Option<i32>, String) {
    let home = folder(&[("anyport.toml", text)]);
    let secrets = ["PROVIDER", "GITHUB", "GOOGLE", "ENTRA", "OKTA", "REPORTS", "ASSISTANT"];
    let mut command = anyport(home.path());
    command.args(["config", "check"]);
    command.envs(secrets.map(|name| (format!("{name}_SECRET"), "the-secret-itself")));
    let ended = to_the_end(command);
    (ended.code, ended.stderr + &ended.stdout)
}

/// Every configuration of the book's page is one that is accepted.
#[test]
fn each_configuration_of_the_page_is_accepted() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/identity-provider.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for block in blocks {
        let (code, said) = checked(&format!("{block}\n[knowledge.book]\ndocs = [\".\"]\n"));
        assert_eq!(code, Some(0), "{block}\n{said}");
    }
}

#[test]
fn faults_of_the_sections_say_what_to_do() {
    const PUBLIC: &str = "[gateway]\npublic_url = \"https://mcp.example\"\n";
    let proxy = |keys: &str| format!("{PUBLIC}[auth.proxy]\nclient_id = \"c\"\n{keys}\n");
    let entra = |place: &str, more: &str| {
        proxy(&format!(
            "provider = \"entra\"\nissuer = \"https://login.microsoftonline.com/{place}/v2.0\"\n{more}"
        ))
    };
    for (text, words) in [
        (proxy("provider = \"github\""), "`everyone = true`"),
        (proxy("provider = \"google\"\neveryone = true\nallowed_domains = [\"a.example\"]"), "contradict"),
        (proxy("provider = \"github\"\nallowed_domains = [\"a.example\"]"), "use `allowed_subjects`"),
        (proxy("provider = \"oidc\""), "needs an `issuer`"),
        (proxy("provider = \"oidc\"\nissuer = \"https://gitlab.com\""), "`everyone = true`"),
        (proxy("provider = \"oidc\"\nissuer = \"http://login.example\""), "must begin with https://"),
        (proxy("provider = \"saml\""), "provider"),
        (entra("common", ""), "name the tenants"),
        (entra("common", "tenants = [\"contoso.com\"]"), "is no id"),
        (proxy("provider = \"okta\"\nissuer = \"https://a.example\"\nclient_secret = \"plain\""), "env:NAME"),
        (proxy("provider = \"okta\"\nissuer = \"https://a.example\"\n[auth.builtin]"), "remove one"),
        (
            "[gateway]\npublic_url = \"http://mcp.example\"\n[auth.builtin]\n".to_owned(),
            "must begin with https://",
        ),
        (format!("{PUBLIC}[auth.server]\nscopes = [\"a\"]\n"), "there is no authorization server"),
        (
            format!("{PUBLIC}[auth]\nrequire = [\"mcp\"]\n[auth.builtin]\n[auth.server]\nscopes = [\"a\"]\n"),
            "no client could ever have it",
        ),
        (
            format!(
                "{PUBLIC}[auth.builtin]\n[auth.server]\nscopes = [\"a\"]\n[servers.x]\n\
                 require = [\"b\"]\n"
            ),
            "no client could ever have it",
        ),
        (format!("{PUBLIC}[auth.builtin]\n[auth.server.clients.a]\nname = \"A\"\n"), "redirect URI"),
        (
            format!("{PUBLIC}[auth.builtin]\n[auth.trusted_idps.a]\nissuer = \"http://a.example\"\n"),
            "must begin with https://",
        ),
        (
            format!("{PUBLIC}trusted_proxies = [\"proxy.example\"]\n[auth.builtin]\n"),
            "is no address and no network",
        ),
    ] {
        let (code, said) = checked(&format!("{text}\n[knowledge.book]\ndocs = [\".\"]\n"));
        let said_in_one = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code != Some(0) && said_in_one.contains(words), "{text}\n{said}");
        assert!(!said.contains("the-secret-itself"), "{said}");
    }
}

/// Starts a gateway. Returns where it listens.
fn started(text: &str) -> (tempfile::TempDir, Program, Server) {
    let text = format!(
        "[gateway]\npublic_url = \"https://mcp.example\"\n{text}[knowledge.book]\ndocs = [{:?}]\n",
        documents()
    );
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("PROVIDER_SECRET", "the-secret-itself");
    let mut program = Program::start(command);
    program.error_line(|line| line.contains("https://mcp.example/mcp"));
    let server = address(home.path());
    (home, program, server)
}

/// Where the gateway listens, whatever URL it shows to clients.
fn address(home: &Path) -> Server {
    let mut command = anyport(home);
    command.args(["status", "--json"]);
    let said = to_the_end(command).stdout.replace(' ', "");
    let address = said.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
    Server { authority: address.unwrap_or_else(|| panic!("{said}")).to_owned(), path: "/mcp".to_owned() }
}

fn get(server: &Server, path: &str) -> Value {
    let answer = server.ask("GET", path, &[], "");
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

/// Registers a client, and returns the page at which its user is asked for consent.
fn consent_page(server: &Server) -> String {
    let metadata = json!({"client_name": "Robot", "redirect_uris": ["http://127.0.0.1/callback"]});
    let headers = [("Content-Type", "application/json")];
    let registered = server.ask("POST", "/register", &headers, &metadata.to_string());
    assert_eq!(registered.status, 201, "{}", registered.body);
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let query = format!(
        "response_type=code&client_id={id}&redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcallback&state=s\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
         &resource=https%3A%2F%2Fmcp.example%2Fmcp"
    );
    let page = server.ask("GET", &format!("/authorize?{query}"), &[], "");
    assert_eq!(page.status, 200, "{}", page.body);
    page.body
}

/// Invariant: A gateway with users of its own, or of a provider, is the authorization server that its metadata name.
#[test]
fn clients_find_the_gateway_as_their_authorization_server() {
    let proxy = "[auth.proxy]\neveryone = true\nprovider = \"oidc\"\nissuer = \"https://login.example\"\nclient_id = \"c\"\n\
                 client_secret = \"env:PROVIDER_SECRET\"\n";
    for (text, provider) in [("[auth.builtin]\n", None), (proxy, Some("login.example"))] {
        let (_home, _program, server) = started(text);
        let resource = get(&server, "/.well-known/oauth-protected-resource/mcp");
        assert_eq!(resource["authorization_servers"], json!(["https://mcp.example"]));
        let metadata = get(&server, "/.well-known/oauth-authorization-server");
        assert_eq!(metadata["issuer"], "https://mcp.example");
        assert_eq!(metadata["token_endpoint"], "https://mcp.example/token");
        let call = server.ask("POST", "/mcp", &[("Content-Type", "application/json")], "{}");
        assert_eq!(call.status, 401);
        let challenge = call.header("www-authenticate").unwrap_or_default().to_owned();
        assert!(
            challenge.contains("https://mcp.example/.well-known/oauth-protected-resource/mcp"),
            "{challenge}"
        );
        let page = consent_page(&server);
        assert!(page.contains("Robot") && page.contains("127.0.0.1"), "{page}");
        assert!(provider.is_none_or(|provider| page.contains(provider)), "{page}");
        // Neither the page nor the callback needs a token, and the callback of nobody leads nowhere.
        let callback = match provider {
            Some(_) => server.ask("GET", "/oauth/callback?state=guessed&code=c", &[], ""),
            None => server.ask("GET", "/oauth/callback", &[], ""),
        };
        assert_eq!(callback.status, if provider.is_some() { 403 } else { 404 });
    }
}

/// Behind a reverse proxy, the limits of an address are those of the client's, if the file names the proxy.
#[test]
fn limits_of_an_address_are_those_of_the_client_behind_a_trusted_proxy() {
    for (trusted, second) in [("trusted_proxies = [\"127.0.0.0/8\"]\n", 201), ("", 429)] {
        let text = format!("{trusted}[auth.builtin]\n[limits]\nregistrations_per_hour = 1\n");
        let (_home, _program, server) = started(&text);
        let register = |number: u32| {
            let metadata = json!({"redirect_uris": [format!("https://client.example/{number}")]});
            let address = format!("198.51.100.{number}");
            let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", address.as_str())];
            server.ask("POST", "/register", &headers, &metadata.to_string()).status
        };
        assert_eq!((register(1), register(2)), (201, second), "{trusted}");
    }
}

/// Invariant: What clients have registered is known after a restart.
#[test]
fn a_client_is_known_after_a_restart() {
    let docs = documents();
    let text = format!(
        "[gateway]\npublic_url = \"https://mcp.example\"\n[auth.builtin]\n[knowledge.book]\ndocs = [{docs:?}]\n"
    );
    let home = folder(&[("anyport.toml", &text)]);
    let start = || {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let mut program = Program::start(command);
        program.error_line(|line| line.contains("https://mcp.example/mcp"));
        program
    };
    let first = start();
    let metadata = json!({"client_name": "Robot", "redirect_uris": ["https://client.example/callback"]});
    let headers = [("Content-Type", "application/json")];
    let registered = address(home.path()).ask("POST", "/register", &headers, &metadata.to_string());
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    drop(first);
    let _second = start();
    let form = format!("grant_type=refresh_token&client_id={id}&refresh_token=unknown");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = address(home.path()).ask("POST", "/token", &headers, &form);
    // A client that is unknown gets `invalid_client`.
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_grant")));
}
