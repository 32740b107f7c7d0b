use std::{collections::HashMap, time::Duration};

use anyport_service::sync::Lock;
use tokio::time::Instant;

use crate::record::Caller;

/// Counts the refusals of each caller, so that a flood of them does not fill the log.
pub(super) struct RefusalCounts {
    per_second: u32,
    callers: Lock<HashMap<Caller, Counted>>,
}

struct Counted {
    since: Instant,
    recorded: u32,
    /// Those beyond them, which have no records.
    more: u64,
    refused_by: Option<String>,
}

const SECOND: Duration = Duration::from_secs(1);
/// The callers that are told apart. Beyond them, the rest counts as one.
const MOST_CALLERS: usize = 10_000;

impl RefusalCounts {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, callers: Lock::default() }
    }

    /// Counts a refusal of `caller`. Returns whether it gets a record.
    pub(super) fn admit(&self, caller: &Caller, refused_by: Option<&str>) -> bool {
        let mut callers = self.callers.lock();
        let mut caller = counted_as(caller);
        if callers.len() >= MOST_CALLERS && !callers.contains_key(&caller) {
            caller = Caller::default();
        }
        let now = Instant::now();
        let counted =
            callers.entry(caller).or_insert(Counted { since: now, recorded: 0, more: 0, refused_by: None });
        if now.duration_since(counted.since) >= SECOND {
            (counted.since, counted.recorded) = (now, 0);
        }
        if counted.recorded < self.per_second {
            counted.recorded += 1;
            return true;
        }
        counted.more += 1;
        counted.refused_by = refused_by.map(str::to_owned).or(counted.refused_by.take());
        false
    }

    /// What has no records, by caller. Forgets those who were not refused for a second.
    pub(super) fn take(&self) -> Vec<(Caller, u64, Option<String>)> {
        let mut callers = self.callers.lock();
        let now = Instant::now();
        let more = callers.iter_mut().filter(|(_, counted)| counted.more > 0);
        let more = more.map(|(caller, counted)| {
            (caller.clone(), std::mem::take(&mut counted.more), counted.refused_by.take())
        });
        let more = more.collect();
        callers.retain(|_, counted| now.duration_since(counted.since) < SECOND);
        more
    }
}

/// Whose refusals are counted together.
fn counted_as(caller: &Caller) -> Caller {
    // Those without a credential are told apart by their addresses, and by nothing that they say themselves.
    let is_known = caller.principal != "anonymous" && !caller.principal.is_empty();
    let address = caller.address.filter(|_| !is_known);
    Caller { address, client: None, client_version: None, ..caller.clone() }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn caller(principal: &str, client: &str) -> Caller {
        Caller { principal: principal.to_owned(), client: Some(client.to_owned()), ..Caller::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_beyond_the_limit_of_a_second_is_one_record() {
        let counts = RefusalCounts::new(2);
        let admit = |name: &str, client: &str| counts.admit(&caller(name, client), Some("limit"));
        // Another name of the client is no other caller.
        assert!(admit("a", "x") && admit("a", "y") && !admit("a", "x") && !admit("a", "z"));
        assert!(admit("b", "x"));
        let caller = Caller { principal: "a".to_owned(), ..Caller::default() };
        assert_eq!(counts.take(), [(caller, 2, Some("limit".to_owned()))]);
        assert!(counts.take().is_empty() && !admit("a", "x"));
        advance(SECOND).await;
        assert!(admit("a", "x"));
        advance(SECOND).await;
        assert_eq!(counts.take().len(), 1);
        assert!(counts.callers.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn callers_beyond_those_that_are_told_apart_count_as_one() {
        let counts = RefusalCounts::new(1);
        for number in 0..MOST_CALLERS + 5 {
            counts.admit(&caller(&number.to_string(), "x"), None);
        }
        assert_eq!(counts.callers.lock().len(), MOST_CALLERS + 1);
        assert_eq!(counts.take(), [(Caller::default(), 4, None)]);
    }
}
