//! Lists, written when the server is built, page by page.

use std::collections::HashMap;

use anyport_protocol::{Error, Raw};
use anyport_service::seal::Sealer;
use serde::Serialize;

use crate::{
    params,
    write::{Freshness, Identity, ResultWriter},
};

/// The most items on a page, unless [`crate::Builder::page_size`] says otherwise.
pub const DEFAULT_PAGE_SIZE: usize = 1_000;

/// One of the four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
    /// `prompts/list`.
    Prompts,
}

impl List {
    /// The member of the result that holds the items.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// A list in the order in which things were added, in pages.
///
/// 2026-07-28, server/tools §Capabilities: "Servers SHOULD return tools in a deterministic order"; pagination
/// §Implementation Guidelines: servers SHOULD "provide stable cursors". A cursor is the last key of a page, sealed: it
/// holds when the list changes, and after a restart with the same key.
pub(crate) struct Pages {
    list: List,
    items: Vec<Raw>,
    /// Each item's key, and where it stands.
    places: HashMap<String, usize>,
    keys: Vec<String>,
    size: usize,
    freshness: Freshness,
    /// Pages that begin at multiples of the size.
    ready: Vec<Raw>,
}

/// What all lists have in common.
pub(crate) struct Writing<'a> {
    pub(crate) sealer: &'a Sealer,
    pub(crate) identity: &'a Identity,
}

const PURPOSE: &str = "cursor";

impl Pages {
    /// Writes all pages.
    pub(crate) fn build<T: Serialize>(
        list: List,
        items: &[(String, T)],
        size: usize,
        freshness: Freshness,
        writing: &Writing<'_>,
    ) -> Result<Self, Error> {
        let written = items.iter().map(|(_, item)| Raw::of(item)).collect::<Result<Vec<_>, _>>();
        let written = written.map_err(|error| Error::internal(error.to_string()))?;
        let keys: Vec<String> = items.iter().map(|(key, _)| key.clone()).collect();
        let places = keys.iter().enumerate().map(|(place, key)| (key.clone(), place)).collect();
        let size = size.max(1);
        let mut pages = Self { list, items: written, places, keys, size, freshness, ready: Vec::new() };
        let starts = (0..pages.items.len().max(1)).step_by(size);
        pages.ready = starts.map(|start| pages.write(start, writing)).collect::<Result<_, _>>()?;
        Ok(pages)
    }

    /// The page that `params` ask for.
    ///
    /// # Errors
    /// -32602 for a cursor that is none of ours (2026-07-28, pagination §Error Handling).
    pub(crate) fn page(&self, params: &Raw, writing: &Writing<'_>) -> Result<Raw, Error> {
        let start = match params.member("cursor") {
            None => 0,
            Some(cursor) => self.start(cursor.as_str(), writing.sealer)?,
        };
        match self.ready.get(start / self.size) {
            Some(page) if start.is_multiple_of(self.size) => Ok(page.clone()),
            _ => self.write(start, writing),
        }
    }

    fn write(&self, start: usize, writing: &Writing<'_>) -> Result<Raw, Error> {
        let end = start.saturating_add(self.size).min(self.items.len());
        let page = self.items.get(start..end).unwrap_or_default();
        let size: usize = page.iter().map(|item| item.as_str().len() + 1).sum();
        let mut result = ResultWriter::complete(size + 256);
        let out = result.member(self.list.member());
        out.push(b'[');
        for (index, item) in page.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item.as_str().as_bytes());
        }
        out.push(b']');
        if end < self.items.len()
            && let Some(last) = end.checked_sub(1).and_then(|last| self.keys.get(last))
        {
            let text = format!("{}\n{end}\n{last}", self.list.member());
            let cursor = writing.sealer.seal(PURPOSE, text.as_bytes());
            result.text("nextCursor", &cursor.map_err(|error| Error::internal(error.to_string()))?);
        }
        result.freshness(self.freshness);
        result.finish(writing.identity, None)
    }

    /// Behind the key that the cursor holds; where it stood, if there is no such key any more.
    fn start(&self, cursor: &str, sealer: &Sealer) -> Result<usize, Error> {
        let opened = params::text(cursor).and_then(|cursor| sealer.open(PURPOSE, &cursor).ok());
        let text = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        let place = text.as_deref().and_then(|text| {
            let (end, last) = text.strip_prefix(self.list.member())?.strip_prefix('\n')?.split_once('\n')?;
            let end: usize = end.parse().ok()?;
            Some(self.places.get(last).map_or(end.min(self.items.len()), |place| place + 1))
        });
        place.ok_or_else(|| {
            Error::invalid_params("invalid cursor: it is none of this list; list again from the start")
        })
    }
}
