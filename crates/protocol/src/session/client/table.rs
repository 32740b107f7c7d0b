use std::collections::VecDeque;

use super::call_id::CallId;

/// A table with a value for each request of the client, from oldest to newest.
///
/// Ids only grow, so that a new entry goes to the end and the others are found by bisection. The table keeps its room:
/// entries that come and go cost no allocation.
#[derive(Debug)]
pub struct CallTable<T> {
    /// A removed entry stays as `None` until those before it are removed, too.
    entries: VecDeque<(CallId, Option<T>)>,
    len: usize,
}

impl<T> Default for CallTable<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), len: 0 }
    }
}

impl<T> CallTable<T> {
    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry; replaces one of the same id.
    pub fn insert(&mut self, call: CallId, value: T) {
        match self.entries.binary_search_by_key(&call, |(id, _)| *id) {
            Ok(place) => {
                if let Some((_, entry)) = self.entries.get_mut(place)
                    && entry.replace(value).is_none()
                {
                    self.len += 1;
                }
            }
            Err(place) => {
                self.entries.insert(place, (call, Some(value)));
                self.len += 1;
            }
        }
    }

    /// The entry of `call`.
    pub fn get(&self, call: CallId) -> Option<&T> {
        self.entries.get(self.place(call)?)?.1.as_ref()
    }

    /// The entry of `call`.
    pub fn get_mut(&mut self, call: CallId) -> Option<&mut T> {
        let place = self.place(call)?;
        self.entries.get_mut(place)?.1.as_mut()
    }

    /// Removes the entry of `call`.
    pub fn remove(&mut self, call: CallId) -> Option<T> {
        let place = self.place(call)?;
        let value = self.entries.get_mut(place)?.1.take()?;
        self.len -= 1;
        while self.entries.front().is_some_and(|(_, entry)| entry.is_none()) {
            self.entries.pop_front();
        }
        // One old call that stays must not keep the places of all that came and went after it.
        if self.entries.len() > 2 * self.len + SPARE {
            self.entries.retain(|(_, entry)| entry.is_some());
        }
        Some(value)
    }

    /// All entries, from oldest to newest.
    pub fn iter(&self) -> impl Iterator<Item = (CallId, &T)> {
        self.entries.iter().filter_map(|(call, entry)| Some((*call, entry.as_ref()?)))
    }

    /// All entries, from oldest to newest.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (CallId, &mut T)> {
        self.entries.iter_mut().filter_map(|(call, entry)| Some((*call, entry.as_mut()?)))
    }

    fn place(&self, call: CallId) -> Option<usize> {
        self.entries.binary_search_by_key(&call, |(id, _)| *id).ok()
    }
}

/// Places of removed entries that are not worth closing up.
const SPARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> CallId {
        CallId::parse(&number.to_string()).unwrap()
    }

    #[test]
    fn entries_are_found_in_order_and_one_old_entry_does_not_keep_the_places_of_others() {
        let mut table = CallTable::default();
        table.insert(id(1), "old");
        for number in 2..10_000 {
            table.insert(id(number), "new");
            assert_eq!(table.remove(id(number)), Some("new"));
            assert_eq!(table.remove(id(number)), None);
        }
        assert!(table.len() == 1 && table.entries.len() <= 2 + SPARE);
        table.insert(id(10_002), "c");
        table.insert(id(10_001), "b");
        assert_eq!(table.iter().map(|(_, value)| *value).collect::<Vec<_>>(), ["old", "b", "c"]);
        assert_eq!((table.get(id(10_001)), table.get(id(10_000))), (Some(&"b"), None));
        *table.get_mut(id(1)).unwrap() = "older";
        assert_eq!(table.remove(id(1)), Some("older"));
        assert!(!table.is_empty());
    }
}
