//! JSON as text: scanned once, then passed on as it came.
//!
//! [`scan`] checks a whole message in one pass; [`Raw`] is a value that has passed; [`Members`] finds what is
//! inside without building anything.

mod canonical;
mod rare_word;
mod raw;
mod scan;
pub mod string;
mod walk;

pub use canonical::canonical;
pub use rare_word::RareWord;
pub use raw::{Raw, Splice};
pub use scan::{Limits, ScanError, ScanErrorKind, scan};
pub(crate) use scan::{Part, Span, Spans, scan_message};
pub use walk::{Elements, Member, Members};
