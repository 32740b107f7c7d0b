use crate::path::DocumentPath;

/// The differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Documents that there were not before.
    pub added: Vec<DocumentPath>,
    /// Documents that say something else than before.
    pub changed: Vec<DocumentPath>,
    /// Documents that there are no longer.
    pub removed: Vec<DocumentPath>,
}
