//! GitHub, which is no OpenID provider.

use anyport_transport::client::http::without_secrets;
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use url::Url;

use crate::{
    error::Error,
    fetch::{Fetcher, successful},
    resource_metadata::at,
    secret::Secret,
    server_metadata::ServerMetadata,
};

/// The endpoints of GitHub, or of a GitHub Enterprise Server.
#[derive(Clone, Debug)]
pub(super) struct GitHub {
    pub(super) server: ServerMetadata,
    /// Where a token's user is.
    user_url: String,
}

/// The host of GitHub itself, whose API has a host of its own.
const PUBLIC_HOST: &str = "github.com";

#[derive(Deserialize)]
struct User {
    /// The number of the account. Names are given to somebody else once they are free, and e-mail addresses change.
    id: u64,
    login: Option<String>,
}

impl GitHub {
    /// The one whose issuer is `issuer`, such as `https://github.com/login/oauth`.
    pub(super) fn new(issuer: &str, url: &Url) -> Self {
        let base = url.path().trim_end_matches('/');
        let mut server = ServerMetadata::without_document(url);
        server.issuer = issuer.to_owned();
        server.authorization_endpoint = Some(at(url, &format!("{base}/authorize")).into());
        server.token_endpoint = Some(at(url, &format!("{base}/access_token")).into());
        server.registration_endpoint = None;
        // Its token endpoint documents the secret as a parameter alone.
        server.token_endpoint_auth_methods_supported = Some(vec!["client_secret_post".to_owned()]);
        let user_url = match url.host_str() {
            Some(PUBLIC_HOST) => "https://api.github.com/user".to_owned(),
            _ => at(url, "/api/v3/user").into(),
        };
        Self { server, user_url }
    }

    /// The id and the name of the user of `token`; `None` if the token is not accepted any more.
    ///
    /// # Errors
    /// If GitHub cannot be asked, or answers with something else.
    pub(super) async fn user(
        &self,
        token: &Secret,
        fetcher: &Fetcher,
    ) -> Result<Option<(String, Option<String>)>, Error> {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| self.wrong())?;
        let headers = [
            (header::AUTHORIZATION, bearer),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ];
        let answer = fetcher.get_secret(&self.user_url, headers).await?;
        if answer.status == 401 {
            return Ok(None);
        }
        let user: User =
            serde_json::from_slice(successful(&self.user_url, &answer)?).map_err(|_| self.wrong())?;
        Ok(Some((user.id.to_string(), user.login)))
    }

    fn wrong(&self) -> Error {
        let why = "does not say who the user is (id)".to_owned();
        Error::Answer { url: without_secrets(&self.user_url), why, is_temporary: false }
    }
}
