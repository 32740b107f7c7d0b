use http::{HeaderMap, HeaderValue, header};

/// The media types that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// `text/event-stream`.
    pub(super) events: bool,
}

impl Accept {
    /// No `Accept` header accepts anything (RFC 9110 §12.5.1).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        let none = values.peek().is_none();
        let takes = |value: &HeaderValue| {
            value.to_str().unwrap_or_default().split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default();
                // A weight of nothing says "not acceptable" (RFC 9110 §12.4.2).
                let refused = |part: &str| {
                    let weight = part.strip_prefix("q=").or(part.strip_prefix("Q="));
                    weight.and_then(|weight| weight.parse::<f32>().ok()) == Some(0.0)
                };
                ["text/event-stream", "text/*", "*/*"].iter().any(|taken| kind.eq_ignore_ascii_case(taken))
                    && !parts.any(refused)
            })
        };
        Self { events: none || values.any(takes) }
    }
}
