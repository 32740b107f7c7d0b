use anyport_metrics::Metrics;
use anyport_protocol::{Method, failure::Failure, limits};
use anyport_service::{Context, InputMode, Overload, Reply, Request, Service};
use tower_layer::Layer;

limits! {
    /// How much memory may be used before new work is refused.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LoadShedLimits {
        /// The used memory in percent: of the container (cgroup), if that has a bound, else of the machine. The page cache does not
        /// count. 100 refuses nothing.
        #[default(95)]
        #[limit(
            Count "max_memory_percent", note = " percent of the memory of the container or machine; 100 sets no limit",
            beyond = "new calls, streams and sessions get -32603 `overloaded`, 503; what runs goes on"
        )]
        pub max_memory_percent: u32,
        /// The resident memory of the process in bytes.
        #[default("no limit" = None)]
        #[limit(
            Bytes "max_memory_bytes", note = "none; the resident memory of the process",
            beyond = "as for `max_memory_percent`: -32603 `overloaded`, 503"
        )]
        #[set(into)]
        pub max_memory_bytes: Option<u64>,
    }
}

/// Refuses new calls while the process is overloaded: makes a [`LoadShed`].
#[derive(Clone, Debug)]
pub struct LoadShedLayer {
    overload: Overload,
    metrics: Metrics,
}

impl LoadShedLayer {
    /// Refuses while `overload` has a cause. Refusals are counted in `metrics`, by the limit that is reached.
    pub fn new(overload: Overload, metrics: &Metrics) -> Self {
        // Counted from the beginning, so that a collector sees them before the first refusal.
        metrics.refusals("max_memory_percent");
        metrics.refusals("max_memory_bytes");
        Self { overload, metrics: metrics.clone() }
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed { inner, shed: self.clone() }
    }
}

/// Refuses new calls and streams with [`Failure::Overloaded`] while the process is overloaded, before anything is allocated for them.
///
/// Calls that run go on. So do those that wait for their client: its retry, which has a `requestState`, belongs to a call that was
/// admitted before.
#[derive(Debug)]
pub struct LoadShed<S> {
    inner: S,
    shed: LoadShedLayer,
}

impl<S: Service> Service for LoadShed<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match self.shed.overload.cause() {
            Some(cause) if !continues(&request, &context) => {
                self.shed.metrics.refusals(cause.limit).increment();
                Reply::failed(Failure::from(cause))
            }
            _ => self.inner.call(request, context),
        }
    }
}

/// Whether the request continues a call that was admitted. A `requestState` that is made up is refused by the service, at once; other
/// methods do not look at it, and callers that are asked inline bring none.
fn continues(request: &Request, context: &Context) -> bool {
    let may_continue =
        context.input_mode() == InputMode::InputRequired && request.known().is_some_and(Method::may_ask);
    request.known() == Some(Method::Ping)
        || may_continue
            && request.params.member("requestState").is_some_and(|state| state.as_string().is_some())
}
