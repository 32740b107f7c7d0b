//! Patterns of names, in which `*` stands for any text.

/// A pattern of names: `*` stands for any text, everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern(String);

impl Pattern {
    /// The pattern that `text` is.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole of `name` matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(first) else { return false };
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return name.ends_with(part);
            }
            // The earliest place leaves the most for what follows.
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

/// Which names are offered: those that an `include` pattern matches, or all if there is none, without those that an
/// `exclude` pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) include: Vec<Pattern>,
    pub(super) exclude: Vec<Pattern>,
}

impl Selection {
    /// Whether `name` is offered.
    pub(super) fn has(&self, name: &str) -> bool {
        let is_included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(name));
        is_included && !self.exclude.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether every name is offered.
    pub(super) fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let cases = [
            ("read", "read", true),
            ("read", "reads", false),
            ("read*", "read", true),
            ("read*", "read_file", true),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("a*bc", "abcbc", true),
            ("**", "x", true),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_offered_although_it_is_included() {
        let selection =
            Selection { include: vec![Pattern::new("read*")], exclude: vec![Pattern::new("*_all")] };
        assert!(selection.has("read_one") && !selection.has("read_all") && !selection.has("write"));
        assert!(Selection::default().is_all() && Selection::default().has("x"));
    }
}
