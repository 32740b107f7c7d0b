//! The client's logins: a user who signs in at once, with a browser that follows redirects.

use std::{future::Future, pin::Pin};

use anyport::{
    Client,
    auth::{
        ClientOptions, DEFAULT_ACCOUNT, GivenClient, LoginGrant, Secret, SecretReader, SignIn, SignInOptions,
        UserAgent, Vault,
    },
    client::{Builder, Target, http::Endpoint},
};
use serde::Deserialize;

use crate::{Failure, Setting};

/// Where the suite's scenario of client metadata expects the client's own.
const METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// The scenario's data.
#[derive(Default, Deserialize)]
struct Data {
    /// The client that is registered already, if the scenario has one.
    client_id: Option<String>,
    client_secret: Option<String>,
    private_key_pem: Option<String>,
    /// The assertion of the platform.
    valid_jwt: Option<String>,
    /// What the identity provider has given.
    idp_client_id: Option<String>,
    idp_id_token: Option<String>,
    idp_issuer: Option<String>,
}

impl Data {
    /// The client that is registered already, if the scenario has one.
    fn client(&self) -> Option<GivenClient> {
        let mut client = GivenClient::new(self.client_id.clone()?);
        client.secret = self.client_secret.clone().map(Secret::new);
        client.key = self.private_key_pem.clone().map(Secret::new);
        Some(client)
    }
}

/// The login to the identity provider.
const IDENTITY: &str = "company";

impl Setting {
    /// A client of the scenario's server that signs in, still to be opened.
    ///
    /// # Errors
    /// When the scenario's data are not readable.
    pub(crate) async fn signing_in(&self, grant: LoginGrant) -> Result<Builder, Failure> {
        let data = self.context.as_deref().map(serde_json::from_str::<Data>).transpose()?.unwrap_or_default();
        let client = ClientOptions {
            given: data.client(),
            metadata_url: Some(METADATA.to_owned()),
            redirect_uri: None,
        };
        let options = SignInOptions { client, grant, ..SignInOptions::default() };
        let vault = Vault::in_memory()?;
        let endpoint = Endpoint::new(&self.url)?;
        if let (Some(issuer), Some(id), Some(token)) =
            (data.idp_issuer, data.idp_client_id, data.idp_id_token)
        {
            let company = SignIn::new(&endpoint, IDENTITY, vault.clone(), SignInOptions::default())?;
            company.keep_identity(&issuer, GivenClient::new(id), Secret::new(token)).await?;
        }
        let sign_in = SignIn::new(&endpoint, DEFAULT_ACCOUNT, vault, options)?;
        let sign_in = sign_in.user_agent(Browser).secret_reader(Platform(data.valid_jwt));
        let target = Target::Http(sign_in.endpoint());
        Ok(Client::connect(target).info("everything_client", env!("CARGO_PKG_VERSION")))
    }
}

/// The grant of each scenario without a user.
pub(crate) fn grant_of(scenario: &str) -> LoginGrant {
    match scenario {
        "auth/client-credentials-jwt" | "auth/client-credentials-basic" => LoginGrant::ClientCredentials,
        "auth/wif-jwt-bearer" => LoginGrant::WorkloadIdentity { assertion: "the scenario".to_owned() },
        "auth/enterprise-managed-authorization" => LoginGrant::IdentityProvider { name: IDENTITY.to_owned() },
        _ => LoginGrant::AuthorizationCode,
    }
}

/// A platform that gives this program an assertion.
struct Platform(Option<String>);

impl SecretReader for Platform {
    fn read<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>> {
        Box::pin(async move { self.0.clone().map(Secret::new).ok_or_else(|| "there is none".to_owned()) })
    }
}

/// A browser whose user is signed in everywhere.
struct Browser;

impl UserAgent for Browser {
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(async move {
            let page = Endpoint::new(url).map_err(|error| error.to_string())?;
            page.fetch().await.map_err(|error| error.to_string())?;
            Ok(None)
        })
    }
}
