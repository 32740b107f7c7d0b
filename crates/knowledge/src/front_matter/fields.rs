//! The fields, read from the parser's events.
//!
//! Events and not a tree: each field stands or falls by itself and knows its line, a scalar keeps its spelling
//! (a version `1.10` is no number here), and since nothing is ever expanded, an alias costs nothing.

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, StrInput};

/// The fields of a front matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrontMatter {
    /// `title`, on one line.
    pub title: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `tags`: a list, or one string with commas.
    pub tags: Vec<String>,
    /// `createdAt`, as written.
    pub created_at: Option<String>,
    /// `updatedAt`, as written.
    pub updated_at: Option<String>,
    /// `language`.
    pub language: Option<String>,
    /// `domain`.
    pub domain: Option<String>,
}

/// A fault of a front matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the file, from 1.
    pub line: usize,
    /// The fault, and what to do.
    pub reason: String,
}

/// Deepest nesting, in fields that are skipped: those that are read nest once.
const MAX_DEPTH: usize = 16;
/// Most events of one front matter: about 1,000 lines, where an honest one has 10.
const MAX_EVENTS: usize = 4_000;

/// Reads the fields of a YAML mapping that begins on the file's second line.
///
/// Fields before a syntax error count; the text after it cannot be parsed.
pub(super) fn read(yaml: &str) -> (FrontMatter, Vec<Fault>) {
    let mut options = Options::default();
    options.disallow_directives = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(yaml, options),
        count: 0,
        line: 1,
        front_matter: FrontMatter::default(),
        faults: Vec::new(),
    };
    if let Err(fault) = reader.document() {
        reader.faults.push(fault);
    }
    (reader.front_matter, reader.faults)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    count: usize,
    /// The line of the latest event.
    line: usize,
    front_matter: FrontMatter,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::MappingStart(..) => break,
                // Nothing but comments.
                Event::StreamEnd => return Ok(()),
                _ => return Err(self.fault("expected lines of `key: value`")),
            }
        }
        let mut seen = Vec::new();
        loop {
            match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => self.field(&key, &mut seen)?,
                key => {
                    self.skip(&key)?;
                    let value = self.next()?;
                    self.skip(&value)?;
                }
            }
        }
        let ended = matches!(self.next()?, Event::DocumentEnd) && matches!(self.next()?, Event::StreamEnd);
        if ended { Ok(()) } else { Err(self.fault("expected nothing after the fields")) }
    }

    fn field(&mut self, key: &str, seen: &mut Vec<&'static str>) -> Result<(), Fault> {
        const KNOWN: [&str; 7] =
            ["title", "description", "tags", "createdAt", "updatedAt", "language", "domain"];
        let value = self.next()?;
        let Some(known) = KNOWN.into_iter().find(|known| *known == key) else { return self.skip(&value) };
        if seen.contains(&known) {
            let fault = self.fault(&format!("`{known}` is given again; the first one counts"));
            self.faults.push(fault);
            return self.skip(&value);
        }
        seen.push(known);
        if known == "tags" {
            self.front_matter.tags = self.tags(value)?;
            return Ok(());
        }
        let text = self.text(known, value)?;
        match known {
            "title" => self.front_matter.title = text.map(|title| one_line(&title)),
            "description" => self.front_matter.description = text,
            "createdAt" => self.front_matter.created_at = text,
            "updatedAt" => self.front_matter.updated_at = text,
            "language" => self.front_matter.language = text,
            _ => self.front_matter.domain = text,
        }
        Ok(())
    }

    /// A field's text; absent if it is empty, null or no text.
    fn text(&mut self, field: &str, value: Event<'a>) -> Result<Option<String>, Fault> {
        let found = match &value {
            Event::Scalar(text, style, ..) => {
                let null = *style == ScalarStyle::Plain && matches!(&**text, "~" | "null" | "Null" | "NULL");
                return Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !null));
            }
            Event::SequenceStart(..) => "a list",
            Event::Alias(_) => "an alias",
            _ => "a mapping",
        };
        let fault = self.fault(&format!("`{field}` is {found}; write text, in quotes if it has `: ` in it"));
        self.faults.push(fault);
        self.skip(&value)?;
        Ok(None)
    }

    fn tags(&mut self, value: Event<'a>) -> Result<Vec<String>, Fault> {
        if !matches!(value, Event::SequenceStart(..)) {
            let text = self.text("tags", value)?.unwrap_or_default();
            let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
            return Ok(tags.map(str::to_owned).collect());
        }
        let mut tags = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(tags),
                item => tags.extend(self.text("tags", item)?),
            }
        }
    }

    /// Passes over the rest of a node of which `first` is the first event.
    fn skip(&mut self, first: &Event<'a>) -> Result<(), Fault> {
        let mut depth = change_of_depth(first);
        while depth > 0 {
            depth += change_of_depth(&self.next()?);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Event<'a>, Fault> {
        self.count += 1;
        if self.count > MAX_EVENTS {
            return Err(self.fault(&format!("the front matter has more than {MAX_EVENTS} keys and values")));
        }
        match self.events.next() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line();
                let reason = match error.kind() {
                    ErrorKind::RecursionLimitExceeded => format!("nested deeper than {MAX_DEPTH} levels"),
                    _ => format!("not YAML: {}; quote values that have `: ` or `#` in them", error.info()),
                };
                Err(self.fault(&reason))
            }
            None => Err(self.fault("the front matter ends in the middle of a field")),
        }
    }

    /// The parser counts lines from 1, and its first is the file's second.
    fn fault(&self, reason: &str) -> Fault {
        // The quoted text comes from the file, and must not control the terminal that shows it.
        let reason = reason.replace(char::is_control, " ");
        Fault { line: self.line + 1, reason }
    }
}

fn change_of_depth(event: &Event<'_>) -> isize {
    match event {
        Event::SequenceStart(..) | Event::MappingStart(..) => 1,
        Event::SequenceEnd | Event::MappingEnd => -1,
        _ => 0,
    }
}

/// `text` with every run of white space as one space.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
