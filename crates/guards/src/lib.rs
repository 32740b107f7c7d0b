//! Guards on what tools, prompts and resources are called with, and on what they answer.
//!
//! A [`Guard`] is a list of checks of one place: an argument, the URI of a resource, or a result. [`Guards`] are all of a gateway. A
//! [`Mask`] covers secrets and personal data in results and logs, and [`inspect`] finds hidden instructions in definitions.
//!
//! # Layout
//!
//! | file | what |
//! |---|---|
//! | `guards.rs`, `guard.rs` | which guards apply to a call, and how they check it |
//! | `place.rs` | the values of an argument; `text.rs`: how texts are replaced in JSON |
//! | `url.rs`, `path.rs`, `sql/`, `html.rs`, `size.rs`, `whole_match.rs` | one check each |
//! | `result.rs` | results |
//! | `lookup.rs` | what a check must look up outside: addresses of a host, links of a file system |
//! | `mask/` | secrets and personal data: how they are found, and covered |
//! | `definitions/` | invisible characters and hidden instructions |
//! | `pattern.rs` | patterns of names |
//!
//! This crate does no I/O: what must be looked up comes by [`Lookup`].

mod definitions;
mod guard;
mod guards;
mod html;
mod limits;
mod lookup;
mod mask;
mod path;
mod pattern;
mod place;
mod refusal;
mod result;
mod size;
mod sql;
mod text;
mod url;
mod whole_match;

pub use definitions::{Finding, inspect, stripped};
pub use guard::{Check, Guard, ItemKind, Items, Mode};
pub use guards::{CheckedCall, GuardedItem, Guards};
pub use html::HtmlChange;
pub use limits::GuardLimits;
pub use lookup::{Lookup, LookupFuture};
pub use mask::{DataKind, Mask, PatternFault, SecretNames};
pub use path::{PathCheck, RootFault};
pub use pattern::Pattern;
pub use place::{Place, PlaceFault};
pub use refusal::Refusal;
pub use size::SizeCheck;
pub use sql::{Dialect, LiteralCheck, StatementCheck, UnknownDialect};
pub use url::{Resolve, UrlCheck};
pub use whole_match::{PatternError, WholeMatch};
