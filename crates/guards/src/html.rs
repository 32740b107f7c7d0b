/// What becomes of HTML in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlChange {
    /// The signs of HTML are written so that they are shown as they are.
    Escape,
    /// What is not known to be harmless is left out: scripts, handlers of events, styles, frames, URLs with scripts.
    Sanitize,
}

impl HtmlChange {
    /// The text after it; `None` if that is the same.
    pub(crate) fn applied(self, text: &str) -> Option<String> {
        if !text.contains(['<', '>', '&', '"', '\'']) {
            return None;
        }
        let new = match self {
            Self::Escape => escaped(text),
            Self::Sanitize => ammonia::clean(text),
        };
        (new != text).then_some(new)
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
            HtmlChange::Escape.applied(r#"<a href="x">'&'</a>"#).as_deref(),
            Some("&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")
        );
        assert_eq!(HtmlChange::Escape.applied("plain / text"), None);
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
            assert_eq!(HtmlChange::Sanitize.applied(text).as_deref(), expected, "{text}");
        }
    }
}
