//! The results of a search, with their sections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Readable, joined, listing::documents, tags, topic};
use crate::{
    Document, Hits, IndexError, Knowledge, Library, Progress, SearchQuery,
    snippet::{Snippet, snippet},
    uri,
};

/// How many hits an answer has, unless the call says otherwise.
pub const DEFAULT_HITS: usize = 10;
/// How many it has at most.
pub const MAX_HITS: usize = 50;

/// The query and its filters.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchArguments {
    /// Words to look for; in double quotes they must follow each other
    #[schemars(length(max = 10000))]
    pub query: String,
    /// Only documents about this programming language
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub language: Option<String>,
    /// Only documents about this domain area
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub domain: Option<String>,
    /// Only documents with all of these tags
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub tags: Option<Vec<String>>,
    /// How many hits to return, 10 unless said
    #[serde(default)]
    #[schemars(range(min = 1, max = 50))]
    pub limit: Option<usize>,
}

/// The results of a search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SearchAnswer {
    /// How many documents were found, those beyond the limit included
    pub total: usize,
    /// Whether some were found only by words that are spelled similarly
    pub approximate: bool,
    /// Whether even the best hit has so little of the query that it may not be what is meant
    pub weak: bool,
    /// Whether there are documents that cannot be found yet
    pub indexing: bool,
    /// How many documents can be found
    pub indexed: usize,
    /// How many documents there are
    pub documents: usize,
    /// The best of them, the best first
    pub hits: Vec<SearchHit>,
}

/// A document that was found, and the passage of it that fits best.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SearchHit {
    /// Path of the document within its folder
    pub path: String,
    /// URI of the section that the passage stands in, or of the document
    pub uri: String,
    /// Title of the document
    pub title: String,
    /// Title of the section; give it to get_doc as section
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// The passage
    pub snippet: String,
    /// How well the document fits, compared with the other hits
    pub score: f64,
    /// Words of the query that the document does not have
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Paths of other documents with the same text, ten at most
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// How many documents beyond those in copies have the same text
    #[serde(skip_serializing_if = "is_zero")]
    pub more_copies: usize,
    /// Programming language
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Domain area
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Tags
    pub tags: Vec<String>,
}

impl Knowledge {
    /// Searches the documents that are indexed so far. It takes some milliseconds, on this thread.
    ///
    /// # Errors
    /// When the index cannot be read. Nothing that is looked for is an error.
    pub fn find(&self, wanted: SearchArguments) -> Result<SearchAnswer, IndexError> {
        let query = wanted.into_query();
        // In this order: what was indexed when the search began is counted as indexed.
        let progress = self.progress();
        let found = self.search(&query)?;
        Ok(SearchAnswer::of(&self.library(), progress, &found))
    }
}

impl SearchArguments {
    fn into_query(self) -> SearchQuery {
        // An empty word is no filter: some clients fill in all arguments.
        let filter = |word: Option<String>| word.filter(|word| !word.trim().is_empty());
        let mut query = SearchQuery::new(self.query);
        query.language = filter(self.language);
        query.domain = filter(self.domain);
        query.tags = self.tags.unwrap_or_default();
        query.limit = self.limit.unwrap_or(DEFAULT_HITS).clamp(1, MAX_HITS);
        query
    }
}

impl SearchAnswer {
    /// `found`, as far as it is still in `library`: a document may go between the two.
    fn of(library: &Library, progress: Progress, found: &Hits) -> Self {
        let hit = |hit: &crate::Hit| {
            let document = library.get(hit.path.as_str())?;
            // A file that cannot be read now was found all the same.
            let passage = document.read_blocking().map(|text| snippet(&text, &found.words));
            Some(SearchHit::of(document, passage.unwrap_or_default(), hit))
        };
        Self {
            total: found.total,
            approximate: found.approximate,
            weak: found.weak,
            indexing: progress.reading || progress.indexing,
            indexed: progress.indexed,
            documents: progress.documents.max(progress.indexed),
            hits: found.hits.iter().filter_map(hit).collect(),
        }
    }
}

impl SearchAnswer {
    /// How many documents are among the hits, copies included.
    fn listed(&self) -> usize {
        self.hits.iter().map(|hit| 1 + hit.copies.len() + hit.more_copies).sum()
    }
}

impl SearchHit {
    fn of(document: &Document, passage: Snippet, hit: &crate::Hit) -> Self {
        let uri = match &passage.fragment {
            Some(slug) => uri::of_section(&document.path, slug),
            None => document.uri(),
        };
        Self {
            path: document.path.as_str().to_owned(),
            uri,
            title: document.title.clone(),
            heading: passage.heading,
            snippet: passage.text,
            // Three digits tell hits apart; more would be noise.
            score: (f64::from(hit.score) * 1_000.0).round() / 1_000.0,
            missing: hit.missing.clone(),
            copies: hit.copies.iter().map(|path| path.as_str().to_owned()).collect(),
            more_copies: hit.more_copies,
            language: document.language.clone(),
            domain: document.domain.clone(),
            tags: document.tags.clone(),
        }
    }

    /// The same text at other paths.
    fn also(&self) -> Option<String> {
        let more = (self.more_copies > 0).then(|| format!("{} more", self.more_copies));
        let copies: Vec<_> = self.copies.iter().cloned().chain(more).collect();
        (!copies.is_empty()).then(|| format!("the same text: {}", copies.join(", ")))
    }

    fn line(&self, number: usize) -> String {
        let title = match &self.heading {
            Some(heading) if *heading != self.title => format!("**{} › {heading}**", self.title),
            _ => format!("**{}**", self.title),
        };
        let about = joined([
            Some(title),
            Some(self.path.clone()),
            topic(self.language.as_deref(), self.domain.as_deref()),
            tags(&self.tags),
            Some(self.uri.clone()),
            (!self.missing.is_empty()).then(|| format!("without {}", quoted(&self.missing))),
            self.also(),
        ]);
        let snippet = self.snippet.split_whitespace().collect::<Vec<_>>().join(" ");
        match snippet.is_empty() {
            true => format!("{number}. {about}\n"),
            false => format!("{number}. {about}\n   {snippet}\n"),
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Words in quotes.
fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// A numbered list, and what to know of it.
impl Readable for SearchAnswer {
    fn markdown(&self) -> String {
        let mut text = match (self.hits.len(), self.total) {
            (0, _) => "Nothing was found. Try other words, fewer of them, or no filters.".to_owned(),
            (_, total) if self.listed() >= total => format!("{total} {} found", documents(total)),
            (shown, total) => format!("{total} {} found, the best {shown}", documents(total)),
        };
        if self.approximate {
            text.push_str(", some by words that are spelled similarly");
        }
        if self.weak {
            text.push_str(". Even the best fits weakly, so it may not be what is meant; try other words");
        }
        if !self.hits.is_empty() {
            text.push_str(":\n\n");
        }
        text.extend(self.hits.iter().zip(1..).map(|(hit, number)| hit.line(number)));
        if self.indexing {
            text.push_str(&format!(
                "\n\n{} of {} documents are indexed so far; ask again for what is missing.",
                self.indexed, self.documents
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(heading: Option<&str>) -> SearchHit {
        SearchHit {
            path: "python/testing.md".into(),
            uri: "docs:///python/testing.md#speed".into(),
            title: "Testing".into(),
            heading: heading.map(str::to_owned),
            snippet: "No test\nsleeps.".into(),
            score: 1.5,
            missing: Vec::new(),
            copies: Vec::new(),
            more_copies: 0,
            language: Some("python".into()),
            domain: Some("testing".into()),
            tags: vec!["pytest".into()],
        }
    }

    #[test]
    fn what_is_read_says_where_to_look_and_what_is_missing() {
        let answer = SearchAnswer {
            total: 12,
            approximate: true,
            weak: false,
            indexing: true,
            indexed: 30,
            documents: 50,
            hits: vec![hit(Some("Speed")), hit(Some("Testing"))],
        };
        let about = "python/testing.md · python/testing · tags: pytest · docs:///python/testing.md#speed\n   No test sleeps.\n";
        assert_eq!(
            answer.markdown(),
            format!(
                "12 documents found, the best 2, some by words that are spelled similarly:\n\n1. **Testing › Speed** · \
                 {about}2. **Testing** · {about}\n\n30 of 50 documents are indexed so far; ask again for what is missing."
            )
        );
        assert!(SearchAnswer::default().markdown().starts_with("Nothing was found."));
    }

    #[test]
    fn copies_and_weak_hits_are_told() {
        let mut copied = hit(None);
        copied.missing = vec!["sleeps".into(), "fast".into()];
        copied.copies = vec!["a.md".into(), "b.md".into()];
        copied.more_copies = 3;
        let answer = SearchAnswer { total: 6, weak: true, hits: vec![copied], ..SearchAnswer::default() };
        assert_eq!(
            answer.markdown(),
            "6 documents found. Even the best fits weakly, so it may not be what is meant; try other words:\n\n\
             1. **Testing** · python/testing.md · python/testing · tags: pytest · docs:///python/testing.md#speed · without \
             \"sleeps\", \"fast\" · the same text: a.md, b.md, 3 more\n   No test sleeps.\n"
        );
        let structure = serde_json::to_value(&answer).unwrap();
        assert_eq!((&structure["weak"], &structure["hits"][0]["more_copies"]), (&true.into(), &3.into()));
        assert!(serde_json::to_value(hit(None)).unwrap().get("copies").is_none());
    }

    #[test]
    fn arguments_that_say_nothing_filter_nothing() {
        let arguments = SearchArguments {
            query: "a".into(),
            language: Some(" ".into()),
            domain: Some(String::new()),
            limit: Some(9_999),
            ..SearchArguments::default()
        };
        let query = arguments.into_query();
        assert_eq!((query.language, query.domain, query.limit), (None, None, MAX_HITS));
    }
}
