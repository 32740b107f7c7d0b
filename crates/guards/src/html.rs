/// What becomes of HTML in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlChange {
    /// The signs of HTML are written so that they are shown as they are.
    Escape,
    /// What is not known to be harmless is left out: scripts, handlers of events, styles, frames, URLs with scripts.
    Sanitize,
}

impl HtmlChange {
    /// The text after it; `None` if that is the same. What `budget` has no room for is escaped in place of being sanitized.
    pub(crate) fn applied(self, text: &str, budget: &mut SanitizeBudget) -> Option<String> {
        if !text.contains(['<', '>', '&', '"', '\'']) {
            return None;
        }
        let new = match self {
            Self::Sanitize if budget.take(text) => ammonia::clean(text),
            Self::Escape | Self::Sanitize => escaped(text),
        };
        (new != text).then_some(new)
    }
}

/// How much of one argument or result is sanitized: its time grows with the square of the depth of tags and the number of attributes.
pub(crate) struct SanitizeBudget {
    bytes: usize,
    tags: usize,
}

/// The bytes of the texts of one result that are sanitized.
const SANITIZED_BYTES: usize = 256 << 10;
/// The tags in them.
const SANITIZED_TAGS: usize = 2_048;

impl SanitizeBudget {
    pub(crate) fn new() -> Self {
        Self { bytes: SANITIZED_BYTES, tags: SANITIZED_TAGS }
    }

    /// Whether there is room for `text`.
    fn take(&mut self, text: &str) -> bool {
        // Whatever else it is, a tag begins so.
        let pairs = text.as_bytes().windows(2);
        let tags = pairs.filter(|pair| pair[0] == b'<' && pair[1].is_ascii_alphabetic()).count();
        let (bytes, tags) = (self.bytes.checked_sub(text.len()), self.tags.checked_sub(tags));
        let (Some(bytes), Some(tags)) = (bytes, tags) else { return false };
        *self = Self { bytes, tags };
        true
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            HtmlChange::Escape.applied(r#"<a href="x">'&'</a>"#, &mut SanitizeBudget::new()).as_deref(),
            Some("&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")
        );
        assert_eq!(HtmlChange::Escape.applied("plain / text", &mut SanitizeBudget::new()), None);
    }

    #[test]
    fn what_runs_is_left_out() {
        for (text, expected) in [
            ("<b>bold</b>", None),
            ("<script>alert(1)</script>x", Some("x")),
            ("<img src=x onerror=alert(1)>", Some("<img src=\"x\">")),
            ("<a href=\"javascript:alert(1)\">x</a>", Some("<a rel=\"noopener noreferrer\">x</a>")),
            ("<a href=\"&#106;avascript:alert(1)\">x</a>", Some("<a rel=\"noopener noreferrer\">x</a>")),
            ("<svg><script>alert(1)</script></svg>x", Some("x")),
            ("<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>", Some("")),
            ("<iframe src=https://a.example></iframe>x", Some("x")),
            ("<p style=\"background:url(javascript:x)\">x</p>", Some("<p>x</p>")),
            ("<!-- hidden -->x", Some("x")),
        ] {
            assert_eq!(
                HtmlChange::Sanitize.applied(text, &mut SanitizeBudget::new()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    /// Invariant: No HTML keeps a guard busy: what is too deep, or too large, is escaped.
    #[test]
    fn what_is_too_deep_or_too_large_is_escaped() {
        for (text, is_sanitized) in [
            ("<div>".repeat(SANITIZED_TAGS), true),
            ("<div>".repeat(SANITIZED_TAGS + 1), false),
            ("<table><a>".repeat(100_000), false),
            (format!("<a {}>", "b ".repeat(SANITIZED_BYTES)), false),
        ] {
            let new = HtmlChange::Sanitize.applied(&text, &mut SanitizeBudget::new()).unwrap();
            assert_eq!(!new.contains("&lt;"), is_sanitized, "{:.40}", text);
        }
        let mut budget = SanitizeBudget::new();
        let half = "<b>x</b>".repeat(SANITIZED_TAGS / 2 + 1);
        assert_eq!(HtmlChange::Sanitize.applied(&half, &mut budget), None);
        assert!(
            HtmlChange::Sanitize.applied(&half, &mut budget).unwrap().contains("&lt;"),
            "both are one result's"
        );
    }
}
