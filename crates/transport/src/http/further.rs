//! The MCP endpoints beside the first of a listener.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use anyport_service::{Service, sync::Lock};

/// An MCP endpoint beside the first of a listener. See [`Config::further_endpoints`](super::Config::further_endpoints).
#[derive(Clone)]
pub struct FurtherEndpoint {
    pub(super) path: String,
    pub(super) service: Arc<dyn Service>,
    pub(super) required: Arc<[String]>,
}

/// The MCP endpoints beside the first of a listener. Clones are the same endpoints, which may be changed while they are served.
#[derive(Clone, Default)]
pub struct FurtherEndpoints(Arc<Lock<Inner>>);

#[derive(Default)]
struct Inner {
    endpoints: Arc<[FurtherEndpoint]>,
    served: Vec<Weak<dyn ServesFurther>>,
}

/// What serves them.
pub(super) trait ServesFurther: Send + Sync {
    /// Serves these from now on, and those that it has among them as before.
    fn set(&self, endpoints: &[FurtherEndpoint]);
}

impl FurtherEndpoint {
    /// The endpoint at `path`, such as `/s/files/mcp`, which is answered by `service`.
    pub fn new(path: impl Into<String>, service: impl Service) -> Self {
        Self { path: path.into(), service: Arc::new(service), required: Arc::default() }
    }

    /// Requires these scopes of every request, beside those that all endpoints require.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.required = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Whether it is the same endpoint: the same service at the same path, with the same scopes.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.path == other.path
            && Arc::ptr_eq(&self.service, &other.service)
            && self.required == other.required
    }
}

impl FurtherEndpoints {
    /// Serves `endpoints` from now on. The same ones as before, which are clones, go on with their sessions. Those that are gone answer 404,
    /// open no sessions and no streams any more, and their sessions end once their calls have, within the `drain` time. An axum router has the
    /// paths of the time at which it was made.
    ///
    /// Must be called inside a tokio runtime once they are served.
    pub fn set(&self, endpoints: impl IntoIterator<Item = FurtherEndpoint>) {
        let endpoints: Arc<[_]> = endpoints.into_iter().collect();
        let served: Vec<_> = {
            let mut inner = self.0.lock();
            inner.endpoints = endpoints.clone();
            inner.served.iter().filter_map(Weak::upgrade).collect()
        };
        served.iter().for_each(|served| served.set(&endpoints));
    }

    /// The paths of the endpoints of now.
    pub fn paths(&self) -> Vec<String> {
        let endpoints = self.0.lock().endpoints.clone();
        endpoints.iter().map(|endpoint| endpoint.path.clone()).collect()
    }

    /// Has `served` serve the endpoints of now, and whatever they are later.
    pub(super) fn serve(&self, served: &Arc<dyn ServesFurther>) {
        let endpoints = {
            let mut inner = self.0.lock();
            inner.served.push(Arc::downgrade(served));
            inner.endpoints.clone()
        };
        served.set(&endpoints);
    }
}

impl FromIterator<FurtherEndpoint> for FurtherEndpoints {
    fn from_iter<T: IntoIterator<Item = FurtherEndpoint>>(endpoints: T) -> Self {
        let all = Self::default();
        all.set(endpoints);
        all
    }
}

impl<const N: usize> From<[FurtherEndpoint; N]> for FurtherEndpoints {
    fn from(endpoints: [FurtherEndpoint; N]) -> Self {
        endpoints.into_iter().collect()
    }
}

impl fmt::Debug for FurtherEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FurtherEndpoint").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for FurtherEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.0.lock().endpoints).finish()
    }
}
