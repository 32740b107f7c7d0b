//! Whether structured results are what the tool's output schema says.

use std::sync::atomic::{AtomicU32, Ordering};

use anyport_protocol::{Error, Raw};
use serde_json::Value;

use super::result::ToolResult;
use crate::{Fault, schema::Schema, validation};

/// How many results of a typed function are checked: enough to find a `Serialize` that writes something else than
/// `JsonSchema` says, and then no more.
pub(crate) const FIRST: u32 = 16;

/// The schema that results are held against, and how many more of them.
pub(crate) struct Output {
    schema: Schema,
    left: AtomicU32,
}

impl Output {
    /// Checks every result.
    pub(crate) fn always(schema: Schema) -> Self {
        Self { schema, left: AtomicU32::new(u32::MAX) }
    }

    /// Checks the first results; all, once one of them did not conform.
    pub(crate) fn at_first(schema: Schema) -> Self {
        Self { schema, left: AtomicU32::new(FIRST) }
    }

    /// Whether results are still checked.
    pub(crate) fn is_due(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// Checks `result`.
    ///
    /// 2026-07-28, server/tools §Output Schema: "Servers MUST provide structured results that conform to this schema."
    ///
    /// # Errors
    /// -32603 for a result that does not conform.
    pub(crate) fn check(&self, result: &ToolResult) -> Result<(), Error> {
        if !result.must_conform() {
            return Ok(());
        }
        let faults = match result.output().map(Raw::decode::<Value>) {
            Some(Ok(value)) => self.schema.check(&value).err(),
            _ => Some(vec![Fault::missing("structuredContent", "what the output schema describes")]),
        };
        let Some(faults) = faults else {
            self.count();
            return Ok(());
        };
        self.left.store(u32::MAX, Ordering::Relaxed);
        tracing::error!(
            faults = validation::words(&faults),
            "a tool's result is not what its output schema says"
        );
        // Without what was found, which is not the caller's to see.
        let faults: Vec<Fault> = faults.into_iter().map(Fault::without_got).collect();
        let words =
            format!("the tool's result is not what its output schema says: {}", validation::words(&faults));
        Err(Error::internal(words))
    }

    /// One result less to check, unless all are.
    fn count(&self) {
        let less = |left| (left != u32::MAX).then(|| u32::saturating_sub(left, 1));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}
