//! What a search found.

use std::collections::HashMap;

use crate::path::DocumentPath;

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Hits {
    /// How many documents were found, those beyond the limit included.
    pub total: usize,
    /// Whether some were found only by words that are spelled similarly.
    pub approximate: bool,
    /// The best of them, the best first.
    pub hits: Vec<Hit>,
    /// The words that they were found by, for [`snippet`](crate::snippet()).
    pub words: Words,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Its path.
    pub path: DocumentPath,
    /// How well it fits. Compares hits of one search; falls from one to the next.
    pub score: f32,
}

/// The words that a search was about, in the forms in which texts have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// Word to unit and weight, as it stands.
    pub(crate) exact: HashMap<String, (u8, f32)>,
    /// The same by stem.
    pub(crate) stems: HashMap<String, (u8, f32)>,
}
