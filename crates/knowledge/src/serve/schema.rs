//! The arguments of the tools, with what there is to choose from.

use anyport_server::arguments_schema;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{MAX_CHOICES, Options};
use crate::Library;

/// What there is to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topics {
    languages: Choices,
    domains: Choices,
}

/// The values of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choices {
    /// The values, if they are few enough to be listed.
    listed: Option<Vec<String>>,
    /// Whether a document has one, or the configuration names one. A filter by what no document has makes no sense.
    exist: bool,
}

impl Topics {
    /// The topics of `library`, and the fixed choices.
    pub(super) fn of(library: &Library, options: &Options) -> Self {
        Self {
            languages: choices(&Options::LANGUAGES, &options.languages, library.languages()),
            domains: choices(&Options::DOMAINS, &options.domains, library.domains()),
        }
    }

    /// Whether documents can be filtered by language.
    pub(super) fn has_languages(&self) -> bool {
        self.languages.exist
    }

    /// The JSON Schema of the arguments `A`, in which `language` and `domain` are of these. An optional one of which there
    /// are no values is left out.
    pub(super) fn schema<A: JsonSchema>(&self) -> Value {
        let mut schema = arguments_schema::<A>();
        if let Some(schema) = schema.as_object_mut() {
            // The description of the Rust type is useless to a model.
            schema.shift_remove("description");
        }
        for (name, choices) in [("language", &self.languages), ("domain", &self.domains)] {
            let required =
                schema["required"].as_array().is_some_and(|required| required.contains(&json!(name)));
            let Some(arguments) = schema["properties"].as_object_mut() else { continue };
            if !choices.exist && !required {
                arguments.shift_remove(name);
                continue;
            }
            let argument = arguments.get_mut(name).and_then(Value::as_object_mut);
            let Some((argument, listed)) = argument.zip(choices.listed.as_ref()) else { continue };
            argument.remove("maxLength");
            argument.insert("enum".to_owned(), json!(listed));
        }
        schema
    }
}

/// The choices: all of these once each, if they are no more than can be listed: those that are always there first.
fn choices(always: &[&str], configured: &[String], found: Vec<String>) -> Choices {
    let exist = !configured.is_empty() || !found.is_empty();
    Choices { listed: listed(always, configured, found), exist }
}

fn listed(always: &[&str], configured: &[String], found: Vec<String>) -> Option<Vec<String>> {
    let mut choices: Vec<String> = Vec::new();
    let configured = configured.iter().map(|word| word.trim().to_lowercase());
    for word in always.iter().map(|word| (*word).to_owned()).chain(configured).chain(found) {
        if !word.is_empty() && !choices.contains(&word) {
            choices.push(word);
        }
        if choices.len() > MAX_CHOICES {
            return None;
        }
    }
    Some(choices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Document, DocumentPath, FileTimes,
        answers::{ListQuery, StandardQuery},
    };

    fn library(paths: impl IntoIterator<Item = String>) -> Library {
        Library::new(
            paths.into_iter().map(|path| {
                Document::parse(DocumentPath::new(path).unwrap(), "text", FileTimes::default()).0
            }),
        )
    }

    #[test]
    fn what_can_be_asked_for_is_listed_up_to_a_bound() {
        let options = Options::default().languages(vec![" Kotlin".into(), "go".into()]);
        let topics = Topics::of(&library(["zig/io.md".into(), "go/testing.md".into()]), &options);
        let languages = ["python", "go", "javascript", "typescript", "rust", "kotlin", "zig"];
        let domains = ["architecture", "testing", "security", "performance", "patterns", "io"];
        let schema = topics.schema::<StandardQuery>();
        assert_eq!(schema["properties"]["language"]["enum"], json!(languages));
        assert_eq!(schema["properties"]["domain"]["enum"], json!(domains));
        assert_eq!(schema["properties"]["language"]["type"], "string");
        assert_eq!(schema["required"], json!(["language", "domain"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["language"]["description"], "Programming language");
        let optional = topics.schema::<ListQuery>();
        assert_eq!(optional["properties"]["language"]["enum"], json!(languages));
        assert_eq!(optional["properties"]["language"]["type"], "string");

        let none = Topics::of(&library(["notes.md".into()]), &Options::default());
        let filters = none.schema::<ListQuery>();
        assert!(
            filters["properties"].get("language").is_none() && filters["properties"].get("domain").is_none()
        );
        assert!(filters["properties"].get("tags").is_some() && !none.has_languages());
        // What is required is never left out.
        assert!(none.schema::<StandardQuery>()["properties"]["domain"].get("enum").is_some());
        let configured = Topics::of(&library([]), &Options::default().languages(vec!["zig".into()]));
        let filters = configured.schema::<ListQuery>();
        assert!(
            filters["properties"].get("language").is_some() && filters["properties"].get("domain").is_none()
        );

        let many = |count: usize| library((0..count).map(|index| format!("language{index}/testing.md")));
        let exactly = Topics::of(&many(MAX_CHOICES - 5), &Options::default()).schema::<StandardQuery>();
        assert_eq!(exactly["properties"]["language"]["enum"].as_array().unwrap().len(), MAX_CHOICES);
        let over = Topics::of(&many(MAX_CHOICES - 4), &Options::default()).schema::<StandardQuery>();
        assert!(over["properties"]["language"].get("enum").is_none());
        assert_eq!(over["properties"]["language"]["maxLength"], 128);
        assert!(over["properties"]["domain"].get("enum").is_some());
    }
}
