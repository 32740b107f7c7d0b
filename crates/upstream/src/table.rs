//! Where calls go: which places for connections there are, and whose each is.

use std::{collections::HashMap, sync::Arc};

use anyport_service::Context;
use foldhash::fast::RandomState;

use crate::{
    IsolationPolicy, UpstreamLimits,
    era::{Era, ServedEras},
    isolation::{ConnectionKey, Share},
    slot::Slot,
};

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) eras: ServedEras,
    /// The server asks without saying whom, and was refused: from then on each caller has a connection of its own.
    pub(crate) isolated: bool,
    /// The server asks without saying whom: a connection that carries a question is no place for another call that may be
    /// asked something.
    pub(crate) ambiguous: bool,
    pub(crate) slots: HashMap<ConnectionKey, Arc<Slot>, RandomState>,
}

impl Table {
    /// Where a call goes that prefers the era `preferred`; `asks`: whether its caller may be asked. Beyond what `limits`
    /// allow, places that nobody needs are forgotten.
    pub(crate) fn slot(
        &mut self,
        context: &Context,
        preferred: Era,
        asks: bool,
        limits: &UpstreamLimits,
        policy: IsolationPolicy,
    ) -> Arc<Slot> {
        let (capabilities, changes_roots) = (context.capabilities(), context.profile().roots_list_changed);
        let key = match (self.eras.for_calls(preferred), preferred) {
            (Some(Era::Modern), _) => ConnectionKey::modern(),
            (None, Era::Modern) => ConnectionKey::first(capabilities, changes_roots),
            (Some(Era::Legacy), _) | (None, Era::Legacy) => {
                let all = ConnectionKey::legacy(capabilities, changes_roots, Share::All);
                match self.share(context, &all, asks, limits.connections, policy) {
                    Share::All => all,
                    share => all.of(&share),
                }
            }
        };
        if self.slots.len() >= limits.places() && !self.slots.contains_key(&key) {
            self.slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_needed());
        }
        self.slots.entry(key).or_insert_with_key(|key| Slot::new(key.clone(), *limits)).clone()
    }

    /// Nothing is guessed of whom a server means that asks without saying so: then each caller has a connection of its
    /// own, and so has each call of callers that nothing tells apart. Those share one until it carries a question that
    /// may be open for long. `all` is the place of all who can do the same.
    fn share(
        &self,
        context: &Context,
        all: &ConnectionKey,
        asks: bool,
        connections: usize,
        policy: IsolationPolicy,
    ) -> Share {
        let (isolated, ambiguous) = match policy {
            IsolationPolicy::Automatic => (self.isolated, self.ambiguous),
            IsolationPolicy::Shared => return Share::All,
            IsolationPolicy::Caller => (true, true),
        };
        // What the server's tools work on are the roots that it has, whoever calls them.
        let is_anothers = self.slots.get(all).is_some_and(|slot| slot.has_roots_of_another(context));
        if !context.is_unidentifiable() {
            return if isolated || is_anothers { Share::own(context) } else { Share::All };
        }
        let together = if is_anothers { Share::own(context) } else { Share::All };
        let place = |share: &Share| self.slots.get(&all.of(share));
        let asked = || place(&together).is_some_and(|slot| slot.has_asked());
        if !(asks && (isolated || ambiguous && asked())) {
            return together;
        }
        let lanes = || (0..=self.slots.len()).map(Share::Lane);
        let free = lanes().find(|lane| place(lane).is_none_or(|slot| !slot.is_taken()));
        if self.slots.values().filter(|slot| slot.is_taken()).count() < connections {
            return free.unwrap_or(together);
        }
        // A connection gets free when somebody has answered a question, or nobody ever will. Most calls ask nothing, and
        // need not wait for that; one that does is refused its question.
        let mut everywhere = std::iter::once(together.clone()).chain(lanes());
        let shared = everywhere.find(|share| place(share).is_some_and(|slot| slot.up().is_some()));
        shared.or(free).unwrap_or(together)
    }
}
