//! When the parts of an index become one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tantivy::{
    FutureResult, TantivyError,
    index::{SegmentId, SegmentMeta},
    indexer::{LogMergePolicy, MergeCandidate, MergePolicy},
};

use super::IndexError;

/// Most parts while documents are gathered. Each makes a search longer, and there are no more than these before 200,000
/// documents are in.
pub(super) const MOST_PARTS: usize = 32;
/// The share of a part that may be of documents that are no longer there.
const MOST_REMOVED: f32 = 0.4;

/// A part of so many documents is not small, nor is one with a share of all of them.
const FEW: u32 = 10_000;
const SHARE: u32 = 4;

/// Which parts are to become one next: the smallest, until together they are no longer small.
///
/// Not all at once: who merges has all of what he merges in memory, and the parts are still searched.
pub(super) fn small(mut parts: Vec<SegmentMeta>) -> Vec<SegmentId> {
    let all: u32 = parts.iter().map(SegmentMeta::num_docs).sum();
    let enough = FEW.max(all / SHARE);
    parts.sort_by_key(SegmentMeta::num_docs);
    let mut together = 0;
    let small = parts.iter().take_while(|part| {
        let is_small = part.num_docs() < enough && together < enough;
        together += part.num_docs();
        is_small
    });
    small.map(SegmentMeta::id).collect()
}

/// Merges parts of like size, eight at a time; while documents are gathered, only when there are too many parts.
///
/// A merge during indexing is repeated later, and takes cores from the indexing threads.
#[derive(Debug)]
pub(super) struct Sparing {
    gathering: Arc<AtomicBool>,
    usual: LogMergePolicy,
}

impl Sparing {
    pub(super) fn new(gathering: &Arc<AtomicBool>) -> Self {
        let mut usual = LogMergePolicy::default();
        usual.set_del_docs_ratio_before_merge(MOST_REMOVED);
        Self { gathering: gathering.clone(), usual }
    }
}

impl MergePolicy for Sparing {
    fn compute_merge_candidates(&self, parts: &[SegmentMeta]) -> Vec<MergeCandidate> {
        if self.gathering.load(Ordering::Relaxed) && parts.len() <= MOST_PARTS {
            return Vec::new();
        }
        self.usual.compute_merge_candidates(parts)
    }
}

/// A merge that goes on, on a thread of the index. The index can be searched and changed meanwhile.
pub struct Merging(pub(super) FutureResult<Option<SegmentMeta>>);

impl Merging {
    /// Waits until it is done. Searches have the use of it after [`Index::reload`](super::Index::reload).
    ///
    /// It comes to nothing if one of its parts is gone by then: a commit drops a part whose last document was removed, and
    /// the engine may have merged it with others. That loses nothing, and the next merge takes the parts that are there.
    ///
    /// # Errors
    /// The index cannot be written, or is no more.
    pub fn wait(self) -> Result<(), IndexError> {
        match self.0.wait() {
            Ok(_) => {}
            // This is how the engine says that it no longer has one of the parts.
            Err(TantivyError::InvalidArgument(reason)) => tracing::debug!(%reason, "a merge came to nothing"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl fmt::Debug for Merging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merging").finish_non_exhaustive()
    }
}
