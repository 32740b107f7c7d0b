use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ChainKey, Tag};

/// The end of a chain: its last block and record, and the tag of that.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// The number of its last block, from 1; 0 if there is none.
    pub block: u64,
    /// The number of its last record, from 1; 0 if there is none.
    pub record: u64,
    /// The tag of that record.
    pub tag: Tag,
}

/// A place in a chain that is kept beside it, under the key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Mark {
    #[serde(flatten)]
    pub(crate) head: Head,
    mac: Tag,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// The chain reaches this place, or beyond it.
    Head,
    /// The blocks up to this place were dropped for their age.
    Dropped,
}

impl MarkKind {
    fn purpose(self) -> &'static [u8] {
        match self {
            Self::Head => b"head",
            Self::Dropped => b"dropped",
        }
    }
}

/// In one line, as a log has it: the chain, the block, the record, the tag.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, block, record, tag } = self;
        write!(f, "{chain}:{block}:{record}:{tag}")
    }
}

impl Head {
    /// The head of a chain that has nothing yet.
    pub(crate) fn start(chain: impl Into<String>) -> Self {
        Self { chain: chain.into(), block: 0, record: 0, tag: Tag::default() }
    }
}

impl Mark {
    /// The mark of `head`.
    pub(crate) fn new(kind: MarkKind, head: Head, key: &ChainKey) -> Self {
        Self { mac: mac(kind, &head, key), head }
    }

    /// Reads the mark of `chain`; `None` if it is altered, or another's.
    pub(crate) fn parse(kind: MarkKind, chain: &str, value: &[u8], key: &ChainKey) -> Option<Head> {
        let Self { head, mac: given } = serde_json::from_slice(value).ok()?;
        (head.chain == chain && mac(kind, &head, key) == given).then_some(head)
    }
}

fn mac(kind: MarkKind, head: &Head, key: &ChainKey) -> Tag {
    let (block, record) = (head.block.to_be_bytes(), head.record.to_be_bytes());
    key.tag(&[kind.purpose(), head.chain.as_bytes(), &block, &record, head.tag.bytes()])
}

#[cfg(test)]
mod tests {
    use anyport_seal::Key;

    use super::*;

    #[test]
    fn a_mark_is_of_one_kind_and_one_chain() {
        let key = ChainKey::new(&Key::from_bytes([7; 32]));
        let head = Head { block: 3, record: 9, ..Head::start("a") };
        let value = serde_json::to_vec(&Mark::new(MarkKind::Head, head.clone(), &key)).unwrap();
        let read = |kind, chain: &str, value: &[u8]| Mark::parse(kind, chain, value, &key);
        assert_eq!(read(MarkKind::Head, "a", &value), Some(head));
        assert_eq!(read(MarkKind::Dropped, "a", &value), None);
        assert_eq!(read(MarkKind::Head, "b", &value), None);
        let altered = String::from_utf8(value).unwrap().replace(r#""record":9"#, r#""record":8"#);
        assert_eq!(read(MarkKind::Head, "a", altered.as_bytes()), None);
    }
}
