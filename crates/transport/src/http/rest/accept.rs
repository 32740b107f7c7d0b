//! Which of several types a client would rather have.

use http::{HeaderMap, header};

/// Whether `essence` is acceptable.
pub(super) fn takes(headers: &HeaderMap, essence: &str) -> bool {
    weight(headers, essence) > 0.0
}

/// Whether a client would rather have `one` than `other`.
pub(super) fn prefers(headers: &HeaderMap, one: &str, other: &str) -> bool {
    weight(headers, one) > weight(headers, other)
}

/// How much a client wants `essence`, from 0 to 1; without an `Accept`, anything is wanted (RFC 9110 §12.5.1).
fn weight(headers: &HeaderMap, essence: &str) -> f32 {
    if !headers.contains_key(header::ACCEPT) {
        return 1.0;
    }
    let kind = essence.split('/').next().unwrap_or_default();
    let mut best = (0, 0.0);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            // "The most specific reference has precedence."
            let precision = match parts.next().unwrap_or_default() {
                "*/*" => 1,
                range if range.eq_ignore_ascii_case(essence) => 3,
                range if range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind)) => 2,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let quality = quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0);
            if precision > best.0 {
                best = (precision, quality);
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &[&'static str]) -> HeaderMap {
        let values = accept.iter().map(|value| (header::ACCEPT, http::HeaderValue::from_static(value)));
        values.collect()
    }

    #[test]
    fn json_is_taken_unless_it_is_refused() {
        for accept in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["Application/JSON;q=0.1"],
            &["application/*"],
            &["text/html, application/json;q=0.9, */*;q=0.1"],
            &["text/html", "application/json"],
            &["application/json; q=x"],
        ] {
            assert!(takes(&headers(accept), "application/json"), "{accept:?}");
        }
        for accept in [
            &["text/html"][..],
            &[""],
            &["text/event-stream"],
            &["application/json;q=0"],
            &["*/*;q=0"],
            &["application/json;q=0, */*"],
            &["application/jsonx"],
        ] {
            assert!(!takes(&headers(accept), "application/json"), "{accept:?}");
        }
    }

    #[test]
    fn text_is_preferred_by_those_who_say_so() {
        let text = |accept: &[&'static str]| prefers(&headers(accept), "text/plain", "application/json");
        assert!(text(&["text/plain"]));
        assert!(text(&["text/*"]));
        assert!(text(&["application/json;q=0.5, text/plain"]));
        assert!(!text(&[]) && !text(&["*/*"]) && !text(&["text/html"]));
        assert!(!text(&["text/plain, application/json"]));
        assert!(!text(&["text/html,application/xhtml+xml,*/*;q=0.8"]));
    }
}
