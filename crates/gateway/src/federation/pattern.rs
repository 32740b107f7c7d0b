//! Which names are offered, by patterns in which `*` stands for any text.

pub(super) use anyport_guards::Pattern;

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
    fn what_is_excluded_is_not_offered_although_it_is_included() {
        let selection =
            Selection { include: vec![Pattern::new("read*")], exclude: vec![Pattern::new("*_all")] };
        assert!(selection.has("read_one") && !selection.has("read_all") && !selection.has("write"));
        assert!(Selection::default().is_all() && Selection::default().has("x"));
    }
}
