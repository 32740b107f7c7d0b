//! `[auth.server]`, `[auth.builtin]`, `[auth.proxy]` and `[auth.trusted_idps]`: the gateway as an authorization server for its clients.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{check_scopes, is_safe_url};

/// What the authorization server gives to which clients.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorizationServerConfig {
    /// The scopes that clients can have. Default: all that they ask for.
    pub scopes: Vec<String>,
    /// When users are asked whether a client may call in their name.
    pub consent: Consent,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// The hosts whose documents may be the ids of clients. Default: every host.
    pub client_hosts: Vec<String>,
    /// The schemes of redirect URIs that are allowed beside `https` and `http` on the user's machine, such as `cursor`.
    pub redirect_schemes: Vec<String>,
    /// Clients that you register yourself, by their ids.
    pub clients: IndexMap<String, ClientConfig>,
}

/// When users are asked whether a client may call in their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// At every authorization.
    #[default]
    Always,
    /// Once for each client, except for clients on the user's machine and for requests from other sites.
    Remember,
}

/// A client that is registered in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Its name, as users see it.
    pub name: Option<String>,
    /// Where users may be sent with their codes.
    pub redirect_uris: Vec<String>,
    /// The place of its secret: `env:NAME`, `file:PATH` or `cmd:COMMAND`. Default: it has none.
    pub secret: Option<String>,
}

/// Local users, whom `anyport user` adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BuiltinConfig {}

/// An identity provider at which users sign in. The gateway is its one client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Which provider it is.
    pub provider: Provider,
    /// Its issuer, exactly as its metadata writes it. `github` and `google` need none.
    pub issuer: Option<String>,
    /// The id of the gateway's client there. Its redirect URI is `/oauth/callback` below the public URL.
    pub client_id: String,
    /// The place of the client's secret: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub client_secret: Option<String>,
    /// The scopes that are asked for at the provider. Default: those that say who the user is, and that keep the login.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Further parameters of the page at which users sign in, in place of those that the provider is known to want.
    #[serde(default)]
    pub authorize_params: IndexMap<String, String>,
    /// The ids of the tenants of Entra whose users may sign in, if the issuer is that of all: `…/common/v2.0`.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// The users who may sign in, by the subjects that the provider gives them: at GitHub, the number of the account.
    #[serde(default)]
    pub allowed_subjects: Vec<String>,
    /// The domains whose users may sign in: at Google, that of the workspace; at others, that of a verified e-mail address.
    #[serde(default)]
    pub allowed_domains: Vec<String>,
    /// Whether everybody with an account may sign in, where everybody can get an account.
    #[serde(default)]
    pub everyone: bool,
}

/// Which identity provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, or a GitHub Enterprise Server.
    Github,
    /// Google.
    Google,
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
    /// Any other OpenID provider.
    Oidc,
}

/// An identity provider whose assertions about its users are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedIdpConfig {
    /// Its issuer, exactly as its assertions write it.
    pub issuer: String,
    /// The URL of its keys. Default: what its metadata says.
    pub keys_url: Option<String>,
}

impl Default for AuthorizationServerConfig {
    fn default() -> Self {
        Self {
            scopes: Vec::new(),
            consent: Consent::default(),
            registration: true,
            client_hosts: Vec::new(),
            redirect_schemes: Vec::new(),
            clients: IndexMap::new(),
        }
    }
}

impl Provider {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Oidc => "oidc",
        }
    }
}

/// The keys of `[auth]` about the authorization server.
pub(super) struct AuthorizationServerKeys<'a> {
    pub(super) builtin: Option<&'a BuiltinConfig>,
    pub(super) proxy: Option<&'a ProxyConfig>,
    pub(super) server: Option<&'a AuthorizationServerConfig>,
    pub(super) trusted_idps: &'a IndexMap<String, TrustedIdpConfig>,
}

impl AuthorizationServerKeys<'_> {
    /// Checks what they say together.
    ///
    /// # Errors
    /// The path of the key that is wrong, below `auth`, and why.
    pub(super) fn check(&self, public_url: Option<&str>) -> Result<(), (Vec<String>, String)> {
        let Some(key) = self.users()? else { return self.check_orphans() };
        if public_url.is_some_and(|url| !is_safe_url(url)) {
            let reason = "users sign in below `public_url` of [gateway]: it must begin with https://, or be on this machine";
            return Err((at(&[key]), reason.to_owned()));
        }
        if let Some(proxy) = self.proxy {
            if proxy.client_id.is_empty() {
                return Err((at(&["proxy", "client_id"]), "it is empty".to_owned()));
            }
            check_scopes(&proxy.scopes).map_err(|reason| (at(&["proxy", "scopes"]), reason))?;
        }
        if let Some(server) = self.server {
            check_scopes(&server.scopes).map_err(|reason| (at(&["server", "scopes"]), reason))?;
        }
        match self.trusted_idps.iter().find(|(_, idp)| !is_safe_url(&idp.issuer)) {
            Some((name, _)) => {
                let reason = "it must begin with https://, or be on this machine";
                Err((at(&["trusted_idps", name, "issuer"]), reason.to_owned()))
            }
            None => Ok(()),
        }
    }

    /// The key that says who the users are; `None` without an authorization server.
    fn users(&self) -> Result<Option<&'static str>, (Vec<String>, String)> {
        match (self.builtin, self.proxy) {
            (Some(_), Some(_)) => {
                let reason =
                    "users sign in either here ([auth.builtin]) or at a provider ([auth.proxy]): remove one";
                Err((at(&["proxy"]), reason.to_owned()))
            }
            (Some(_), None) => Ok(Some("builtin")),
            (None, Some(_)) => Ok(Some("proxy")),
            (None, None) => Ok(None),
        }
    }

    /// The keys that mean something beside an authorization server alone.
    fn check_orphans(&self) -> Result<(), (Vec<String>, String)> {
        let orphans = [("server", self.server.is_some()), ("trusted_idps", !self.trusted_idps.is_empty())];
        match orphans.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => {
                let reason = "there is no authorization server: add [auth.builtin] or [auth.proxy]";
                Err((at(&[key]), reason.to_owned()))
            }
            None => Ok(()),
        }
    }
}

fn at(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
