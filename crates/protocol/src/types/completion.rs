//! Completion: what an argument could be.

use serde::{Deserialize, Serialize};

use super::{JsonObject, Ordered, RequestMeta, ResultMeta, ResultType, tag, wire::union};

union! {
    /// The prompt or template with the argument to complete.
    pub enum Reference by "type" of "a reference" {
        /// A prompt.
        Prompt(PromptReference) = "ref/prompt",
        /// A resource template.
        Resource(ResourceTemplateReference) = "ref/resource",
    }
}

/// A prompt, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptReference {
    /// Always `ref/prompt`.
    #[serde(rename = "type")]
    pub tag: tag::RefPrompt,
    /// The prompt's name.
    pub name: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl PromptReference {
    /// The prompt `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A resource template, or a resource, by URI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceTemplateReference {
    /// Always `ref/resource`.
    #[serde(rename = "type")]
    pub tag: tag::RefResource,
    /// The URI or URI template.
    pub uri: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ResourceTemplateReference {
    /// The template `uri`.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }
}

/// Params of `completion/complete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompleteRequestParams {
    /// The request's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RequestMeta>,
    /// The prompt or template with the argument.
    #[serde(rename = "ref")]
    pub reference: Reference,
    /// The argument.
    pub argument: CompletionArgument,
    /// The values of other arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<CompletionContext>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// An argument that is half written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionArgument {
    /// Its name.
    pub name: String,
    /// The text typed so far.
    pub value: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The values of other arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionContext {
    /// The other arguments, as far as they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Ordered<String>>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Result of `completion/complete`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// The suggestions.
    pub completion: Completion,
    /// The result's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl CompleteResult {
    /// The suggestions, cut as [`Completion::new`] does.
    pub fn new(values: Vec<String>) -> Self {
        Self { completion: Completion::new(values), ..Self::default() }
    }
}

/// Suggestions for an argument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// At most [`Completion::MAX`] values, the best first.
    pub values: Vec<String>,
    /// How many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether there are more than these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl Completion {
    /// The most values that one result may hold.
    ///
    /// 2026-07-28, completion §Completion Results: "Maximum 100 items per response".
    pub const MAX: usize = 100;

    /// The first [`Completion::MAX`] of `values`, with their total.
    pub fn new(mut values: Vec<String>) -> Self {
        let (total, has_more) = (Some(values.len() as u64), Some(values.len() > Self::MAX));
        values.truncate(Self::MAX);
        Self { values, total, has_more, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_holds_a_hundred_values_and_says_that_there_are_more() {
        let some = Completion::new(vec!["a".into()]);
        assert_eq!((some.values.len(), some.total, some.has_more), (1, Some(1), Some(false)));
        let many = Completion::new((0..101).map(|number: u32| number.to_string()).collect());
        assert_eq!((many.values.len(), many.total, many.has_more), (100, Some(101), Some(true)));
    }
}
