//! What the tools answer: the same over every interface.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Found, Library, Unreadable, section};

/// Which standard is wanted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandardQuery {
    /// Programming language, such as python
    pub language: String,
    /// Domain area, such as testing
    pub domain: String,
}

/// Which documents are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Only documents about this programming language
    pub language: Option<String>,
    /// Only documents about this domain area
    pub domain: Option<String>,
}

/// Which document is wanted, and how much of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentQuery {
    /// Path of the document as list_docs names it
    pub path: String,
    /// Title or fragment of a heading; only that section is returned
    #[serde(default)]
    pub section: Option<String>,
}

/// A document, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default)]
pub struct Answer {
    /// Whether there is such a document
    pub found: bool,
    /// Why there is none, and what comes close
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Programming language
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Domain area
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Title
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The document, or its section, as Markdown
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Tags
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// When the document was last updated, ISO 8601
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// Path of the document within its folder
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// URI of the document as a resource
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// Every document, without its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listing {
    /// How many there are
    pub count: usize,
    /// The documents, in the order of their paths
    pub documents: Vec<Summary>,
}

/// What there is to know of a document before reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Path of the document within its folder
    pub path: String,
    /// Title
    pub title: String,
    /// What it is about, in a sentence
    pub description: String,
    /// Tags
    pub tags: Vec<String>,
    /// Programming language
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Domain area
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// When the document was last updated, ISO 8601
    pub last_updated: String,
    /// URI of the document as a resource
    pub uri: String,
}

impl Library {
    /// The standard for a language and a domain.
    ///
    /// # Errors
    /// When the text can no longer be read.
    pub async fn standard(&self, query: &StandardQuery) -> Result<Answer, Unreadable> {
        Ok(match self.find(&query.language, &query.domain) {
            Found::Document(document) => Answer {
                // As asked for: a document may stand for several topics.
                language: Some(query.language.trim().to_lowercase()),
                domain: Some(query.domain.trim().to_lowercase()),
                ..Answer::of(document, document.read().await?.to_string())
            },
            Found::Close(close) => {
                let wanted = format!("No stdlib document found for {}/{}", query.language, query.domain);
                Answer::none(wanted, close.iter().map(|document| document.path.as_str()))
            }
        })
    }

    /// One document, or one section of it.
    ///
    /// # Errors
    /// When the text can no longer be read.
    pub async fn document(&self, query: &DocumentQuery) -> Result<Answer, Unreadable> {
        let Some(document) = self.get(query.path.trim_start_matches('/')) else {
            let close = self.close_paths(&query.path);
            return Ok(Answer::none(format!("No document at {}", query.path), close));
        };
        let text = document.read().await?;
        let Some(section) = query.section.as_deref() else {
            return Ok(Answer::of(document, text.to_string()));
        };
        Ok(match section::section(&text, section) {
            Some(section) => Answer::of(document, section.to_owned()),
            None => {
                let titles: Vec<String> =
                    section::outline(&text).into_iter().map(|heading| heading.title).collect();
                let wanted = format!("No section {section:?} in {}", document.path);
                Answer::none(wanted, titles.iter().map(String::as_str).take(MAX_NAMED))
            }
        })
    }

    /// The documents about a language and a domain, or all.
    pub fn list(&self, query: &ListQuery) -> Listing {
        let fits = |wanted: &Option<String>, has: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| has.as_deref().is_some_and(|has| same(has, wanted)))
        };
        let documents: Vec<Summary> = self
            .iter()
            .filter(|document| {
                fits(&query.language, &document.language) && fits(&query.domain, &document.domain)
            })
            .map(|document| Summary::of(document))
            .collect();
        Listing { count: documents.len(), documents }
    }

    /// Paths that end in the same file name, or in one a letter or two off.
    fn close_paths(&self, path: &str) -> impl Iterator<Item = &str> {
        let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
        let close = move |document: &&Arc<Document>| {
            let other = document.path.as_str().rsplit('/').next().unwrap_or_default().to_lowercase();
            // The distance is looked at only where the lengths allow it: a long name costs nothing.
            other.len().abs_diff(name.len()) <= 2
                && name.len() <= 128
                && strsim::levenshtein(&other, &name) <= 2
        };
        self.iter().filter(close).map(|document| document.path.as_str()).take(MAX_NAMED)
    }
}

/// Whether two words are one, whatever the case and the white space around: as `get_stdlib` finds them.
fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// Most alternatives that a message names.
const MAX_NAMED: usize = 20;

impl Answer {
    fn of(document: &Document, content: String) -> Self {
        Self {
            found: true,
            message: None,
            language: document.language.clone(),
            domain: document.domain.clone(),
            title: Some(document.title.clone()),
            content: Some(content),
            tags: Some(document.tags.clone()),
            last_updated: Some(document.updated_at.clone()),
            path: Some(document.path.as_str().to_owned()),
            uri: Some(document.uri()),
        }
    }

    fn none<'a>(problem: String, close: impl Iterator<Item = &'a str>) -> Self {
        let close: Vec<&str> = close.collect();
        let message =
            if close.is_empty() { problem } else { format!("{problem}; there is {}", close.join(", ")) };
        Self { message: Some(message), ..Self::default() }
    }
}

impl Summary {
    fn of(document: &Document) -> Self {
        Self {
            path: document.path.as_str().to_owned(),
            title: document.title.clone(),
            description: document.description.clone(),
            tags: document.tags.clone(),
            language: document.language.clone(),
            domain: document.domain.clone(),
            last_updated: document.updated_at.clone(),
            uri: document.uri(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DocumentPath, document::FileTimes};

    fn library() -> Library {
        let document = |(path, text): (&str, &str)| {
            Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
        };
        let front = "---\ntitle: Testing in Python\ntags: [pytest]\nupdatedAt: '2025-06-27'\n---\n# Tests\n\nAll.\n\n## Speed\n\nFast.\n";
        Library::new(
            [("python/testing.md", front), ("go/testing.md", "# Go\n"), ("intro.md", "# Hello\n")]
                .map(document),
        )
    }

    async fn standard(language: &str, domain: &str) -> Answer {
        let query = StandardQuery { language: language.into(), domain: domain.into() };
        library().standard(&query).await.unwrap()
    }

    async fn document(path: &str, section: Option<&str>) -> Answer {
        let query = DocumentQuery { path: path.into(), section: section.map(Into::into) };
        library().document(&query).await.unwrap()
    }

    #[tokio::test]
    async fn a_standard_has_the_fields_that_clients_know() {
        let answer = serde_json::to_value(standard("Python", " Testing").await).unwrap();
        let expected = serde_json::json!({
            "found": true, "language": "python", "domain": "testing", "title": "Testing in Python",
            "content": "# Tests\n\nAll.\n\n## Speed\n\nFast.\n", "tags": ["pytest"], "last_updated": "2025-06-27",
            "path": "python/testing.md", "uri": "docs:///python/testing.md",
        });
        assert_eq!(answer, expected);
    }

    #[tokio::test]
    async fn what_is_missing_is_said_with_what_comes_close() {
        let answer = standard("pyton", "testing").await;
        assert!(!answer.found && answer.content.is_none());
        assert!(answer.message.unwrap().contains("python/testing.md"));
        assert_eq!(
            standard("cobol", "payroll").await.message.unwrap(),
            "No stdlib document found for cobol/payroll"
        );
        assert!(document("python/tseting.md", None).await.message.unwrap().contains("python/testing.md"));
        assert!(document("python/testing.md", Some("nope")).await.message.unwrap().contains("Speed"));
    }

    #[tokio::test]
    async fn a_section_is_found_by_title_and_by_fragment() {
        for section in ["Speed", "speed"] {
            assert_eq!(
                document("python/testing.md", Some(section)).await.content.unwrap(),
                "## Speed\n\nFast.\n"
            );
        }
    }

    #[test]
    fn lists_are_filtered() {
        let paths = |language: Option<&str>| -> Vec<String> {
            let query = ListQuery { language: language.map(Into::into), domain: None };
            library().list(&query).documents.into_iter().map(|summary| summary.path).collect()
        };
        assert_eq!(paths(None), ["python/testing.md", "go/testing.md", "intro.md"]);
        assert_eq!(paths(Some(" GO")), ["go/testing.md"]);
    }
}
