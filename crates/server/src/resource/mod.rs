//! Resources and templates of resources: what can be read.
//!
//! - `definition`: [`Resource`] and [`Template`] as they are written. `contents`, `lister`: what their functions return.
//! - `entry`: both as the server reads them. `template`: URI templates, read backwards; `typed`: their variables' types.

mod contents;
mod definition;
mod entry;
pub mod fuzzing;
mod lister;
mod template;
mod typed;

pub use contents::{Contents, IntoContents};
pub use definition::{Resource, ResourceHandler, Template, TemplateHandler};
pub(crate) use entry::{ResourceEntry, TemplateEntry};
pub(crate) use lister::Lister;
pub use lister::{IntoResourcePage, IntoResources, PageQuery, ResourcePage};
pub(crate) use typed::{complete_choices, unknown};
