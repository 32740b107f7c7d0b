use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::caller_key::CallerKey;

/// The number of streams that are open, in all and by caller.
#[derive(Debug, Default)]
pub(super) struct OpenStreams {
    pub(super) count: usize,
    pub(super) by_caller: HashMap<CallerKey, usize, RandomState>,
}
