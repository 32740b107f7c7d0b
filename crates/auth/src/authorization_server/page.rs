//! The pages that users see: plain, without scripts, and with every text escaped.

use anyport_service::visible_text::is_visible;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// A page. What is added to it is text, never markup.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: String,
    status: StatusCode,
}

/// A form of a page, which is posted.
#[derive(Clone, Debug)]
pub struct Form {
    html: String,
}

impl Page {
    /// A page with this title, which is its heading as well.
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        Self { body: format!("<h1>{title}</h1>\n"), title, status: StatusCode::OK }
    }

    /// Sets the status. Default: 200.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn paragraph(self, text: &str) -> Self {
        self.html(&format!("<p>{}</p>\n", escaped(text)))
    }

    /// Adds a paragraph that is announced to everybody, as an alert.
    #[must_use]
    pub fn alert(self, text: &str) -> Self {
        self.html(&format!("<p role=\"alert\" class=\"alert\">{}</p>\n", escaped(text)))
    }

    /// Adds terms and what they are.
    #[must_use]
    pub fn terms<'a>(self, terms: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let row =
            |(term, text): (&str, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(term), escaped(&text));
        let rows: String = terms.into_iter().map(row).collect();
        self.html(&format!("<dl>\n{rows}</dl>\n"))
    }

    /// Adds a form.
    #[must_use]
    pub fn form(self, form: Form) -> Self {
        self.html(&format!("{}</form>\n", form.html))
    }

    /// Adds a link. The page it leads to does not learn where it was.
    #[must_use]
    pub fn link(self, text: &str, url: &str) -> Self {
        self.html(&format!("<p><a rel=\"noreferrer\" href=\"{}\">{}</a></p>\n", escaped(url), escaped(text)))
    }

    fn html(mut self, html: &str) -> Self {
        self.body.push_str(html);
        self
    }

    /// The response with this page.
    ///
    /// It has no `form-action`: browsers apply it to the redirect after the form as well, which leads to the client. Its referrer
    /// is not `no-referrer`, with which the `Origin` of a posted form is `null`.
    pub fn respond(self) -> Response<Bytes> {
        let Self { title, body, status } = self;
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        );
        let mut response = Response::new(Bytes::from(html));
        *response.status_mut() = status;
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Form {
    /// A form that is posted to `action`.
    pub fn post(action: &str) -> Self {
        let action = escaped(action);
        Self { html: format!("<form method=\"post\" action=\"{action}\" autocomplete=\"on\">\n") }
    }

    /// A value that the user does not see.
    #[must_use]
    pub fn hidden(self, name: &str, value: &str) -> Self {
        let (name, value) = (escaped(name), escaped(value));
        self.html(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n"))
    }

    /// A line of text. `autocomplete` says what it is, such as `username`.
    #[must_use]
    pub fn text(self, name: &str, label: &str, value: &str, autocomplete: &str) -> Self {
        let value = escaped(value);
        self.input(
            name,
            label,
            autocomplete,
            &format!("type=\"text\" value=\"{value}\" autocapitalize=\"none\" spellcheck=\"false\""),
        )
    }

    /// A password.
    #[must_use]
    pub fn password(self, name: &str, label: &str) -> Self {
        self.input(name, label, "current-password", "type=\"password\"")
    }

    /// A button, which sends `value` as `name`.
    #[must_use]
    pub fn button(self, name: &str, value: &str, label: &str) -> Self {
        let (name, value, label) = (escaped(name), escaped(value), escaped(label));
        self.html(&format!("<button name=\"{name}\" value=\"{value}\">{label}</button>\n"))
    }

    fn input(self, name: &str, label: &str, autocomplete: &str, kind: &str) -> Self {
        let (name, label, autocomplete) = (escaped(name), escaped(label), escaped(autocomplete));
        self.html(&format!(
            "<p><label for=\"{name}\">{label}</label><br>\
             <input id=\"{name}\" name=\"{name}\" {kind} autocomplete=\"{autocomplete}\" required></p>\n"
        ))
    }

    fn html(mut self, html: &str) -> Self {
        self.html.push_str(html);
        self
    }
}

/// The page in place of one that a request does not reach: see [`Route::refusals`](anyport_transport::http::Route::refusals).
pub(crate) fn refused_browser(status: StatusCode, words: &str) -> Response<Bytes> {
    Page::new("This page cannot be shown")
        .alert(&format!("{words}."))
        .paragraph("Start again where you came from.")
        .status(status)
        .respond()
}

/// What is the same on every page.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;color-scheme:light dark}\
main{max-width:34rem;margin:3rem auto;padding:0 1rem}\
dt{font-weight:600}dd{margin:0 0 .6rem;overflow-wrap:anywhere}\
.alert{border-left:.3rem solid #c60;padding:.2rem .8rem}\
input[type=text],input[type=password]{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}\
button{font:inherit;padding:.5rem 1.2rem;margin:.5rem .5rem 0 0}";

/// `text` as text of a page: no markup, and nothing that would change the order in which other text is read.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            sign if !is_visible(sign) => {}
            sign if sign.is_control() => escaped.push(' '),
            sign => escaped.push(sign),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_every_text_and_is_not_framed() {
        let evil = "</p><script>alert('1')</script>\u{202e}\" onload=\"x";
        let form = Form::post("/oauth/x?a=\"b\"").hidden("token", evil).text("name", evil, evil, "username");
        let page = Page::new(evil).paragraph(evil).alert(evil).terms([("Name", evil.to_owned())]);
        let response = page.form(form.button("do", evil, evil)).status(StatusCode::FORBIDDEN).respond();
        let html = std::str::from_utf8(response.body()).unwrap();
        assert!(
            !html.contains("<script") && !html.contains("\" onload") && !html.contains('\u{202e}'),
            "{html}"
        );
        assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)"));
        assert_eq!(response.status(), 403);
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(!header("content-security-policy").contains("form-action"));
        assert_eq!(
            (header("x-frame-options"), header("referrer-policy")),
            ("DENY".into(), "same-origin".into())
        );
        assert_eq!(header("cache-control"), "no-store");
    }
}
