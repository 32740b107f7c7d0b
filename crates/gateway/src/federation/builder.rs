use std::sync::Arc;

use anyport_layers::{CacheLimits, RateLimiter};
use anyport_metrics::Metrics;
use anyport_protocol::{Raw, Revision, json::Splice};
use anyport_seal::{Key, Sealer};

use super::{
    FederationLimits, Member, endpoint::Endpoint, error::FederationError, member::Members,
    pattern::Selection, served_endpoint::ServedEndpoint, service::Federation, shared::Shared,
};

/// Builds a [`Federation`].
///
/// ```
/// use std::sync::Arc;
///
/// use anyport_gateway::federation::{Federation, FederationError, Member, Naming};
/// use anyport_service::Service;
///
/// fn join(files: Arc<dyn Service>, tracker: Arc<dyn Service>) -> Result<Federation, FederationError> {
///     Federation::builder("gateway", "1.0.0")
///         .member(Member::new("files", files))
///         .member(Member::new("tracker", tracker).naming(Naming::default().prefix("")))
///         .instructions("Everything about our projects.")
///         .build()
/// }
/// ```
#[must_use = "a federation is made by `build`"]
pub struct FederationBuilder {
    name: String,
    version: String,
    title: Option<String>,
    instructions: Option<String>,
    members: Vec<Member>,
    revisions: Arc<[Revision]>,
    limits: FederationLimits,
    sealer: Option<Sealer>,
    metrics: Metrics,
    rate_limiter: Option<Arc<dyn RateLimiter>>,
    cache: CacheLimits,
}

impl Federation {
    /// Begins to build a federation that introduces itself to clients as `name` in the version `version`.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> FederationBuilder {
        FederationBuilder {
            name: name.into(),
            version: version.into(),
            title: None,
            instructions: None,
            members: Vec::new(),
            revisions: Revision::ALL.into_iter().rev().collect(),
            limits: FederationLimits::default(),
            sealer: None,
            metrics: Metrics::new(),
            rate_limiter: None,
            cache: CacheLimits::default(),
        }
    }
}

impl FederationBuilder {
    /// Adds a member. Of two members that want one name for a tool, the one that was added first has it.
    pub fn member(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// Sets the title of the federation for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the instructions that stand before those of the members.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Sets the revisions that the endpoint serves, newest first. Default: all.
    pub fn revisions(mut self, revisions: impl Into<Arc<[Revision]>>) -> Self {
        self.revisions = revisions.into();
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: FederationLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Seals the states of open questions with `sealer`. Default: a key of this process, so that open questions are lost
    /// when it ends.
    pub fn sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Counts in `metrics`. Default: in numbers that nobody reads.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Counts the calls of members ([`Member::rates`]) with `limiter`. Default: in the memory of this process.
    pub fn rate_limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.rate_limiter = Some(limiter);
        self
    }

    /// Keeps the answers of all members ([`Member::cache`]) within `limits`.
    pub fn cache(mut self, limits: CacheLimits) -> Self {
        self.cache = limits;
        self
    }

    /// Makes the federation. It calls its members when the first request comes.
    ///
    /// # Errors
    /// A name that is empty, or that two members have; no random numbers for a key.
    pub fn build(self) -> Result<Federation, FederationError> {
        let sealer = match self.sealer {
            Some(sealer) => sealer,
            None => Sealer::new(&Key::random().map_err(|error| FederationError::NoKey(error.to_string()))?),
        };
        let identity = identity(&self.name, self.title.as_deref(), &self.version);
        let members = Members::new(self.members, None)?;
        let shared =
            Shared::new(members, self.limits, sealer, identity.clone(), &self.metrics).cache(self.cache);
        let shared = Arc::new(match self.rate_limiter {
            Some(limiter) => shared.rate_limiter(limiter),
            None => shared,
        });
        let selection = Arc::new(Selection::default());
        let (instructions, revisions) = (self.instructions, self.revisions);
        let endpoint = Endpoint::new(shared, selection, identity, instructions, false, revisions);
        Ok(Federation { served: Arc::new(ServedEndpoint::new(endpoint)) })
    }
}

/// An `Implementation`.
fn identity(name: &str, title: Option<&str>, version: &str) -> Raw {
    let identity = Splice::new().with("name", &Raw::string(name));
    let identity = title.into_iter().fold(identity, |all, title| all.with("title", &Raw::string(title)));
    identity.with("version", &Raw::string(version)).finish()
}
