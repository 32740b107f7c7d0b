use std::borrow::Cow;

use crate::{
    HtmlChange, LiteralCheck, PathCheck, Pattern, Place, Resolve, SizeCheck, StatementCheck, UrlCheck,
    WholeMatch, refusal::Refusal,
};

/// Checks of one place of certain tools, prompts or resources.
#[derive(Debug)]
pub struct Guard {
    name: String,
    items: Items,
    place: Place,
    checks: Vec<Check>,
    mode: Mode,
}

/// The items that a guard is for, by the names and URIs that clients see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// The names of tools.
    pub tools: Vec<Pattern>,
    /// The names of prompts.
    pub prompts: Vec<Pattern>,
    /// The URIs of resources.
    pub resources: Vec<Pattern>,
}

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource, or what a template leads to.
    Resource,
}

/// One check of a value.
#[derive(Debug)]
pub enum Check {
    /// Its size.
    Size(SizeCheck),
    /// It matches a pattern as a whole.
    Match(WholeMatch),
    /// It is a URL.
    Url(UrlCheck),
    /// It is a path beneath a root.
    Path(PathCheck),
    /// It is an SQL statement that reads.
    Statement(Box<StatementCheck>),
    /// It stays a literal of SQL.
    Literal(LiteralCheck),
    /// Its HTML is made harmless.
    Html(HtmlChange),
}

/// Whether a guard refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is reported what it would refuse, and nothing is changed.
    Audit,
}

impl Guard {
    /// Makes a guard with a name for errors and logs.
    pub fn new(name: impl Into<String>, items: Items, place: Place, checks: Vec<Check>) -> Self {
        Self { name: name.into(), items, place, checks, mode: Mode::default() }
    }

    /// Sets the mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(crate) fn is_audited(&self) -> bool {
        self.mode == Mode::Audit
    }

    /// Whether it changes texts.
    pub(crate) fn changes(&self) -> bool {
        self.checks.iter().any(|check| match check {
            Check::Html(_) => true,
            Check::Url(url) => url.resolve == Resolve::Pin,
            _ => false,
        })
    }

    /// Whether it is for an item.
    pub(crate) fn is_for(&self, kind: ItemKind, name: &str) -> bool {
        let patterns = match kind {
            ItemKind::Tool => &self.items.tools,
            ItemKind::Prompt => &self.items.prompts,
            ItemKind::Resource => &self.items.resources,
        };
        // RFC 3986 §3.1: "schemes are case-insensitive".
        let lower = match name.split_once(':') {
            Some((scheme, rest)) if kind == ItemKind::Resource => {
                Cow::Owned(format!("{}:{rest}", scheme.to_ascii_lowercase()))
            }
            _ => Cow::Borrowed(name),
        };
        patterns.iter().any(|pattern| pattern.matches(name) || pattern.matches(&lower))
    }

    /// Whether it is for resources.
    pub(crate) fn has_resources(&self) -> bool {
        !self.items.resources.is_empty()
    }

    /// Its refusal of a URI that cannot be compared with what it is for.
    pub(crate) fn unfit_uri(&self) -> Refusal {
        Refusal {
            guard: self.name.clone(),
            check: "uri",
            place: "the URI".to_owned(),
            why: "it has signs that no URI has".to_owned(),
            accepted: "URIs of RFC 3986, with other signs written as %20".to_owned(),
            limit: None,
        }
    }

    pub(crate) fn refusal(&self, check: &Check, place: String, fault: crate::refusal::Fault) -> Refusal {
        let (accepted, check) = (check.accepted(), check.kind());
        Refusal { guard: self.name.clone(), check, place, why: fault.why, accepted, limit: fault.limit }
    }
}

impl Check {
    /// Its word in the configuration.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Size(size) => size.kind(),
            Self::Match(_) => "regex",
            Self::Url(_) => "url",
            Self::Path(_) => "path",
            Self::Statement(_) | Self::Literal(_) => "sql",
            Self::Html(_) => "html",
        }
    }

    fn accepted(&self) -> String {
        match self {
            Self::Size(size) => size.accepted(),
            Self::Match(pattern) => pattern.accepted(),
            Self::Url(url) => url.accepted(),
            Self::Path(path) => path.accepted(),
            Self::Statement(statement) => statement.accepted(),
            Self::Literal(literal) => literal.accepted(),
            Self::Html(_) => "texts".to_owned(),
        }
    }
}
