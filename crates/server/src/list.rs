//! Lists, page by page.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyport_protocol::{Error, Raw};
use anyport_seal::Sealer;
use anyport_service::Principal;

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

/// A list in the order in which things were added, in pages. Each page is written when it is first asked for.
///
/// 2026-07-28, server/tools §Capabilities: "Servers SHOULD return tools in a deterministic order"; pagination
/// §Implementation Guidelines: servers SHOULD "provide stable cursors". A cursor is the last key of a page, sealed: it
/// holds when the list changes, and after a restart with the same key. It is a key that its caller has just seen, and
/// where it stood in what that caller sees. The cursor of a list that callers see differently is for its caller alone.
pub(crate) struct Pages {
    /// Each item's key, and how it is listed.
    lines: Vec<Line>,
    size: usize,
    public: bool,
    /// Pages that begin at multiples of the size.
    ready: Vec<OnceLock<Raw>>,
}

/// An item's key, and how it is listed.
pub(crate) type Line = (Arc<str>, Raw);

/// What all pages of a list have in common.
pub(crate) struct Listing<'a> {
    pub(crate) list: List,
    pub(crate) size: usize,
    pub(crate) ttl: Duration,
    pub(crate) sealer: &'a Sealer,
    pub(crate) identity: &'a Identity,
    pub(crate) caller: &'a Principal,
}

/// What cursors of public lists are sealed for. Those of others are sealed for their caller, too.
const PURPOSE: &str = "cursor";

impl Pages {
    pub(crate) fn new(lines: Vec<Line>, size: usize, public: bool) -> Self {
        let size = size.max(1);
        let ready = (0..lines.len().div_ceil(size).max(1)).map(|_| OnceLock::new()).collect();
        Self { lines, size, public, ready }
    }

    /// Each item's key, and how it is listed.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The page that `params` ask for.
    ///
    /// # Errors
    /// -32602 for a cursor that is none of ours (2026-07-28, pagination §Error Handling).
    pub(crate) fn page(&self, params: &Raw, listing: &Listing<'_>) -> Result<Raw, Error> {
        let start = match params.member("cursor") {
            None => 0,
            Some(cursor) => self.start(cursor.as_str(), listing)?,
        };
        match self.ready.get(start / self.size) {
            Some(ready) if start.is_multiple_of(self.size) && self.is_shared(start) => match ready.get() {
                Some(page) => Ok(page.clone()),
                None => {
                    let page = self.write(start, listing)?;
                    Ok(ready.get_or_init(|| page).clone())
                }
            },
            _ => self.write(start, listing),
        }
    }

    /// Whether the page is the same for all who see this list: it has no cursor, or one for everybody.
    fn is_shared(&self, start: usize) -> bool {
        self.public || start.saturating_add(self.size) >= self.lines.len()
    }

    fn write(&self, start: usize, listing: &Listing<'_>) -> Result<Raw, Error> {
        let end = start.saturating_add(self.size).min(self.lines.len());
        let page = self.lines.get(start..end).unwrap_or_default();
        let last = page.last().filter(|_| end < self.lines.len());
        let next = last.map(|(last, _)| format!("{}\n{end}\n{last}", listing.list.member()));
        listing.write(page.iter().map(|(_, item)| item), next, self.public)
    }

    /// The lines of the page that `params` ask for, if there are none behind them.
    ///
    /// # Errors
    /// -32602 for a cursor that is none of ours.
    pub(crate) fn last_page(&self, params: &Raw, listing: &Listing<'_>) -> Result<Option<&[Line]>, Error> {
        let start = params.member("cursor").map_or(Ok(0), |cursor| self.start(cursor.as_str(), listing))?;
        Ok(self.lines.get(start..).filter(|rest| rest.len() <= self.size))
    }

    /// Behind the key that the cursor holds; where it stood, if there is no such key any more.
    fn start(&self, cursor: &str, listing: &Listing<'_>) -> Result<usize, Error> {
        let text = listing.open(cursor, self.public);
        let place = text.as_deref().and_then(|text| {
            let (end, last) =
                text.strip_prefix(listing.list.member())?.strip_prefix('\n')?.split_once('\n')?;
            let end: usize = end.parse().ok()?;
            let is_last = |place: &usize| self.lines.get(*place).is_some_and(|(key, _)| **key == *last);
            // It stands where it stood, unless the list has changed.
            let place = end.checked_sub(1).filter(is_last);
            let place = place.or_else(|| (0..self.lines.len()).find(is_last));
            Some(place.map_or(end.min(self.lines.len()), |place| place + 1))
        });
        place.ok_or_else(no_cursor)
    }
}

impl Listing<'_> {
    /// A page of `items`. `next` is what its cursor holds, if there are more.
    pub(crate) fn write<'r>(
        &self,
        items: impl Iterator<Item = &'r Raw> + Clone,
        next: Option<String>,
        public: bool,
    ) -> Result<Raw, Error> {
        let size: usize = items.clone().map(|item| item.as_str().len() + 1).sum();
        let mut result = ResultWriter::complete(size + 256);
        let out = result.member(self.list.member());
        out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item.as_str().as_bytes());
        }
        out.push(b']');
        if let Some(next) = next {
            let cursor = self.sealer.seal(&self.purpose(public), next.as_bytes());
            result.text("nextCursor", &cursor.map_err(|error| Error::internal(error.to_string()))?);
        }
        result.freshness(Freshness { ttl: self.ttl, public });
        result.finish(self.identity, None)
    }

    /// What `cursor` holds, if it is one of ours, and for this caller unless the list is public.
    pub(crate) fn open(&self, cursor: &str, public: bool) -> Option<String> {
        let cursor = params::text(cursor)?;
        let opened = self.sealer.open(&self.purpose(public), &cursor).ok()?;
        String::from_utf8(opened).ok()
    }

    /// 2026-07-28, caching §Cache Scope Field: caches "MAY store and serve the cached response to any user" if it is public, so its
    /// cursor is for any user.
    fn purpose(&self, public: bool) -> Cow<'static, str> {
        match public {
            true => Cow::Borrowed(PURPOSE),
            false => Cow::Owned(format!("{PURPOSE} for {}", self.caller)),
        }
    }
}

/// 2026-07-28, pagination §Error Handling: "Invalid cursors SHOULD result in an error with code -32602".
pub(crate) fn no_cursor() -> Error {
    Error::invalid_params("invalid cursor: it is none of this list; list again from the start")
}
