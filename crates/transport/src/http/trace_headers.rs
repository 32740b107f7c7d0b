//! The trace context of an HTTP request (W3C Trace Context, W3C Baggage).

use anyport_protocol::Raw;
use anyport_service::TraceHeaders;
use http::HeaderMap;

/// The trace context of `headers`; `None` if there is no `traceparent`. Nothing is checked but that it is text.
pub(super) fn trace_headers(headers: &HeaderMap) -> Option<Box<TraceHeaders>> {
    let traceparent = headers.get("traceparent")?.to_str().ok()?;
    Some(Box::new(TraceHeaders {
        traceparent: Raw::string(traceparent),
        tracestate: joined(headers, "tracestate"),
        baggage: joined(headers, "baggage"),
    }))
}

/// The value of a header that may be in several lines (RFC 9110, section 5.3).
fn joined(headers: &HeaderMap, name: &str) -> Option<Raw> {
    let lines: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|line| line.to_str()).collect();
    let lines = lines.ok().filter(|lines| !lines.is_empty())?;
    Some(Raw::string(&lines.join(",")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn several_lines_are_one_value_and_without_a_traceparent_there_is_none() {
        let mut headers = HeaderMap::new();
        headers.append("tracestate", HeaderValue::from_static("a=1"));
        headers.append("tracestate", HeaderValue::from_static("b=2"));
        assert_eq!(trace_headers(&headers), None);
        headers.insert("traceparent", HeaderValue::from_static("any"));
        let found = trace_headers(&headers).unwrap();
        assert_eq!(found.traceparent.as_str(), "\"any\"");
        assert_eq!(found.tracestate.unwrap().as_str(), "\"a=1,b=2\"");
        assert_eq!(found.baggage, None);
        headers.insert("traceparent", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(trace_headers(&headers), None);
    }
}
