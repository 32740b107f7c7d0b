//! The environment of a call, as a value: everything that a call needs, without the server itself.

use std::{sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};

use crate::{
    ask::StateScope, background::BackgroundTasks, blocking::Pool, events::Events, state::States,
    write::Identity,
};

/// The default of [`crate::Builder::max_call_depth`]: how deep tools may call tools.
pub const DEFAULT_MAX_CALL_DEPTH: usize = 16;

/// The surroundings of a call: those of the server that answers it, where it is mounted.
pub(crate) struct CallEnv {
    /// The server that signs the results: the outermost one.
    pub(crate) identity: Identity,
    /// The stores that may seal the states of its calls.
    pub(crate) scope: Arc<StateScope>,
    pub(crate) resources: Arc<CallResources>,
}

/// The shared environment of all calls of a server, wherever it is mounted.
pub(crate) struct CallResources {
    pub(crate) events: Events,
    pub(crate) states: States,
    pub(crate) blocking: Pool,
    pub(crate) background: BackgroundTasks,
    pub(crate) max_call_depth: usize,
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) refused: RefusalCounters,
}

/// Counters of what limits refused that no part of the server counts itself.
pub(crate) struct RefusalCounters {
    pub(crate) tool_timeout: Counter,
    pub(crate) max_call_depth: Counter,
    pub(crate) max_listeners: Counter,
    pub(crate) max_subscriptions: Counter,
    pub(crate) max_subscription_bytes: Counter,
}

impl RefusalCounters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            tool_timeout: metrics.refusals("tool_timeout"),
            max_call_depth: metrics.refusals("max_call_depth"),
            max_listeners: metrics.refusals("max_listeners"),
            max_subscriptions: metrics.refusals("max_subscriptions"),
            max_subscription_bytes: metrics.refusals("max_subscription_bytes"),
        }
    }
}
