//! How many calls of one tool of a member run at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyport_layers::BulkheadLayer;
use anyport_metrics::Metrics;
use anyport_service::{Service, sync::Lock};
use bytestring::ByteString;

/// The number of calls of one tool of a member that run at once, of all callers. Further calls wait, and those beyond are refused as overloaded.
///
/// A tool that is slow then takes its own places, and leaves those of its server to other tools. Without a number, a tool takes
/// as many as its server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolPlaces {
    each: Option<usize>,
    tools: BTreeMap<String, usize>,
    queued: usize,
    wait: Duration,
}

impl ToolPlaces {
    /// Lets `queued` further calls of each tool wait, each for `wait` at most.
    pub fn new(queued: usize, wait: Duration) -> Self {
        Self { queued, wait, ..Self::default() }
    }

    /// Lets `calls` calls of each tool run at once.
    #[must_use]
    pub fn each_tool(self, calls: usize) -> Self {
        Self { each: Some(calls), ..self }
    }

    /// Lets `calls` calls of the tool that the member calls `own` run at once, in place of the number for each tool.
    #[must_use]
    pub fn tool(mut self, own: impl Into<String>, calls: usize) -> Self {
        self.tools.insert(own.into(), calls);
        self
    }

    /// Whether no tool is limited.
    pub(super) fn is_empty(&self) -> bool {
        self.each.is_none() && self.tools.is_empty()
    }

    fn of_tool(&self, own: &str) -> Option<usize> {
        self.tools.get(own).copied().or(self.each)
    }
}

/// The places of the tools of a member that were called.
#[derive(Default)]
pub(super) struct PlaceTable(Lock<HashMap<ByteString, (ToolPlaces, BulkheadLayer)>>);

impl PlaceTable {
    /// `service`, of the server called `upstream`, with the places of its tool `own` before it, if that is limited.
    pub(super) fn before(
        &self,
        service: Arc<dyn Service>,
        places: &ToolPlaces,
        (upstream, own): (&Arc<str>, &ByteString),
        metrics: &Metrics,
    ) -> Arc<dyn Service> {
        let Some(calls) = places.of_tool(own) else { return service };
        let mut table = self.0.lock();
        // Its numbers are those of its configuration, which a reload may have replaced.
        let known = table.get(own).filter(|(of, _)| of == places).map(|(_, layer)| layer.clone());
        let layer = known.unwrap_or_else(|| {
            let layer = BulkheadLayer::of_tool(upstream.clone(), &**own, calls, metrics);
            let layer = layer.queue(places.queued, places.wait);
            table.insert(own.clone(), (places.clone(), layer.clone()));
            layer
        });
        drop(table);
        Arc::new(layer.before(service))
    }

    /// Forgets the places, whose numbers may have changed. Calls under way keep theirs.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
