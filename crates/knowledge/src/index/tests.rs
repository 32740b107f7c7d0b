use std::time::SystemTime;

use super::*;
use crate::document::FileTimes;

fn document(path: &str, text: &str) -> Document {
    let times = FileTimes { created: SystemTime::UNIX_EPOCH, modified: SystemTime::UNIX_EPOCH };
    Document::parse(DocumentPath::new(path).unwrap(), text, times).0
}

fn put(index: &Index, path: &str, text: &str) {
    let document = document(path, text);
    let content = crate::front_matter::split(text).content;
    index.put(&document, content).unwrap();
}

fn index(files: &[(&str, &str)]) -> Index {
    let index = Index::new(Storage::Memory).unwrap();
    for (path, text) in files {
        put(&index, path, text);
    }
    index.commit().unwrap();
    index
}

fn found(index: &Index, query: &str) -> Vec<String> {
    hits(index, &SearchQuery::new(query))
}

fn hits(index: &Index, query: &SearchQuery) -> Vec<String> {
    let hits = index.search(query).unwrap();
    assert!(hits.hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    assert!(hits.total >= hits.hits.len());
    hits.hits.into_iter().map(|hit| hit.path.to_string()).collect()
}

#[test]
fn documents_are_found_by_their_words_after_the_commit() {
    let index = Index::new(Storage::Memory).unwrap();
    assert!(found(&index, "anything").is_empty());
    put(&index, "a.md", "# Retry\n\nWait before you try again.\n");
    put(&index, "b.md", "# Timeout\n\nGive up in time.\n");
    assert!(found(&index, "retry").is_empty());
    index.commit().unwrap();
    assert_eq!(found(&index, "RETRY"), ["a.md"]);
    assert_eq!(found(&index, "waiting"), ["a.md"]);
    assert_eq!(found(&index, "give up"), ["b.md"]);
}

#[test]
fn a_document_put_again_is_replaced_and_a_removed_one_is_gone() {
    let index = index(&[("a.md", "old words"), ("b.md", "other words")]);
    put(&index, "a.md", "never seen");
    put(&index, "a.md", "new words");
    index.commit().unwrap();
    assert_eq!(found(&index, "words").len(), 2);
    assert!(found(&index, "old").is_empty());
    assert!(found(&index, "never").is_empty());
    assert_eq!(found(&index, "new"), ["a.md"]);
    index.remove(&DocumentPath::new("a.md").unwrap()).unwrap();
    index.remove(&DocumentPath::new("c.md").unwrap()).unwrap();
    index.commit().unwrap();
    assert_eq!(found(&index, "words"), ["b.md"]);
    put(&index, "a.md", "back again");
    index.commit().unwrap();
    assert_eq!(found(&index, "again"), ["a.md"]);
}
