//! The users of an identity provider: the authorization server stands before the provider.

use std::sync::Arc;

use serde_json::Value;

use super::{
    parameters::Parameters,
    user::{Answer, Interaction, LoginError, LoginRoute, LoginStatus, Next, User, UserAuthentication},
};
use crate::identity_provider::{
    IdentityProvider, PendingSignIn, ProviderLoginStatus, ProviderLogins, SignInError,
};

/// Has users sign in at an identity provider, of which this program is the one client. The tokens of the provider stay here.
///
/// 2026-07-28, security_best_practices §Confused Deputy Problem: a proxy with a static client id must ask each user for each client
/// before it sends the user on to the provider. The authorization server begins a login only after that consent, and goes on with
/// it only in the browser that has consented.
pub struct ProviderUsers {
    provider: Arc<IdentityProvider>,
    logins: ProviderLogins,
}

/// Where the provider sends browsers, below the public URL.
pub const PROVIDER_CALLBACK: &str = "/oauth/callback";

/// The longest name of a user that is shown.
const NAME: usize = 80;

impl ProviderUsers {
    /// The users of `provider`, whose logins are `logins`.
    pub fn new(provider: Arc<IdentityProvider>, logins: ProviderLogins) -> Self {
        Self { provider, logins }
    }

    async fn start(&self, interaction: &mut Interaction) -> Result<Next, SignInError> {
        let started = self.provider.begin(interaction.token.clone()).await?;
        interaction.data = serde_json::to_value(&started.pending).map_err(unreadable)?;
        Ok(Next::Redirect(started.url))
    }

    async fn finish(&self, data: &Value, parameters: &Parameters) -> Result<User, SignInError> {
        let pending: PendingSignIn = serde_json::from_value(data.clone()).map_err(unreadable)?;
        let (user, tokens) = self.provider.finish(&pending, |name| parameters.get(name)).await?;
        let login = self.logins.keep(&user, tokens).await?;
        let name = user.name.as_ref().unwrap_or(&user.subject).chars().take(NAME).collect();
        Ok(User { issuer: user.issuer, subject: user.subject, name, login: Some(login), scopes: None })
    }
}

impl UserAuthentication for ProviderUsers {
    fn provider(&self) -> Option<&str> {
        Some(self.provider.title())
    }

    fn may_be_issuer(&self, issuer: &str) -> bool {
        self.provider.may_be_issuer(issuer)
    }

    fn route(&self) -> LoginRoute {
        LoginRoute { method: http::Method::GET, path: PROVIDER_CALLBACK, parameter: "state" }
    }

    /// Goes to the provider even if a user is signed in to the browser: the tokens of each grant stem from a login of their own,
    /// which can end alone.
    fn begin<'a>(&'a self, interaction: &'a mut Interaction) -> Answer<'a, Next> {
        Box::pin(async move { self.start(interaction).await.unwrap_or_else(failed) })
    }

    fn resume<'a>(
        &'a self,
        interaction: &'a mut Interaction,
        parameters: &'a Parameters,
    ) -> Answer<'a, Next> {
        Box::pin(
            async move { self.finish(&interaction.data, parameters).await.map_or_else(failed, Next::User) },
        )
    }

    fn status<'a>(&'a self, login: &'a str) -> Answer<'a, LoginStatus> {
        Box::pin(async move {
            match self.logins.status(login).await {
                ProviderLoginStatus::Active => LoginStatus::Active,
                ProviderLoginStatus::Ended => LoginStatus::Ended,
                ProviderLoginStatus::Unknown => LoginStatus::Unknown,
            }
        })
    }

    fn end<'a>(&'a self, login: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.logins.end(login).await {
                tracing::warn!(%error, "the tokens of an identity provider cannot be removed");
            }
        })
    }
}

/// What the provider has said is for the log alone: the client gets a code, and pages show none of it.
fn failed(error: SignInError) -> Next {
    tracing::warn!(%error, "a user was not signed in at the identity provider");
    Next::Failed(match error.code() {
        "access_denied" => LoginError::AccessDenied,
        "temporarily_unavailable" => LoginError::TemporarilyUnavailable,
        _ => LoginError::ServerError,
    })
}

fn unreadable(error: serde_json::Error) -> SignInError {
    SignInError::Answer(format!("what was kept of the sign-in cannot be read: {error}"))
}
