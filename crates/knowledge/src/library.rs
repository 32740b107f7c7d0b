//! All documents, and how one is found among them.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    fmt,
    hash::BuildHasher,
    sync::Arc,
};

use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table::Entry};

use crate::document::Document;

/// Most near misses that [`Library::find`] names.
const MAX_CLOSE: usize = 3;

/// Longest word that near misses are looked for; no language or domain has a name like that.
const MAX_COMPARED_BYTES: usize = 128;

/// An immutable collection of documents.
#[derive(Default)]
pub struct Library {
    documents: Vec<Arc<Document>>,
    /// Where each document is, by its path. It is built with each change of a document, so no text is copied into it.
    by_path: HashTable<usize>,
    /// The hash of each topic that a document can be found by, and where it is.
    by_topic: HashTable<(u64, usize)>,
    hasher: RandomState,
}

/// A language and a domain in lower case.
type Topic<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The result of a lookup by language and domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The document on that domain of that language.
    Document(&'a Arc<Document>),
    /// Not found; these have the most similar names, the most similar first. Often empty.
    Close(Vec<&'a Arc<Document>>),
}

impl Library {
    /// Makes a library of `documents`, in their order. Of two with the same path, the library has the first.
    pub fn new<D: Into<Arc<Document>>>(documents: impl IntoIterator<Item = D>) -> Self {
        let documents = documents.into_iter();
        let (least, _) = documents.size_hint();
        let mut library = Self {
            documents: Vec::with_capacity(least),
            by_path: HashTable::with_capacity(least),
            by_topic: HashTable::with_capacity(least),
            hasher: RandomState::default(),
        };
        for document in documents {
            library.add(document.into());
        }
        library
    }

    fn add(&mut self, document: Arc<Document>) {
        let Self { documents, by_path, by_topic, hasher } = self;
        let path_of = |at: &usize| documents.get(*at).map_or("", |document| document.path.as_str());
        let path = document.path.as_str();
        let place =
            by_path.entry(hasher.hash_one(path), |at| path_of(at) == path, |at| hasher.hash_one(path_of(at)));
        let Entry::Vacant(place) = place else { return };
        let at = documents.len();
        place.insert(at);
        for topic in topics(&document) {
            let hash = hasher.hash_one(topic);
            by_topic.insert_unique(hash, (hash, at), |(hash, _)| *hash);
        }
        documents.push(document);
    }

    /// The document at `path`.
    pub fn get(&self, path: &str) -> Option<&Arc<Document>> {
        let is_there =
            |at: &usize| self.documents.get(*at).is_some_and(|document| document.path.as_str() == path);
        self.by_path.find(self.hasher.hash_one(path), is_there).and_then(|at| self.documents.get(*at))
    }

    /// Every document, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Document>> {
        self.documents.iter()
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The document on a domain of a language, by front matter or by path, whatever the case.
    ///
    /// Of several the one at `LANGUAGE/DOMAIN.md` is found, else the first.
    pub fn find(&self, language: &str, domain: &str) -> Found<'_> {
        let wanted = topic(language, domain);
        let known = self.hasher.hash_one(&wanted);
        let mut places: Vec<usize> =
            self.by_topic.iter_hash(known).filter(|(hash, _)| *hash == known).map(|(_, at)| *at).collect();
        places.sort_unstable();
        let is_wanted = |document: &&Arc<Document>| topics(document).any(|topic| topic == wanted);
        let mut matches = places.iter().filter_map(|at| self.documents.get(*at)).filter(is_wanted);
        let first = matches.clone().next();
        let at_its_place = |document: &&Arc<Document>| {
            let path = document.path.without_extension().to_lowercase();
            path.split_once('/') == Some((&wanted.0, &wanted.1))
        };
        match matches.find(at_its_place).or(first) {
            Some(document) => Found::Document(document),
            None => Found::Close(self.close_to(&wanted)),
        }
    }

    /// The languages of all documents, in lower case and in alphabetical order.
    pub fn languages(&self) -> Vec<String> {
        distinct(self.iter().filter_map(|document| document.language.as_deref()))
    }

    /// The domains of all documents, in lower case and in alphabetical order.
    pub fn domains(&self) -> Vec<String> {
        distinct(self.iter().filter_map(|document| document.domain.as_deref()))
    }

    fn close_to(&self, wanted: &Topic<'_>) -> Vec<&Arc<Document>> {
        // A stranger may ask for words of any length, and each would be compared with every topic.
        if wanted.0.len().max(wanted.1.len()) > MAX_COMPARED_BYTES {
            return Vec::new();
        }
        let far = |topic: Topic<'_>| Some(distance(&wanted.0, &topic.0)? + distance(&wanted.1, &topic.1)?);
        let mut close: Vec<_> = (self.documents.iter())
            .flat_map(|document| topics(document).map(move |topic| (topic, document)))
            .filter_map(|(topic, document)| Some((far(topic.clone())?, topic, document)))
            .collect();
        close.sort_by_key(|(distance, ..)| *distance);
        let mut topics = HashSet::new();
        let mut documents: Vec<&Arc<Document>> = Vec::new();
        for (_, topic, document) in close {
            // A document may be known by two topics, and a topic by many documents: the first of them stands for it.
            if topics.insert(topic) && documents.iter().all(|known| known.path != document.path) {
                documents.push(document);
            }
            if documents.len() == MAX_CLOSE {
                break;
            }
        }
        documents
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Library {
    type Item = &'a Arc<Document>;
    type IntoIter = std::slice::Iter<'a, Arc<Document>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The topics of a document: those of its front matter, and those of its path.
fn topics(document: &Document) -> impl Iterator<Item = Topic<'_>> {
    let (language, domain) = document.path.topic();
    let by_path = language.zip(domain).map(|(language, domain)| topic(language, domain));
    let said = document.language.as_deref().zip(document.domain.as_deref());
    let said = said.map(|(language, domain)| topic(language, domain));
    let said_too = said.filter(|said| by_path.as_ref() != Some(said));
    by_path.into_iter().chain(said_too)
}

fn topic<'a>(language: &'a str, domain: &'a str) -> Topic<'a> {
    (folded(language.trim()), folded(domain.trim()))
}

/// A word in lower case, as it is if that is what it is in.
fn folded(word: &str) -> Cow<'_, str> {
    let is_lower = word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(word) } else { Cow::Owned(word.to_lowercase()) }
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(str::to_lowercase).collect::<BTreeSet<_>>().into_iter().collect()
}

/// How many letters have to change to make one word of the other; `None` if that is more than half of them.
///
/// An abbreviation counts as one change: `py` is close to `python`.
fn distance(wanted: &str, known: &str) -> Option<usize> {
    let (a, b) = (wanted.chars().count(), known.chars().count());
    let most = a.max(b) / 2;
    let abbreviated = a.min(b) >= 2 && (known.starts_with(wanted) || wanted.starts_with(known));
    if abbreviated {
        return Some(usize::from(a != b));
    }
    // Lengths so different need as many changes; comparing the words would only find out slowly.
    let distance = || strsim::osa_distance(wanted, known);
    (a.abs_diff(b) <= most).then(distance).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{file_times::FileTimes, path::DocumentPath};

    fn document(path: &str, text: &str) -> Document {
        let times = FileTimes { created: SystemTime::UNIX_EPOCH, modified: SystemTime::UNIX_EPOCH };
        Document::parse(DocumentPath::new(path).unwrap(), text, times).0
    }

    fn library(files: &[(&str, &str)]) -> Library {
        Library::new(files.iter().map(|(path, text)| document(path, text)))
    }

    fn found<'a>(library: &'a Library, language: &str, domain: &str) -> Option<&'a str> {
        match library.find(language, domain) {
            Found::Document(document) => Some(document.path.as_str()),
            Found::Close(_) => None,
        }
    }

    fn close<'a>(library: &'a Library, language: &str, domain: &str) -> Vec<&'a str> {
        match library.find(language, domain) {
            Found::Document(document) => panic!("found {}", document.path),
            Found::Close(documents) => documents.into_iter().map(|document| document.path.as_str()).collect(),
        }
    }

    #[test]
    fn documents_are_found_by_path() {
        let library = library(&[("b.md", "1"), ("a/c.md", "2"), ("b.md", "3")]);
        assert_eq!(library.get("b.md").unwrap().held().map(|text| &**text), Some("1"));
        assert_eq!(library.get("B.md"), None);
        assert_eq!(
            library.iter().map(|document| document.path.as_str()).collect::<Vec<_>>(),
            ["b.md", "a/c.md"]
        );
        assert_eq!(library.len(), 2);
        assert!(!library.is_empty());
    }

    #[test]
    fn topics_come_from_front_matter_and_path() {
        let library = library(&[
            ("python/testing.md", ""),
            ("go-security.md", ""),
            ("notes.md", "---\nlanguage: Rust\ndomain: Error Handling\n---\n"),
            ("c/style.md", "---\ndomain: format\n---\n"),
        ]);
        assert_eq!(found(&library, "Python", " TESTING"), Some("python/testing.md"));
        assert_eq!(found(&library, "go", "security"), Some("go-security.md"));
        assert_eq!(found(&library, "rust", "error handling"), Some("notes.md"));
        assert_eq!(found(&library, "c", "style"), Some("c/style.md"));
        assert_eq!(found(&library, "c", "format"), Some("c/style.md"));
        assert_eq!(found(&library, "python", "security"), None);
        assert_eq!(library.languages(), ["c", "go", "python", "rust"]);
        assert_eq!(library.domains(), ["error handling", "format", "security", "testing"]);
    }

    #[test]
    fn of_several_the_one_at_its_place_is_found_else_the_first() {
        let said = "---\nlanguage: python\ndomain: testing\n---\n";
        let others = [("a.md", said), ("old/python/testing.md", ""), ("z.md", said)];
        assert_eq!(found(&library(&others), "python", "testing"), Some("a.md"));
        let all = [others[0], others[1], ("Python/Testing.markdown", ""), others[2]];
        assert_eq!(found(&library(&all), "python", "testing"), Some("Python/Testing.markdown"));
    }

    #[test]
    fn a_miss_names_at_most_three_close_ones_the_closest_first() {
        let library = library(&[
            ("python/testing.md", ""),
            ("python/tests.md", ""),
            ("python/test.md", ""),
            ("python/texting.md", ""),
            ("go/testing.md", ""),
            ("python/security.md", ""),
        ]);
        assert_eq!(close(&library, "pyhton", "security"), ["python/security.md"]);
        assert_eq!(close(&library, "py", "secruity"), ["python/security.md"]);
        let near = close(&library, "python", "testin");
        assert_eq!(near[0], "python/testing.md");
        assert_eq!(near.len(), 3);
        assert!(close(&library, "haskell", "monads").is_empty());
        assert!(close(&library, "", "").is_empty());
        assert!(close(&library, &"p".repeat(1 << 20), &"t".repeat(1 << 20)).is_empty());
    }

    #[test]
    fn a_document_of_two_topics_is_named_once() {
        let library = library(&[("go/test.md", "---\ndomain: tests\n---\n")]);
        assert_eq!(close(&library, "go", "testa"), ["go/test.md"]);
    }
}
