//! The audit log as it stands in the store.

use anyport_audit::{Record, fuzzing::BlockReader};

/// A block of the log. It is read whatever it is; only one that has the records that were written is one of the log.
pub(super) fn audit(input: &[u8]) {
    let log = BlockReader::new([7; 32]);
    // Nobody without the key makes a block that passes.
    if let Some((records, is_ours)) = log.read(input) {
        assert!(!is_ours, "{records:?} passes");
        for record in &records {
            let _ = serde_json::from_str::<Record>(record);
        }
    }
    // The lines are records; what was written of them is read, and no longer if a byte differs.
    let text = String::from_utf8_lossy(input);
    let records: Vec<String> = text.lines().map(|line| serde_json::Value::from(line).to_string()).collect();
    if records.is_empty() || records.len() > MOST {
        return;
    }
    let Some(mut block) = log.write(&records) else { panic!("{records:?} are not written") };
    assert_eq!(log.read(&block), Some((records, true)));
    let at = usize::from(input[0]) * block.len() / 256;
    block[at] ^= 1;
    let altered = log.read(&block);
    assert!(
        altered.is_none_or(|(_, is_ours)| !is_ours),
        "the byte {at} of {:?}",
        String::from_utf8_lossy(&block)
    );
}

/// The most records of a block.
const MOST: usize = 64;
