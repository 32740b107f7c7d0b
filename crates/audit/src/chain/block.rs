use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ChainKey, Head, Tag, key::ShortTag};

/// A block as it stands in the store: many records, written and synced at once.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Block {
    format: u8,
    /// The chain.
    pub(crate) chain: String,
    /// The number of the block in its chain, from 1.
    pub(crate) block: u64,
    /// The number of its first record in the chain, from 1.
    pub(crate) record: u64,
    /// How many records it has.
    pub(crate) count: u64,
    /// The tag of the last record before it.
    previous: Tag,
    /// The time of its newest record, in milliseconds since 1970.
    pub(crate) until: i64,
    /// The records, each after the beginning of its tag.
    records: Vec<(String, Box<RawValue>)>,
    /// The tag of its last record.
    pub(crate) tag: Tag,
}

/// A record with its place in a chain.
#[derive(Debug)]
pub(crate) struct Chained<'a> {
    /// Its number in the chain.
    pub(crate) number: u64,
    /// Its JSON.
    pub(crate) json: &'a RawValue,
}

/// What is wrong with a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BlockFault {
    /// It cannot be read.
    Unreadable,
    /// A newer release wrote it.
    Newer(u8),
    /// It does not follow what stands before it: that was altered or is missing, or the block itself was altered.
    Unconnected,
    /// The record of this number was altered, or another one stands in its place.
    Altered(u64),
    /// The record of this number is missing at its end.
    Missing(u64),
}

/// A block that is being written: the JSON of a [`Block`], record by record, without a look at the JSON of each.
pub(crate) struct Writing {
    head: Head,
    tag: Tag,
    key: ChainKey,
    json: String,
}

const FORMAT: u8 = 1;

impl Writing {
    /// The block that follows `head`, with `count` records of so many `bytes`, the newest of which is of the time `until`.
    pub(crate) fn after(
        head: &Head,
        count: u64,
        bytes: usize,
        until: i64,
        key: &ChainKey,
    ) -> Result<Self, serde_json::Error> {
        let block = Block {
            format: FORMAT,
            chain: head.chain.clone(),
            block: head.block + 1,
            record: head.record + 1,
            count,
            previous: head.tag,
            until,
            records: Vec::new(),
            tag: Tag::default(),
        };
        let opening = serde_json::to_string(&block)?;
        let mut json = String::with_capacity(opening.len() + bytes);
        // The records follow the beginning of their list, which is the only one.
        json.push_str(opening.rsplit_once('[').map_or("", |(before, _)| before));
        json.push('[');
        let tag = block.header(key);
        let Block { chain, block, record, .. } = block;
        let head = Head { chain, block, record: record + count - 1, tag };
        Ok(Self { head, tag, key: key.clone(), json })
    }

    /// Adds a record, which is JSON. Returns the beginning of its tag.
    pub(crate) fn push(&mut self, record: &str) -> ShortTag {
        self.tag = next(&self.key, &self.tag, record);
        let short = self.tag.short();
        let comma = if self.json.ends_with('[') { "" } else { "," };
        self.json.extend([comma, "[\"", short.as_str(), "\",", record, "]"]);
        short
    }

    /// The value for the store, and the head after it.
    pub(crate) fn finish(mut self) -> (Bytes, Head) {
        self.json.push_str(&format!("],\"tag\":\"{}\"}}", self.tag));
        (Bytes::from(self.json), Head { tag: self.tag, ..self.head })
    }
}

impl Block {
    /// Reads a block without checking it.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, BlockFault> {
        #[derive(Deserialize)]
        struct Format {
            format: u8,
        }
        match serde_json::from_slice::<Format>(value) {
            Ok(Format { format: FORMAT }) => {
                serde_json::from_slice(value).map_err(|_| BlockFault::Unreadable)
            }
            Ok(Format { format }) if format > FORMAT => Err(BlockFault::Newer(format)),
            _ => Err(BlockFault::Unreadable),
        }
    }

    /// Its records.
    pub(crate) fn records(&self) -> impl DoubleEndedIterator<Item = Chained<'_>> + ExactSizeIterator {
        let numbered = self.records.iter().enumerate();
        // The number of a block that is not verified yet is anything.
        numbered.map(|(index, (_, json))| Chained { number: self.record.saturating_add(index as u64), json })
    }

    /// Checks that it follows `before` and that nothing in it was changed; the head after it.
    pub(crate) fn verify(&self, before: &Head, key: &ChainKey) -> Result<Head, BlockFault> {
        let follows = self.chain == before.chain
            && Some(self.block) == before.block.checked_add(1)
            && Some(self.record) == before.record.checked_add(1)
            && self.previous == before.tag;
        if !follows {
            return Err(BlockFault::Unconnected);
        }
        let mut tag = self.header(key);
        for (chained, (short, json)) in self.records().zip(&self.records) {
            tag = next(key, &tag, json.get());
            if tag.short().as_str() != short {
                return Err(BlockFault::Altered(chained.number));
            }
        }
        let count = self.records.len() as u64;
        let after = self.record.saturating_add(count);
        match count.cmp(&self.count) {
            std::cmp::Ordering::Less => Err(BlockFault::Missing(after)),
            std::cmp::Ordering::Greater => Err(BlockFault::Altered(self.record.saturating_add(self.count))),
            std::cmp::Ordering::Equal if tag != self.tag || count == 0 => {
                Err(BlockFault::Altered(after.saturating_sub(1)))
            }
            std::cmp::Ordering::Equal => {
                Ok(Head { chain: self.chain.clone(), block: self.block, record: after - 1, tag })
            }
        }
    }

    /// The tag of what stands before its records.
    fn header(&self, key: &ChainKey) -> Tag {
        key.tag(&[
            b"block",
            self.chain.as_bytes(),
            &self.block.to_be_bytes(),
            &self.record.to_be_bytes(),
            &self.count.to_be_bytes(),
            &self.until.to_be_bytes(),
            self.previous.bytes(),
        ])
    }
}

/// The tag of a record after `tag`.
fn next(key: &ChainKey, tag: &Tag, json: &str) -> Tag {
    key.tag(&[b"record", tag.bytes(), json.as_bytes()])
}

#[cfg(test)]
mod tests {
    use anyport_seal::Key;

    use super::*;

    fn key() -> ChainKey {
        ChainKey::new(&Key::from_bytes([7; 32]))
    }

    fn written() -> (String, Head, Head) {
        let before = Head { record: 4, block: 1, ..Head::start("c") };
        let mut writing = Writing::after(&before, 3, 0, 9, &key()).unwrap();
        for number in 0..3 {
            writing.push(&format!(r#"{{"n":{number}}}"#));
        }
        let (bytes, head) = writing.finish();
        (String::from_utf8(bytes.to_vec()).unwrap(), before, head)
    }

    fn verify(text: &str, before: &Head) -> Result<Head, BlockFault> {
        Block::parse(text.as_bytes())?.verify(before, &key())
    }

    #[test]
    fn a_block_as_it_was_written_is_whole() {
        let (text, before, head) = written();
        assert_eq!(verify(&text, &before), Ok(head.clone()));
        assert_eq!((head.block, head.record), (2, 7));
        let block = Block::parse(text.as_bytes()).unwrap();
        let last = block.records().next_back().unwrap();
        assert_eq!((last.number, last.json.get()), (7, r#"{"n":2}"#));
    }

    #[test]
    fn every_change_of_a_byte_shows() {
        let (text, before, _) = written();
        for at in 0..text.len() {
            for bit in [1, 4] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= bit;
                let found = Block::parse(&bytes).and_then(|block| block.verify(&before, &key()));
                assert!(found.is_err(), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_counted_on_from_are_borne() {
        let (text, _, _) = written();
        let max = u64::MAX;
        let text = text
            .replace("\"record\":5", &format!("\"record\":{max}"))
            .replace("\"block\":2", &format!("\"block\":{max}"));
        let block = Block::parse(text.as_bytes()).unwrap();
        assert_eq!(block.records().next_back().unwrap().number, max);
        for before in [max, max - 1] {
            let before = Head { block: before, record: before, ..Head::start("c") };
            assert!(block.verify(&before, &key()).is_err());
        }
    }

    #[test]
    fn the_first_record_that_is_altered_or_missing_is_named() {
        let (text, before, _) = written();
        assert_eq!(verify(&text.replace(r#"{"n":1}"#, r#"{"n":8}"#), &before), Err(BlockFault::Altered(6)));
        let block: serde_json::Value = serde_json::from_str(&text).unwrap();
        let without = |index: usize| {
            let mut block = block.clone();
            block["records"].as_array_mut().unwrap().remove(index);
            verify(&block.to_string(), &before)
        };
        assert_eq!(without(1), Err(BlockFault::Altered(6)));
        assert_eq!(without(2), Err(BlockFault::Missing(7)));
        let other = Head { tag: key().tag(&[b"x"]), ..before.clone() };
        assert_eq!(verify(&text, &other), Err(BlockFault::Unconnected));
        assert_eq!(
            verify(&text.replace(r#""format":1"#, r#""format":2"#), &before),
            Err(BlockFault::Newer(2))
        );
    }
}
