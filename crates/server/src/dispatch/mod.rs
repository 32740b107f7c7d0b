//! Dispatch: the answer to each method.
//!
//! - `route`: which one that is. `tools`, `prompts`, `resources`, `completion`, `subscriptions`: one method each.
//! - `listing`: `resources/list`, where templates list some: `paged` page by page, and `lines`, how each is listed.

mod completion;
mod lines;
mod listing;
mod paged;
mod prompts;
mod resources;
mod route;
mod subscriptions;
mod tools;

pub(crate) use route::answer;
pub(crate) use tools::words as argument_words;
