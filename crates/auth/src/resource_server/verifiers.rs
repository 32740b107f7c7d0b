use std::fmt;

use anyport_transport::http::{Credential, CredentialVerifier, DpopSupport, Verification};
use http::request::Parts;
use tokio::time::Instant;

use super::{
    api_keys::ApiKeys,
    api_keys::is_api_key,
    cache::{TokenCache, TokenHash},
    error::ConfigError,
    introspection::Introspection,
    jws::claimed_issuer,
    jwt::Jwt,
    limits::VerifierLimits,
    refusal::invalid,
    shared_secret::SharedSecretJwt,
};
use crate::authorization_server::IssuedTokens;

/// Several verifiers, of which each token has one alone.
///
/// A token's form and the issuer that it claims choose it, and no other is tried: a token that its verifier refuses is refused, so
/// that no issuer can speak for another one. A signed token (JWT) goes to the verifier of the very issuer that it names,
/// an API key to [`ApiKeys`], one of another form to introspection.
#[derive(Debug, Default)]
pub struct Verifiers {
    jwts: Vec<Jwt>,
    shared_secret: Option<SharedSecretJwt>,
    introspection: Option<Introspection>,
    api_keys: Option<ApiKeys>,
    issued: Option<IssuedTokens>,
    known: KnownChoices,
}

/// Which verifier a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    ApiKeys,
    Issued,
    /// The one of this number.
    Jwt(usize),
    SharedSecret,
    Introspection,
}

/// The choices for tokens that were verified: to read the issuer of a token costs more than all else of a cached one.
struct KnownChoices(TokenCache<Choice>);

impl Verifiers {
    /// None yet: every token is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the signed tokens of one issuer.
    ///
    /// # Errors
    /// If the issuer has a verifier already.
    pub fn jwt(mut self, jwt: Jwt) -> Result<Self, ConfigError> {
        self.check_issuer(jwt.issuer())?;
        self.jwts.push(jwt);
        Ok(self)
    }

    /// Adds the tokens that are signed with a shared secret: those of its issuer, or without any.
    ///
    /// # Errors
    /// If the same tokens have a verifier already.
    pub fn shared_secret(mut self, verifier: SharedSecretJwt) -> Result<Self, ConfigError> {
        if self.shared_secret.is_some() {
            return Err(ConfigError::Twice("tokens of a shared secret".into()));
        }
        if let Some(issuer) = verifier.issuer_of_tokens() {
            self.check_issuer(issuer)?;
        }
        self.shared_secret = Some(verifier);
        Ok(self)
    }

    /// Adds the tokens that an authorization server is asked about: those without a form that is known here, and signed ones that
    /// claim its issuer.
    ///
    /// # Errors
    /// If the same tokens have a verifier already.
    pub fn introspection(mut self, introspection: Introspection) -> Result<Self, ConfigError> {
        if self.introspection.is_some() {
            return Err(ConfigError::Twice("tokens that are not signed".into()));
        }
        self.check_issuer(introspection.issuer())?;
        self.introspection = Some(introspection);
        Ok(self)
    }

    /// Adds API keys.
    ///
    /// # Errors
    /// If API keys have a verifier already.
    pub fn api_keys(mut self, api_keys: ApiKeys) -> Result<Self, ConfigError> {
        match self.api_keys.replace(api_keys) {
            Some(_) => Err(ConfigError::Twice("API keys".into())),
            None => Ok(self),
        }
    }

    /// Adds the access tokens of an authorization server in this program.
    ///
    /// # Errors
    /// If such tokens have a verifier already.
    pub fn issued(mut self, issued: IssuedTokens) -> Result<Self, ConfigError> {
        match self.issued.replace(issued) {
            Some(_) => Err(ConfigError::Twice("tokens of our own".into())),
            None => Ok(self),
        }
    }

    fn check_issuer(&self, issuer: &str) -> Result<(), ConfigError> {
        match self.of_issuer(Some(issuer)) {
            Some(_) => Err(ConfigError::Twice(issuer.to_owned())),
            None => Ok(()),
        }
    }

    /// Which verifier has the signed tokens that claim this issuer.
    fn of_issuer(&self, issuer: Option<&str>) -> Option<Choice> {
        if let Some(number) = self.jwts.iter().position(|jwt| Some(jwt.issuer()) == issuer) {
            return Some(Choice::Jwt(number));
        }
        if self.shared_secret.as_ref().is_some_and(|secret| secret.issuer_of_tokens() == issuer) {
            return Some(Choice::SharedSecret);
        }
        let introspection = self.introspection.as_ref();
        introspection.filter(|one| Some(one.issuer()) == issuer).map(|_| Choice::Introspection)
    }

    /// Which verifier a token has, by its form and the issuer that it claims.
    fn choose(&self, token: &str) -> Option<Choice> {
        if is_api_key(token) {
            return Some(Choice::ApiKeys);
        }
        if IssuedTokens::is_one(token) {
            return Some(Choice::Issued);
        }
        match claimed_issuer(token) {
            Some(issuer) => self.of_issuer(issuer.as_deref()),
            None => Some(Choice::Introspection),
        }
    }

    /// The same from memory, if the token was verified before.
    fn chosen(&self, token: &str) -> Option<Choice> {
        self.known.0.get(&TokenHash::of(token, ""), Instant::now()).or_else(|| self.choose(token))
    }

    fn verifier(&self, choice: Choice) -> Option<&dyn CredentialVerifier> {
        fn verifier<V: CredentialVerifier>(one: Option<&V>) -> Option<&dyn CredentialVerifier> {
            one.map(|one| one as &dyn CredentialVerifier)
        }
        match choice {
            Choice::ApiKeys => verifier(self.api_keys.as_ref()),
            Choice::Issued => verifier(self.issued.as_ref()),
            Choice::Jwt(number) => verifier(self.jwts.get(number)),
            Choice::SharedSecret => verifier(self.shared_secret.as_ref()),
            Choice::Introspection => verifier(self.introspection.as_ref()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &dyn CredentialVerifier> {
        let jwts = self.jwts.iter().map(|jwt| jwt as &dyn CredentialVerifier);
        jwts.chain(self.introspection.as_ref().map(|one| one as &dyn CredentialVerifier))
    }
}

impl CredentialVerifier for Verifiers {
    fn verify(&self, credential: &Credential, head: &Parts, resource: &str) -> Verification {
        let (hash, now) = (TokenHash::of(&credential.token, ""), Instant::now());
        let known = self.known.0.get(&hash, now);
        let Some(choice) = known.or_else(|| self.choose(&credential.token)) else { return unknown() };
        let Some(verifier) = self.verifier(choice) else { return unknown() };
        let verification = verifier.verify(credential, head, resource);
        if known.is_none() && matches!(verification, Verification::Ready(Ok(_))) {
            let VerifierLimits { token_cache, max_cached_tokens, .. } = VerifierLimits::default();
            self.known.0.insert(hash, choice, now + token_cache, max_cached_tokens);
        }
        verification
    }

    fn verify_again(&self, credential: &Credential, resource: &str) -> Verification {
        match self.chosen(&credential.token).and_then(|choice| self.verifier(choice)) {
            Some(verifier) => verifier.verify_again(credential, resource),
            None => unknown(),
        }
    }

    fn issuer_of(&self, credential: &Credential) -> Option<&str> {
        self.verifier(self.chosen(&credential.token)?)?.issuer_of(credential)
    }

    fn authorization_servers(&self) -> Vec<String> {
        let issued = self.issued.iter().flat_map(CredentialVerifier::authorization_servers);
        issued.chain(self.all().flat_map(CredentialVerifier::authorization_servers)).collect()
    }

    /// [`DpopSupport::Required`] only if no verifier takes other tokens: API keys, tokens of a shared secret and tokens of our own
    /// authorization server are never bound.
    fn dpop_support(&self) -> DpopSupport {
        let has_bearers = self.api_keys.is_some() || self.shared_secret.is_some() || self.issued.is_some();
        let of_each = || self.all().map(CredentialVerifier::dpop_support);
        match of_each().max().unwrap_or_default() {
            DpopSupport::Required if has_bearers || of_each().any(|one| one != DpopSupport::Required) => {
                DpopSupport::Offered
            }
            most => most,
        }
    }

    fn dpop_algorithms(&self) -> &[&str] {
        self.all().next().map_or(&[], CredentialVerifier::dpop_algorithms)
    }
}

impl Default for KnownChoices {
    fn default() -> Self {
        Self(TokenCache::new())
    }
}

impl fmt::Debug for KnownChoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownChoices")
    }
}

fn unknown() -> Verification {
    Verification::Ready(Err(invalid("the token is of no issuer that is trusted here")))
}
