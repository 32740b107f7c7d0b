//! How providers differ from each other.

use std::{fmt, str::FromStr};

/// Which identity provider it is. What a kind says can be changed by [`ProviderOptions`](super::ProviderOptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderKind {
    /// GitHub, or a GitHub Enterprise Server. It is no OpenID provider: who a user is, its API says.
    GitHub,
    /// Google.
    Google,
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
    /// Any other OpenID provider.
    OpenId,
}

/// Who a user of a provider may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// Everybody can get an account.
    Everybody,
    /// Its owner decides who has an account.
    OfOwner,
    /// One or the other: there are public ones among them.
    Unknown,
}

/// What of a user's claims says whose domain the user is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DomainClaim {
    /// No claim that is verified.
    None,
    /// `hd`, the domain of a Google Workspace, which Google alone gives.
    HostedDomain,
    /// The domain of `email`, where `email_verified` is true.
    VerifiedEmail,
}

impl ProviderKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::GitHub, Self::Google, Self::Entra, Self::Okta, Self::OpenId];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::OpenId => "oidc",
        }
    }

    /// Its name for users; `None` if only its issuer has one.
    pub(super) const fn title(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("GitHub"),
            Self::Google => Some("Google"),
            Self::Entra => Some("Microsoft Entra ID"),
            Self::Okta | Self::OpenId => None,
        }
    }

    /// The issuer of a provider that has one alone.
    pub(super) const fn issuer(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("https://github.com/login/oauth"),
            Self::Google => Some("https://accounts.google.com"),
            Self::Entra | Self::Okta | Self::OpenId => None,
        }
    }

    /// The scopes that are asked for. `offers_offline_access`: the provider's metadata lists `offline_access`.
    pub(super) fn scopes(self, offers_offline_access: bool) -> &'static [&'static str] {
        match self {
            // Without a scope, a token reads what is public of its user, and nothing else.
            Self::GitHub => &[],
            // `offline_access` is `invalid_scope` there.
            Self::Google => &["openid"],
            Self::Entra | Self::Okta => &["openid", "offline_access"],
            Self::OpenId if offers_offline_access => &["openid", "offline_access"],
            Self::OpenId => &["openid"],
        }
    }

    /// Further parameters of the page to sign in at.
    pub(super) fn parameters(self, asks_offline_access: bool) -> &'static [(&'static str, &'static str)] {
        match self {
            // A refresh token is given for both together alone.
            Self::Google => &[("access_type", "offline"), ("prompt", "consent")],
            // OpenID Connect Core, section 11: a provider that is asked for `offline_access` "MUST ignore the `offline_access`
            // request" unless `prompt` contains `consent`, or other conditions permit it.
            Self::OpenId if asks_offline_access => &[("prompt", "consent")],
            _ => &[],
        }
    }

    /// Who can sign in there.
    pub(super) const fn users(self) -> Users {
        match self {
            Self::GitHub | Self::Google => Users::Everybody,
            Self::Entra | Self::Okta => Users::OfOwner,
            Self::OpenId => Users::Unknown,
        }
    }

    /// What says whose domain a user is of.
    pub(super) const fn domain_claim(self) -> DomainClaim {
        match self {
            // The administrator of any tenant writes what he likes into the `email` of Entra.
            Self::GitHub | Self::Entra => DomainClaim::None,
            Self::Google => DomainClaim::HostedDomain,
            Self::Okta | Self::OpenId => DomainClaim::VerifiedEmail,
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ProviderKind {
    type Err = super::ProviderConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| super::ProviderConfigError::Kind(name.to_owned()))
    }
}
