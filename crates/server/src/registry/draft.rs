//! The registry that follows another one.

use std::sync::Arc;

use super::{
    catalog::{Catalog, Item, Items},
    change::{Change, Compiled, Operation},
    merge::{MountedCatalog, OwnItems, merge},
    offered::Offered,
    offers::Offers,
    snapshot::{ChangedKinds, Registry},
};
use crate::{BuildError, List, visibility::Audience};

/// Makes the registry that follows `now`.
///
/// # Errors
/// All that stands against it; then nothing changes.
pub(crate) fn apply(
    change: Change,
    now: &Registry,
    mounts: &[MountedCatalog<'_>],
    offers: Offers,
) -> Result<(Registry, AppliedChange), BuildError> {
    let Change { operations, mut problems, .. } = change;
    let mut tools = Draft::of(&now.tools);
    let mut resources = Draft::of(&now.resources);
    let mut templates = Draft::of(&now.templates);
    let mut prompts = Draft::of(&now.prompts);
    for operation in operations {
        let (compiled, replaces) = match operation {
            Operation::Remove(List::Tools, key) => {
                tools.remove(&key);
                continue;
            }
            Operation::Remove(List::Resources, key) => {
                resources.remove(&key);
                continue;
            }
            Operation::Remove(List::Templates, key) => {
                templates.remove(&key);
                continue;
            }
            Operation::Remove(List::Prompts, key) => {
                prompts.remove(&key);
                continue;
            }
            Operation::Add(compiled) => (compiled, false),
            Operation::Replace(compiled) => (compiled, true),
        };
        problems.extend(lacks(offers, &compiled));
        let problem = match compiled {
            Compiled::Tool(item) => tools.put::<crate::Tool>(item, replaces),
            Compiled::Resource(item) => resources.put::<crate::Resource>(item, replaces),
            Compiled::Template(item) => templates.put::<crate::Template>(item, replaces),
            Compiled::Prompt(item) => prompts.put::<crate::Prompt>(item, replaces),
        };
        problems.extend(problem);
    }
    if !problems.is_empty() {
        return Err(BuildError { problems });
    }
    let found = tools.found + resources.found + templates.found + prompts.found;
    let kinds = ChangedKinds {
        tools: tools.is_other(),
        resources: resources.is_other(),
        templates: templates.is_other(),
        prompts: prompts.is_other(),
    };
    let changed = AppliedChange {
        kinds,
        tools: tools.audience.clone(),
        prompts: prompts.audience.clone(),
        resources: resources.audience.clone().and(templates.audience.clone()),
        found,
    };
    let own = OwnItems {
        tools: tools.own.filter(|_| kinds.tools),
        resources: resources.own.filter(|_| kinds.resources),
        templates: templates.own.filter(|_| kinds.templates),
        prompts: prompts.own.filter(|_| kinds.prompts),
    };
    Ok((merge(own, now, mounts, &mut Vec::new()), changed))
}

/// The result of a change.
#[derive(Debug)]
pub(crate) struct AppliedChange {
    /// The changed lists.
    pub(crate) kinds: ChangedKinds,
    /// The audiences of the changes of tools, prompts and readable entries.
    pub(crate) tools: Audience,
    pub(crate) prompts: Audience,
    pub(crate) resources: Audience,
    /// How many things there were that were to be removed or replaced.
    pub(crate) found: usize,
}

/// The capability that the server should have declared. Legacy clients learn the capabilities once, when they connect.
fn lacks(offers: Offers, compiled: &Compiled) -> Option<String> {
    let (kind, list, has) = match compiled.list() {
        List::Tools => ("tool", "Tools", offers.tools),
        List::Resources => ("resource", "Resources", offers.resources),
        List::Templates => ("template", "Templates", offers.resources),
        List::Prompts => ("prompt", "Prompts", offers.prompts),
    };
    let what = if !has {
        format!("any {kind}s")
    } else if compiled.completes() && !offers.completions {
        "completion".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{kind} {:?}: the server did not declare {what} when it was built, and clients are told but once; build it \
         with `.dynamic([List::{list}])`",
        compiled.key()
    ))
}

/// The next catalog, as far as it is made.
struct Draft<'a, E> {
    now: &'a Catalog<E>,
    own: Option<Items<E>>,
    audience: Audience,
    found: usize,
}

impl<'a, E> Draft<'a, E> {
    fn of(now: &'a Catalog<E>) -> Self {
        Self { now, own: None, audience: Audience::Some(Vec::new()), found: 0 }
    }

    fn own(&mut self) -> &mut Items<E> {
        self.own.get_or_insert_with(|| self.now.own())
    }

    fn put<T: Offered<Entry = E>>(&mut self, item: Item<E>, replaces: bool) -> Option<String> {
        let key = item.key.clone();
        if self.now.items().get(&key).is_some_and(|item| !item.is_own()) {
            return Some(format!(
                "{} {key:?}: a mounted server offers it already; choose another name, or change it there",
                T::KIND
            ));
        }
        let visible = item.visible.clone();
        let own = self.own();
        if !replaces && own.contains_key(&key) {
            let hint = "there is one already; remove it first, or replace it";
            return Some(format!("{} {key:?}: {hint}", T::KIND));
        }
        if let Some(old) = own.insert(key, Arc::new(item)) {
            self.found += 1;
            self.audience.join(old.visible.clone());
        }
        self.audience.join(visible);
        None
    }

    fn remove(&mut self, key: &str) {
        if let Some(old) = self.own().shift_remove(key) {
            self.found += 1;
            self.audience.join(old.visible.clone());
        }
    }

    /// Whether it differs from what there is.
    fn is_other(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let now = self.now.items().values().filter(|item| item.is_own());
        !now.map(Arc::as_ptr).eq(own.values().map(Arc::as_ptr))
    }
}
