use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_store::{Clock, Store};
use anyport_transport::http::PublicUrl;
use http::{Method, StatusCode};

use super::{
    attempts::Attempts,
    password::Checks,
    records::{LocalUser, LocalUserRecords},
};
use crate::{
    authorization_server::{
        limits::{AuthorizationServerLimits, Refusals},
        page::{Form, Page},
        parameters::Parameters,
        user::{Answer, Interaction, LoginError, LoginRoute, LoginStatus, Next, User, UserAuthentication},
    },
    secret::Secret,
};

/// Authenticates local users, by a form for name and password.
#[derive(Debug)]
pub struct LocalUsers {
    records: LocalUserRecords,
    issuer: String,
    /// The path of the form as browsers see it.
    path: String,
    checks: Checks,
    refusals: Refusals,
    attempts: Attempts,
}

const PATH: &str = "/oauth/login";
/// The field with the token of the interaction.
const TOKEN: &str = "interaction";
const USER: &str = "username";
const PASSWORD: &str = "password";

impl LocalUsers {
    /// The users in `store` of the authorization server at `public_url`.
    pub fn new(
        store: Arc<dyn Store>,
        public_url: &PublicUrl,
        limits: AuthorizationServerLimits,
        metrics: &Metrics,
    ) -> Self {
        let attempts = Attempts::new(store.clone(), limits, metrics);
        Self {
            records: LocalUserRecords::new(store),
            issuer: public_url.as_str().to_owned(),
            path: format!("{}{PATH}", public_url.path()),
            checks: Checks::new(limits.max_password_checks),
            refusals: Refusals::new(metrics),
            attempts,
        }
    }

    /// Sets the clock by which attempts are counted. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.attempts.clock = clock;
        self
    }

    fn form(&self, interaction: &Interaction, name: &str, problem: Option<&str>) -> Page {
        let page = Page::new("Sign in");
        let page = match problem {
            Some(problem) => page.alert(problem),
            None => page,
        };
        page.form(
            Form::post(&self.path)
                .hidden(TOKEN, interaction.token.expose())
                .text(USER, "User name", name, "username")
                .password(PASSWORD, "Password")
                .button("do", "sign-in", "Sign in"),
        )
    }

    async fn check(&self, interaction: &Interaction, parameters: &Parameters) -> Next {
        let name = parameters.get(USER).unwrap_or_default();
        let again = |status, problem| Next::Page(self.form(interaction, name, Some(problem)).status(status));
        match self.attempts.may_try(name, interaction.address).await {
            Ok(true) => {}
            Ok(false) => {
                let problem = "There were too many attempts for this user. Wait a minute.";
                return again(StatusCode::TOO_MANY_REQUESTS, problem);
            }
            Err(error) => {
                tracing::warn!(%error, "an attempt to sign in cannot be counted");
                return Next::Failed(LoginError::TemporarilyUnavailable);
            }
        }
        let user = match self.records.find(name).await {
            Ok(user) => user,
            Err(error) => {
                tracing::warn!(%error, "a user cannot be looked up");
                return Next::Failed(LoginError::TemporarilyUnavailable);
            }
        };
        let password = Secret::new(parameters.get(PASSWORD).unwrap_or_default());
        let hash = user.as_ref().map(|user| user.password.expose().to_owned());
        match (self.checks.check(password, hash).await, user) {
            (Some(true), Some(user)) => Next::User(self.user(&user)),
            (None, _) => {
                self.refusals.max_password_checks.increment();
                again(StatusCode::SERVICE_UNAVAILABLE, "Too many users sign in at once. Try again.")
            }
            _ => {
                tracing::info!("a login of a local user has failed");
                again(StatusCode::UNAUTHORIZED, "The user name or the password is not right.")
            }
        }
    }

    fn user(&self, LocalUser { name, subject, scopes, .. }: &LocalUser) -> User {
        User {
            issuer: self.issuer.clone(),
            subject: subject.clone(),
            name: name.clone(),
            // With it the login ends when this user is removed, also if another one of this name is added.
            login: Some(format!("{name}/{subject}")),
            scopes: scopes.clone(),
        }
    }
}

impl UserAuthentication for LocalUsers {
    fn may_be_issuer(&self, issuer: &str) -> bool {
        issuer == self.issuer
    }

    fn route(&self) -> LoginRoute {
        LoginRoute { method: Method::POST, path: PATH, parameter: TOKEN }
    }

    fn begin<'a>(&'a self, interaction: &'a mut Interaction) -> Answer<'a, Next> {
        Box::pin(async move {
            match interaction.user.clone() {
                Some(user) => Next::User(user),
                None => Next::Page(self.form(interaction, "", None)),
            }
        })
    }

    fn resume<'a>(
        &'a self,
        interaction: &'a mut Interaction,
        parameters: &'a Parameters,
    ) -> Answer<'a, Next> {
        Box::pin(async move { self.check(interaction, parameters).await })
    }

    fn status<'a>(&'a self, login: &'a str) -> Answer<'a, LoginStatus> {
        Box::pin(async move {
            let (name, subject) = login.split_once('/').unwrap_or_default();
            match self.records.find(name).await {
                Ok(Some(user)) if user.subject == subject => LoginStatus::Active,
                Ok(_) => LoginStatus::Ended,
                Err(_) => LoginStatus::Unknown,
            }
        })
    }
}
