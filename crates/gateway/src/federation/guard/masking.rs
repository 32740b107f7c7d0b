use std::{collections::BTreeMap, sync::Arc};

use anyport_guards::{Mask, Pattern};

use crate::federation::pattern::Selection;

/// Where data is covered, and which.
#[derive(Clone, Default)]
pub struct Masking {
    /// What is covered, where a rule does not say.
    mask: Arc<Mask>,
    /// The items whose results it covers always; none if it is `None`.
    items: Option<Selection>,
    /// What the rules of the policy cover, by their names.
    rules: BTreeMap<String, Arc<Mask>>,
}

impl Masking {
    /// Covers with `mask` where a rule of the policy says so, and does not say what.
    pub fn new(mask: Mask) -> Self {
        Self { mask: Arc::new(mask), ..Self::default() }
    }

    /// Covers always in the results of items whose names or URIs, as clients see them, match one of `include`, or all if there is none,
    /// and none of `exclude`.
    #[must_use]
    pub fn always_for(mut self, include: &[String], exclude: &[String]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(Pattern::new).collect();
        self.items = Some(Selection { include: patterns(include), exclude: patterns(exclude) });
        self
    }

    /// Covers with `mask` where the rule `name` of the policy says so.
    #[must_use]
    pub fn rule(mut self, name: impl Into<String>, mask: Mask) -> Self {
        let mask = Arc::new(mask);
        let name = name.into();
        let both = self.rules.get(&name).map(|known| Arc::new(known.joined(&mask)));
        self.rules.insert(name, both.unwrap_or(mask));
        self
    }

    /// Whether it covers nothing.
    pub(in crate::federation) fn is_empty(&self) -> bool {
        self.rules.is_empty() && (self.items.is_none() || self.mask.is_empty())
    }

    /// What is covered in the results of an item always.
    pub(super) fn always(&self, name: &str) -> Option<&Arc<Mask>> {
        let is_for = self.items.as_ref().is_some_and(|items| items.has(name));
        Some(&self.mask).filter(|mask| is_for && !mask.is_empty())
    }

    /// What a rule covers.
    pub(super) fn of_rule(&self, rule: &str) -> Arc<Mask> {
        self.rules.get(rule).unwrap_or(&self.mask).clone()
    }
}
