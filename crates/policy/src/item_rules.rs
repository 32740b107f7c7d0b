use std::{
    hash::{Hash, Hasher},
    mem,
    sync::{PoisonError, RwLock},
};

use anyport_protocol::Raw;
use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::{Facts, Item, expression::ItemVerdict};

/// What the rules say of a tool or prompt, whoever calls it with whatever arguments: most rules are about other items, and need no
/// evaluation for it; of the others, what they ask of the item needs none.
///
/// Known for each item that was called, as long as its definition is the same.
#[derive(Debug, Default)]
pub(crate) struct ItemRules(RwLock<HashMap<ItemKey, Known, RandomState>>);

/// What the rules say of an item, by their places in the policy. Those from 128 on are always evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemVerdicts {
    excluded: u128,
    settled: u128,
}

#[derive(Debug)]
struct Known {
    /// It is kept, so that no other definition has its place in memory.
    definition: Option<Raw>,
    verdicts: ItemVerdicts,
}

/// Everything that the parts of a condition about an item look at, but its definition.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ItemKey {
    method: Box<str>,
    upstream: Box<str>,
    is_prompt: bool,
    name: Box<str>,
    own_name: Box<str>,
}

struct BorrowedKey<'a> {
    method: &'a str,
    upstream: &'a str,
    is_prompt: bool,
    name: &'a str,
    own_name: &'a str,
}

/// The items that are known at most. Beyond them, what is known is forgotten: clients may make up names of tools.
const MOST: usize = 10_000;

impl ItemVerdicts {
    /// Those of the rules, in their order.
    pub(crate) fn of(rules: impl Iterator<Item = ItemVerdict>) -> Self {
        rules.take(128).enumerate().fold(Self::default(), |mut all, (place, verdict)| {
            match verdict {
                ItemVerdict::Excluded => all.excluded |= 1 << place,
                ItemVerdict::Settled => all.settled |= 1 << place,
                ItemVerdict::Open => {}
            }
            all
        })
    }

    /// That of the rule at this place.
    pub(crate) fn at(self, place: usize) -> ItemVerdict {
        match place {
            0..128 if self.excluded & (1 << place) != 0 => ItemVerdict::Excluded,
            0..128 if self.settled & (1 << place) != 0 => ItemVerdict::Settled,
            _ => ItemVerdict::Open,
        }
    }
}

impl ItemRules {
    /// What the rules say of the item of `facts`, which `find` finds if it is not known. Of resources, whose URIs are countless, nothing
    /// is known.
    pub(crate) fn verdicts(&self, facts: &Facts<'_>, find: impl FnOnce() -> ItemVerdicts) -> ItemVerdicts {
        let (is_prompt, name, own_name) = match facts.item {
            Item::Tool { name, own_name } => (false, name, own_name),
            Item::Prompt { name, own_name } => (true, name, own_name),
            Item::Resource { .. } => return ItemVerdicts::default(),
        };
        let key = BorrowedKey { method: facts.method, upstream: facts.upstream, is_prompt, name, own_name };
        let items = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) =
            items.get(&key).filter(|known| is_same(known.definition.as_ref(), facts.definition))
        {
            return known.verdicts;
        }
        drop(items);
        let verdicts = find();
        let known = Known { definition: facts.definition.cloned(), verdicts };
        let mut items = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let forgotten = if items.len() >= MOST { mem::take(&mut *items) } else { HashMap::default() };
        items.insert(key.owned(), known);
        drop(items);
        drop(forgotten);
        verdicts
    }
}

/// Whether both are the same part of the same list; not whether they say the same, which costs more than an evaluation.
fn is_same(known: Option<&Raw>, given: Option<&Raw>) -> bool {
    match (known, given) {
        (Some(known), Some(given)) => std::ptr::eq(known.as_str(), given.as_str()),
        (None, None) => true,
        _ => false,
    }
}

impl BorrowedKey<'_> {
    fn owned(&self) -> ItemKey {
        ItemKey {
            method: self.method.into(),
            upstream: self.upstream.into(),
            is_prompt: self.is_prompt,
            name: self.name.into(),
            own_name: self.own_name.into(),
        }
    }
}

/// As [`ItemKey`] is hashed.
impl Hash for BorrowedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.method, self.upstream, self.is_prompt, self.name, self.own_name).hash(state);
    }
}

impl Equivalent<ItemKey> for BorrowedKey<'_> {
    fn equivalent(&self, key: &ItemKey) -> bool {
        self.name == &*key.name
            && self.upstream == &*key.upstream
            && self.method == &*key.method
            && self.is_prompt == key.is_prompt
            && self.own_name == &*key.own_name
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Revision;
    use anyport_service::{Authorization, Principal};

    use super::*;

    #[test]
    fn what_is_known_of_an_item_holds_for_its_definition() {
        let (rules, caller) = (ItemRules::default(), Authorization::unlimited(Principal::local()));
        let definition = Raw::trusted_text("{}".to_owned() + " ");
        let another = Raw::trusted_text("{}".to_owned() + " ");
        fn facts<'a>(caller: &'a Authorization, name: &'a str, definition: Option<&'a Raw>) -> Facts<'a> {
            Facts {
                caller,
                method: "tools/call",
                upstream: "files",
                item: Item::Tool { name, own_name: name },
                definition,
                arguments: None,
                client: None,
                revision: Revision::V2026_07_28,
                address: None,
            }
        }
        let of = |verdicts: [ItemVerdict; 3]| ItemVerdicts::of(verdicts.into_iter());
        let first = of([ItemVerdict::Excluded, ItemVerdict::Settled, ItemVerdict::Open]);
        let second = of([ItemVerdict::Settled, ItemVerdict::Open, ItemVerdict::Excluded]);
        assert_eq!(
            [0, 1, 2].map(|place| first.at(place)),
            [ItemVerdict::Excluded, ItemVerdict::Settled, ItemVerdict::Open]
        );
        assert_eq!(first.at(200), ItemVerdict::Open);
        let asked = |name: &str, definition: Option<&Raw>, found| {
            rules.verdicts(&facts(&caller, name, definition), || found)
        };
        assert_eq!(asked("a", Some(&definition), first), first);
        assert_eq!(asked("a", Some(&definition.clone()), second), first, "it is known");
        assert_eq!(asked("a", Some(&another), second), second, "another list");
        assert_eq!(asked("a", None, first), first);
        assert_eq!(asked("b", None, second), second);
        for number in 0..MOST + 10 {
            asked(&number.to_string(), None, first);
        }
        assert!(rules.0.read().unwrap().len() <= MOST);
    }
}
