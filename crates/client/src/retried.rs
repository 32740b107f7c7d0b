use std::sync::Arc;

use anyport_protocol::{Raw, json::Splice};
use anyport_service::{Context, Outcome, Reply, Request, Service};

/// Marks what a retried request answers as stale, since nobody above sees that it was retried.
///
/// 2026-07-28, caching §Cache Key: results of requests "carrying `inputResponses` or `requestState` [...] MUST NOT be
/// cached, as they depend on inputs that are not part of the cache key".
pub(crate) struct Retried(pub(crate) Arc<dyn Service>);

impl Service for Retried {
    fn call(&self, request: Request, context: Context) -> Reply {
        let carries = |name| request.params.find(name).is_some();
        let cacheable = request.known().is_some_and(|method| method.is_cacheable());
        if !cacheable || !(carries("inputResponses") || carries("requestState")) {
            return self.0.call(request, context);
        }
        self.0.call(request, context).map(stale)
    }
}

fn stale(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Result(result) if result.member("ttlMs").is_some() => {
            let zero = Raw::from(serde_json::Value::from(0));
            Outcome::Result(Splice::retain(&result, |key| key != "ttlMs").with("ttlMs", &zero).finish())
        }
        outcome => outcome,
    }
}
