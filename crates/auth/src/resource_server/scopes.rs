//! The scopes that a token grants, with those that they include.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which scopes a scope includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchy(BTreeMap<String, Vec<String>>);

impl Hierarchy {
    /// Has `scope` include `others`, besides what it includes already.
    pub(super) fn include(&mut self, scope: String, others: impl IntoIterator<Item = String>) {
        self.0.entry(scope).or_default().extend(others);
    }

    /// The scopes in `granted`, and all that they include: those of those as well.
    pub(super) fn expand<'a>(&'a self, granted: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::new();
        let mut waiting: Vec<&str> = granted.into_iter().collect();
        while let Some(scope) = waiting.pop() {
            if all.insert(scope) {
                waiting.extend(self.0.get(scope).into_iter().flatten().map(String::as_str));
            }
        }
        all
    }
}

/// The names in a claim: a text with names between spaces (RFC 8693, section 4.2), or an array of names. Anything else has none.
pub(super) fn names(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let texts = match claim {
        Some(Value::Array(texts)) => texts.as_slice(),
        Some(text) => std::slice::from_ref(text),
        None => &[],
    };
    let is_array = matches!(claim, Some(Value::Array(_)));
    let separator = move |c: char| !is_array && c == ' ';
    texts
        .iter()
        .filter_map(Value::as_str)
        .flat_map(move |text| text.split(separator))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scope_includes_what_its_scopes_include_and_circles_end() {
        let mut hierarchy = Hierarchy::default();
        hierarchy.include("admin".into(), ["write".into()]);
        hierarchy.include("write".into(), ["read".into(), "admin".into()]);
        assert_eq!(hierarchy.expand(["admin"]), BTreeSet::from(["admin", "read", "write"]));
        assert_eq!(hierarchy.expand(["read", "other"]), BTreeSet::from(["other", "read"]));
    }

    #[test]
    fn names_are_a_text_or_an_array() {
        let of = |claim: Value| names(Some(&claim)).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(json!("a b  c")), ["a", "b", "c"]);
        assert_eq!(of(json!(["a", "b c", 7])), ["a", "b c"]);
        assert!(of(json!({ "a": 1 })).is_empty() && of(json!(7)).is_empty());
        assert_eq!(names(None).count(), 0);
    }
}
