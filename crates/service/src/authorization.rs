use std::{net::IpAddr, sync::Arc};

use tokio::time::Instant;

use crate::Principal;

/// What a verified credential allows: whom it stands for, its scopes, and until when; and from where it was presented. Cheap to
/// clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    kind: Kind,
    address: Option<IpAddr>,
}

/// Callers without scopes, who are most, cost no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Unlimited(Principal),
    Granted(Arc<Granted>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Granted {
    principal: Principal,
    scopes: Option<Box<[Box<str>]>>,
    expires: Option<Instant>,
}

impl Authorization {
    /// Allows `principal` everything, without an end: a caller of a static token, the local user.
    pub const fn unlimited(principal: Principal) -> Self {
        Self { kind: Kind::Unlimited(principal), address: None }
    }

    /// Allows `principal` what `scopes` stand for.
    pub fn scoped<S: Into<Box<str>>>(principal: Principal, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = Some(scopes.into_iter().map(Into::into).collect());
        let kind = Kind::Granted(Arc::new(Granted { principal, scopes, expires: None }));
        Self { kind, address: None }
    }

    /// Notes the address from which it was presented; only a transport over a network does.
    #[must_use]
    pub fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Ends at `expires`.
    #[must_use]
    pub fn until(self, expires: Instant) -> Self {
        let mut granted = match self.kind {
            Kind::Unlimited(principal) => Arc::new(Granted { principal, scopes: None, expires: None }),
            Kind::Granted(granted) => granted,
        };
        Arc::make_mut(&mut granted).expires = Some(expires);
        Self { kind: Kind::Granted(granted), address: self.address }
    }

    /// Whom the credential stands for.
    pub fn principal(&self) -> &Principal {
        match &self.kind {
            Kind::Unlimited(principal) => principal,
            Kind::Granted(granted) => &granted.principal,
        }
    }

    /// The scopes that were granted; `None`: everything is allowed.
    pub fn scopes(&self) -> Option<impl Iterator<Item = &str>> {
        Some(self.granted()?.scopes.as_deref()?.iter().map(|scope| &**scope))
    }

    /// Whether `scope` was granted. A hierarchy of scopes is resolved by what verifies credentials: it grants what a scope
    /// includes as well.
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes().is_none_or(|mut scopes| scopes.any(|granted| granted == scope))
    }

    /// When it ends; `None`: with the process.
    pub fn expires(&self) -> Option<Instant> {
        self.granted()?.expires
    }

    /// The address from which it was presented; `None` if that was over no network.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The caller with its scopes, for what is apart for each of them.
    pub fn scoped_principal(&self) -> ScopedPrincipal {
        let mut scopes: Option<Vec<Box<str>>> = self.scopes().map(|scopes| scopes.map(Into::into).collect());
        scopes.iter_mut().for_each(|scopes| scopes.sort_unstable());
        ScopedPrincipal { principal: self.principal().clone(), scopes: scopes.map(Into::into) }
    }

    fn granted(&self) -> Option<&Granted> {
        match &self.kind {
            Kind::Unlimited(_) => None,
            Kind::Granted(granted) => Some(granted),
        }
    }
}

impl From<Principal> for Authorization {
    fn from(principal: Principal) -> Self {
        Self::unlimited(principal)
    }
}

/// A principal together with its scopes, as a key: what a caller got with many scopes is not for a caller of the same principal that has
/// few.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScopedPrincipal {
    principal: Principal,
    /// In their order; `None`: everything is allowed.
    scopes: Option<Arc<[Box<str>]>>,
}

impl ScopedPrincipal {
    /// Whom it is.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The same principal, whatever its scopes are.
    #[must_use]
    pub fn without_scopes(self) -> Self {
        Self { scopes: None, ..self }
    }

    /// What such a caller is allowed, without an end.
    pub fn authorization(&self) -> Authorization {
        match &self.scopes {
            None => Authorization::unlimited(self.principal.clone()),
            Some(scopes) => Authorization::scoped(self.principal.clone(), scopes.iter().cloned()),
        }
    }
}

/// The principal alone, before its scopes.
impl std::fmt::Display for ScopedPrincipal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.principal.fmt(f)?;
        self.scopes.iter().flat_map(|scopes| &**scopes).try_for_each(|scope| write!(f, " {scope}"))
    }
}

/// Whether `scope` is written as RFC 6749, section 3.3, has it: "1*( %x21 / %x23-5B / %x5D-7E )".
pub fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_granted_and_none_allows_everything() {
        let ada = || Principal::named("ada");
        assert!(Authorization::unlimited(ada()).allows("x"));
        let scoped = Authorization::scoped(ada(), ["a", "b:c"]);
        assert!(scoped.allows("a") && scoped.allows("b:c") && !scoped.allows("b") && !scoped.allows("A"));
        assert!(!Authorization::scoped(ada(), [""; 0]).allows("a"), "no scopes are not all of them");
        assert_eq!((scoped.principal(), scoped.expires()), (&ada(), None));
    }

    #[test]
    fn a_scoped_principal_is_its_principal_and_its_scopes_in_any_order() {
        let of = |scopes: &[&str]| {
            Authorization::scoped(Principal::named("ada"), scopes.iter().copied()).scoped_principal()
        };
        let unlimited = Authorization::unlimited(Principal::named("ada")).scoped_principal();
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a"]), of(&["a", "b"]));
        assert_ne!(of(&[]), unlimited);
        assert_eq!(of(&["a"]).without_scopes(), unlimited);
        assert_eq!(of(&["b", "a"]).authorization().scoped_principal(), of(&["a", "b"]));
        assert!(of(&["a"]).authorization().allows("a") && !of(&["a"]).authorization().allows("b"));
        assert_eq!(of(&["b", "a"]).to_string(), format!("{} a b", Principal::named("ada")));
    }

    #[test]
    fn scopes_are_visible_ascii_without_quotes_and_backslashes() {
        assert!(["data:read", "a", "https://x.example/y", "!"].into_iter().all(is_scope));
        assert!(!["", "a b", "a\"b", "a\\b", "ä", "a\n"].into_iter().any(is_scope));
    }
}
