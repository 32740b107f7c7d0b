//! Finds records.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use anyport_seal::Key;
use anyport_store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Event, OutcomeKind, Record,
    chain::{Block, MarkKind},
    places::Places,
};

/// The records of a store, as they stand there: [`verify`](crate::verify()) says whether they are as they were written.
pub struct Query {
    places: Places,
    /// The last block of each chain that was read, for [`Query::newer`].
    read: BTreeMap<String, u64>,
}

/// Which records are wanted: those that meet every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The principal: its text, its name, or its subject.
    pub principal: Option<String>,
    /// The name of the tool or prompt, or the URI: the client's, or that of its server.
    pub name: Option<String>,
    /// The upstream server.
    pub upstream: Option<String>,
    /// How the call ended.
    pub outcome: Option<OutcomeKind>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The chain.
    pub chain: String,
    /// Its number in the chain.
    pub record: u64,
    /// What it says.
    #[serde(flatten)]
    pub said: Record,
}

impl Filter {
    /// Whether `record` is wanted.
    pub fn wants(&self, record: &Record) -> bool {
        let Self { principal, name, upstream, outcome, since, until } = self;
        let call = record.call();
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        since.is_none_or(|since| record.at >= since)
            && until.is_none_or(|until| record.at < until)
            && principal.as_deref().is_none_or(|principal| is_of(record, principal))
            && (is(name, call.and_then(|call| call.name.as_deref()))
                || is(name, call.and_then(|call| call.item.as_deref())))
            && is(upstream, call.and_then(|call| call.upstream.as_deref()))
            && outcome.is_none_or(|wanted| kind_of(record) == Some(wanted))
    }
}

/// Whether it is about the caller that `principal` names.
fn is_of(record: &Record, principal: &str) -> bool {
    record.caller().is_some_and(|caller| {
        caller.principal == principal
            || caller.principal.strip_prefix("name:") == Some(principal)
            || caller.subject.as_deref() == Some(principal)
    })
}

fn kind_of(record: &Record) -> Option<OutcomeKind> {
    match &record.event {
        Event::Refusals(_) => Some(OutcomeKind::Refused),
        _ => Some(record.call()?.outcome.as_ref()?.kind),
    }
}

/// A chain that is read backwards.
struct Backwards {
    chain: String,
    block: Block,
}

impl Query {
    /// Reads `store`, which was opened with [`AUDIT`](crate::AUDIT).
    pub fn new(store: Arc<dyn Store>, key: &Key) -> Self {
        Self { places: Places::new(store, key), read: BTreeMap::new() }
    }

    /// The newest records that `filter` wants, at most `most` of them, oldest first. The beginning of a call that has ended is left out.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn newest(&mut self, filter: &Filter, most: usize) -> Result<Vec<Found>, Error> {
        let mut chains = Vec::new();
        for chain in self.places.chains().await? {
            if let Some(last) = self.last(&chain).await? {
                self.read.insert(chain.clone(), last);
                chains.extend(self.before(chain, last + 1).await?);
            }
        }
        let (mut found, mut ended) = (Vec::new(), HashSet::new());
        while let Some(newest) = (0..chains.len()).max_by_key(|index| chains[*index].block.until) {
            let Backwards { chain, block } = chains.swap_remove(newest);
            let is_older = filter.since.is_some_and(|since| block.until < since.as_millisecond());
            if is_older || (found.len() >= most && oldest(&mut found, most) > block.until) {
                continue;
            }
            found.extend(wanted(&chain, &block, filter, &mut ended));
            chains.extend(self.before(chain, block.block).await?);
        }
        oldest(&mut found, most);
        found.reverse();
        Ok(found)
    }

    /// The records that were written since the last look, in the order of their times in each chain.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn newer(&mut self, filter: &Filter) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for chain in self.places.chains().await? {
            let mut after = self.read.get(&chain).copied().unwrap_or(0);
            loop {
                let page = self.places.blocks(&chain, after).await?;
                let Some(last) = page.iter().filter_map(|(number, _)| *number).max() else { break };
                after = last;
                for (_, entry) in page {
                    let Ok(block) = Block::parse(&entry.value) else { continue };
                    let mut records: Vec<_> = wanted(&chain, &block, filter, &mut HashSet::new()).collect();
                    records.reverse();
                    found.extend(records);
                }
            }
            self.read.insert(chain, after);
        }
        found.sort_by_key(|found| found.said.at);
        Ok(found)
    }

    /// Calls `each` with every record that `filter` wants, chain by chain, in their order, until it returns false.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn all(&self, filter: &Filter, mut each: impl FnMut(Found) -> bool) -> Result<(), Error> {
        for chain in self.places.chains().await? {
            let mut after = 0;
            loop {
                let page = self.places.blocks(&chain, after).await?;
                let Some(last) = page.iter().filter_map(|(number, _)| *number).max() else { break };
                after = last;
                for (_, entry) in page {
                    let Ok(block) = Block::parse(&entry.value) else { continue };
                    for found in records(&chain, &block).filter(|found| filter.wants(&found.said)) {
                        if !each(found) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of the last block of a chain.
    async fn last(&self, chain: &str) -> Result<Option<u64>, Error> {
        let marked = self.places.mark(MarkKind::Head, chain).await?.and_then(Result::ok);
        let mut last = marked.map_or(0, |head| head.block);
        loop {
            let page = self.places.blocks(chain, last).await?;
            match page.iter().filter_map(|(number, _)| *number).max() {
                Some(number) => last = number,
                None => return Ok((last > 0).then_some(last)),
            }
        }
    }

    /// The block before the block `number`, if it is there.
    async fn before(&self, chain: String, number: u64) -> Result<Option<Backwards>, Error> {
        let mut number = number;
        // One that cannot be read is left out: it is for who verifies.
        while number > 1 {
            number -= 1;
            let Some(value) = self.places.block(&chain, number).await? else { return Ok(None) };
            if let Ok(block) = Block::parse(&value) {
                return Ok(Some(Backwards { chain, block }));
            }
        }
        Ok(None)
    }
}

/// The records of a block.
fn records<'a>(chain: &'a str, block: &'a Block) -> impl DoubleEndedIterator<Item = Found> + 'a {
    block.records().filter_map(move |chained| {
        let said = serde_json::from_str(chained.json.get()).ok()?;
        Some(Found { chain: chain.to_owned(), record: chained.number, said })
    })
}

/// The records of a block that are wanted, newest first. The ends of calls are noted in `ended`, whose beginnings are left out.
fn wanted<'a>(
    chain: &'a str,
    block: &'a Block,
    filter: &'a Filter,
    ended: &'a mut HashSet<(String, u64)>,
) -> impl Iterator<Item = Found> + 'a {
    records(chain, block).rev().filter(move |found| {
        let is_over = match &found.said.event {
            Event::End(call) => !ended.insert((chain.to_owned(), call.call)),
            Event::Begin(call) => ended.remove(&(chain.to_owned(), call.call)),
            _ => false,
        };
        !is_over && filter.wants(&found.said)
    })
}

/// Keeps the newest, newest first. Returns the time of the oldest that is left, in milliseconds.
fn oldest(found: &mut Vec<Found>, most: usize) -> i64 {
    found.sort_by_key(|found| std::cmp::Reverse(found.said.at));
    found.truncate(most);
    found.last().map_or(i64::MIN, |last| last.said.at.as_millisecond())
}
