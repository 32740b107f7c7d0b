use anyport_transport::http::CredentialError;

use crate::{error::Error, response_error::ResponseError, safe_url::UnsafeUrl};

/// Why an identity provider cannot be used as it is configured. Tells no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderConfigError {
    /// A kind that is none.
    #[error("{0:?} is no provider: name one of github, google, entra, okta, oidc")]
    Kind(String),
    /// No issuer.
    #[error("{0} needs an `issuer`: the URL that its tokens name in `iss`")]
    NoIssuer(&'static str),
    /// A URL that no secret may be sent to.
    #[error("the {what} {url:?} is not used: {why}")]
    Url {
        /// What the URL is.
        what: &'static str,
        /// The URL.
        url: String,
        /// What is wrong.
        why: UnsafeUrl,
    },
    /// No client.
    #[error("it has no `client_id`: register this gateway at the provider, with the redirect URI {0}")]
    NoClient(String),
    /// Everybody on the internet has an account there.
    #[error(
        "everybody can get an account of {0}: say who may sign in with `allowed_subjects` or `allowed_domains`, or set \
         `everyone = true`"
    )]
    Everybody(&'static str),
    /// Everybody on the internet may have an account there.
    #[error(
        "{0} may be a provider where everybody can get an account: say who may sign in with `allowed_subjects` or \
         `allowed_domains`, or set `everyone = true` if all who have an account there may"
    )]
    MaybeEverybody(String),
    /// Both a list of users and everyone.
    #[error("`everyone` and a list of those who may sign in contradict each other: keep one of them")]
    EveryoneAndList,
    /// No claim that could be compared.
    #[error(
        "{0} says nothing verified of its users' domains: use `allowed_subjects` or, at Entra, `tenants`"
    )]
    NoDomains(&'static str),
    /// The issuer of several tenants.
    #[error(
        "the issuer {0:?} is that of all tenants, which no token names: put the tenant's id in its place, or name the tenants \
         whose users may sign in with `tenants`"
    )]
    AllTenants(String),
    /// Tenants where there are none.
    #[error(
        "`tenants` is for the issuer of several tenants of Entra, such as https://login.microsoftonline.com/common/v2.0"
    )]
    NoTenants,
    /// A tenant that is named otherwise than by its id.
    #[error(
        "the tenant {0:?} is no id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47: tokens name their tenant by it"
    )]
    Tenant(String),
    /// A parameter that would replace one of the protocol.
    #[error("`authorize_params` cannot set {0:?}")]
    Parameter(String),
    /// A scope that makes a provider an OpenID provider is missing.
    #[error("`scopes` must contain `openid`: without it, the provider does not say who the user is")]
    NoOpenId,
}

/// Why a user is not signed in. What the provider wrote is for the log, never for a page or a client.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The user or the provider has refused.
    #[error("the provider refuses the sign-in: {0}")]
    Denied(String),
    /// The user is known, and not one of those who may sign in.
    #[error("{subject} of {issuer} is not among those who may sign in (allowed_subjects, allowed_domains)")]
    NotAdmitted {
        /// Who vouches for the user.
        issuer: String,
        /// The user's id there.
        subject: String,
    },
    /// The answer is not believed.
    #[error("the answer of the provider is not believed: {0}")]
    Answer(String),
    /// What the provider says of the user is not believed.
    #[error("the ID token of the provider is not believed: {0}")]
    IdToken(String),
    /// The provider cannot be asked, or refuses this client.
    #[error("the provider gives no token: {0}")]
    Provider(#[from] Error),
}

impl SignInError {
    /// The error code by which a client learns of it (RFC 6749, section 4.1.2.1).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::NotAdmitted { .. } => "access_denied",
            Self::Provider(error) if error.is_temporary() => "temporarily_unavailable",
            Self::Answer(_) | Self::IdToken(_) | Self::Provider(_) => "server_error",
        }
    }
}

impl From<ResponseError> for SignInError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Refused(error) if DENIED.contains(&error.code.as_str()) => {
                Self::Denied(error.to_string())
            }
            ResponseError::Refused(error) if error.code == "temporarily_unavailable" => {
                let why = "is out of order for a while".to_owned();
                Self::Provider(Error::Answer { url: "the provider".to_owned(), why, is_temporary: true })
            }
            other => Self::Answer(other.to_string()),
        }
    }
}

/// The errors of a provider that are its word about the user (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6).
const DENIED: [&str; 5] = [
    "access_denied",
    "login_required",
    "consent_required",
    "interaction_required",
    "account_selection_required",
];

impl From<CredentialError> for SignInError {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Unavailable { reason, .. } => Self::Provider(Error::Answer {
                url: "the provider".to_owned(),
                why: format!("cannot be asked: {reason}"),
                is_temporary: true,
            }),
            CredentialError::Invalid(why) | CredentialError::InvalidProof(why) => {
                Self::IdToken(why.into_owned())
            }
            _ => Self::IdToken("it is of a kind that is not supported".to_owned()),
        }
    }
}
