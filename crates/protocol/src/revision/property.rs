//! What differs between revisions in what client and server do. How messages are written differs in the files of the
//! conversions.

use super::Revision;

/// Writes a function for each property: whether a revision is between the first and the last one that have it.
macro_rules! properties {
    ($($(#[$doc:meta])* $property:ident: $since:ident $(to $until:ident)? $(on)?;)*) => {
        impl Revision {
            $($(#[$doc])*
            pub const fn $property(self) -> bool {
                self.is_since(Self::$since) $(&& self.is_until(Self::$until))?
            })*
        }
    };
}

properties! {
    /// Whether a connection opens with `initialize`, which negotiates a session: revision, capabilities, identity.
    has_sessions: V2024_11_05 to V2025_11_25;

    /// Whether every request carries its own revision and capabilities in `_meta` (2026-07-28, versioning §Terminology).
    is_stateless: V2026_07_28 on;

    /// Whether a server requests input by an `input_required` result, which the client answers in a retry, instead of
    /// requests of its own (2026-07-28, patterns/mrtr).
    asks_by_result: V2026_07_28 on;

    /// Whether changes are announced on the stream of a `subscriptions/listen` request. Before, a session got the changes
    /// of lists unsolicited, and `resources/subscribe` subscribed it to a resource.
    has_listen: V2026_07_28 on;

    /// Whether each request sets the level of its log messages. Before, `logging/setLevel` set that of a session.
    has_log_level_per_request: V2026_07_28 on;

    /// Whether clients send notifications other than cancellations, and both sides send `ping`.
    has_client_notifications: V2024_11_05 to V2025_11_25;

    /// Whether results have a `resultType`, and lists and resources cache hints (2026-07-28, basic §ResultType, caching).
    has_result_types: V2026_07_28 on;

    /// Whether results carry the server's identity in `_meta` (2026-07-28, basic §_meta).
    has_identity_in_results: V2026_07_28 on;

    /// Whether errors of the specification have the codes -32020 to -32099, and a missing resource is invalid params
    /// (2026-07-28, basic §Error Codes).
    has_reserved_error_codes: V2026_07_28 on;

    /// Whether an error without a readable id has `null` in its place: required up to 2025-06-18, since then forbidden.
    has_null_ids: V2024_11_05 to V2025_06_18;

    /// Whether invalid arguments of a tool are a result with `isError`, which the model reads, and not a protocol error
    /// (2025-11-25, tools §Error Handling).
    tool_errors_are_results: V2025_11_25 on;

    /// Whether servers elicit (2025-06-18, elicitation).
    has_elicitation: V2025_06_18 on;

    /// Whether the result of a tool can say which URLs the user must visit first, by elicitation or error -32042
    /// (2025-11-25, elicitation §URL Mode).
    has_url_elicitation: V2025_11_25 on;

    /// Whether a field of an elicited form may have several values (2025-11-25, elicitation §Supported Schema Types).
    has_multi_select: V2025_11_25 on;

    /// Whether servers declare that they complete arguments (2025-03-26, lifecycle §Capability Negotiation).
    declares_completions: V2025_03_26 on;

    /// Whether messages may come in arrays.
    has_batches: V2025_03_26 to V2025_03_26;

    /// Whether the transport HTTP+SSE belongs to the revision: one stream for all messages of the server.
    has_sse_transport: V2024_11_05 to V2024_11_05;

    /// Whether requests over Streamable HTTP name the revision in a header (2025-06-18, transports §Protocol Version
    /// Header).
    has_version_header: V2025_06_18 on;

    /// Whether requests over Streamable HTTP repeat method, name and marked arguments in headers (2026-07-28,
    /// streamable-http §Request Metadata).
    has_request_headers: V2026_07_28 on;

    /// Whether closing the response stream of a Streamable HTTP request cancels it (2026-07-28, patterns/cancellation). Such
    /// a stream cannot be resumed; in a session, `Last-Event-ID` asks for the rest.
    cancels_by_closing: V2026_07_28 on;

    /// Whether a server may end the connection of an event stream during a call, and the client comes back for the rest
    /// (2025-11-25, transports §Sending Messages to the Server). Such a stream begins with an event that has an id.
    has_sse_polling: V2025_11_25 to V2025_11_25;
}

impl Revision {
    const fn is_since(self, first: Self) -> bool {
        self as u8 >= first as u8
    }

    const fn is_until(self, last: Self) -> bool {
        self as u8 <= last as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_has_the_properties_of_the_one_before_unless_its_row_ends() {
        for revision in Revision::ALL {
            let is_unreleased = revision > Revision::V2026_07_28;
            assert_eq!(revision.is_stateless(), is_unreleased || revision == Revision::V2026_07_28);
            assert_ne!(revision.is_stateless(), revision.has_sessions());
        }
    }
}
