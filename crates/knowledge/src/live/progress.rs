/// How far reading and indexing are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many files were found that may be documents.
    pub documents: usize,
    /// How many of them have been read.
    pub read: usize,
    /// How many documents can be found by searching.
    pub indexed: usize,
    /// Whether there are files yet to be read.
    pub reading: bool,
    /// Whether there are documents yet to be indexed.
    pub indexing: bool,
}
