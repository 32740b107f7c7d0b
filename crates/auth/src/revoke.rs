//! The end of a login: its tokens are taken back (RFC 7009).

use std::time::SystemTime;

use anyport_transport::client::http::without_secrets;
use form_urlencoded::Serializer;

use crate::{
    credential::Credential,
    error::Error,
    fetch::{Body, Fetcher, Post, successful},
    oauth_error::OAuthError,
    secret::Secret,
};

/// Takes the tokens of `credential` back. Returns whether the authorization server can do that.
///
/// # Errors
/// When it could, and did not.
pub async fn revoke(fetcher: &Fetcher, credential: &Credential, now: SystemTime) -> Result<bool, Error> {
    let Some(endpoint) = &credential.authorization_server.revocation_endpoint else { return Ok(false) };
    let refresh = credential.refresh_token.as_ref().map(|token| (token, "refresh_token"));
    // With a refresh token, most servers take back what it gave as well; those that do not learn of both.
    for (token, kind) in refresh.into_iter().chain([(&credential.access_token, "access_token")]) {
        revoke_one(fetcher, endpoint, credential, (token, kind), now).await?;
    }
    Ok(true)
}

async fn revoke_one(
    fetcher: &Fetcher,
    endpoint: &str,
    credential: &Credential,
    (token, kind): (&Secret, &str),
    now: SystemTime,
) -> Result<(), Error> {
    let post = {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.expose()).append_pair("token_type_hint", kind);
        let issuer = &credential.authorization_server.issuer;
        let authorization = credential.client.identity().authenticate(&mut form, issuer, now)?;
        Post { body: Body::Form(form.finish()), authorization, proof: None }
    };
    let answer = fetcher.post(endpoint, post).await?;
    match OAuthError::of(&answer) {
        // It has forgotten the client, and its tokens with it.
        Some(error) if error.code == "invalid_client" => Ok(()),
        Some(error) => {
            let url = without_secrets(endpoint);
            let error = error.without(credential.secrets());
            Err(Error::Refused { url, what: "to take a token back", error })
        }
        None => successful(endpoint, &answer).map(drop),
    }
}
