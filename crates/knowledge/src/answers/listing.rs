//! Which documents there are, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Readable, joined, same, tags, topic};
use crate::{Document, Library};

/// How many documents a page of `list_docs` has, unless the call says otherwise.
pub const DEFAULT_PAGE: usize = 100;
/// How many it has at most.
pub const MAX_PAGE: usize = 1_000;

/// Which documents are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Only documents about this programming language
    #[schemars(length(max = 128))]
    pub language: Option<String>,
    /// Only documents about this domain area
    #[schemars(length(max = 128))]
    pub domain: Option<String>,
    /// Only documents with all of these tags
    #[schemars(length(max = 32))]
    pub tags: Option<Vec<String>>,
    /// How many documents to list, 100 unless said
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<usize>,
    /// next_cursor of the page before
    #[schemars(length(max = 8192))]
    pub cursor: Option<String>,
}

/// A page of the documents, without their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listing {
    /// How many documents there are on all pages
    pub total: usize,
    /// The documents of this page, in the order of their paths
    pub documents: Vec<Summary>,
    /// Give this as cursor to get the next page; absent on the last one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The metadata of a document.
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

/// A cursor that was not given out by `list_docs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no cursor of this list; leave it out to list from the start")]
pub struct WrongCursor;

impl Library {
    /// A page of the documents that are wanted.
    ///
    /// # Errors
    /// For a cursor that was not given out by this.
    pub fn list(&self, query: &ListQuery) -> Result<Listing, WrongCursor> {
        let all = self.iter().as_slice();
        let start = query.cursor.as_deref().map_or(Ok(0), |cursor| after(all, cursor).ok_or(WrongCursor))?;
        let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        let mut wanted = (start..).zip(&all[start..]).filter(|(_, document)| query.wants(document));
        let page: Vec<(usize, &Arc<Document>)> = wanted.by_ref().take(limit).collect();
        let next = page.last().filter(|_| wanted.next().is_some());
        let total = match query.wants_all() {
            true => all.len(),
            false => all.iter().filter(|document| query.wants(document)).count(),
        };
        Ok(Listing {
            total,
            next_cursor: next.map(|(place, document)| cursor(*place, document)),
            documents: page.into_iter().map(|(_, document)| Summary::of(document)).collect(),
        })
    }
}

impl ListQuery {
    fn wants(&self, document: &Document) -> bool {
        let fits = |wanted: &Option<String>, has: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| has.as_deref().is_some_and(|has| same(has, wanted)))
        };
        let mut tags = self.tags.iter().flatten();
        fits(&self.language, &document.language)
            && fits(&self.domain, &document.domain)
            && tags.all(|wanted| document.tags.iter().any(|has| same(has, wanted)))
    }

    fn wants_all(&self) -> bool {
        self.language.is_none() && self.domain.is_none() && self.tags.iter().flatten().next().is_none()
    }
}

/// The cursor to the documents after `document`, which is at `place`.
pub(crate) fn cursor(place: usize, document: &Document) -> String {
    format!("{place} {}", document.path)
}

/// Where the list goes on behind the document that `cursor` names. It stands where it stood, unless the list has changed;
/// if it is gone, what stands in its place comes next.
pub(crate) fn after(all: &[Arc<Document>], cursor: &str) -> Option<usize> {
    let (place, path) = cursor.split_once(' ')?;
    let place: usize = place.parse().ok()?;
    if all.get(place).is_some_and(|document| document.path.as_str() == path) {
        return Some(place + 1);
    }
    let moved = all.iter().position(|document| document.path.as_str() == path);
    Some(moved.map_or(place.min(all.len()), |place| place + 1))
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

    fn line(&self) -> String {
        let about = joined([
            Some(format!("**{}**", self.title)),
            Some(self.path.clone()),
            topic(self.language.as_deref(), self.domain.as_deref()),
            tags(&self.tags),
            Some(format!("updated {}", self.last_updated)),
            Some(self.uri.clone()),
        ]);
        if self.description.is_empty() {
            format!("- {about}\n")
        } else {
            format!("- {about}\n  {}\n", self.description)
        }
    }
}

/// A list item for each document, and how to get the next page.
impl Readable for Listing {
    fn markdown(&self) -> String {
        let mut text = match (self.documents.len(), self.total) {
            (_, 0) => return "There are no such documents.".to_owned(),
            (shown, total) if shown == total => format!("{total} {}:\n\n", documents(total)),
            (shown, total) => format!("{shown} of {total} {}:\n\n", documents(total)),
        };
        text.extend(self.documents.iter().map(Summary::line));
        if let Some(cursor) = &self.next_cursor {
            text.push_str(&format!("\nFor the next page, call list_docs again with the cursor {cursor:?}."));
        }
        text.trim_end().to_owned()
    }
}

/// The word for so many.
pub(crate) fn documents(count: usize) -> &'static str {
    if count == 1 { "document" } else { "documents" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DocumentPath, file_times::FileTimes};

    fn library(paths: &[&str]) -> Library {
        let document = |path: &&str| {
            let text = format!("---\ntags: [All, {path}]\n---\n# About {path}\n\nIt is good.\n");
            Document::parse(DocumentPath::new(*path).unwrap(), &text, FileTimes::default()).0
        };
        Library::new(paths.iter().map(document))
    }

    const PATHS: [&str; 5] = ["go/a.md", "go/b.md", "intro.md", "python/a.md", "python/c.md"];

    fn paths(listing: &Listing) -> Vec<&str> {
        listing.documents.iter().map(|summary| summary.path.as_str()).collect()
    }

    #[test]
    fn lists_are_filtered() {
        let library = library(&PATHS);
        let list = |query: ListQuery| {
            let listing = library.list(&query).unwrap();
            assert_eq!(listing.total, listing.documents.len());
            paths(&listing).join(" ")
        };
        let word = |word: &str| Some(word.to_owned());
        assert_eq!(list(ListQuery::default()), PATHS.join(" "));
        assert_eq!(list(ListQuery { language: word(" GO"), ..Default::default() }), "go/a.md go/b.md");
        assert_eq!(list(ListQuery { domain: word("a"), ..Default::default() }), "go/a.md python/a.md");
        let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
        assert_eq!(list(ListQuery { tags: tags(&["ALL", "intro.md"]), ..Default::default() }), "intro.md");
        assert_eq!(list(ListQuery { tags: tags(&["none"]), ..Default::default() }), "");
        assert_eq!(list(ListQuery { tags: tags(&[]), ..Default::default() }), PATHS.join(" "));
    }

    #[test]
    fn pages_follow_each_other_while_documents_come_and_go() {
        let all = library(&PATHS);
        let page = |library: &Library, cursor: Option<&String>| {
            let query = ListQuery { limit: Some(2), cursor: cursor.cloned(), ..Default::default() };
            library.list(&query).unwrap()
        };
        let first = page(&all, None);
        assert_eq!((paths(&first), first.total), (vec!["go/a.md", "go/b.md"], 5));
        let second = page(&all, first.next_cursor.as_ref());
        assert_eq!(paths(&second), ["intro.md", "python/a.md"]);
        let third = page(&all, second.next_cursor.as_ref());
        assert_eq!((paths(&third), &third.next_cursor), (vec!["python/c.md"], &None));
        // One more before it; itself gone; all gone.
        let more = library(&["a.md", "go/a.md", "go/b.md", "intro.md"]);
        assert_eq!(paths(&page(&more, first.next_cursor.as_ref())), ["intro.md"]);
        let fewer = library(&["go/a.md", "intro.md", "python/a.md"]);
        assert_eq!(paths(&page(&fewer, first.next_cursor.as_ref())), ["intro.md", "python/a.md"]);
        assert!(paths(&page(&library(&[]), second.next_cursor.as_ref())).is_empty());
        // A filter stays in force, and the last page says that it is the last.
        let query = ListQuery { language: Some("go".into()), limit: Some(2), ..Default::default() };
        assert_eq!(all.list(&query).unwrap().next_cursor, None);
        for cursor in ["", "x", "-1 a", "99999999999999999999 a", "a b"] {
            let query = ListQuery { cursor: Some(cursor.into()), ..Default::default() };
            assert_eq!(all.list(&query), Err(WrongCursor), "{cursor:?}");
        }
    }

    #[test]
    fn what_is_read_says_how_to_go_on() {
        let library = library(&PATHS);
        let query = ListQuery { limit: Some(1), ..Default::default() };
        let text = library.list(&query).unwrap().markdown();
        let line = "- **About go/a.md** · go/a.md · go/a · tags: All, go/a.md · updated 1970-01-01T00:00:00.000Z · \
                    docs:///go/a.md\n  It is good.\n";
        let next = "For the next page, call list_docs again with the cursor \"0 go/a.md\".";
        assert_eq!(text, format!("1 of 5 documents:\n\n{line}\n{next}"));
        let none = ListQuery { language: Some("cobol".into()), ..Default::default() };
        assert_eq!(library.list(&none).unwrap().markdown(), "There are no such documents.");
    }
}
