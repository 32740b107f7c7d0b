//! Definitions with hidden instructions or invisible characters.

use std::collections::BTreeMap;

use anyport_guards::{Finding, inspect, stripped};
use anyport_protocol::Raw;
use anyport_service::sync::Lock;

use super::list_kind::ListKind;

/// What becomes of a definition with hidden instructions or invisible characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSuspicious {
    /// It is reported and served.
    #[default]
    Flag,
    /// It is reported, and what is suspicious is left out. An item whose name is suspicious is held back.
    Strip,
    /// It is reported, and the item is held back: clients neither see it nor can use it.
    Hide,
}

/// A definition with hidden instructions or invisible characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuspiciousDefinition {
    /// The list of the item: `tools`, `prompts`, `resources` or `resourceTemplates`.
    pub list: &'static str,
    /// The name, URI or URI template of the item.
    pub name: String,
    /// What is suspicious about it.
    pub findings: Vec<Finding>,
}

/// The suspicious definitions of a member, as far as they were read.
#[derive(Default)]
pub(super) struct SuspiciousDefinitions {
    on_suspicious: OnSuspicious,
    found: [Lock<BTreeMap<String, Vec<Finding>>>; 4],
}

/// The most suspicious definitions of a list that are remembered.
const REMEMBERED: usize = 1_000;
/// The most that are written to the log, each on a line of its own.
const LINES: usize = 100;

/// A definition as it is served.
pub(super) enum Served {
    /// Like this.
    As(Raw),
    /// Not at all.
    Not,
}

impl SuspiciousDefinitions {
    pub(super) fn new(on_suspicious: OnSuspicious) -> Self {
        Self { on_suspicious, found: Default::default() }
    }

    /// What becomes of such definitions.
    pub(super) fn mode(&self) -> OnSuspicious {
        self.on_suspicious
    }

    /// Looks at the definition of an item of `member`.
    pub(super) fn served(&self, member: &str, kind: ListKind, key: &str, definition: Raw) -> Served {
        let findings = inspect(&definition);
        if findings.is_empty() {
            self.found[kind as usize].lock().remove(key);
            return Served::As(definition);
        }
        self.note(member, kind, key, findings);
        match self.on_suspicious {
            OnSuspicious::Flag => Served::As(definition),
            OnSuspicious::Strip => stripped(&definition).map_or(Served::Not, Served::As),
            OnSuspicious::Hide => Served::Not,
        }
    }

    /// All that are known.
    pub(super) fn all(&self) -> Vec<SuspiciousDefinition> {
        let of_list = |kind: ListKind| {
            let found = self.found[kind as usize].lock();
            let definitions = found.iter().map(|(name, findings)| SuspiciousDefinition {
                list: kind.entries(),
                name: name.clone(),
                findings: findings.clone(),
            });
            definitions.collect::<Vec<_>>()
        };
        ListKind::ALL.into_iter().flat_map(of_list).collect()
    }

    /// Remembers findings, and says them once.
    fn note(&self, member: &str, kind: ListKind, key: &str, findings: Vec<Finding>) {
        let mut found = self.found[kind as usize].lock();
        let is_known = found.get(key).is_some_and(|known| *known == findings);
        if is_known || (found.len() >= REMEMBERED && !found.contains_key(key)) {
            return;
        }
        if found.len() < LINES {
            let what: Vec<_> = findings.iter().map(|finding| finding.as_str()).collect();
            let noun = kind.noun();
            tracing::warn!(
                member,
                "the definition of the {noun} {key:.128?} is suspicious: it has {}",
                what.join(", ")
            );
        }
        found.insert(key.to_owned(), findings);
    }
}
