use std::collections::HashMap;

use anyport_store::Error;

use crate::{
    Event, Opening, Record,
    chain::{Block, Head, MarkKind},
    places::Places,
};

/// The heads of the chains in the store that no chain has named as they stand now.
///
/// Who removes or cuts a chain that is named must remove the one that names it as well, and so on to the newest.
pub(super) async fn heads(places: &Places) -> Result<Vec<Head>, Error> {
    let chains = places.chains().await?;
    let mut named: HashMap<String, u64> = HashMap::new();
    for chain in &chains {
        let Some((_, value)) = places.first_block(chain).await? else { continue };
        let Ok(block) = Block::parse(&value) else { continue };
        let first = block.records().next().and_then(|first| serde_json::from_str(first.json.get()).ok());
        if let Some(Record { event: Event::Open(Opening { heads, .. }), .. }) = first {
            for head in heads {
                let record = named.entry(head.chain).or_default();
                *record = head.record.max(*record);
            }
        }
    }
    let mut heads = Vec::new();
    for chain in chains {
        if let Some(head) = head(places, &chain).await?
            && named.get(&head.chain).is_none_or(|record| *record < head.record)
        {
            heads.push(head);
        }
    }
    Ok(heads)
}

/// The head of a chain, as it stands in the store; `None` if it cannot be read, or all of it was dropped.
pub(super) async fn head(places: &Places, chain: &str) -> Result<Option<Head>, Error> {
    let marked = places.mark(MarkKind::Head, chain).await?.and_then(Result::ok);
    // The mark is behind the chain by a second at most, unless its process was killed.
    let mut after = marked.as_ref().map_or(0, |head| head.block);
    let mut last = None;
    loop {
        let page = places.blocks(chain, after).await?;
        let Some((Some(number), entry)) = page.into_iter().next_back() else { break };
        (after, last) = (number, Some(entry.value));
    }
    let Some(value) = last else {
        // All of it may have been dropped meanwhile: what was dropped has its own mark.
        return Ok(marked);
    };
    let Ok(block) = Block::parse(&value) else { return Ok(marked) };
    let record = block.record.saturating_add(block.count.saturating_sub(1));
    Ok(Some(Head { chain: chain.to_owned(), block: block.block, record, tag: block.tag }))
}
