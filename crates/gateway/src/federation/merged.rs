//! One list of all members, as clients receive it, and which member each entry is of.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyport_protocol::{Error, Raw};
use bytestring::ByteString;
use foldhash::fast::RandomState;

use super::{
    cursor::Cursors,
    definition,
    held::HeldItem,
    list_kind::ListKind,
    listed::Listed,
    member::MemberEntry,
    member_list::{MemberList, Verdict},
    names::{self, Collision, Items, Names, collision},
    naming::NameKind,
    pattern::Selection,
};

/// A list of all members.
#[derive(Default)]
pub(super) struct Merged {
    /// Each entry's name, URI or template, and how clients receive it.
    pub(super) lines: Vec<(ByteString, Raw)>,
    /// The member of each name, URI or template.
    pub(super) routes: HashMap<ByteString, Route, RandomState>,
    /// The items that are held back, by the names, URIs or templates under which clients would see them. No other item gets
    /// one of these meanwhile: it would be called in place of the one that people know.
    pub(super) held: HashMap<ByteString, HeldItem, RandomState>,
    pub(super) collisions: Vec<Collision>,
    /// The smallest `ttlMs` of the members.
    ttl: Duration,
    /// Pages that begin at multiples of the page size, fresh and stale, without their cursors; the whole list is the first of pages
    /// without end.
    pages: Vec<[OnceLock<Raw>; 2]>,
    whole: [OnceLock<Raw>; 2],
    size: usize,
    /// What it is made of.
    lists: Vec<(Arc<MemberEntry>, Option<Arc<MemberList>>)>,
}

/// Where an entry leads.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) member: Arc<MemberEntry>,
    /// The name, URI or template under which clients see it, of which the key of the table may be another one.
    pub(super) name: ByteString,
    /// What the member calls it.
    pub(super) own: ByteString,
    /// How the member lists it.
    pub(super) listed: Listed,
}

/// What all pages of a list have in common.
pub(super) struct PageContext<'a> {
    pub(super) kind: ListKind,
    /// `_meta` of the result.
    pub(super) meta: &'a Raw,
    pub(super) is_stale: bool,
    pub(super) cursors: &'a Cursors<'a>,
}

/// A member, and its list, if it is known.
pub(super) type MemberLists = [(Arc<MemberEntry>, Option<Arc<MemberList>>)];

impl Merged {
    /// Merges the lists of the members, in their order. `selection` says which entries are offered.
    pub(super) fn of(kind: ListKind, lists: &MemberLists, selection: &Selection, page_size: usize) -> Self {
        let mut merged = match kind {
            ListKind::Tools => Self::named(NameKind::Tool, lists, selection),
            ListKind::Prompts => Self::named(NameKind::Prompt, lists, selection),
            ListKind::Resources | ListKind::Templates => Self::of_uris(kind, lists, selection),
        };
        let ttls = lists.iter().filter_map(|(_, list)| list.as_ref().map(|list| list.ttl));
        merged.ttl = ttls.min().unwrap_or_default();
        merged.lists = lists.to_vec();
        merged.size = page_size.max(1);
        let pages = merged.lines.len().div_ceil(merged.size).max(1);
        merged.pages = (0..pages).map(|_| Default::default()).collect();
        merged
    }

    fn named(kind: NameKind, lists: &MemberLists, selection: &Selection) -> Self {
        let items: Vec<Items<'_>> =
            lists.iter().map(|(member, list)| items_of(member, list.as_deref())).collect();
        let Names { items: names, aliases, collisions } = names::assign(kind, &items);
        let mut merged = Self { collisions, ..Self::default() };
        let named = lists.iter().zip(&names).enumerate().flat_map(|(number, ((member, list), names))| {
            let entries = list.iter().flat_map(|list| &list.entries);
            entries.zip(names).map(move |(entry, name)| (number, member, entry, name))
        });
        for (_, member, entry, name) in named {
            let Some(name) = name.as_deref().filter(|name| selection.has(name)).map(ByteString::from) else {
                continue;
            };
            if let Some(held) = HeldItem::of(member, entry) {
                merged.held.insert(name, held);
                continue;
            }
            let change = member.naming.item(kind, &entry.key);
            merged.lines.push((name.clone(), definition::exposed(&entry.text, &name, change, &member.alias)));
            let route = Route::new(member, name.clone(), entry.key.clone(), &entry.text);
            merged.routes.insert(name, route);
        }
        for (alias, number, item) in aliases.into_iter().filter(|(alias, ..)| selection.has(alias)) {
            let (member, list) = &lists[number];
            let Some(entry) = list.as_ref().and_then(|list| list.entries.get(item)) else { continue };
            match HeldItem::of(member, entry) {
                Some(held) => _ = merged.held.insert(alias.into(), held),
                None => {
                    let name = names[number][item].as_deref().unwrap_or(&alias).into();
                    let route = Route::new(member, name, entry.key.clone(), &entry.text);
                    merged.routes.insert(alias.into(), route);
                }
            }
        }
        merged
    }

    fn of_uris(kind: ListKind, lists: &MemberLists, selection: &Selection) -> Self {
        let mut merged = Self::default();
        for (member, list) in lists {
            for entry in list.iter().flat_map(|list| &list.entries) {
                let uri = ByteString::from(member.alias.exposed(&entry.key));
                if !selection.has(&uri) {
                    continue;
                }
                // Some URIs stay as they are, so that two members may have the same: the first one wins.
                let listed = merged.routes.get(&uri).map(|route| &route.member);
                if let Some(other) = listed.or_else(|| merged.held.get(&uri).map(|held| &held.member)) {
                    let lost = (&*member.core.name, &*entry.key);
                    merged.collisions.push(collision(&uri, &other.core.name, lost, None));
                    continue;
                }
                if let Some(held) = HeldItem::of(member, entry) {
                    merged.held.insert(uri, held);
                    continue;
                }
                let line = definition::exposed_uri(&entry.text, kind.key(), &member.alias);
                merged.lines.push((uri.clone(), line));
                let route = Route::new(member, uri.clone(), entry.key.clone(), &entry.text);
                merged.routes.insert(uri, route);
            }
        }
        merged
    }

    /// The same list with those entries alone that `keep` keeps, for a page: it leads nowhere.
    pub(super) fn filtered(&self, mut keep: impl FnMut(&str, &Route) -> bool) -> Self {
        let mut is_kept = |name: &ByteString| self.routes.get(name).is_some_and(|route| keep(name, route));
        let lines: Vec<_> = self.lines.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        let pages = lines.len().div_ceil(self.size).max(1);
        let pages = (0..pages).map(|_| Default::default()).collect();
        Self { lines, ttl: self.ttl, size: self.size, pages, ..Self::default() }
    }

    /// Whether it is made of these very lists.
    pub(super) fn is_made_of(&self, lists: &MemberLists) -> bool {
        let is_same = |one: &Option<Arc<MemberList>>, other: &Option<Arc<MemberList>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.lists.len() == lists.len()
            && self
                .lists
                .iter()
                .zip(lists)
                .all(|(one, other)| Arc::ptr_eq(&one.0, &other.0) && is_same(&one.1, &other.1))
    }

    /// Whether clients receive the same entries.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.lines == other.lines
    }

    /// The page that `cursor` leads to; the first one without a cursor.
    ///
    /// # Errors
    /// -32602 for a cursor that this list did not give out (2026-07-28, pagination §Error Handling).
    pub(super) fn page(&self, cursor: Option<&Raw>, context: &PageContext<'_>) -> Result<Raw, Error> {
        let start = match cursor {
            None => 0,
            Some(cursor) => context.cursors.start(cursor, context.kind, &self.lines).ok_or_else(|| {
                Error::invalid_params("invalid cursor: it is none of this list; list again from the start")
            })?,
        };
        let write = || self.write(start, self.size, context);
        let ready = self.pages.get(start / self.size).filter(|_| start.is_multiple_of(self.size));
        let page = match ready {
            Some(ready) => ready[usize::from(context.is_stale)].get_or_init(write).clone(),
            None => write(),
        };
        let end = start.saturating_add(self.size);
        match self.lines.get(..end).and_then(<[_]>::last).filter(|_| end < self.lines.len()) {
            Some((last, _)) => Ok(with_cursor(&page, &context.cursors.after(context.kind, end, last)?)),
            None => Ok(page),
        }
    }

    /// The whole list on one page.
    pub(super) fn whole(&self, context: &PageContext<'_>) -> Raw {
        let ready = &self.whole[usize::from(context.is_stale)];
        ready.get_or_init(|| self.write(0, usize::MAX, context)).clone()
    }

    /// 2026-07-28, caching §Cacheable Results: the results of these methods "MUST include caching hints". What is filtered
    /// by the caller's capabilities is private, and what a member may have changed meanwhile is stale at once.
    fn write(&self, start: usize, size: usize, context: &PageContext<'_>) -> Raw {
        let end = start.saturating_add(size).min(self.lines.len());
        let lines = self.lines.get(start..end).unwrap_or_default();
        let bytes: usize = lines.iter().map(|(_, line)| line.as_str().len() + 1).sum();
        let mut out = Vec::with_capacity(bytes + context.meta.as_str().len() + 256);
        out.extend_from_slice(b"{\"resultType\":\"complete\",\"");
        out.extend_from_slice(context.kind.entries().as_bytes());
        out.extend_from_slice(b"\":[");
        for (index, (_, line)) in lines.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(line.as_str().as_bytes());
        }
        out.extend_from_slice(b"]");
        let ttl = if context.is_stale { 0 } else { self.ttl.as_millis() };
        out.extend_from_slice(format!(",\"ttlMs\":{ttl},\"cacheScope\":\"private\",\"_meta\":").as_bytes());
        out.extend_from_slice(context.meta.as_str().as_bytes());
        out.push(b'}');
        Raw::trusted(out)
    }
}

impl Route {
    fn new(member: &Arc<MemberEntry>, name: ByteString, own: ByteString, text: &Raw) -> Self {
        Self { member: member.clone(), name, own, listed: Listed::new(text.clone()) }
    }
}

/// The result `page` with a cursor, which each caller has of its own.
fn with_cursor(page: &Raw, cursor: &str) -> Raw {
    let cursor = Raw::string(cursor);
    let members = page.as_str().strip_prefix('{').unwrap_or_default();
    let mut out = Vec::with_capacity(cursor.as_str().len() + members.len() + 16);
    out.extend_from_slice(b"{\"nextCursor\":");
    out.extend_from_slice(cursor.as_str().as_bytes());
    out.push(b',');
    out.extend_from_slice(members.as_bytes());
    Raw::trusted(out)
}

fn items_of<'a>(member: &'a MemberEntry, list: Option<&'a MemberList>) -> Items<'a> {
    let entries = list.map(|list| &*list.entries).unwrap_or_default();
    let new = entries.iter().enumerate().filter(|(_, entry)| entry.held == Some(Verdict::New));
    Items {
        member: &member.core.name,
        naming: &member.naming,
        own: entries.iter().map(|entry| &*entry.key).collect(),
        new: new.map(|(number, _)| number).collect(),
    }
}
