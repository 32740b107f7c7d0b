//! Blocks of the log, for the fuzz targets in `fuzz/`: no part of the interface.

use anyport_seal::Key;

use super::{Block, ChainKey, Head, Writing};

/// A log that writes one block, and reads whatever stands in its place.
pub struct BlockReader(ChainKey);

impl std::fmt::Debug for BlockReader {
    /// Not the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockReader")
    }
}

impl BlockReader {
    /// A log with the key of these bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(ChainKey::new(&Key::from_bytes(key)))
    }

    /// A block of these records, which are JSON, at the beginning of the chain `c`.
    pub fn write(&self, records: &[String]) -> Option<Vec<u8>> {
        let mut writing = Writing::after(&Head::start("c"), records.len() as u64, 0, 1, &self.0).ok()?;
        for record in records {
            writing.push(record);
        }
        Some(writing.finish().0.to_vec())
    }

    /// The records of a block as it was read, and whether it is one of this log.
    pub fn read(&self, block: &[u8]) -> Option<(Vec<String>, bool)> {
        let block = Block::parse(block).ok()?;
        let records = block.records().map(|record| record.json.get().to_owned()).collect();
        Some((records, block.verify(&Head::start("c"), &self.0).is_ok()))
    }
}
