//! What may be changed of a conversation.

use serde_json::{Map, Value};

use crate::{Conversation, Grant, May, limits::ContextLimits};

/// The changes of which ids are kept.
const UPDATES: usize = 32;

/// Why a change is refused. Nothing of it is applied then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A member of the change is wrong.
    #[error("{field}: {why}")]
    Invalid {
        /// Which.
        field: String,
        /// Why.
        why: String,
    },
    /// An entry of the history is too large.
    #[error("entries[{number}] has {bytes} bytes, more than {limit} (context_entry)")]
    EntryTooLarge {
        /// Its place, from 0.
        number: usize,
        /// Its bytes as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The conversation would be larger than a limit allows.
    #[error("the conversation would have {bytes} bytes, more than {limit} (context_bytes)")]
    TooLarge {
        /// As it would be, without history.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Applies a JSON Merge Patch to `variables`, `preferences` and `capabilities`. Other members are refused: ids do not change, and history is
/// only appended to.
///
/// # Errors
/// When the patch is not one of these members, or leaves them in another form.
pub fn patch(conversation: &mut Conversation, patch: &Map<String, Value>) -> Result<(), Refused> {
    for (name, change) in patch {
        let wrong = |why: &str| Refused::Invalid { field: format!("patch.{name}"), why: why.to_owned() };
        match name.as_str() {
            "variables" => patch_object(&mut conversation.variables, change)
                .ok_or_else(|| wrong("it is an object, or null"))?,
            "preferences" => {
                patch_object(&mut conversation.preferences, change)
                    .ok_or_else(|| wrong("it is an object, or null"))?;
            }
            "capabilities" => {
                let texts = match change {
                    Value::Null => Some(Vec::new()),
                    Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
                    _ => None,
                };
                conversation.capabilities = texts.ok_or_else(|| wrong("it is a list of texts, or null"))?;
            }
            "history" => return Err(wrong("history is only appended to: use context_append")),
            _ => return Err(wrong("only variables, preferences and capabilities can be changed")),
        }
    }
    Ok(())
}

fn patch_object(target: &mut Map<String, Value>, change: &Value) -> Option<()> {
    match change {
        Value::Null => target.clear(),
        Value::Object(change) => merge(target, change),
        _ => return None,
    }
    Some(())
}

/// RFC 7396 §2: a member that is `null` is removed, an object is merged, everything else takes the place of what was there.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, change) in patch {
        match change {
            Value::Null => _ = target.remove(name),
            Value::Object(change) => {
                let inside = target.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !inside.is_object() {
                    *inside = Value::Object(Map::new());
                }
                if let Value::Object(inside) = inside {
                    merge(inside, change);
                }
            }
            change => _ = target.insert(name.clone(), change.clone()),
        }
    }
}

/// Appends to the history.
///
/// # Errors
/// When there is no entry, or one is larger than `context_entry`.
pub fn append(
    conversation: &mut Conversation,
    entries: Vec<Map<String, Value>>,
    limits: &ContextLimits,
) -> Result<(), Refused> {
    if entries.is_empty() {
        return Err(Refused::Invalid { field: "entries".to_owned(), why: "there is none".to_owned() });
    }
    for (number, entry) in entries.iter().enumerate() {
        let bytes = serde_json::to_vec(entry).map_or(usize::MAX, |json| json.len());
        if bytes > limits.entry {
            return Err(Refused::EntryTooLarge { number, bytes, limit: limits.entry });
        }
    }
    conversation.history.extend(entries);
    Ok(())
}

/// Shares with `to`, or no more.
///
/// # Errors
/// When it is shared with its owner.
pub fn share(conversation: &mut Conversation, to: &str, may: Option<May>) -> Result<(), Refused> {
    if conversation.owner == to || to.is_empty() {
        return Err(Refused::Invalid {
            field: "to".to_owned(),
            why: "it is somebody else than the owner, by the id of a principal: name:ci".to_owned(),
        });
    }
    conversation.grants.retain(|grant| grant.to != to);
    conversation.grants.extend(may.map(|may| Grant { to: to.to_owned(), may }));
    Ok(())
}

/// Makes room by dropping the oldest entries of the history, and makes the next version of it.
///
/// # Errors
/// When there is no room even without history.
pub fn finish(
    conversation: &mut Conversation,
    update: &str,
    timestamp: String,
    limits: &ContextLimits,
) -> Result<(), Refused> {
    conversation.version += 1;
    conversation.timestamp = timestamp;
    conversation.updates.push(update.to_owned());
    let oldest = conversation.updates.len().saturating_sub(UPDATES);
    conversation.updates.drain(..oldest);
    drop_oldest(conversation, conversation.history.len().saturating_sub(limits.history));
    loop {
        let bytes = conversation.bytes();
        if bytes <= limits.bytes {
            return Ok(());
        }
        match oldest_of(conversation, bytes - limits.bytes) {
            0 => return Err(Refused::TooLarge { bytes, limit: limits.bytes }),
            // Their number grows by it, which may take a byte more.
            oldest => drop_oldest(conversation, oldest),
        }
    }
}

/// How many of the oldest entries have so many bytes; all, if they have less.
fn oldest_of(conversation: &Conversation, bytes: usize) -> usize {
    let mut sum = 0;
    let entries = conversation.history.iter().take_while(|entry| {
        let is_needed = sum < bytes;
        // With the comma after it.
        sum += serde_json::to_vec(entry).map_or(0, |json| json.len() + 1);
        is_needed
    });
    entries.count()
}

fn drop_oldest(conversation: &mut Conversation, number: usize) {
    conversation.history.drain(..number);
    conversation.history_start += number as u64;
}

#[cfg(test)]
mod tests;
