//! Forms as 2025-06-18 shows them: a choice has its titles in `enumNames`, and a choice of several is a string
//! with commas.

use super::{Unrepresentable, tree::Tree};
use crate::{Raw, json::Elements};

/// Makes the params of `elicitation/create` such as 2025-06-18 allows.
///
/// # Errors
/// When it is no form.
pub(super) fn lower(params: &mut Tree) -> Result<(), Unrepresentable> {
    if params.says("mode", "url") {
        return Err(Unrepresentable::UrlElicitation);
    }
    let fields = params.member("requestedSchema").and_then(|schema| schema.member("properties"));
    for field in fields.and_then(Tree::object).into_iter().flat_map(|fields| fields.values_mut()) {
        if field.says("type", "array") {
            name_choices(field);
        } else if field.says("type", "string") && field.has("oneOf") {
            list_titles(field);
        }
    }
    Ok(())
}

/// Makes the strings in `answer` that stand for several values arrays again, for the fields where the question
/// let several be chosen.
///
/// # Errors
/// When a string holds something that was no choice, or too few or too many of them.
pub(super) fn split_choices(question: &Raw, answer: &mut Tree) -> Result<(), Unrepresentable> {
    let fields = question.member("requestedSchema").and_then(|schema| schema.member("properties"));
    let (Some(fields), true) = (fields, answer.has("content")) else { return Ok(()) };
    for field in fields.members() {
        let Some(choices) = Choices::of(&fields.slice(field.value)) else { continue };
        let Some(content) = answer.member("content") else { return Ok(()) };
        let Some(text) = content.text(&field.key()) else { continue };
        let chosen =
            choices.split(&text).map_err(|why| Unrepresentable::Choice { field: field.key().into(), why })?;
        content.set(&field.key(), Tree::strings(chosen));
    }
    Ok(())
}

/// `oneOf` of constants and titles to `enum` and `enumNames`.
fn list_titles(field: &mut Tree) {
    let Some(options) = field.peek("oneOf").and_then(|options| titled(&options)) else { return };
    field.remove("oneOf");
    field.set("enum", Tree::strings(options.iter().map(|option| option.value.as_str())));
    field.set("enumNames", Tree::strings(options.iter().map(Choice::name)));
}

/// Converts a multiple choice to a string with a description that names the choices.
fn name_choices(field: &mut Tree) {
    let Some(choices) = Choices::of(&field.clone().into_raw()) else { return };
    let description = choices.describe(field.text("description").as_deref());
    let default = field.remove("default").and_then(|default| strings(&default.into_raw()));
    for of_arrays in ["items", "minItems", "maxItems"] {
        field.remove(of_arrays);
    }
    field.set("type", Tree::string("string"));
    field.set("description", Tree::string(&description));
    if let Some(default) = default {
        field.set("default", Tree::string(&default.join(", ")));
    }
}

/// A value that may be chosen.
struct Choice {
    value: String,
    title: Option<String>,
}

impl Choice {
    /// The text that the user sees.
    fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.value)
    }
}

/// The values of a field, of which several may be chosen.
struct Choices {
    of: Vec<Choice>,
    least: usize,
    most: usize,
}

impl Choices {
    /// Reads a field's schema; `None` when it is no choice of several.
    fn of(field: &Raw) -> Option<Self> {
        field.member("type")?.as_string().filter(|kind| kind == "array")?;
        let items = field.member("items")?;
        let of = match items.member("enum") {
            Some(values) => {
                strings(&values)?.into_iter().map(|value| Choice { value, title: None }).collect()
            }
            None => titled(&items.member("anyOf")?)?,
        };
        let bound = |name| field.member(name).and_then(|bound| bound.as_str().parse().ok());
        Some(Self {
            of,
            least: bound("minItems").unwrap_or(0),
            most: bound("maxItems").unwrap_or(usize::MAX),
        })
    }

    /// The hint for the user, after the field's own description.
    fn describe(&self, description: Option<&str>) -> String {
        let names: Vec<_> = self
            .of
            .iter()
            .map(|choice| match &choice.title {
                Some(title) if *title != choice.value => format!("{} ({title})", choice.value),
                _ => choice.value.clone(),
            })
            .collect();
        let before =
            description.filter(|text| !text.is_empty()).map(|text| format!("{text} ")).unwrap_or_default();
        let amount = match (self.least, self.most) {
            (0, usize::MAX) => "any".into(),
            (least, usize::MAX) => format!("at least {least}"),
            (0, most) => format!("at most {most}"),
            (least, most) => format!("{least} to {most}"),
        };
        format!("{before}Choose {amount} of these, separated by commas: {}", names.join(", "))
    }

    /// The values that `answer` names, by value or by title.
    fn split(&self, answer: &str) -> Result<Vec<&str>, String> {
        let answer = parts(answer);
        let mut rest = answer.as_slice();
        let mut chosen = Vec::new();
        while let Some(first) = rest.first() {
            let (value, taken) =
                self.longest(rest).ok_or_else(|| format!("{first:.64?} is none of the choices"))?;
            if chosen.contains(&value) {
                // Also what bounds this loop by the question, however long the answer is.
                return Err(format!("{value:.64?} is chosen twice"));
            }
            chosen.push(value);
            rest = &rest[taken..];
        }
        match chosen.len() {
            few if few < self.least => Err(format!("{few} chosen, at least {} needed", self.least)),
            many if many > self.most => Err(format!("{many} chosen, at most {} allowed", self.most)),
            _ => Ok(chosen),
        }
    }

    /// The choice that takes most of the parts at the front, and how many: a value may hold commas itself.
    /// Of two that take the same, a value comes before the title of another.
    fn longest(&self, front: &[&str]) -> Option<(&str, usize)> {
        let values = self.of.iter().map(|choice| (choice, choice.value.as_str()));
        let titles = self.of.iter().map(|choice| (choice, choice.name()));
        let mut best: Option<(&str, usize)> = None;
        for (choice, name) in values.chain(titles) {
            let name = parts(name);
            let longer = name.len() > best.map_or(0, |(_, taken)| taken);
            if longer && front.starts_with(&name) {
                best = Some((&choice.value, name.len()));
            }
        }
        best
    }
}

/// The texts between the commas, without empty ones.
fn parts(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The constants and titles of `oneOf` or `anyOf`; `None` when it is anything else.
fn titled(options: &Raw) -> Option<Vec<Choice>> {
    if !options.is_array() {
        return None;
    }
    let text = |option: &Raw, name| option.member(name).and_then(|member| member.as_string());
    Elements::of(options.as_str())
        .map(|option| {
            let option = options.slice(option);
            let title = text(&option, "title").map(|title| title.to_string());
            Some(Choice { value: text(&option, "const")?.to_string(), title })
        })
        .collect()
}

/// The texts of an array of strings; `None` when it is anything else.
fn strings(array: &Raw) -> Option<Vec<String>> {
    if !array.is_array() {
        return None;
    }
    Elements::of(array.as_str())
        .map(|element| array.slice(element).as_string().map(|text| text.to_string()))
        .collect()
}
