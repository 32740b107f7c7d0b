//! Blocks that are dropped for their age.

use std::time::Duration;

use anyport_store::Error;
use jiff::Timestamp;

use crate::{
    chain::{Block, Head, MarkKind},
    places::Places,
};

/// Drops the blocks whose newest record is older than `keep`, of all chains. Their tags stay, under the key: who verifies sees that what
/// is missing was dropped, and that what is left follows it. Returns how many were dropped.
pub(crate) async fn drop_older(places: &Places, keep: Duration) -> Result<u64, Error> {
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::now().as_millisecond().saturating_sub(keep);
    let mut dropped = 0;
    for chain in places.chains().await? {
        dropped += drop_of_chain(places, &chain, before).await?;
    }
    Ok(dropped)
}

async fn drop_of_chain(places: &Places, chain: &str, before: i64) -> Result<u64, Error> {
    let mut old = Vec::new();
    let mut after = 0;
    let mut end: Option<Head> = match places.mark(MarkKind::Dropped, chain).await? {
        Some(Ok(mark)) => Some(mark),
        Some(Err(())) => return Ok(0),
        None => None,
    };
    'pages: loop {
        let page = places.blocks(chain, after).await?;
        if page.is_empty() {
            break;
        }
        for (number, entry) in page {
            let (Some(number), Ok(block)) = (number, Block::parse(&entry.value)) else { break 'pages };
            if block.until >= before {
                break 'pages;
            }
            let from = end.clone().unwrap_or_else(|| Head::start(chain));
            if block.block <= from.block {
                // Its mark was written, and the process ended before the block was deleted.
                old.push(number);
            } else {
                // What does not verify stays, for who looks into it.
                let Ok(head) = block.verify(&from, &places.key) else { break 'pages };
                old.push(number);
                end = Some(head);
            }
            after = number;
        }
    }
    let Some(end) = end.filter(|_| !old.is_empty()) else { return Ok(0) };
    places.put_mark(MarkKind::Dropped, &end).await?;
    for number in &old {
        places.delete_block(chain, *number).await?;
    }
    Ok(old.len() as u64)
}
