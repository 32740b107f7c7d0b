//! The indexed fields of a document, and their weights.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use tantivy::{
    schema::{
        FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TantivyDocument, TextFieldIndexing,
        TextOptions,
    },
    tokenizer::TokenizerManager,
};

use super::{gist, query, secondary, stemming};
use crate::{document::Document, path::DocumentPath};

/// The analyzers, as the schema names them.
const WORDS_AND_STEMS: &str = "words_and_stems";
const STEMS: &str = "stems";

/// The name of the field with the hash of the text.
pub(super) const TEXT_KEY: &str = "text_key";
/// How many names of a path weigh more than the others: the document's, and that of its folder.
const NAMES: usize = 2;

/// The fields of the index.
///
/// Every word of a document is in `text`; the fields after it only lift documents that have a word in a better place.
/// So what matches is decided in one field, and the others are short and cheap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The path: all that is stored of a document.
    pub(super) path: Field,
    /// Its hash, by which a document is replaced and removed. As for titles, the dictionary is smaller so.
    pub(super) path_key: Field,
    /// The hash of the title's words: a query that is a title finds it here. Titles themselves would be a dictionary of
    /// nothing but long words that are there once.
    pub(super) title_key: Field,
    /// The hash of what the text says: that of all its copies. Short texts have none.
    pub(super) text_key: Field,
    /// Whether it is about other documents.
    pub(super) secondary: Field,
    /// In lower case, as are the next two: what searches are narrowed to.
    pub(super) language: Field,
    pub(super) domain: Field,
    pub(super) tag: Field,
    /// Title, description, tags, path and text, with the places of the words.
    pub(super) text: Field,
    /// Where a word weighs more than in the text: title, tags, the last names of the path, headings, and what says what the
    /// document is about: description, first words and outer folders.
    pub(super) boosts: [Boost; 5],
}

/// A place where a word weighs more than in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boost {
    pub(super) field: Field,
    /// How much more.
    pub(super) weight: f32,
    /// How many words such a place has, taken for its average: the true one is near zero where few documents have tags,
    /// and a document would be lowered for having them.
    pub(super) length: u64,
}

/// The schema and its fields.
pub(super) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let mut words = |name: &str, analyzer: &str, record| {
        let indexing = TextFieldIndexing::default().set_tokenizer(analyzer).set_index_option(record);
        schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
    };
    let text = words("text", WORDS_AND_STEMS, IndexRecordOption::WithFreqsAndPositions);
    let mut boost = |name: &str, weight, length| {
        let field = words(name, STEMS, IndexRecordOption::WithFreqs);
        Boost { field, weight, length }
    };
    let boosts = [
        boost("title", 4.0, 5),
        boost("tags", 3.0, 5),
        boost("names", 3.0, 6),
        boost("headings", 2.0, 20),
        boost("about", 1.5, 40),
    ];
    let fields = Fields {
        path: schema.add_text_field("path", STORED),
        path_key: schema.add_u64_field("path_key", INDEXED),
        title_key: schema.add_u64_field("title_key", INDEXED),
        text_key: schema.add_u64_field(TEXT_KEY, INDEXED | FAST),
        secondary: schema.add_bool_field(secondary::FIELD, FAST),
        language: schema.add_text_field("language", STRING),
        domain: schema.add_text_field("domain", STRING),
        tag: schema.add_text_field("tag", STRING),
        text,
        boosts,
    };
    (schema.build(), fields)
}

/// The analyzers that the schema names.
pub(super) fn analyzers() -> TokenizerManager {
    let analyzers = TokenizerManager::default();
    analyzers.register(WORDS_AND_STEMS, stemming::words_and_stems());
    analyzers.register(STEMS, stemming::stems());
    analyzers
}

impl Fields {
    /// The input of the index for a document.
    pub(super) fn entry(&self, document: &Document, text: &str) -> TantivyDocument {
        let mut entry = TantivyDocument::new();
        entry.add_text(self.path, document.path.as_str());
        entry.add_u64(self.path_key, path_key(&document.path));
        entry.add_u64(self.title_key, query::title_key(&document.title));
        for (field, value) in [(self.language, &document.language), (self.domain, &document.domain)] {
            if let Some(value) = value {
                entry.add_text(field, filter_key(value));
            }
        }
        let [title, tags, names, headings, about] = self.boosts.map(|place| place.field);
        for field in [title, self.text] {
            entry.add_text(field, &document.title);
        }
        for tag in &document.tags {
            entry.add_text(self.tag, filter_key(tag));
            entry.add_text(tags, tag);
            entry.add_text(self.text, tag);
        }
        entry.add_text(about, &document.description);
        for said in [document.description.as_str(), document.path.without_extension()] {
            entry.add_text(self.text, said);
        }
        // What tells the READMEs of many folders apart stands last in their paths.
        for (place, name) in document.path.names().rev().enumerate() {
            entry.add_text(if place < NAMES { names } else { about }, name);
        }
        let gist = gist::gist(text);
        entry.add_text(about, &gist.lead);
        for heading in gist.headings {
            entry.add_text(headings, heading.title);
        }
        entry.add_bool(self.secondary, gist.is_list_of_links || secondary::is_secondary(&document.path));
        if let Some(key) = gist.key {
            entry.add_u64(self.text_key, key);
        }
        entry.add_text(self.text, text);
        entry
    }
}

/// A path, hashed.
pub(super) fn path_key(path: &DocumentPath) -> u64 {
    FixedState::default().hash_one(path.as_str())
}

/// A language, domain or tag as it is compared: whatever its case and the space around it.
pub(super) fn filter_key(value: &str) -> String {
    value.trim().to_lowercase()
}
