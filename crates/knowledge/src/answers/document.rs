//! A standard, a document, or a section of one.

use std::{collections::BTreeSet, sync::Arc};

use anyport_protocol::types::ResourceLink;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    MARKDOWN, Readable,
    excerpt::{Excerpt, Long, Section, Source},
    joined, same, shown, suggest, tags, topic,
};
use crate::{Document, Found, Library, Unreadable, section, uri};

/// Which standard is wanted, and how much of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandardQuery {
    /// Programming language
    #[schemars(length(max = 128))]
    pub language: String,
    /// Domain area
    #[schemars(length(max = 128))]
    pub domain: String,
    /// Title or fragment of a heading; only that section is returned
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub section: Option<String>,
    /// How many characters the answer may have; of a longer text its outline is returned
    #[serde(default)]
    #[schemars(range(min = 100, max = 10_000_000))]
    pub max_chars: Option<usize>,
}

/// Which document is wanted, and how much of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentQuery {
    /// Path of the document as list_docs and search_docs name it, or its URI
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// Title or fragment of a heading; only that section is returned
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub section: Option<String>,
    /// How many characters the answer may have; of a longer text its outline is returned
    #[serde(default)]
    #[schemars(range(min = 100, max = 10_000_000))]
    pub max_chars: Option<usize>,
}

/// A document, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default)]
pub struct Answer {
    /// Whether there is such a document
    pub found: bool,
    /// Why there is none, and what comes close; or what was left out, and how to get it
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
    /// The document, or its section, as Markdown; if it is truncated, its outline or its beginning
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether content is not all of it
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// If content is an outline, the sections, each of which can be asked for
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
    /// Tags
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// When the document was last updated, ISO 8601
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// Path of the document within its folder
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// URI of the document, or of its section, as a resource
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

impl Library {
    /// The standard for a language and a domain; of one that is longer than `max_answer_chars`, or than the query says,
    /// its outline.
    ///
    /// # Errors
    /// When the text can no longer be read.
    pub async fn standard(
        &self,
        query: &StandardQuery,
        max_answer_chars: usize,
    ) -> Result<Answer, Unreadable> {
        self.standard_in(query, query.max_chars.unwrap_or(max_answer_chars), Long::Outline).await
    }

    /// The same, of which at most `max` characters are given, from its beginning.
    pub(crate) async fn beginning_of_standard(
        &self,
        query: &StandardQuery,
        max: usize,
    ) -> Result<Answer, Unreadable> {
        self.standard_in(query, max, Long::Beginning).await
    }

    async fn standard_in(&self, query: &StandardQuery, max: usize, long: Long) -> Result<Answer, Unreadable> {
        let document = match self.find(&query.language, &query.domain) {
            Found::Document(document) => document,
            Found::Close(close) => return Ok(self.no_standard(query, &close)),
        };
        let answer = Answer::of(document, query.section.as_deref(), max, long).await?;
        if !answer.found {
            return Ok(answer);
        }
        // As asked for: a document may stand for several topics.
        let (language, domain) = (query.language.trim().to_lowercase(), query.domain.trim().to_lowercase());
        Ok(Answer { language: Some(language), domain: Some(domain), ..answer })
    }

    /// One document, or one section of it; of one that is longer than `max_answer_chars`, or than the query says, its
    /// outline.
    ///
    /// # Errors
    /// When the text can no longer be read.
    pub async fn document(
        &self,
        query: &DocumentQuery,
        max_answer_chars: usize,
    ) -> Result<Answer, Unreadable> {
        let (path, fragment) = match uri::split(&query.path) {
            Some((path, fragment)) => (path, fragment),
            None => (query.path.as_str().into(), None),
        };
        let path = path.trim_start_matches('/');
        let Some(document) = self.get(path) else {
            let problem = format!("No document at {}", shown(&query.path));
            return Ok(Answer::none(suggest::instead(problem, suggest::paths(self, path))));
        };
        let section = query.section.as_deref().or(fragment.as_deref());
        let max = query.max_chars.unwrap_or(max_answer_chars);
        Answer::of(document, section, max, Long::Outline).await
    }

    /// Why there is no such standard, and what comes close: documents with similar names, else what there is for this
    /// language, else languages with similar names.
    fn no_standard(&self, query: &StandardQuery, close: &[&Arc<Document>]) -> Answer {
        let (language, domain) = (query.language.trim(), query.domain.trim());
        let problem = format!("No stdlib document found for {}/{}", shown(language), shown(domain));
        if !close.is_empty() {
            return Answer::none(suggest::instead(
                problem,
                close.iter().map(|document| document.path.as_str()),
            ));
        }
        let domains: BTreeSet<&str> = self
            .iter()
            .filter(|document| document.language.as_deref().is_some_and(|has| same(has, language)))
            .filter_map(|document| document.domain.as_deref())
            .collect();
        if !domains.is_empty() {
            let words = format!("for {} there is", shown(language));
            return Answer::none(suggest::there_is(problem, &words, domains));
        }
        let languages = self.languages();
        Answer::none(suggest::instead(problem, suggest::words(language, &languages)))
    }
}

impl Answer {
    /// `document`, or its section, in at most `max` characters.
    async fn of(
        document: &Arc<Document>,
        section: Option<&str>,
        max: usize,
        long: Long,
    ) -> Result<Self, Unreadable> {
        let text = match document.read().await {
            // It will be gone from the list in a moment.
            Err(error) if error.is_gone() => {
                return Ok(Self::none(format!("No document at {}; it was deleted just now", document.path)));
            }
            text => text?,
        };
        // Most answers are whole documents, which need no headings.
        let headings = match section.is_none() && text.len() <= max {
            true => Vec::new(),
            false => section::outline(&text),
        };
        let section = match section.map(|wanted| (wanted, section::find(&headings, wanted))) {
            None => None,
            Some((_, Some(at))) => Some(at),
            Some((wanted, None)) => {
                let problem = format!("No section {:?} in {}", shown(wanted), document.path);
                return Ok(Self::none(suggest::instead(
                    problem,
                    headings.iter().map(|heading| &heading.title),
                )));
            }
        };
        let source = Source { path: &document.path, text: &text, headings: &headings, section };
        let Excerpt { content, sections, note } = source.excerpt(max, long);
        Ok(Self {
            found: true,
            truncated: note.is_some(),
            message: note,
            language: document.language.clone(),
            domain: document.domain.clone(),
            title: Some(document.title.clone()),
            content: Some(content),
            sections,
            tags: Some(document.tags.clone()),
            last_updated: Some(document.updated_at.clone()),
            path: Some(document.path.as_str().to_owned()),
            uri: Some(source.uri()),
        })
    }

    fn none(message: String) -> Self {
        Self { message: Some(message), ..Self::default() }
    }
}

/// A line of what is known of the document, then the document, then what was left out.
impl Readable for Answer {
    fn markdown(&self) -> String {
        let Some(content) = &self.content else { return self.message.clone().unwrap_or_default() };
        let about = joined([
            self.title.as_ref().map(|title| format!("**{title}**")),
            topic(self.language.as_deref(), self.domain.as_deref()),
            self.tags.as_deref().and_then(tags),
            self.last_updated.as_ref().map(|time| format!("updated {time}")),
            self.path.clone(),
            self.uri.clone(),
        ]);
        match &self.message {
            None => format!("{about}\n\n{content}"),
            Some(message) => format!("{about}\n\n{content}\n\n{message}"),
        }
    }

    fn links(&self) -> Vec<ResourceLink> {
        let link = |section: &Section| {
            ResourceLink::new(&section.uri, &section.section)
                .with_title(&section.title)
                .with_mime_type(MARKDOWN)
        };
        self.sections.iter().map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DocumentPath, file_times::FileTimes};

    fn library() -> Library {
        let document = |(path, text): (&str, &str)| {
            Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
        };
        let front = "---\ntitle: Testing in Python\ntags: [pytest]\nupdatedAt: '2025-06-27'\n---\n# Tests\n\nAll.\n\n## Speed\n\nFast.\n";
        let others =
            [("go/testing.md", "# Go\n"), ("intro.md", "# Hello\n"), ("python/security.md", "# Safe\n")];
        Library::new([("python/testing.md", front)].into_iter().chain(others).map(document))
    }

    async fn standard(language: &str, domain: &str) -> Answer {
        let query = StandardQuery { language: language.into(), domain: domain.into(), ..Default::default() };
        library().standard(&query, 1_000).await.unwrap()
    }

    async fn document(path: &str, section: Option<&str>) -> Answer {
        let query = DocumentQuery { path: path.into(), section: section.map(Into::into), max_chars: None };
        library().document(&query, 1_000).await.unwrap()
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
        let missing = async |language, domain| standard(language, domain).await.message.unwrap();
        assert_eq!(
            missing("pyton", "testing").await,
            "No stdlib document found for pyton/testing; there is python/testing.md"
        );
        assert_eq!(missing("cobol", "payroll").await, "No stdlib document found for cobol/payroll");
        assert_eq!(
            missing("Python", "deployment").await,
            "No stdlib document found for Python/deployment; for Python there is security, testing"
        );
        assert_eq!(
            missing("pythn", "deployment").await,
            "No stdlib document found for pythn/deployment; there is python"
        );
        let answer = standard("pyton", "testing").await;
        assert!(!answer.found && answer.content.is_none());
        for path in ["python/tseting.md", "python/testing", "TESTING.md", "../python/testing.md"] {
            let message = document(path, None).await.message.unwrap();
            assert!(message.contains("python/testing.md"), "{message}");
        }
        assert!(document("python/testing.md", Some("nope")).await.message.unwrap().contains("Speed"));
        let long = document(&"x/".repeat(50_000), None).await.message.unwrap();
        assert!(long.len() < 300, "{long}");
    }

    #[tokio::test]
    async fn a_section_is_found_by_title_by_fragment_and_by_uri() {
        let by_uri = [("docs:///python/testing.md#speed", None), ("/python/testing.md", Some("SPEED"))];
        for (path, section) in by_uri
            .into_iter()
            .chain(["Speed", "speed", "#speed"].map(|name| ("python/testing.md", Some(name))))
        {
            let answer = document(path, section).await;
            assert_eq!(answer.content.unwrap(), "## Speed\n\nFast.\n");
            assert_eq!(answer.uri.unwrap(), "docs:///python/testing.md#speed");
        }
        let query = StandardQuery {
            language: "python".into(),
            domain: "testing".into(),
            section: Some("Speed".into()),
            max_chars: None,
        };
        assert_eq!(library().standard(&query, 1_000).await.unwrap().content.unwrap(), "## Speed\n\nFast.\n");
    }

    #[tokio::test]
    async fn what_is_too_long_is_told_and_linked() {
        let query = DocumentQuery { path: "python/testing.md".into(), ..Default::default() };
        let answer = library().document(&query, 20).await.unwrap();
        assert!(answer.truncated && answer.found);
        let query = DocumentQuery { max_chars: Some(100), ..query };
        let answer = library().document(&query, 20).await.unwrap();
        assert!(!answer.truncated && answer.message.is_none());
    }

    #[tokio::test]
    async fn what_is_read_says_all_that_is_structured() {
        let answer = standard("python", "testing").await;
        let about = "**Testing in Python** · python/testing · tags: pytest · updated 2025-06-27 · python/testing.md · \
                     docs:///python/testing.md\n\n";
        assert_eq!(answer.markdown(), format!("{about}{}", answer.content.clone().unwrap()));
        let answer = standard("pyton", "testing").await;
        assert_eq!(Some(answer.markdown()), answer.message);
    }
}
