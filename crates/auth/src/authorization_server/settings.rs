use std::{fmt, sync::Arc};

use anyport_metrics::Metrics;
use anyport_store::Clock;
use anyport_transport::http::PublicUrl;

use super::{client::ConfiguredClient, id_jag::TrustedIdentityProviders, limits::AuthorizationServerLimits};

/// What an authorization server is.
#[derive(Clone, Debug)]
pub struct AuthorizationServerSettings {
    pub(super) public_url: PublicUrl,
    pub(super) resources: Resources,
    pub(super) scopes: Vec<String>,
    pub(super) default_scopes: Vec<String>,
    pub(super) required_scopes: Vec<String>,
    pub(super) clients: Vec<ConfiguredClient>,
    pub(super) client_hosts: Vec<String>,
    pub(super) redirect_schemes: Vec<String>,
    pub(super) consent: ConsentMode,
    pub(super) registers: bool,
    pub(super) allows_private_documents: bool,
    pub(super) trusted_identity_providers: Option<TrustedIdentityProviders>,
    pub(super) limits: AuthorizationServerLimits,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
}

/// The resources that tokens are given for: the URLs of our endpoints, as they are now.
#[derive(Clone)]
pub struct Resources(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl Resources {
    /// What `resources` returns whenever a client asks for a token.
    pub fn new(resources: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(resources))
    }

    pub(super) fn now(&self) -> Vec<String> {
        (self.0)()
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resources").field(&self.now()).finish()
    }
}

/// When users are asked for their consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsentMode {
    /// At every authorization.
    #[default]
    Always,
    /// Not again at the same client, if the browser says that no other site has sent the user, and answers do not go to a program
    /// on the user's device, of which another one could take the place.
    Remember,
}

impl AuthorizationServerSettings {
    /// An authorization server at `public_url`, which is its issuer, for `resources`.
    pub fn new(public_url: PublicUrl, resources: Resources) -> Self {
        Self {
            public_url,
            resources,
            scopes: Vec::new(),
            default_scopes: Vec::new(),
            required_scopes: Vec::new(),
            clients: Vec::new(),
            client_hosts: Vec::new(),
            redirect_schemes: Vec::new(),
            consent: ConsentMode::default(),
            registers: true,
            allows_private_documents: false,
            trusted_identity_providers: None,
            limits: AuthorizationServerLimits::default(),
            metrics: Metrics::new(),
            clock: Clock::default(),
        }
    }

    /// Sets the scopes that are given. Default: all that clients ask for.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    /// Sets the scopes of clients that ask for none. Default: none.
    #[must_use]
    pub fn default_scopes(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.default_scopes = scopes.into_iter().collect();
        self
    }

    /// Sets the scopes that every request needs: also users who may grant only some scopes may grant these. Default: none.
    #[must_use]
    pub fn required_scopes(mut self, scopes: impl IntoIterator<Item = String>) -> Self {
        self.required_scopes = scopes.into_iter().collect();
        self
    }

    /// Adds a client.
    #[must_use]
    pub fn client(mut self, client: ConfiguredClient) -> Self {
        self.clients.push(client);
        self
    }

    /// Sets the hosts whose metadata documents of clients are accepted. Default: every host.
    #[must_use]
    pub fn client_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.client_hosts = hosts.into_iter().collect();
        self
    }

    /// Sets the schemes of redirect URIs of programs, such as `cursor`, that are allowed beside `https:` and `http:` on the user's
    /// device.
    #[must_use]
    pub fn redirect_schemes(mut self, schemes: impl IntoIterator<Item = String>) -> Self {
        self.redirect_schemes = schemes.into_iter().collect();
        self
    }

    /// Sets when users are asked for their consent.
    #[must_use]
    pub fn consent(mut self, consent: ConsentMode) -> Self {
        self.consent = consent;
        self
    }

    /// Sets whether clients may register themselves. Default: they may.
    #[must_use]
    pub fn registers(mut self, registers: bool) -> Self {
        self.registers = registers;
        self
    }

    /// Fetches metadata documents of clients from this machine and from private networks as well, and over `http:`: for closed
    /// networks and tests. Anybody can then have this server send requests there.
    #[must_use]
    pub fn allow_private_documents(mut self) -> Self {
        self.allows_private_documents = true;
        self
    }

    /// Accepts the assertions of these identity providers about their users, in place of a consent and a sign-in. Default: none.
    #[must_use]
    pub fn trusted_identity_providers(mut self, trusted: TrustedIdentityProviders) -> Self {
        self.trusted_identity_providers = Some(trusted);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: AuthorizationServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts what the limits refuse in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Sets the clock by which tokens end. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}
