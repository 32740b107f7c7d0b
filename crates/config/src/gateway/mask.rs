//! `[mask]`: secrets and personal data that are covered.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The data that is covered in results and logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskConfig {
    /// The kinds of data. Default: all.
    pub data: Vec<MaskData>,
    /// Further data, by its name: a pattern in the syntax of Rust's regex.
    pub patterns: IndexMap<String, String>,
    /// The names of tools and prompts and the URIs of resources whose results are covered, as the gateway writes them; `*` stands for any
    /// letters. Default: all.
    pub include: Vec<String>,
    /// The names and URIs whose results stay as they are, likewise.
    pub exclude: Vec<String>,
    /// Whether the log is covered, too. Default: true.
    pub logs: bool,
}

impl Default for MaskConfig {
    fn default() -> Self {
        Self {
            data: MaskData::ALL.to_vec(),
            patterns: IndexMap::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            logs: true,
        }
    }
}

/// A kind of data that is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskData {
    /// Keys, tokens and passwords.
    Secrets,
    /// E-mail addresses.
    Email,
    /// Numbers of payment cards.
    CreditCard,
    /// International bank account numbers.
    Iban,
    /// Telephone numbers.
    Phone,
    /// Social security numbers of the United States.
    UsSsn,
}

impl MaskData {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Secrets, Self::Email, Self::CreditCard, Self::Iban, Self::Phone, Self::UsSsn];
}
