//! A document: its text, and what is known about it.

use std::{sync::Arc, time::SystemTime};

use jiff::Timestamp;

use crate::{
    file_times::FileTimes,
    front_matter::{self, Fault, FrontMatter, one_line},
    path::DocumentPath,
    section,
    text::{Text, Unreadable},
    uri,
};

/// How far into a text its title and description are looked for. They stand at the top or nowhere.
const MAX_OPENING_BYTES: usize = 16 << 10;
/// A description taken from the text ends after so many characters; one from the front matter is never cut.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// A Markdown document.
///
/// Values that its front matter lacks come from its path, its first heading and paragraph, and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its path below the folder.
    pub path: DocumentPath,
    /// Its title.
    pub title: String,
    /// Its description; empty without one.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The programming language it is about.
    pub language: Option<String>,
    /// The part of the craft it is about: testing, security, architecture.
    pub domain: Option<String>,
    /// When it was written: as its front matter says, or ISO 8601 in UTC.
    pub created_at: String,
    /// When it was last changed, in the same form.
    pub updated_at: String,
    /// The text without front matter, or where it is.
    pub text: Text,
    /// Bytes of the file, front matter included.
    pub size: u64,
}

impl Document {
    /// Reads the text of a file as a document that holds its text. The faults are those of its front matter.
    pub fn parse(path: DocumentPath, text: &str, times: FileTimes) -> (Self, Vec<Fault>) {
        Self::describe(path, text, times, |content| Text::Held(content.into()))
    }

    /// The same, where `keep` says what becomes of the content.
    pub(crate) fn describe(
        path: DocumentPath,
        text: &str,
        times: FileTimes,
        keep: impl FnOnce(&str) -> Text,
    ) -> (Self, Vec<Fault>) {
        let front_matter::Split { front_matter, content, faults } = front_matter::split(text);
        let FrontMatter { title, description, tags, created_at, updated_at, language, domain } = front_matter;
        let opening = if title.is_some() && description.is_some() {
            (None, None)
        } else {
            section::opening(&content[..content.floor_char_boundary(MAX_OPENING_BYTES)])
        };
        let (path_language, path_domain) = path.topic();
        let mut document = Self {
            title: (title.or_else(|| opening.0.map(|heading| one_line(&heading))))
                .unwrap_or_else(|| title_of(&path)),
            description: (description.or_else(|| opening.1.map(|paragraph| shorten(&paragraph))))
                .unwrap_or_default(),
            tags,
            language: language.or_else(|| path_language.map(str::to_owned)),
            domain: domain.or_else(|| path_domain.map(str::to_owned)),
            created_at: created_at.unwrap_or_else(|| iso_8601(times.created.min(times.modified))),
            updated_at: updated_at.unwrap_or_else(|| iso_8601(times.modified)),
            text: keep(content),
            size: text.len() as u64,
            path,
        };
        document.fit();
        (document, faults)
    }

    /// Gives back the memory that its fields took while they grew. There may be a million of these.
    fn fit(&mut self) {
        let Self { title, description, tags, language, domain, created_at, updated_at, .. } = self;
        let said = [title, description, created_at, updated_at].into_iter();
        said.chain(language).chain(domain).chain(tags.iter_mut()).for_each(String::shrink_to_fit);
        tags.shrink_to_fit();
    }

    /// Its URI, `docs:///` and the path.
    pub fn uri(&self) -> String {
        uri::of(&self.path)
    }

    /// Its text without front matter, if it is in memory.
    pub fn held(&self) -> Option<&Arc<str>> {
        match &self.text {
            Text::Held(text) => Some(text),
            Text::File(_) => None,
        }
    }

    /// Its text without front matter. What is not in memory is read on a thread that may block.
    ///
    /// # Errors
    /// When the file can no longer be read. One that has changed is read as it is now.
    pub async fn read(&self) -> Result<Arc<str>, Unreadable> {
        self.text.read(&self.path).await
    }

    /// The same, on this thread.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn read_blocking(&self) -> Result<Arc<str>, Unreadable> {
        self.text.read_blocking(&self.path)
    }
}

/// A title made of the file's name: `error-handling.md` is "Error handling". A `README` or `index` is called after its
/// folder.
fn title_of(path: &DocumentPath) -> String {
    let name = path.names().last().unwrap_or_default();
    let words = one_line(&name.replace(['-', '_'], " "));
    let mut characters = words.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        // Nothing but hyphens.
        None => name.to_owned(),
    }
}

/// The beginning of a paragraph, cut between words.
fn shorten(paragraph: &str) -> String {
    let line = one_line(paragraph);
    let Some((cut, _)) = line.char_indices().nth(MAX_DESCRIPTION_CHARS) else { return line };
    let kept = line[..cut].rsplit_once(' ').map_or(&line[..cut], |(kept, _)| kept);
    format!("{}…", kept.trim_end_matches([',', ';', ':', '.', ' ']))
}

/// A time as ISO 8601 in UTC, to the millisecond.
pub(crate) fn iso_8601(time: SystemTime) -> String {
    // Some file systems can store years that no calendar has.
    let end = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(end).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(path: &str, text: &str) -> Document {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_751_038_748_522);
        let times = FileTimes { created: modified + Duration::from_secs(9), modified };
        Document::parse(DocumentPath::new(path).unwrap(), text, times).0
    }

    #[test]
    fn front_matter_comes_first() {
        let text = "---\ntitle: A\ndescription: B\nlanguage: Go\ncreatedAt: then\n---\n# C\n\nD\n";
        let document = parse("python/testing.md", text);
        assert_eq!((document.title.as_str(), document.description.as_str()), ("A", "B"));
        assert_eq!(document.language.as_deref(), Some("Go"));
        assert_eq!(document.domain.as_deref(), Some("testing"));
        assert_eq!(document.created_at, "then");
        assert_eq!(document.held().map(|text| &**text), Some("# C\n\nD\n"));
        assert_eq!(document.size, text.len() as u64);
    }

    #[test]
    fn path_text_and_file_say_the_rest() {
        let document = parse("python/error-handling.md", "## The *title*\n\nSome\nwords.\n");
        assert_eq!(document.title, "The title");
        assert_eq!(document.description, "Some words.");
        assert_eq!(document.language.as_deref(), Some("python"));
        assert_eq!(document.domain.as_deref(), Some("error-handling"));
        assert_eq!(document.created_at, "2025-06-27T15:39:08.522Z");
        assert_eq!(document.updated_at, "2025-06-27T15:39:08.522Z");
        assert_eq!(document.uri(), "docs:///python/error-handling.md");
    }

    #[test]
    fn a_text_without_heading_is_called_after_its_file() {
        assert_eq!(parse("a/error-handling_2.md", "").title, "Error handling 2");
        assert_eq!(parse("über.md", "").title, "Über");
        assert_eq!(parse("a/web-socket/README.md", "").title, "Web socket");
        assert_eq!(parse("README.md", "").title, "README");
        assert_eq!(parse("--.md", "").title, "--");
    }

    #[test]
    fn a_title_in_html_is_the_title() {
        for (head, title) in [
            ("<h1 align=\"center\">Tenax</h1>\n\n## Usage\n", "Tenax"),
            ("<div align=\"center\">\n  <h1>\n    Tenax &amp; co\n  </h1>\n</div>\n", "Tenax & co"),
            ("<h1 align=\"center\">\n\n**Tenax**\n\n</h1>\n\n# Usage\n", "Tenax"),
            ("<h1><a href=\"x\"><img src=\"logo.svg\" alt=\"Tenax\"></a></h1>\n", "Tenax"),
            ("<p align=\"center\"><img src=\"a.svg\" alt=\"Logo\"></p>\n\n# Tenax\n", "Tenax"),
            ("<!-- <h1>No</h1> -->\n\n# Tenax\n", "Tenax"),
            ("<h1>\n\n# Tenax\n", "Tenax"),
        ] {
            assert_eq!(parse("a.md", head).title, title, "{head}");
        }
        let text = "<h1>Tenax</h1>\n<p><a href=\"x\">Docs</a> | <a href=\"y\">Chat</a></p>\n<p>Holds on.<br>Always.</p>\n\nMore.\n";
        assert_eq!(parse("a.md", text).description, "Holds on. Always.");
        assert_eq!(parse("a.md", "# A\n\n[English](a.md) | [中文](b.md)\n\nIt is.\n").description, "It is.");
    }

    #[test]
    fn long_openings_are_cut_between_words() {
        let document = parse("a.md", &"wörd ".repeat(100_000));
        assert_eq!(document.description, format!("{}…", ["wörd"; 40].join(" ")));
        assert_eq!(parse("a.md", &"ö".repeat(50_000)).description.chars().count(), 201);
    }

    #[test]
    fn times_no_calendar_has_are_clamped() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
        assert!(iso_8601(far).starts_with("9999-12-"));
    }
}
