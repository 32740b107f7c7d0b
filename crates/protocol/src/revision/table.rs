//! The table of revisions: the one place that a new revision is written into.

/// Gives every revision, oldest first, to the macro `$with`: its description, its name in Rust, its name on the wire, and
/// the file that converts messages between it and the revision before it.
///
/// A macro, because the rows make an enum here ([`Revision`](super::Revision)) and a list of conversions there.
macro_rules! revisions {
    ($with:ident) => {
        $with! {
            /// 2024-11-05: stdio and HTTP+SSE.
            V2024_11_05 = "2024-11-05";
            /// 2025-03-26: Streamable HTTP, batches, audio, tool annotations.
            V2025_03_26 = "2025-03-26", after v2024_11_05;
            /// 2025-06-18: no batches; elicitation, structured output, resource links, the version header.
            V2025_06_18 = "2025-06-18", after v2025_03_26;
            /// 2025-11-25: URL elicitation, tool use in sampling, tasks, icons, SSE polling.
            V2025_11_25 = "2025-11-25", after v2025_06_18;
            /// 2026-07-28: stateless; `server/discover`, `input_required`, `subscriptions/listen`.
            V2026_07_28 = "2026-07-28", after v2025_11_25;
            /// A revision of the unit tests alone, which prove with it what a further revision takes.
            #[cfg(test)]
            Unreleased = "2999-12-31", after unreleased;
        }
    };
}

pub(super) use revisions;
