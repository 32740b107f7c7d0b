//! Finds conversations and changes them, in a store.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};
use anyport_store::{Bucket, Change, Collection, Error, Keep, Key, Record, Sealer, Store};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::sleep;

use crate::{
    Conversation, May,
    change::{self, Refused},
    limits::ContextLimits,
    listing::{Kind, Listings, folder},
    name::Name,
};

/// The conversations: the last 32 versions of each.
pub static CONTEXTS: Bucket = Bucket::new("context").keep(Keep::Newest(32)).max_bytes(1 << 30).sealed();

/// The conversations of a store. Clones are the same.
#[derive(Clone)]
pub struct Contexts(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    records: Collection<Conversation>,
    listings: Listings,
    limits: ContextLimits,
    counters: Counters,
}

struct Counters {
    bytes: Counter,
    history: Counter,
    entry: Counter,
    many: Counter,
}

/// Why a conversation cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ContextsError {
    /// What the caller asks for is wrong.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is no name of a conversation.
    #[error(
        "{0:?} is no id of a conversation: 1 to 128 of A-Z a-z 0-9 . _ : -, and OWNER/ID for one of somebody else"
    )]
    NoName(String),
    /// It is not there, or not for the caller.
    #[error("there is no conversation {0:?}")]
    NotThere(String),
    /// It has no such version any more, or not yet.
    #[error("the conversation has no version {0} any more: the newest is {1}")]
    NoVersion(u64, u64),
    /// Several of that id are shared with the caller.
    #[error("several conversations of that id are shared with you: name one of {}", .0.join(", "))]
    Several(Vec<String>),
    /// The caller may see it, and not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It has another version than the caller expects.
    #[error("the conversation has version {}, not the one that was expected: apply the change to it", .0.version)]
    Conflict(Box<Conversation>),
    /// A principal has as many as it may.
    #[error(
        "there are {0} conversations already (max_contexts): they end after a time of disuse (context_idle)"
    )]
    TooMany(usize),
    /// The store fails.
    #[error("conversations cannot be read or written now: {0}")]
    Store(#[from] Error),
}

/// What a conversation begins with.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// See [`Conversation::conversation_id`]. The id, unless it is said.
    pub conversation_id: Option<String>,
    /// See [`Conversation::user_id`].
    pub user_id: Option<String>,
    /// See [`Conversation::agent_id`].
    pub agent_id: Option<String>,
}

const FORMAT: u8 = 1;
/// How often a change is tried that says nothing of the version, since others change the same conversation.
const TRIES: u32 = 32;
/// The longest pause after the first conflict; it doubles with each, five times.
const PAUSE: Duration = Duration::from_millis(1);

impl Contexts {
    /// The conversations of `store`, which was opened with [`CONTEXTS`] and [`LISTINGS`](crate::LISTINGS). `sealer` encrypts them.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Arc<dyn Sealer>,
        limits: ContextLimits,
        metrics: &Metrics,
    ) -> Self {
        Self(Arc::new(Shared {
            records: Collection::new(store.clone(), &CONTEXTS, FORMAT).sealer(sealer.clone()),
            listings: Listings::new(store.clone(), sealer),
            store,
            limits,
            counters: Counters {
                bytes: metrics.refusals("context_bytes"),
                history: metrics.refusals("context_history"),
                entry: metrics.refusals("context_entry"),
                many: metrics.refusals("max_contexts"),
            },
        }))
    }

    /// Reads a conversation: its newest version, or another one.
    ///
    /// # Errors
    /// If it is not there for `principal`, or has no such version.
    pub async fn get(
        &self,
        principal: &str,
        name: &str,
        version: Option<u64>,
    ) -> Result<Conversation, ContextsError> {
        let (id, found) = self.0.find(principal, name).await?;
        let newest = found.ok_or_else(|| ContextsError::NotThere(name.to_owned()))?.value;
        let Some(version) = version.filter(|version| *version != newest.version) else { return Ok(newest) };
        let versions = self.0.records.versions(&id).await?;
        // Who may read it now may read what it was.
        let asked = versions.into_iter().find(|one| one.value.version == version);
        asked.map(|one| one.value).ok_or(ContextsError::NoVersion(version, newest.version))
    }

    /// Changes variables, preferences and capabilities by a JSON Merge Patch (RFC 7396), and begins a conversation that is not there. With
    /// `expected` it must have that version, 0 if it must not be there.
    ///
    /// # Errors
    /// [`ContextsError::Conflict`] with the current version; else as the patch or the limits have it.
    pub async fn update(
        &self,
        principal: &str,
        name: &str,
        expected: Option<u64>,
        patch: &Map<String, Value>,
        beginning: Beginning,
    ) -> Result<Conversation, ContextsError> {
        let apply = |conversation: &mut Conversation| change::patch(conversation, patch);
        self.0.change(principal, name, May::Write, expected, Some(beginning), apply).await
    }

    /// Appends to the history. It never conflicts.
    ///
    /// # Errors
    /// As the entries or the limits have it.
    pub async fn append(
        &self,
        principal: &str,
        name: &str,
        entries: Vec<Map<String, Value>>,
        beginning: Beginning,
    ) -> Result<Conversation, ContextsError> {
        let limits = self.0.limits;
        let apply = |conversation: &mut Conversation| change::append(conversation, entries.clone(), &limits);
        self.0.change(principal, name, May::Write, None, Some(beginning), apply).await
    }

    /// Shares a conversation with another principal; `None`: no more.
    ///
    /// # Errors
    /// If the caller may not share it, or the other has as many as it may.
    pub async fn share(
        &self,
        principal: &str,
        name: &str,
        to: &str,
        may: Option<May>,
    ) -> Result<Conversation, ContextsError> {
        let before = self.get(principal, name, None).await?;
        if before.may(principal) != Some(May::Share) {
            return Err(ContextsError::Forbidden(
                "only who began a conversation, or may share it, shares it",
            ));
        }
        let full = format!("{}/{}", before.owner, before.session_id);
        if may.is_some() && to != before.owner {
            // First, so that what is shared is in the list, whatever happens between.
            self.0.list(to, Kind::Shared, &full).await?;
        }
        let apply = |conversation: &mut Conversation| change::share(conversation, to, may);
        let after = self.0.change(principal, &full, May::Share, None, None, apply).await?;
        if may.is_none() {
            self.0.listings.remove(to, Kind::Shared, &[full]).await?;
        }
        Ok(after)
    }

    /// One page of the conversations that a principal has and that are shared with it, those it has first, and the name after which the next
    /// page begins.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(
        &self,
        principal: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, Option<String>), ContextsError> {
        let own = self.0.listings.names(principal, Kind::Own).await?;
        let shared = self.0.listings.names(principal, Kind::Shared).await?;
        // An id has no `/`.
        let is_past_own = after.is_some_and(|after| after.contains('/'));
        let own = own.into_iter().filter(|id| !is_past_own && after.is_none_or(|after| id.as_str() > after));
        let shared =
            shared.into_iter().filter(|name| !is_past_own || after.is_none_or(|after| name.as_str() > after));
        let (mut page, mut last) = (Vec::new(), None);
        for name in own.chain(shared) {
            if page.len() == limit {
                return Ok((page, last));
            }
            let own_name = if name.contains('/') { name.clone() } else { format!("{principal}/{name}") };
            match self.get(principal, &own_name, None).await {
                Ok(conversation) => page.push(conversation),
                // It has ended.
                Err(ContextsError::NotThere(_)) => {}
                Err(error) => return Err(error),
            }
            last = Some(name);
        }
        Ok((page, None))
    }

    /// Tells `changed` of each conversation that any process changes, until the process ends.
    pub async fn watch(&self, mut changed: impl FnMut(&Conversation) + Send) {
        let mut watch = self.0.store.watch(&Key::all(&CONTEXTS));
        let mut is_current = false;
        while let Some(change) = watch.next().await {
            match change {
                Change::Current => is_current = true,
                Change::Reset => is_current = false,
                Change::Put(key, _) if is_current => {
                    // The newest, which a slow reader has to see once only.
                    if let Ok(Some(record)) = self.0.records.get(&key.id).await {
                        changed(&record.value);
                    }
                }
                Change::Put(..) | Change::Deleted(..) => {}
            }
        }
    }
}

type Found = (String, Option<Record<Conversation>>);

impl Shared {
    /// The conversation that a principal calls `name`, and the id of its record. It has none where it is not there for the principal.
    async fn find(&self, principal: &str, name: &str) -> Result<Found, ContextsError> {
        let Name { owner, id } = Name::parse(name).ok_or_else(|| ContextsError::NoName(name.to_owned()))?;
        let own = record_id(owner.unwrap_or(principal), id);
        let found = self.visible(principal, &own).await?;
        if found.is_some() || owner.is_some() {
            return Ok((own, found));
        }
        let shared = self.listings.names(principal, Kind::Shared).await?;
        let mut all = Vec::new();
        for shared in shared {
            let Some(Name { owner: Some(owner), id: of }) = Name::parse(&shared) else { continue };
            if of != id {
                continue;
            }
            let id = record_id(owner, id);
            if let Some(record) = self.visible(principal, &id).await? {
                all.push((shared.clone(), id, record));
            }
        }
        match (all.pop(), all.is_empty()) {
            (None, _) => Ok((own, None)),
            (Some((_, id, record)), true) => Ok((id, Some(record))),
            (Some((last, ..)), false) => {
                let others = all.into_iter().map(|(name, ..)| name);
                Err(ContextsError::Several(others.chain([last]).collect()))
            }
        }
    }

    async fn visible(&self, principal: &str, id: &str) -> Result<Option<Record<Conversation>>, Error> {
        let record = self.records.get(id).await?;
        Ok(record.filter(|record| record.value.may(principal).is_some()))
    }

    async fn change(
        &self,
        principal: &str,
        name: &str,
        needs: May,
        expected: Option<u64>,
        beginning: Option<Beginning>,
        apply: impl Fn(&mut Conversation) -> Result<(), Refused>,
    ) -> Result<Conversation, ContextsError> {
        let update = format!("{:016x}", fastrand::u64(..));
        let mut tries = 0;
        loop {
            tries += 1;
            let (id, found) = self.find(principal, name).await?;
            let (before, mut conversation) = match found {
                Some(Record { version, value }) => (Some(version), value),
                None => (None, self.begun(principal, name, expected, beginning.as_ref()).await?),
            };
            if conversation.may(principal).is_none_or(|may| may < needs) {
                return Err(ContextsError::Forbidden("you may read this conversation, and not do this"));
            }
            if expected.is_some_and(|expected| expected != conversation.version) {
                return Err(ContextsError::Conflict(Box::new(conversation.shown())));
            }
            let applied = apply(&mut conversation);
            let finished = applied.and_then(|()| {
                let (now, start) = (Timestamp::now().to_string(), conversation.history_start);
                change::finish(&mut conversation, &update, now, &self.limits)?;
                (conversation.history_start > start).then(|| self.counters.history.increment());
                Ok(())
            });
            finished.inspect_err(|refused| self.count(refused))?;
            let ttl = Some(self.limits.idle);
            let written = match before {
                Some(version) => self.records.replace(&id, version, &conversation, ttl).await,
                None => self.records.insert(&id, &conversation, ttl).await,
            };
            match written {
                Ok(_) => return Ok(conversation),
                // Others were faster: who expects a version is told so by the next look.
                Err(Error::Conflict(_)) if tries < TRIES => {
                    let most = PAUSE.saturating_mul(1 << tries.min(5)).as_micros();
                    sleep(Duration::from_micros(fastrand::u64(..u64::try_from(most).unwrap_or(1)))).await;
                }
                // It may have been written.
                Err(Error::Unknown) => match self.records.get(&id).await? {
                    Some(record) if record.value.updates.contains(&update) => return Ok(record.value),
                    _ => return Err(Error::Unknown.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A conversation that is not there yet.
    async fn begun(
        &self,
        principal: &str,
        name: &str,
        expected: Option<u64>,
        beginning: Option<&Beginning>,
    ) -> Result<Conversation, ContextsError> {
        let not_there = || ContextsError::NotThere(name.to_owned());
        let Name { owner, id } = Name::parse(name).ok_or_else(|| ContextsError::NoName(name.to_owned()))?;
        let beginning =
            beginning.filter(|_| expected.is_none_or(|expected| expected == 0)).ok_or_else(not_there)?;
        if owner.is_some_and(|owner| owner != principal) {
            return Err(not_there());
        }
        // First, so that every conversation is in the list of its owner.
        self.list(principal, Kind::Own, id).await?;
        let Beginning { conversation_id, user_id, agent_id } = beginning.clone();
        Ok(Conversation {
            session_id: id.to_owned(),
            conversation_id: conversation_id.unwrap_or_else(|| id.to_owned()),
            user_id,
            agent_id: agent_id.unwrap_or_else(|| principal.to_owned()),
            owner: principal.to_owned(),
            ..Conversation::default()
        })
    }

    /// Adds a name to a principal's list, if there is room.
    async fn list(&self, principal: &str, kind: Kind, name: &str) -> Result<(), ContextsError> {
        let names = self.listings.names(principal, kind).await?;
        if names.contains(name) {
            return Ok(());
        }
        if names.len() >= self.limits.per_principal {
            let gone = match self.listings.look_through(principal, kind, self.store.now()).await? {
                true => self.gone(principal, names).await?,
                false => Vec::new(),
            };
            if gone.is_empty() {
                self.counters.many.increment();
                return Err(ContextsError::TooMany(self.limits.per_principal));
            }
            self.listings.remove(principal, kind, &gone).await?;
        }
        Ok(self.listings.add(principal, kind, name).await?)
    }

    /// Those of `names` that have ended.
    async fn gone(&self, principal: &str, names: BTreeSet<String>) -> Result<Vec<String>, Error> {
        let mut gone = Vec::new();
        for text in names {
            let is_there = match Name::parse(&text) {
                Some(Name { owner, id }) => {
                    self.visible(principal, &record_id(owner.unwrap_or(principal), id)).await?.is_some()
                }
                None => false,
            };
            if !is_there {
                gone.push(text);
            }
        }
        Ok(gone)
    }

    fn count(&self, refused: &Refused) {
        match refused {
            Refused::TooLarge { .. } => self.counters.bytes.increment(),
            Refused::EntryTooLarge { .. } => self.counters.entry.increment(),
            Refused::Invalid { .. } => {}
        }
    }
}

fn record_id(owner: &str, id: &str) -> String {
    format!("{}/{id}", folder(owner))
}

impl fmt::Debug for Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contexts").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
