use std::sync::Arc;

use anyport_transport::http::{Authentication, Config, CredentialVerifier, ProtectedResource, PublicUrl};

/// How callers over HTTP are authenticated, where the configuration of an address does not say.
#[derive(Default)]
pub(crate) struct Protection {
    pub(crate) verifier: Option<Arc<dyn CredentialVerifier>>,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) resource: Option<ProtectedResource>,
}

impl Protection {
    /// Sets in `config` what it does not say.
    pub(crate) fn apply(&self, config: &mut Config) {
        if let (Some(verifier), Authentication::Anonymous) = (&self.verifier, &config.authentication) {
            config.authentication = Authentication::Verified(verifier.clone());
        }
        if config.public_url.is_none() {
            config.public_url.clone_from(&self.public_url);
        }
        if let Some(resource) = &self.resource
            && config.resource == ProtectedResource::default()
        {
            config.resource = resource.clone();
        }
    }
}
