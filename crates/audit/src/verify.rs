//! Checks the chains of a store.

use std::{collections::BTreeMap, fmt, sync::Arc};

use anyport_seal::Key;
use anyport_store::{Entry, Error, Store};
use serde::Serialize;

use crate::{
    Event, Record,
    chain::{Block, BlockFault, Head, MarkKind},
    places::Places,
};

/// What [`verify`] found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The chains, in the order of their beginnings.
    pub chains: Vec<ChainReport>,
}

/// One chain in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Its head: the last record that was verified.
    #[serde(flatten)]
    pub head: Head,
    /// The number of the last record that was dropped for its age; 0 if none was.
    pub dropped: u64,
    /// Whether its process has ended it, or was killed or still runs.
    pub is_closed: bool,
    /// The first thing that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Something that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The number of the first record that is concerned.
    pub record: u64,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The record was altered, or another one stands in its place.
    Altered,
    /// The record is missing, and later ones are there.
    Missing,
    /// The record was there, and the chain ends before it.
    Cut,
    /// The whole chain is missing.
    ChainMissing,
    /// The mark of the chain's head is missing or altered: its end may be cut.
    Mark,
    /// A newer release wrote the record.
    Newer,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        match self.kind {
            FaultKind::Altered => write!(f, "record {record} was altered"),
            FaultKind::Missing => write!(f, "record {record} is missing"),
            FaultKind::Cut => write!(f, "record {record} is missing, and so is all that followed it"),
            FaultKind::ChainMissing => write!(f, "the whole chain is missing"),
            FaultKind::Mark => {
                f.write_str("the mark of its head is missing or altered, so that its end may be missing")
            }
            FaultKind::Newer => write!(f, "a newer release wrote record {record}"),
        }
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.chains.iter().all(|chain| chain.fault.is_none())
    }

    /// The number of records that were verified.
    pub fn records(&self) -> u64 {
        self.chains.iter().map(|chain| chain.head.record - chain.dropped.min(chain.head.record)).sum()
    }
}

/// Checks all chains in `store`, beside processes that write them, with the key that they are written under. Each of `known` must be in
/// them, such as heads from the log of the program.
///
/// # Errors
/// If the store fails.
pub async fn verify(store: Arc<dyn Store>, key: &Key, known: &[Head]) -> Result<Report, Error> {
    let places = Places::new(store, key);
    let mut places_of = BTreeMap::<String, Chain>::new();
    for chain in places.chains().await? {
        // Before the blocks: a chain that is being written has grown when they are read, and not shrunk.
        let marked = places.mark(MarkKind::Head, &chain).await?;
        let mut wanted = places_of.remove(&chain).unwrap_or_default();
        wanted.is_there = true;
        match marked {
            Some(Ok(head)) => wanted.heads.push(head),
            _ => wanted.lacks_mark = true,
        }
        places_of.insert(chain.clone(), wanted);
        let named = named_by(&places, &chain).await?;
        named.into_iter().for_each(|head| places_of.entry(head.chain.clone()).or_default().heads.push(head));
    }
    known.iter().for_each(|head| places_of.entry(head.chain.clone()).or_default().heads.push(head.clone()));
    let mut report = Report::default();
    for (name, wanted) in places_of {
        report.chains.push(walk(&places, name, &wanted).await?);
    }
    Ok(report)
}

/// What is known of a chain.
#[derive(Default)]
struct Chain {
    is_there: bool,
    lacks_mark: bool,
    /// The places that it must reach.
    heads: Vec<Head>,
}

/// The heads that a chain names in its first record.
async fn named_by(places: &Places, chain: &str) -> Result<Vec<Head>, Error> {
    let Some((1, value)) = places.first_block(chain).await? else { return Ok(Vec::new()) };
    let Ok(block) = Block::parse(&value) else { return Ok(Vec::new()) };
    let first = block.records().next().and_then(|first| serde_json::from_str(first.json.get()).ok());
    Ok(match first {
        Some(Record { event: Event::Open(opening), .. }) => opening.heads,
        _ => Vec::new(),
    })
}

/// Follows a chain to its end, or to the first fault.
async fn walk(places: &Places, name: String, wanted: &Chain) -> Result<ChainReport, Error> {
    let mut at = Walk { head: Head::start(&*name), dropped: 0, is_closed: false };
    let fault = if wanted.is_there {
        let found = at.follow(places, wanted).await?;
        found.or_else(|| at.end(wanted))
    } else {
        Some(Fault { kind: FaultKind::ChainMissing, record: 1 })
    };
    let Walk { head, dropped, is_closed } = at;
    Ok(ChainReport { head, dropped, is_closed, fault })
}

struct Walk {
    head: Head,
    dropped: u64,
    is_closed: bool,
}

impl Walk {
    async fn follow(&mut self, places: &Places, wanted: &Chain) -> Result<Option<Fault>, Error> {
        if let Err(fault) = self.skip_dropped(places).await? {
            return Ok(Some(fault));
        }
        loop {
            let page = places.blocks(&self.head.chain, self.head.block).await?;
            if page.is_empty() {
                return Ok(None);
            }
            for (number, entry) in page {
                if let Some(fault) = self.block(places, number, &entry, wanted).await? {
                    return Ok(Some(fault));
                }
            }
        }
    }

    /// Goes to the end of what was dropped.
    async fn skip_dropped(&mut self, places: &Places) -> Result<Result<(), Fault>, Error> {
        Ok(match places.mark(MarkKind::Dropped, &self.head.chain).await? {
            Some(Ok(end)) => {
                if end.block > self.head.block {
                    (self.dropped, self.head) = (end.record, end);
                }
                Ok(())
            }
            Some(Err(())) => Err(self.fault(FaultKind::Altered)),
            None => Ok(()),
        })
    }

    async fn block(
        &mut self,
        places: &Places,
        number: Option<u64>,
        entry: &Entry,
        wanted: &Chain,
    ) -> Result<Option<Fault>, Error> {
        let Some(number) = number else { return Ok(Some(self.fault(FaultKind::Altered))) };
        if number > self.head.block + 1
            // Blocks may have been dropped since the last look.
            && let Err(fault) = self.skip_dropped(places).await?
        {
            return Ok(Some(fault));
        }
        if number <= self.head.block {
            return Ok(None);
        }
        if number != self.head.block + 1 {
            return Ok(Some(self.fault(FaultKind::Missing)));
        }
        let checked =
            Block::parse(&entry.value).and_then(|block| Ok((block.verify(&self.head, &places.key)?, block)));
        let (head, block) = match checked {
            Ok(checked) => checked,
            Err(fault) => return Ok(Some(self.of_block(&fault))),
        };
        if let Some(other) = wanted.heads.iter().find(|known| known.block == number && **known != head) {
            let record = other.record.min(head.record);
            return Ok(Some(Fault { kind: FaultKind::Altered, record }));
        }
        let last = block.records().next_back();
        self.is_closed = last.is_some_and(|last| {
            let record = serde_json::from_str::<Record>(last.json.get());
            record.is_ok_and(|record| record.event == Event::Close)
        });
        self.head = head;
        Ok(None)
    }

    /// What is missing at the end.
    fn end(&self, wanted: &Chain) -> Option<Fault> {
        if wanted.heads.iter().any(|known| known.block > self.head.block) {
            return Some(self.fault(FaultKind::Cut));
        }
        wanted.lacks_mark.then(|| self.fault(FaultKind::Mark))
    }

    fn of_block(&self, fault: &BlockFault) -> Fault {
        match *fault {
            BlockFault::Altered(record) => Fault { kind: FaultKind::Altered, record },
            BlockFault::Missing(record) => Fault { kind: FaultKind::Missing, record },
            BlockFault::Newer(_) => self.fault(FaultKind::Newer),
            BlockFault::Unreadable | BlockFault::Unconnected => self.fault(FaultKind::Altered),
        }
    }

    /// A fault of the next record.
    fn fault(&self, kind: FaultKind) -> Fault {
        Fault { kind, record: self.head.record + 1 }
    }
}
