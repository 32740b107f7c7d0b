use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use super::CallRecord;

/// All calls that are parked or were, by their ids: how many there may be, and how they ended.
///
/// `P` is the owner of a call, `H` the handle that leads to it.
#[derive(Debug)]
pub struct Lot<P, H> {
    slots: HashMap<u128, Slot<H>>,
    places: HashMap<P, usize>,
    taken: usize,
    /// The calls that are over, oldest first.
    ended: VecDeque<u128>,
    per_principal: usize,
    total: usize,
    closed: bool,
}

/// The state of a call.
#[derive(Debug)]
pub enum Slot<H> {
    /// It is there.
    Open(H),
    /// It is over.
    CallRecord(CallRecord),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// `parked_per_principal`.
    Principal,
    /// `parked_total`.
    Total,
    /// Nothing is parked any more: the program stops.
    Closed,
}

impl Full {
    /// The limit that was hit, or `None` if the program is stopping.
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Self::Principal => Some("parked_per_principal"),
            Self::Total => Some("parked_total"),
            Self::Closed => None,
        }
    }
}

impl<P: Eq + Hash + Clone, H> Lot<P, H> {
    /// Makes a table with `total` slots, of which a principal has at most `per_principal`.
    pub fn new(per_principal: usize, total: usize) -> Self {
        Self {
            slots: HashMap::new(),
            places: HashMap::new(),
            taken: 0,
            ended: VecDeque::new(),
            per_principal,
            total,
            closed: false,
        }
    }

    /// Takes a place for the call `id` of `principal`. It has it until it is over: a dialogue that has begun is not
    /// turned away in its middle.
    ///
    /// # Errors
    /// Which limit is full.
    pub fn take(&mut self, id: u128, principal: &P, handle: H) -> Result<(), Full> {
        let held = self.places.get(principal).copied().unwrap_or_default();
        if self.closed {
            return Err(Full::Closed);
        }
        if held >= self.per_principal {
            return Err(Full::Principal);
        }
        if self.taken >= self.total {
            return Err(Full::Total);
        }
        self.places.insert(principal.clone(), held + 1);
        self.taken += 1;
        self.slots.insert(id, Slot::Open(handle));
        Ok(())
    }

    /// Returns the state of the call `id`.
    pub fn find(&self, id: u128) -> Option<&Slot<H>> {
        self.slots.get(&id)
    }

    /// Gives the place of the call `id` back, and remembers how it ended. At most as many are remembered as there are
    /// places, the latest ones.
    pub fn end(&mut self, now: Duration, id: u128, principal: &P, ended: CallRecord) {
        if !matches!(self.slots.get(&id), Some(Slot::Open(_))) {
            return;
        }
        self.slots.insert(id, Slot::CallRecord(ended));
        self.ended.push_back(id);
        self.taken -= 1;
        if let Some(held) = self.places.get_mut(principal) {
            *held -= 1;
            if *held == 0 {
                self.places.remove(principal);
            }
        }
        while self.ended.len() > self.total {
            let oldest = self.ended.pop_front();
            oldest.and_then(|oldest| self.slots.remove(&oldest));
        }
        self.prune(now);
    }

    /// How many calls have a place.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// The calls that are there.
    pub fn open(&self) -> impl Iterator<Item = &H> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Open(handle) => Some(handle),
            Slot::CallRecord(_) => None,
        })
    }

    /// Closes the table: no call gets a slot from now on.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Removes expired outcomes. They are in the order in which their calls ended.
    fn prune(&mut self, now: Duration) {
        for id in &self.ended {
            match self.slots.get_mut(id) {
                Some(Slot::CallRecord(CallRecord::Done { outcome: None, .. } | CallRecord::Abandoned(_)))
                | None => {}
                Some(Slot::CallRecord(ended @ CallRecord::Done { .. })) => {
                    ended.prune(now);
                    if matches!(ended, CallRecord::Done { outcome: Some(_), .. }) {
                        break;
                    }
                }
                Some(Slot::Open(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Raw, jsonrpc::Reason};

    fn done(until: u64) -> CallRecord {
        CallRecord::Done {
            retry: Some((1, [0; 32])),
            outcome: Some(Ok(Raw::NULL)),
            until: Duration::from_secs(until),
        }
    }

    #[test]
    fn places_are_counted_by_principal_and_in_all() {
        let mut lot = Lot::new(2, 3);
        assert_eq!(lot.take(1, &"a", ()), Ok(()));
        assert_eq!(lot.take(2, &"a", ()), Ok(()));
        assert_eq!(lot.take(3, &"a", ()), Err(Full::Principal));
        assert_eq!(lot.take(3, &"b", ()), Ok(()));
        assert_eq!(lot.take(4, &"b", ()), Err(Full::Total));
        lot.end(Duration::ZERO, 1, &"a", done(30));
        lot.end(Duration::ZERO, 1, &"a", done(30));
        assert_eq!((lot.take(4, &"b", ()), lot.taken(), lot.open().count()), (Ok(()), 3, 3));
        lot.close();
        lot.end(Duration::ZERO, 4, &"b", done(30));
        assert_eq!(lot.take(5, &"b", ()), Err(Full::Closed));
    }

    #[test]
    fn no_more_ends_are_remembered_than_there_are_places_and_outcomes_go_in_time() {
        let mut lot = Lot::new(2, 2);
        for id in 0..5 {
            lot.take(id, &(), ()).unwrap();
            lot.end(Duration::from_secs(30 * u64::try_from(id).unwrap()), id, &(), done(45));
        }
        assert!(lot.find(2).is_none());
        assert!(matches!(lot.find(4), Some(Slot::CallRecord(CallRecord::Done { outcome: None, .. }))));
        assert_eq!(lot.slots.len(), 2);
        let told = CallRecord::Abandoned(Reason::Lost).answer(Duration::ZERO, 1, [0; 32], "t").unwrap_err();
        assert!(told.message.ends_with("call t again without requestState"));
    }
}
