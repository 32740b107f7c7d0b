//! What servers and authorization servers say of who may call: challenges, metadata, answers with tokens, answers of the browser.

use anyport_auth::{
    AuthorizationParameters, AuthorizationRequest, Challenges, ResourceMetadata, ServerMetadata, fuzzing,
    safe_url,
};
use url::Url;

const SERVER: &str = "https://server.example/tenant/mcp";
const ISSUER: &str = "https://issuer.example/tenant";

/// The first byte chooses the reader, and the rest is what it reads.
pub(super) fn sign_in(input: &[u8]) {
    let [reader, rest @ ..] = input else { return };
    match reader % 5 {
        0 => challenges(rest),
        1 => resource(rest),
        2 => server(rest),
        3 => token(rest),
        _ => answer(rest),
    }
}

/// What is chosen of several challenges is one of them.
fn challenges(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let challenges = Challenges::parse(text.lines());
    let token = challenges.token();
    assert!(token.is_none_or(|token| challenges.iter().any(|one| one == token)), "a challenge of nobody");
    assert!(challenges.scope().is_none_or(|scope| !scope.is_empty()), "an empty scope");
    let _ = (challenges.resource_metadata(), challenges.bound_tokens(), challenges.is_insufficient_scope());
}

/// Metadata that is used is of the server, and names an authorization server.
fn resource(input: &[u8]) {
    let Ok(server) = Url::parse(SERVER) else { return };
    let Ok(metadata) = ResourceMetadata::parse(input, &server, false) else { return };
    assert!(!metadata.authorization_servers.is_empty(), "no authorization server");
    let resource = Url::parse(&metadata.resource);
    assert!(resource.is_ok_and(|resource| resource.origin() == server.origin()), "another server's metadata");
}

/// Metadata that is used is of its issuer, and names no place that a secret must not go to.
fn server(input: &[u8]) {
    let Ok(metadata) = ServerMetadata::parse(input, ISSUER) else { return };
    assert_eq!(metadata.issuer, ISSUER, "another issuer");
    let endpoints = [
        &metadata.authorization_endpoint,
        &metadata.token_endpoint,
        &metadata.registration_endpoint,
        &metadata.revocation_endpoint,
    ];
    assert!(endpoints.into_iter().flatten().all(|url| safe_url(url).is_ok()), "an unsafe endpoint");
}

/// The words of an error are short, whatever the server writes, and on one line.
fn token(input: &[u8]) {
    let [status, body @ ..] = input else { return };
    let status = [200, 400, 401, 500][usize::from(status % 4)];
    if let Err(words) = fuzzing::token_answer(status, body) {
        assert!(words.chars().count() <= LONGEST && !words.contains(['\n', '\r', '\u{1b}']), "{words:?}");
    }
}

/// The most characters of an error.
const LONGEST: usize = 600;

/// No answer gives a code that does not have the state of its login, which nobody can guess.
fn answer(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(issuer) = Url::parse(ISSUER) else { return };
    let parameters = AuthorizationParameters {
        client_id: "client",
        redirect_uri: "http://127.0.0.1:1/callback",
        ..AuthorizationParameters::default()
    };
    let request = AuthorizationRequest::new(&ServerMetadata::without_document(&issuer), &parameters);
    let Ok(request) = request else { return };
    assert!(request.read(&text).is_err() && request.read_url(&text).is_err(), "a code for anybody");
}
