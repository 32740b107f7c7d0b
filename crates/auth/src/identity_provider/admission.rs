//! Who of the provider's users may sign in.

use super::{kind::DomainClaim, options::ProviderOptions, user::SignedInUser};

/// Who may sign in.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    subjects: Vec<String>,
    /// In small letters.
    domains: Vec<String>,
    /// The tenants of Entra, where the issuer is that of several. In small letters.
    tenants: Vec<String>,
    pub(super) domain_claim: DomainClaim,
}

impl Admission {
    pub(super) fn new(options: &ProviderOptions) -> Self {
        let in_small_letters =
            |all: &[String]| all.iter().map(|one| one.to_ascii_lowercase()).collect::<Vec<_>>();
        Self {
            subjects: options.allowed_subjects.clone(),
            domains: in_small_letters(&options.allowed_domains),
            tenants: in_small_letters(&options.tenants),
            domain_claim: options.kind.domain_claim(),
        }
    }

    /// Whether the e-mail address of users must be known.
    pub(super) fn needs_email(&self) -> bool {
        !self.domains.is_empty() && self.domain_claim == DomainClaim::VerifiedEmail
    }

    /// Whether a user may sign in, and may still be signed in: for the tenant, and for the subject or the domain.
    pub(super) fn admits(&self, user: &SignedInUser) -> bool {
        let is_open = self.subjects.is_empty() && self.domains.is_empty();
        let has_subject = || self.subjects.contains(&user.subject);
        let domain = user.domain.as_deref().map(str::to_ascii_lowercase);
        let has_domain = || domain.is_some_and(|domain| self.domains.contains(&domain));
        self.has_tenant(&user.issuer) && (is_open || has_subject() || has_domain())
    }

    /// Whether `issuer` is that of a tenant that is named, `https://login.microsoftonline.com/TENANT/v2.0`, if any are.
    fn has_tenant(&self, issuer: &str) -> bool {
        let is_named = |segment: &str| self.tenants.iter().any(|tenant| segment.eq_ignore_ascii_case(tenant));
        self.tenants.is_empty() || issuer.split('/').any(is_named)
    }
}
