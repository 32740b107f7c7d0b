//! The pins of one list of an upstream: which definitions are accepted, and which are not yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    definition::Definition,
    observation::{Era, Observation},
};
use crate::federation::{list_kind::ListKind, member_list::Verdict};

/// The pins of one list of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PinnedList {
    /// The file that describes the upstream.
    pub file: String,
    /// The name of the upstream in the file.
    pub upstream: String,
    /// Which list it is: `tools`, `prompts`, `resources` or `resourceTemplates`.
    pub list: String,
    /// The pins by the names, URIs or URI templates of the upstream. An item that is not listed any more keeps its pin: taking it
    /// away and bringing it back differently is a change as well.
    pub items: BTreeMap<String, Pin>,
    /// Whether the list was ever read.
    is_known: bool,
}

/// The definitions of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Pin {
    /// The definitions that are accepted, the newest last: callers of both eras, or with different capabilities, may have
    /// different ones.
    pub accepted: Vec<Definition>,
    /// The definitions that were listed and are not accepted, the newest last.
    pub pending: Vec<Definition>,
}

/// A definition that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptedDefinition {
    /// The list of the item: `tools`, `prompts`, `resources` or `resourceTemplates`.
    pub list: String,
    /// Its name, URI or URI template.
    pub name: String,
    /// The hash of the definition.
    pub hash: String,
}

/// What an observation has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Whether the pins are others now.
    pub(super) is_changed: bool,
    /// The items that have a definition to accept, and had none before; whether they are new.
    pub(super) pending: Vec<(String, bool)>,
    /// The number of items that could not be pinned.
    pub(super) over: usize,
}

/// The most pins of a list, which fit into one value of the store. `docs/limits.md` calls it `max_pins`.
pub(super) const MAX_PINS: usize = 3_000;
/// The most bytes of definitions that are kept of a list; of further ones their hashes are.
const TEXTS: usize = 1 << 20;
/// The most accepted definitions of an item: of each era, with and without some capabilities.
const ACCEPTED: usize = 8;
/// The most pending definitions of an item.
const PENDING: usize = 4;

impl PinnedList {
    /// The list `kind` of an upstream, which was never read.
    pub(super) fn new(file: &str, upstream: &str, kind: ListKind) -> Self {
        let (file, upstream) = (file.to_owned(), upstream.to_owned());
        Self { file, upstream, list: kind.entries().to_owned(), ..Self::default() }
    }

    /// Compares what was listed with the pins, and adds what is new.
    ///
    /// A list that is read for the first time is trusted. After that a definition that differs is pending until it is accepted. So is
    /// a new item under `strict`, since a server that has become malicious may add a tool as well as change one; but not a
    /// new resource: resources are data, such as the files of a folder, and come and go.
    pub(super) fn observe(&mut self, seen: &Observation) -> Findings {
        let is_first = !std::mem::replace(&mut self.is_known, true);
        let trusts_new = is_first || !seen.is_strict || seen.kind == ListKind::Resources;
        let mut findings = Findings { is_changed: is_first, ..Findings::default() };
        let mut room = TEXTS.saturating_sub(self.text_bytes());
        for entry in &*seen.entries {
            if !self.items.contains_key(&*entry.key) && !self.has_room(seen) {
                findings.over += 1;
                continue;
            }
            let pin = self.items.entry(entry.key.to_string()).or_default();
            if let Some(known) = pin.accepted.iter_mut().find(|known| known.hash == *entry.hash) {
                findings.is_changed |= known.add_era(seen.caller.era);
                findings.is_changed |= pin.withdraw(&seen.caller.tag);
                continue;
            }
            let is_new = pin.accepted.is_empty();
            let known = pin.pending.iter_mut().find(|known| known.hash == *entry.hash);
            if let Some(known) = known.filter(|_| !(is_new && trusts_new)) {
                findings.is_changed |= known.add_caller(&seen.caller);
                continue;
            }
            let definition = Definition::new(seen.kind, &entry.text, &entry.hash, &seen.caller, room);
            room -= definition.text.as_ref().map_or(0, String::len);
            findings.is_changed = true;
            // A server that has become malicious may speak the newer era and add members there; in the older one it can only leave
            // some out.
            let is_trusted_era = !seen.is_strict || seen.caller.era == Era::Legacy;
            let is_of_other_era = is_trusted_era && pin.has_other_era_of(&definition);
            if (is_new && trusts_new) || is_of_other_era {
                pin.accept(definition);
                continue;
            }
            if pin.pending.is_empty() {
                findings.pending.push((entry.key.to_string(), is_new));
            }
            pin.pending.push(definition);
            drop_oldest(&mut pin.pending, PENDING);
        }
        findings
    }

    /// What the pins say of a definition.
    pub(super) fn verdict(&self, key: &str, hash: &str) -> Verdict {
        match self.items.get(key) {
            Some(pin) if pin.accepted.iter().any(|known| known.hash == hash) => Verdict::Accepted,
            Some(pin) if !pin.accepted.is_empty() => Verdict::Changed,
            _ => Verdict::New,
        }
    }

    /// What the pins say of an item of which no definition is at hand: under `strict`, whether it may be used.
    pub(super) fn verdict_by_name(&self, kind: ListKind, name: &str) -> Verdict {
        match self.items.get(name) {
            Some(pin) if pin.pending.is_empty() => Verdict::Accepted,
            Some(pin) if pin.accepted.is_empty() => Verdict::New,
            Some(_) => Verdict::Changed,
            // There was no room for its pin, or it was never listed. A new resource is data.
            None if self.is_known && kind != ListKind::Resources => Verdict::New,
            None => Verdict::Accepted,
        }
    }

    /// Accepts the pending definitions that `wants` names.
    pub(super) fn accept(&mut self, wants: impl Fn(&str, &Definition) -> bool) -> Vec<AcceptedDefinition> {
        let mut accepted = Vec::new();
        for (name, pin) in &mut self.items {
            let (wanted, left): (Vec<_>, Vec<_>) =
                std::mem::take(&mut pin.pending).into_iter().partition(|one| wants(name, one));
            pin.pending = left;
            for definition in wanted {
                let (list, hash) = (self.list.clone(), definition.hash.clone());
                accepted.push(AcceptedDefinition { list, name: name.clone(), hash });
                pin.accept(definition);
            }
        }
        accepted
    }

    /// Keeps the hashes of the definitions alone.
    pub(super) fn drop_texts(&mut self) {
        let pins = self.items.values_mut();
        pins.flat_map(|pin| pin.accepted.iter_mut().chain(&mut pin.pending)).for_each(|one| one.text = None);
    }

    /// Whether a further item can be pinned. Resources that are not listed any more make room.
    fn has_room(&mut self, seen: &Observation) -> bool {
        if self.items.len() >= MAX_PINS && seen.kind == ListKind::Resources && seen.is_whole {
            let listed = seen.keys();
            self.items.retain(|name, _| listed.contains(&**name));
        }
        self.items.len() < MAX_PINS
    }

    fn text_bytes(&self) -> usize {
        let definitions = self.items.values().flat_map(|pin| pin.accepted.iter().chain(&pin.pending));
        definitions.filter_map(|definition| Some(definition.text.as_ref()?.len())).sum()
    }
}

impl Pin {
    /// Whether callers of the other era were given the same definition before, and those of this era none.
    fn has_other_era_of(&self, definition: &Definition) -> bool {
        let is_of_era = |known: &Definition| definition.eras.iter().any(|era| known.eras.contains(era));
        !self.accepted.iter().any(is_of_era)
            && self.accepted.iter().any(|known| known.agrees_with(definition))
    }

    fn accept(&mut self, mut definition: Definition) {
        self.pending.retain(|pending| pending.hash != definition.hash);
        definition.callers.clear();
        self.accepted.push(definition);
        drop_oldest(&mut self.accepted, ACCEPTED);
    }

    /// Notes that a caller receives an accepted definition again. Returns whether another one is pending no longer.
    fn withdraw(&mut self, tag: &str) -> bool {
        let mut is_changed = false;
        for pending in &mut self.pending {
            let before = pending.callers.len();
            pending.callers.retain(|caller| caller != tag);
            is_changed |= pending.callers.len() != before;
        }
        self.pending.retain(|pending| !pending.callers.is_empty());
        is_changed
    }
}

fn drop_oldest(definitions: &mut Vec<Definition>, most: usize) {
    let over = definitions.len().saturating_sub(most);
    definitions.drain(..over);
}

#[cfg(test)]
mod tests;
