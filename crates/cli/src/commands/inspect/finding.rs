//! Problems of a server's definitions, as text and as JSON.

use serde_json::{Value, json};

/// The kinds of problems, in the order in which they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::commands) enum Code {
    NameTwice,
    NameLong,
    NameSigns,
    DescriptionMissing,
    DescriptionLong,
    HiddenCharacters,
    HiddenInstructions,
    SchemaInvalid,
    SchemaNotObject,
    ChoiceAtTop,
    ArgumentName,
    ItemsMissing,
    NullableUnion,
    UnknownFormat,
    RecursiveReference,
    OutsideReference,
    ToolsMany,
    ToolsDear,
}

impl Code {
    /// Its name in JSON, which stays as it is.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NameTwice => "name-twice",
            Self::NameLong => "name-long",
            Self::NameSigns => "name-characters",
            Self::DescriptionMissing => "description-missing",
            Self::DescriptionLong => "description-long",
            Self::HiddenCharacters => "hidden-characters",
            Self::HiddenInstructions => "hidden-instructions",
            Self::SchemaInvalid => "schema-invalid",
            Self::SchemaNotObject => "schema-not-object",
            Self::ChoiceAtTop => "schema-choice-at-top",
            Self::ArgumentName => "argument-name",
            Self::ItemsMissing => "items-missing",
            Self::NullableUnion => "nullable-union",
            Self::UnknownFormat => "format-unknown",
            Self::RecursiveReference => "reference-recursive",
            Self::OutsideReference => "reference-outside",
            Self::ToolsMany => "tools-many",
            Self::ToolsDear => "tools-dear",
        }
    }

    /// What it means for clients and models.
    fn meaning(self) -> &'static str {
        match self {
            Self::NameTwice => "listed twice: clients take one of them, or refuse both",
            Self::NameLong => "a name that is too long for many clients, which allow 64 characters",
            Self::NameSigns => {
                "a name with characters beside A-Z, a-z, 0-9, _ and -, which models' interfaces refuse"
            }
            Self::DescriptionMissing => "no description: a model cannot know when to use it",
            Self::DescriptionLong => {
                "a description of over 1024 characters, which some models' interfaces refuse"
            }
            Self::HiddenCharacters => "characters that people do not see and models read",
            Self::HiddenInstructions => {
                "words that read like instructions to the model; look at them before you use it"
            }
            Self::SchemaInvalid => "a schema that is no JSON Schema",
            Self::SchemaNotObject => "an inputSchema whose type is not object",
            Self::ChoiceAtTop => {
                "a choice (anyOf, oneOf, allOf) at the top of the inputSchema, which some models' interfaces refuse"
            }
            Self::ArgumentName => "an argument whose name models' interfaces refuse",
            Self::ItemsMissing => "a list that does not say of what (items), which some clients refuse",
            Self::NullableUnion => {
                "a value that may be null, which some models' interfaces refuse; optional is enough"
            }
            Self::UnknownFormat => "a format that JSON Schema does not know, of which strict clients warn",
            Self::RecursiveReference => {
                "a $ref that leads back to itself, which many models' interfaces refuse"
            }
            Self::OutsideReference => "a $ref to another document, which clients do not fetch",
            Self::ToolsMany => "more tools than some models' interfaces take, which is 128",
            Self::ToolsDear => {
                "definitions that cost so much that clients leave some out, or models lose sight of what matters"
            }
        }
    }
}

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Finding {
    pub(super) code: Code,
    /// Of what: `the tool add`.
    pub(super) of: String,
    /// Where in it, or how much of it: `argument "a b"`.
    pub(super) detail: Option<String>,
}

impl Finding {
    fn place(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.of),
            None => self.of.clone(),
        }
    }

    /// The problem for programs.
    pub(super) fn to_json(&self) -> Value {
        json!({"code": self.code.name(), "of": self.of, "detail": self.detail, "message": self.text()})
    }

    /// The problem as a sentence.
    pub(super) fn text(&self) -> String {
        let verb = if self.code == Code::NameTwice { "is" } else { "has" };
        format!("{} {verb} {}", self.place(), self.code.meaning())
    }
}

/// Places beyond these are counted.
const PLACES: usize = 4;

/// One line for each kind of problem: what it means, and where it is.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    for code in codes {
        let all: Vec<&Finding> = findings.iter().filter(|finding| finding.code == code).collect();
        if let [only] = &*all {
            lines.push(only.text());
            continue;
        }
        let mut places: Vec<String> = all.iter().take(PLACES).map(|finding| finding.place()).collect();
        if all.len() > PLACES {
            places.push(format!("{} more", all.len() - PLACES));
        }
        lines.push(format!("{} times {}: {}", all.len(), code.meaning(), places.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_problems_are_one_line_with_their_count() {
        let of = |code, name: &str| Finding { code, of: format!("the tool {name}"), detail: None };
        let mut findings: Vec<_> =
            ["a", "b", "c", "d", "e", "f"].map(|name| of(Code::DescriptionMissing, name)).into();
        findings.push(Finding { detail: Some("a.b".into()), ..of(Code::NullableUnion, "a") });
        findings.push(of(Code::NameTwice, "a"));
        assert_eq!(
            lines(&findings),
            [
                "the tool a is listed twice: clients take one of them, or refuse both",
                "6 times no description: a model cannot know when to use it: the tool a, the tool b, the tool c, the tool d, 2 more",
                "the tool a (a.b) has a value that may be null, which some models' interfaces refuse; optional is enough",
            ]
        );
    }
}
