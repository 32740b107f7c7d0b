//! The client's logins: a user who signs in at once, with a browser that follows redirects.

use std::{future::Future, pin::Pin};

use anyport::{
    Client,
    auth::{ClientOptions, DEFAULT_ACCOUNT, Secret, SignIn, SignInOptions, UserAgent, Vault},
    client::{Builder, Target, http::Endpoint},
};
use serde::Deserialize;

use crate::{Failure, Setting};

/// Where the suite's scenario of client metadata expects the client's own.
const METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// The client that is registered already, if the scenario has one.
#[derive(Default, Deserialize)]
struct Registered {
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Setting {
    /// A client of the scenario's server that signs in, still to be opened.
    ///
    /// # Errors
    /// When the scenario's data are not readable.
    pub(crate) fn signing_in(&self) -> Result<Builder, Failure> {
        let context = self.context.as_deref().map(serde_json::from_str::<Registered>).transpose()?;
        let Registered { client_id, client_secret } = context.unwrap_or_default();
        let client = ClientOptions {
            given: client_id.map(|id| (id, client_secret.map(Secret::new))),
            metadata_url: Some(METADATA.to_owned()),
            redirect_uri: None,
        };
        let options = SignInOptions { client, ..SignInOptions::default() };
        let sign_in = SignIn::new(&Endpoint::new(&self.url)?, DEFAULT_ACCOUNT, Vault::in_memory()?, options)?;
        let target = Target::Http(sign_in.user_agent(Browser).endpoint());
        Ok(Client::connect(target).info("everything_client", env!("CARGO_PKG_VERSION")))
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
