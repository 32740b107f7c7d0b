//! Who of the provider's users may sign in.

use super::{kind::DomainClaim, options::ProviderOptions};

/// Who may sign in.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    subjects: Vec<String>,
    /// In small letters.
    domains: Vec<String>,
    pub(super) domain_claim: DomainClaim,
}

impl Admission {
    pub(super) fn new(options: &ProviderOptions) -> Self {
        Self {
            subjects: options.allowed_subjects.clone(),
            domains: options.allowed_domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
            domain_claim: options.kind.domain_claim(),
        }
    }

    /// Whether the e-mail address of users must be known.
    pub(super) fn needs_email(&self) -> bool {
        !self.domains.is_empty() && self.domain_claim == DomainClaim::VerifiedEmail
    }

    /// Whether a user who has signed in before still may, as far as that is known without the provider: users who may for their
    /// domain are asked for it at the next sign-in.
    pub(super) fn still_admits(&self, subject: &str) -> bool {
        !self.domains.is_empty() || self.admits(subject, None)
    }

    /// Whether a user may sign in, of whom the provider has verified that `domain` is the user's.
    pub(super) fn admits(&self, subject: &str, domain: Option<&str>) -> bool {
        let is_of_domain = || {
            let domain = domain.map(str::to_ascii_lowercase);
            domain.is_some_and(|domain| self.domains.contains(&domain))
        };
        let is_open = self.subjects.is_empty() && self.domains.is_empty();
        is_open || self.subjects.iter().any(|allowed| allowed == subject) || is_of_domain()
    }
}
