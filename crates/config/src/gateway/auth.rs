//! `[auth]`: who may call the gateway over HTTP.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    authorization_server::{
        AuthorizationServerConfig, AuthorizationServerKeys, BuiltinConfig, ProxyConfig, TrustedIdpConfig,
    },
    values::{check_scopes, is_safe_url},
};

/// Who may call over HTTP. Without any of `issuers`, `secret`, `keys`, `builtin` and `proxy`, the section says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// The authorization servers whose tokens are accepted, by names of your own.
    pub issuers: IndexMap<String, IssuerConfig>,
    /// Tokens that are signed with a secret of your own (HS256), such as those of `anyport token`.
    pub secret: Option<SecretConfig>,
    /// Whether API keys are accepted: those of `anyport key`.
    pub keys: bool,
    /// Local users: the gateway is an authorization server, which lets them sign in with passwords.
    pub builtin: Option<BuiltinConfig>,
    /// An identity provider: the gateway is an authorization server, which lets users sign in there.
    pub proxy: Option<ProxyConfig>,
    /// What the authorization server gives to which clients.
    pub server: Option<AuthorizationServerConfig>,
    /// The identity providers whose assertions about their users are accepted in place of a sign-in, by names of your own.
    pub trusted_idps: IndexMap<String, TrustedIdpConfig>,
    /// The scopes that every request needs.
    pub require: Vec<String>,
    /// The scopes that clients ask for at first. Default: those of `require`.
    pub scopes_supported: Vec<String>,
}

/// An authorization server whose tokens are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerConfig {
    /// Its identifier, exactly as its metadata and its tokens write it.
    pub issuer: String,
    /// The audiences (`aud`) that a token may name beside the URL of the endpoint.
    pub audiences: Vec<String>,
    /// The URL of its keys. Default: what its metadata says.
    pub keys_url: Option<String>,
    /// The algorithms of its signatures. Default: ES256, ES384, EdDSA, RS256 and PS256 with their larger forms.
    pub algorithms: Vec<String>,
    /// The types (`typ`) of its tokens. Default: `at+jwt` and `JWT`.
    pub types: Vec<String>,
    /// Whether tokens without a type are accepted. Default: yes.
    pub untyped: Option<bool>,
    /// Scopes that include others: `admin = ["write", "read"]`.
    pub includes: IndexMap<String, Vec<String>>,
    /// Tokens that are bound to keys.
    pub dpop: DpopUse,
    /// Whether proofs of such tokens must have a nonce of this server's, which lasts as long as the limit `dpop_proof_age`.
    pub dpop_nonces: bool,
    /// The seconds by which its clock may be off. Default: 60.
    pub leeway: Option<u32>,
    /// Asks the authorization server about each token, for tokens that are no JWTs.
    pub introspection: Option<IntrospectionConfig>,
}

/// How an authorization server is asked about tokens (RFC 7662).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntrospectionConfig {
    /// The introspection endpoint.
    pub url: String,
    /// The client that asks.
    pub client_id: String,
    /// The place of its secret: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub client_secret: String,
}

/// Tokens that are signed with a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretConfig {
    /// The place of the secret, of 32 bytes or more: `env:NAME`, `file:PATH` or `cmd:COMMAND`.
    pub from: String,
    /// The issuer that tokens must name. Default: they need not.
    pub issuer: Option<String>,
    /// The audiences of which a token must name one, if it names any. Default: the URL of the endpoint.
    pub audiences: Vec<String>,
    /// Scopes that include others: `admin = ["write", "read"]`.
    pub includes: IndexMap<String, Vec<String>>,
}

/// What becomes of tokens that are bound to keys by DPoP. Such a token is never accepted without its proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DpopUse {
    /// They are accepted.
    #[default]
    Accepted,
    /// They are accepted, and challenges offer them.
    Offered,
    /// Only they are accepted.
    Required,
}

impl AuthConfig {
    /// Whether it says how callers are authenticated.
    pub fn is_set(&self) -> bool {
        !self.issuers.is_empty() || self.secret.is_some() || self.keys || self.has_authorization_server()
    }

    /// Whether the gateway is an authorization server for its clients.
    pub fn has_authorization_server(&self) -> bool {
        self.builtin.is_some() || self.proxy.is_some()
    }

    /// Whether a caller can have `scope`: of our own authorization server, if it alone gives tokens, or of others.
    pub(super) fn can_give(&self, scope: &String) -> bool {
        let has_others = !self.issuers.is_empty() || self.secret.is_some() || self.keys;
        let given = self.server.as_ref().map(|server| &server.scopes).filter(|scopes| !scopes.is_empty());
        !self.has_authorization_server() || has_others || given.is_none_or(|given| given.contains(scope))
    }

    /// Checks what its keys say together.
    ///
    /// # Errors
    /// The path of the key that is wrong, below `auth`, and why.
    pub fn check(&self, public_url: Option<&str>) -> Result<(), (Vec<String>, String)> {
        let at = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let keys = AuthorizationServerKeys {
            builtin: self.builtin.as_ref(),
            proxy: self.proxy.as_ref(),
            server: self.server.as_ref(),
            trusted_idps: &self.trusted_idps,
        };
        keys.check(public_url)?;
        if !self.is_set() && *self != Self::default() {
            let reason = "it names neither `issuers` nor a `secret` nor `keys`, and has no authorization server (`builtin`, `proxy`), so \
                          nobody could present a credential";
            return Err((at(&[]), reason.to_owned()));
        }
        check_scopes(&self.require).map_err(|reason| (at(&["require"]), reason))?;
        check_scopes(&self.scopes_supported).map_err(|reason| (at(&["scopes_supported"]), reason))?;
        for (name, issuer) in &self.issuers {
            issuer.check(public_url).map_err(|(key, reason)| (at(&["issuers", name, key]), reason))?;
            let same =
                |(other, one): &(&String, &IssuerConfig)| *other != name && one.issuer == issuer.issuer;
            if let Some((other, _)) = self.issuers.iter().find(same) {
                let reason = format!("`{other}` is the same issuer: one of them would never be asked");
                return Err((at(&["issuers", name, "issuer"]), reason));
            }
        }
        let mut introspecting = self.issuers.iter().filter(|(_, issuer)| issuer.introspection.is_some());
        if let (Some((first, _)), Some((second, _))) = (introspecting.next(), introspecting.next()) {
            let reason = format!(
                "`{first}` has one already: a token that is not signed does not say whose it is, so one issuer alone can be asked about it"
            );
            return Err((at(&["issuers", second, "introspection"]), reason));
        }
        match &self.secret {
            Some(secret) if secret.from.is_empty() => {
                let reason = "it has no `from`: say where the secret is, as in `from = \"env:JWT_SECRET\"`";
                Err((at(&["secret"]), reason.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl IssuerConfig {
    fn check(&self, public_url: Option<&str>) -> Result<(), (&'static str, String)> {
        if self.issuer.is_empty() {
            return Err(("issuer", "it has no `issuer`: the URL that its tokens name in `iss`".to_owned()));
        }
        if !is_safe_url(&self.issuer) {
            return Err(("issuer", "it must begin with https://, or be on this machine".to_owned()));
        }
        if self.audiences.is_empty() && public_url.is_none() {
            let reason = "its tokens must be for this gateway: set `public_url` of [gateway], or `audiences`";
            return Err(("audiences", reason.to_owned()));
        }
        if let Some(other) = self.algorithms.iter().find(|name| !ALGORITHMS.contains(&name.as_str())) {
            let reason = format!(
                "{other:?} is none of {}: an issuer signs with a key whose other half is public",
                ALGORITHMS.join(", ")
            );
            return Err(("algorithms", reason));
        }
        if let Some(introspection) = &self.introspection {
            let is_for_signed =
                !self.algorithms.is_empty() || !self.types.is_empty() || self.untyped.is_some();
            if self.keys_url.is_some() || is_for_signed {
                let reason = "with `introspection` the authorization server says what a token is: `keys_url`, `algorithms`, `types` and `untyped` are not for it";
                return Err(("introspection", reason.to_owned()));
            }
            let missing = [
                ("url", &introspection.url),
                ("client_id", &introspection.client_id),
                ("client_secret", &introspection.client_secret),
            ];
            if let Some((key, _)) = missing.into_iter().find(|(_, value)| value.is_empty()) {
                return Err(("introspection", format!("it has no `{key}`")));
            }
        }
        Ok(())
    }
}

/// The algorithms of signatures that are verified with public keys.
const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
