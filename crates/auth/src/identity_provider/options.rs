//! What the owner of this program says about the provider.

use url::Url;

use super::{
    error::ProviderConfigError,
    kind::{DomainClaim, ProviderKind, Users},
};
use crate::{
    safe_url::{UnsafeUrl, safe_url},
    secret::Secret,
    shown::shown,
};

/// An identity provider, and the client that this program is there.
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// Which provider it is.
    pub kind: ProviderKind,
    /// Its issuer, where its kind does not say it.
    pub issuer: Option<String>,
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: Option<Secret>,
    /// The scopes that are asked for, in place of those of the kind.
    pub scopes: Vec<String>,
    /// Further parameters of the page to sign in at, in place of those of the kind.
    pub authorize_params: Vec<(String, String)>,
    /// The ids of the tenants of Entra whose users may sign in, where the issuer is that of several.
    pub tenants: Vec<String>,
    /// The subjects that may sign in. Empty: all.
    pub allowed_subjects: Vec<String>,
    /// The domains whose users may sign in. Empty: all.
    pub allowed_domains: Vec<String>,
    /// Whether everybody may sign in, where everybody can get an account.
    pub everyone: bool,
}

/// The places of Entra that stand for several tenants.
const SEVERAL_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];

/// The tenant of Entra to which the personal accounts of Microsoft belong.
const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The parameters that make the request what it is.
const OWN_PARAMETERS: [&str; 10] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];

impl ProviderOptions {
    /// A provider without anything that its kind does not say.
    pub fn new(kind: ProviderKind, client_id: impl Into<String>) -> Self {
        Self {
            kind,
            issuer: None,
            client_id: client_id.into(),
            client_secret: None,
            scopes: Vec::new(),
            authorize_params: Vec::new(),
            tenants: Vec::new(),
            allowed_subjects: Vec::new(),
            allowed_domains: Vec::new(),
            everyone: false,
        }
    }

    /// The issuer.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref().or(self.kind.issuer())
    }

    /// Checks what the options say together. `redirect_uri` is where the provider sends browsers.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self, redirect_uri: &str) -> Result<(), ProviderConfigError> {
        let issuer = self.issuer().ok_or(ProviderConfigError::NoIssuer(self.kind.name()))?;
        let unsafe_url =
            |why: UnsafeUrl| ProviderConfigError::Url { what: "issuer", url: shown(issuer), why };
        let url = safe_url(issuer).map_err(unsafe_url)?;
        if self.client_id.is_empty() {
            return Err(ProviderConfigError::NoClient(redirect_uri.to_owned()));
        }
        if !self.scopes.is_empty()
            && self.kind != ProviderKind::GitHub
            && !self.scopes.iter().any(|scope| scope == "openid")
        {
            return Err(ProviderConfigError::NoOpenId);
        }
        let mut parameters = self.authorize_params.iter().map(|(name, _)| name);
        if let Some(name) = parameters.find(|name| OWN_PARAMETERS.contains(&name.as_str())) {
            return Err(ProviderConfigError::Parameter(name.clone()));
        }
        self.check_tenants(&url)?;
        self.check_users(&url)
    }

    /// The issuer in the metadata of several tenants is a template, so no token is of that issuer: the tenants whose tokens are
    /// accepted must be known.
    fn check_tenants(&self, issuer: &Url) -> Result<(), ProviderConfigError> {
        let is_id = |tenant: &String| {
            tenant.len() == 36 && tenant.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        };
        match (self.has_several_tenants(issuer), self.tenants.is_empty()) {
            (true, true) => Err(ProviderConfigError::AllTenants(issuer.to_string())),
            (false, false) => Err(ProviderConfigError::NoTenants),
            _ => match self.tenants.iter().find(|tenant| !is_id(tenant)) {
                Some(other) => Err(ProviderConfigError::Tenant(other.clone())),
                None => Ok(()),
            },
        }
    }

    /// Whether the issuer is a place of Entra that stands for several tenants.
    pub(super) fn has_several_tenants(&self, issuer: &Url) -> bool {
        let first = issuer.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
        self.kind == ProviderKind::Entra && SEVERAL_TENANTS.contains(&first.to_ascii_lowercase().as_str())
    }

    /// Whether a tenant that is let in is the one of personal accounts.
    fn has_personal_accounts(&self, issuer: &Url) -> bool {
        let of_issuer = issuer.path_segments().into_iter().flatten();
        let mut tenants = of_issuer.chain(self.tenants.iter().map(String::as_str));
        self.kind == ProviderKind::Entra
            && tenants.any(|tenant| tenant.eq_ignore_ascii_case(PERSONAL_ACCOUNTS))
    }

    fn check_users(&self, issuer: &Url) -> Result<(), ProviderConfigError> {
        let has_list = !self.allowed_subjects.is_empty() || !self.allowed_domains.is_empty();
        let name = self.kind.title().unwrap_or(self.kind.name());
        if !self.allowed_domains.is_empty() && self.kind.domain_claim() == DomainClaim::None {
            return Err(ProviderConfigError::NoDomains(name));
        }
        let users = match self.has_personal_accounts(issuer) {
            true => Users::Everybody,
            false => self.kind.users(),
        };
        match (self.everyone, has_list, users) {
            (true, true, _) => Err(ProviderConfigError::EveryoneAndList),
            (false, false, Users::Everybody) => Err(ProviderConfigError::Everybody(name)),
            (false, false, Users::Unknown) => {
                Err(ProviderConfigError::MaybeEverybody(issuer.host_str().unwrap_or_default().to_owned()))
            }
            _ => Ok(()),
        }
    }
}
