//! What providers do otherwise than the specification says, and what helps.

use std::collections::BTreeMap;

use anyport_auth::{ClientOptions, HelpfulOption, Scopes, SignInOptions, Vault};
use serde_json::{Value, json};

use crate::support::{Browser, Servers, Time, ask, response, words};

const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const SERVER: &str = "/.well-known/oauth-authorization-server";

fn script(servers: &Servers, path: &'static str, body: &Value) {
    let answer = response("200 OK", "", &body.to_string());
    servers.known(|known| {
        known.scripted.retain(|(scripted, _)| *scripted != path);
        known.scripted.push((path, answer));
    });
}

/// The metadata of the resource, with this issuer.
fn names_issuer(servers: &Servers, issuer: &str) {
    let resource = format!("{}/mcp", servers.base);
    script(
        servers,
        RESOURCE,
        &json!({"resource": resource, "authorization_servers": [issuer], "scopes_supported": ["a"]}),
    );
}

/// The metadata of an authorization server.
fn metadata(servers: &Servers, issuer: &str) -> Value {
    let base = &servers.base;
    json!({
        "issuer": issuer, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
        "registration_endpoint": format!("{base}/register"), "code_challenge_methods_supported": ["S256"],
    })
}

fn parameters(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

async fn log_in(servers: &Servers, options: SignInOptions) -> Result<(), anyport_auth::Error> {
    let sign_in =
        servers.sign_in_with(options, &Vault::in_memory().unwrap(), &Time::new()).user_agent(Browser);
    sign_in.log_in().await.map(drop)
}

#[tokio::test]
async fn google_names_its_issuer_with_a_slash_and_without() {
    let servers = Servers::start().await;
    names_issuer(&servers, &format!("{}/", servers.base));
    log_in(&servers, SignInOptions::default()).await.unwrap();
    // Auth0 the other way round.
    script(&servers, SERVER, &metadata(&servers, &format!("{}/", servers.base)));
    names_issuer(&servers, &servers.base.clone());
    log_in(&servers, SignInOptions::default()).await.unwrap();
}

#[tokio::test]
async fn google_and_auth0_want_further_parameters_of_the_page() {
    let servers = Servers::start().await;
    let options = SignInOptions {
        authorize_parameters: vec![
            ("access_type".into(), "offline".into()),
            ("audience".into(), "https://api.example".into()),
        ],
        ..SignInOptions::default()
    };
    log_in(&servers, options).await.unwrap();
    let page = parameters(&servers.known(|known| known.pages[0].clone()));
    assert_eq!((page["access_type"].as_str(), page["audience"].as_str()), ("offline", "https://api.example"));
    let sent = servers.known(|known| known.token_requests[0].1.clone());
    assert!(!parameters(&sent).contains_key("audience"), "they are of the page alone");
}

#[tokio::test]
async fn entra_takes_no_resource_says_nothing_of_pkce_and_has_a_template_as_issuer() {
    let servers = Servers::start().await;
    let tenant = format!("{}/tenant/v2.0", servers.base);
    names_issuer(&servers, &format!("{}/common/v2.0", servers.base));
    let mut of_common = metadata(&servers, &format!("{}/{{tenantid}}/v2.0", servers.base));
    of_common.as_object_mut().unwrap().remove("code_challenge_methods_supported");
    script(&servers, "/common/v2.0/.well-known/openid-configuration", &of_common);
    let refused = log_in(&servers, SignInOptions::default()).await.unwrap_err();
    assert_eq!(refused.option(), Some(HelpfulOption::Issuer), "{refused}");
    let mut of_tenant = of_common.clone();
    of_tenant["issuer"] = tenant.clone().into();
    script(&servers, "/tenant/v2.0/.well-known/openid-configuration", &of_tenant);
    let with_issuer = SignInOptions { issuer: Some(tenant), ..SignInOptions::default() };
    let refused = log_in(&servers, with_issuer.clone()).await.unwrap_err();
    assert_eq!(refused.option(), Some(HelpfulOption::AssumePkce), "{refused}");
    let (vault, time) = (Vault::in_memory().unwrap(), Time::new());
    let options = SignInOptions { assumes_pkce: true, omits_resource: true, ..with_issuer };
    servers.sign_in_with(options, &vault, &time).user_agent(Browser).log_in().await.unwrap();
    // A program that knows none of these options renews the login as it was made, also after a refusal.
    let other = servers.sign_in(&vault, &time);
    time.advance(3600);
    assert_eq!(ask(&other).await, 200);
    servers.known(|known| known.access.clear());
    assert_eq!((ask(&other).await, servers.known(|known| known.refreshes)), (200, 2));
    servers.known(|known| {
        assert!(known.pages.iter().all(|page| !parameters(page).contains_key("resource")));
        assert!(known.token_requests.iter().all(|(_, body, _)| !parameters(body).contains_key("resource")));
    });
}

#[tokio::test]
async fn okta_has_its_metadata_below_the_issuer() {
    let servers = Servers::start().await;
    let issuer = format!("{}/oauth2/default", servers.base);
    names_issuer(&servers, &issuer);
    script(&servers, "/oauth2/default/.well-known/openid-configuration", &metadata(&servers, &issuer));
    log_in(&servers, SignInOptions::default()).await.unwrap();
}

#[tokio::test]
async fn okta_lets_no_program_register() {
    let servers = Servers::start().await;
    let forbidden =
        response("403 Forbidden", "", r#"{"error": "access_denied", "error_description": "E0000006"}"#);
    servers.known(|known| known.scripted.push(("/register", forbidden)));
    let refused = log_in(&servers, SignInOptions::default()).await.unwrap_err();
    assert!(words(&refused).contains("refuses to register a client: access_denied"), "{refused}");
    assert_eq!(refused.option(), Some(HelpfulOption::ClientId));
}

#[tokio::test]
async fn github_answers_with_a_form_and_with_errors_in_200() {
    let servers = Servers::start().await;
    let form = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 38\r\n\r\naccess_token=secret&token_type=bearer ";
    servers.known(|known| known.scripted.push(("/token", form.to_owned())));
    let refused = words(&log_in(&servers, SignInOptions::default()).await.unwrap_err());
    assert!(refused.contains("in JSON") && !refused.contains("secret"), "{refused}");
    script(&servers, "/token", &json!({"error": "bad_verification_code"}));
    let refused = words(&log_in(&servers, SignInOptions::default()).await.unwrap_err());
    assert!(refused.contains("bad_verification_code"), "{refused}");
}

#[tokio::test]
async fn a_refresh_token_that_is_not_repeated_stays() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    servers.known(|known| known.access.insert("again".to_owned()));
    script(&servers, "/token", &json!({"access_token": "again", "token_type": "Bearer", "expires_in": 60}));
    time.advance(3600);
    let sign_in = servers.sign_in(&vault, &time);
    assert_eq!(ask(&sign_in).await, 200);
    assert!(vault.list().await.unwrap()[0].can_refresh());
}

#[tokio::test]
async fn keycloak_refuses_members_that_it_does_not_know() {
    let servers = Servers::start().await;
    log_in(&servers, SignInOptions::default()).await.unwrap();
    let sent: Value = serde_json::from_str(&servers.known(|known| known.registrations[0].clone())).unwrap();
    let names: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "client_name",
            "redirect_uris",
            "grant_types",
            "response_types",
            "token_endpoint_auth_method",
            "application_type"
        ]
    );
}

#[tokio::test]
async fn cloudflare_knows_no_scopes_that_nobody_has_named() {
    let servers = Servers::start().await;
    let base = servers.base.clone();
    script(&servers, RESOURCE, &json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]}));
    servers.known(|known| known.metadata = json!({"scopes_supported": ["openid", "offline_access"]}));
    log_in(&servers, SignInOptions::default()).await.unwrap();
    let scopes = SignInOptions { scopes: Some(Scopes::parse("b")), ..SignInOptions::default() };
    log_in(&servers, scopes).await.unwrap();
    let pages = servers.known(|known| known.pages.clone());
    assert_eq!(
        parameters(&pages[0]).get("scope"),
        None,
        "those of the authorization server are not asked for"
    );
    assert_eq!(parameters(&pages[1])["scope"], "b offline_access");
}

#[tokio::test]
async fn home_assistant_takes_a_document_as_a_client_and_lists_no_method_for_it() {
    let servers = Servers::start().await;
    servers.known(|known| {
        known.metadata = json!({
            "client_id_metadata_document_supported": true, "token_endpoint_auth_methods_supported": ["client_secret_post"],
        });
    });
    let metadata_url = Some("https://client.example/metadata.json".to_owned());
    let client = ClientOptions { metadata_url, ..ClientOptions::default() };
    log_in(&servers, SignInOptions { client, ..SignInOptions::default() }).await.unwrap();
    let (authorization, body, _) = servers.known(|known| known.token_requests[0].clone());
    assert_eq!(
        (authorization, parameters(&body)["client_id"].as_str()),
        (None, "https://client.example/metadata.json")
    );
    assert_eq!(servers.known(|known| known.registered), 0);
}

/// A server that takes static keys alone says 401, too.
#[tokio::test]
async fn a_server_without_any_authorization_server_says_what_helps() {
    let servers = Servers::start().await;
    for path in [RESOURCE, "/.well-known/oauth-protected-resource", SERVER, "/register"] {
        servers.known(|known| known.scripted.push((path, response("404 Not Found", "", "<html>"))));
    }
    let refused = log_in(&servers, SignInOptions::default()).await.unwrap_err();
    assert_eq!(refused.option(), Some(HelpfulOption::ClientId), "{refused}");
    assert_eq!(servers.known(|known| (known.logins, known.asked_for_tokens)), (0, 0));
}

#[tokio::test]
async fn a_registration_keeps_its_port_from_login_to_login() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    for _ in 0..2 {
        servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    }
    let pages = servers.known(|known| known.pages.clone());
    let uri = |page: &str| parameters(page)["redirect_uri"].clone();
    assert_eq!((uri(&pages[0]), servers.known(|known| known.registered)), (uri(&pages[1]), 1));
}
