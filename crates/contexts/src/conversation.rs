//! What is kept of a conversation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A conversation, as one version of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Conversation {
    /// Its id, unique among those of its owner.
    pub session_id: String,
    /// What it is part of, for those who have several sessions of one conversation.
    pub conversation_id: String,
    /// The user whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The agent that began it.
    pub agent_id: String,
    /// When this version was made (RFC 3339).
    pub timestamp: String,
    /// What is known, by names.
    pub variables: Map<String, Value>,
    /// What happened, the oldest first: as many entries as there is room for.
    pub history: Vec<Map<String, Value>>,
    /// What its agents can do.
    pub capabilities: Vec<String>,
    /// What its user likes.
    pub preferences: Map<String, Value>,
    /// The number of this version: 1, 2, 3 and so on.
    pub version: u64,
    /// Who began it.
    pub owner: String,
    /// Whom it is shared with.
    pub grants: Vec<Grant>,
    /// The number of older entries that fell off `history` to make room.
    pub history_start: u64,
    /// The ids of the last changes, so that one whose outcome was unknown is not made twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub(crate) updates: Vec<String>,
}

/// That somebody may see a conversation, or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Who, by the id of a principal as logs have it: `name:ci`.
    pub to: String,
    /// What.
    pub may: May,
}

/// What somebody may do with a conversation. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum May {
    /// Read it.
    Read,
    /// Change it.
    Write,
    /// Share it with others.
    Share,
}

impl Conversation {
    /// What `principal` may do; `None`: it does not exist for them.
    pub fn may(&self, principal: &str) -> Option<May> {
        if self.owner == principal {
            return Some(May::Share);
        }
        self.grants.iter().find(|grant| grant.to == principal).map(|grant| grant.may)
    }

    /// As callers see it.
    pub(crate) fn shown(mut self) -> Self {
        self.updates.clear();
        self
    }

    /// The bytes of its JSON.
    pub(crate) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}
