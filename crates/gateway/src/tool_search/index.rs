//! An index of tools, and how a query finds them.

use std::collections::HashMap;

use anyport_protocol::Raw;
use anyport_ranking::{
    bm25::{self, Field},
    stem,
};
use bytestring::ByteString;

use super::{
    similar::similar,
    synonyms::{plain_form, synonyms},
    words::{QueryWord, each_stem, query_words},
};

/// An index of tools, by the words of their names, titles, descriptions and parameters.
///
/// It is built once for a list and never changes. The score of a tool is that of a document in the index of documents: BM25
/// over weighted fields, times the share of the query that the tool has.
#[derive(Debug, Default)]
pub struct ToolIndex {
    tools: Vec<IndexedTool>,
    /// The tools that have a stem, in their order.
    postings: HashMap<String, Vec<Posting>>,
    fields: [Field; FIELDS],
}

#[derive(Debug)]
struct IndexedTool {
    name: ByteString,
    definition: Raw,
    /// The number of words in each field.
    lengths: [u32; FIELDS],
}

/// A tool that has a stem, and how often it has it in each field.
#[derive(Debug)]
struct Posting {
    tool: usize,
    occurrences: [u32; FIELDS],
}

/// A tool that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolHit {
    /// The tool's name.
    pub name: ByteString,
    /// Its definition, as the list has it.
    pub definition: Raw,
    /// How well it fits. Compares hits of one search.
    pub score: f32,
}

/// The name, the title, the description and the parameters.
const FIELDS: usize = 4;
/// The evidence of an occurrence in each of them. Parameters say least: many tools have `path` or `limit`.
const WEIGHTS: [f32; FIELDS] = [3.0, 3.0, 1.5, 0.5];
/// The weight of a synonym, relative to the word itself.
const OF_SYNONYM: f32 = 0.8;
/// The weight of a word that is spelled similarly.
const OF_SIMILAR: f32 = 0.4;

impl ToolIndex {
    /// Indexes tools, given by their definitions. What is no tool with a name is left out.
    pub fn build(tools: &[Raw]) -> Self {
        let mut index = Self::default();
        for definition in tools {
            let Some(name) = definition.member("name").and_then(|name| name.as_string()) else { continue };
            index.add(name, definition);
        }
        index.fields = index.average_fields();
        index
    }

    fn add(&mut self, name: ByteString, definition: &Raw) {
        let tool = self.tools.len();
        let mut lengths = [0; FIELDS];
        for (field, text) in texts(&name, definition) {
            each_stem(&text, |stem| {
                lengths[field] += 1;
                let postings = match self.postings.get_mut(stem) {
                    Some(postings) => postings,
                    None => self.postings.entry(stem.to_owned()).or_default(),
                };
                if postings.last().is_none_or(|last| last.tool != tool) {
                    postings.push(Posting { tool, occurrences: [0; FIELDS] });
                }
                if let Some(posting) = postings.last_mut() {
                    posting.occurrences[field] += 1;
                }
            });
        }
        self.tools.push(IndexedTool { name, definition: definition.clone(), lengths });
    }

    /// The fields with their average lengths.
    #[allow(clippy::cast_precision_loss)] // averages
    fn average_fields(&self) -> [Field; FIELDS] {
        std::array::from_fn(|field| {
            let words: u32 = self.tools.iter().map(|tool| tool.lengths[field]).sum();
            Field { weight: WEIGHTS[field], usual_length: words as f32 / self.tools.len().max(1) as f32 }
        })
    }

    /// The number of tools.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there are no tools.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The definition of the tool called `name`.
    pub fn definition(&self, name: &str) -> Option<&Raw> {
        self.tools.iter().find(|tool| tool.name == name).map(|tool| &tool.definition)
    }

    /// Finds tools, the best first, `limit` at most. The tool whose name is the query comes first.
    pub fn search(&self, query: &str, limit: usize) -> Vec<ToolHit> {
        let mut all = 0.0;
        let mut found: HashMap<usize, (f32, f32)> = HashMap::new();
        for evidence in query_words(query).iter().map(|word| self.look_up(word)) {
            // A word that no tool has says nothing.
            if evidence.is_empty() {
                continue;
            }
            // How rare a word is goes by its synonyms, too: "make" is rare, but what it says is not.
            let information = bm25::information(self.tools.len() as u64, evidence.len() as u64);
            all += information;
            for (tool, evidence) in evidence {
                let (score, share) = found.entry(tool).or_default();
                *score += information * bm25::damped(evidence.evidence);
                *share += information * evidence.share;
            }
        }
        let score = |tool: usize, score: f32, share: f32| {
            if self.tools[tool].name == query.trim() { f32::MAX } else { score * share / all }
        };
        let mut found: Vec<(f32, usize)> =
            found.into_iter().map(|(tool, (total, share))| (score(tool, total, share), tool)).collect();
        found.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
        found.truncate(limit);
        found.into_iter().map(|(score, tool)| self.hit(tool, score)).collect()
    }

    fn hit(&self, tool: usize, score: f32) -> ToolHit {
        let IndexedTool { name, definition, .. } = &self.tools[tool];
        ToolHit { name: name.clone(), definition: definition.clone(), score }
    }

    /// The tools that have a word of the query, by itself or by another one.
    fn look_up(&self, word: &QueryWord) -> HashMap<usize, Evidence> {
        let mut found = HashMap::new();
        let own = stem(plain_form(&word.word)).into_owned();
        self.add_term(&mut found, &own, 1.0);
        for synonym in synonyms(plain_form(&word.word)) {
            self.add_term(&mut found, &synonym, OF_SYNONYM);
        }
        if found.is_empty() && !word.is_joined {
            for other in similar(&own, self.postings.keys().map(String::as_str)) {
                self.add_term(&mut found, other, OF_SIMILAR);
            }
        }
        found
    }

    /// Adds the tools that have a stem. The evidence of the terms of a word adds up.
    fn add_term(&self, found: &mut HashMap<usize, Evidence>, stem: &str, weight: f32) {
        for Posting { tool, occurrences } in self.postings.get(stem).into_iter().flatten() {
            let lengths = &self.tools[*tool].lengths;
            let evidence = (0..FIELDS)
                .filter(|field| occurrences[*field] > 0)
                .map(|field| self.fields[field].evidence(occurrences[field], lengths[field]))
                .sum::<f32>();
            let of_tool = found.entry(*tool).or_default();
            of_tool.evidence += weight * evidence;
            of_tool.share = of_tool.share.max(weight);
        }
    }
}

/// What a tool has of a word of the query.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    /// The sum of its terms.
    evidence: f32,
    /// The weight of the best term that it has: 1 for the word itself.
    share: f32,
}

/// The texts of a tool, each with the number of its field.
fn texts(name: &ByteString, definition: &Raw) -> Vec<(usize, ByteString)> {
    let text = |of: &Raw, member: &str| of.member(member).and_then(|text| text.as_string());
    let mut texts = vec![(0, name.clone())];
    let annotated = definition.member("annotations").and_then(|annotations| text(&annotations, "title"));
    texts.extend(text(definition, "title").or(annotated).map(|title| (1, title)));
    texts.extend(text(definition, "description").map(|description| (2, description)));
    let properties = definition.member("inputSchema").and_then(|schema| schema.member("properties"));
    let properties = properties.filter(Raw::is_object);
    for parameter in properties.iter().flat_map(Raw::members) {
        texts.push((3, ByteString::from(parameter.key().into_owned())));
    }
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index() -> ToolIndex {
        let tool = |name: &str, description: &str, parameter: &str| {
            let properties = json!({parameter: {"type": "string"}});
            let schema = json!({"type": "object", "properties": properties});
            Raw::from(json!({"name": name, "description": description, "inputSchema": schema}))
        };
        ToolIndex::build(&[
            tool("files_delete_directory", "Deletes a directory with all of its files", "path"),
            tool("mail_sendMessage", "Sends a message to recipients", "recipients"),
            tool("tracker-create-issue", "Opens an issue", "assigneeEmail"),
            tool("tracker_list_issues", "Lists issues", "state"),
            Raw::from(json!({"title": "has no name"})),
        ])
    }

    fn names(query: &str) -> Vec<String> {
        index().search(query, 10).into_iter().map(|hit| hit.name.to_string()).collect()
    }

    #[test]
    fn tools_are_found_by_the_parts_of_names_by_descriptions_and_by_parameters() {
        assert_eq!(index().len(), 4);
        assert_eq!(names("send")[0], "mail_sendMessage");
        assert_eq!(names("mailSendmessage send-message")[0], "mail_sendMessage");
        assert_eq!(names("opens")[0], "tracker-create-issue");
        assert_eq!(names("assignee")[0], "tracker-create-issue");
        assert_eq!(names("tracker_list_issues")[0], "tracker_list_issues");
        assert_eq!(names("zebra"), [""; 0]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn users_may_use_other_words_than_authors() {
        assert_eq!(names("remove a folder")[0], "files_delete_directory");
        assert_eq!(names("new ticket")[0], "tracker-create-issue");
    }

    #[test]
    fn mistyped_and_shortened_words_find_what_was_meant() {
        assert_eq!(names("direcotry")[0], "files_delete_directory");
        assert_eq!(names("recip")[0], "mail_sendMessage");
    }

    #[test]
    fn the_name_of_a_tool_finds_it_first_and_a_limit_is_kept() {
        assert_eq!(names("tracker-create-issue")[0], "tracker-create-issue");
        let hits = index().search("issue", 1);
        assert_eq!(hits.len(), 1);
        assert!(index().definition("mail_sendMessage").is_some() && index().definition("nothing").is_none());
        assert!(ToolIndex::build(&[]).search("issue", 5).is_empty() && ToolIndex::build(&[]).is_empty());
    }
}
