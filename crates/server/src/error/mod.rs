//! Errors of handlers, and their form for models and programs.
//!
//! Any error that can be displayed will do; the caller then gets its message alone. The types here say more:
//! what kind of failure it was, so that a program can act on it as well.
//!
//! | type | [`ErrorKind`] | of a tool | of a resource | of a prompt |
//! |---|---|---|---|---|
//! | anything that is `Display` | | `isError` | -32603 | -32603 |
//! | [`ToolError`] (from any error, with `?`) | that of its causes, else `tool_execution` | `isError` | as its kind | as its kind |
//! | [`NotFound`] | `not_found` | `isError` | no such resource | -32602 |
//! | [`InvalidParams`] | `validation` | `isError` | -32602 | -32602 |
//! | [`PermissionDenied`] | `permission_denied` | `isError` | -32603, `forbidden` | -32603, `forbidden` |
//! | [`RateLimited`] | `rate_limited` | `isError` | 42900, `rate_limited` | 42900, `rate_limited` |
//! | [`ContextError`], [`StateError`] | `context`, `state` | `isError` | -32603 | -32603 |
//! | [`InternalError`] | `internal` | -32603 | -32603 | -32603 |
//! | [`Failure`](crate::Failure) | | its own code | its own code | its own code |
//!
//! "No such resource" is -32602 with `data.uri` since 2026-07-28, and -32002 before; transports translate.
//!
//! A result with `isError` has the error's text. A kind other than plain execution is in its `_meta` under
//! [`key::ERROR`](anyport_protocol::meta::key::ERROR), as `{"reason": "rate_limited", "retryAfterMs": 30000}`; faults
//! of arguments are under [`key::FAULTS`](anyport_protocol::meta::key::FAULTS), as a list of [`Fault`]s. Arguments that
//! do not fit the schema, and so never reach the handler, have `{"reason": "validation", "by": "schema"}`. Protocol
//! errors have the same in `data`, as `reason`, `retryAfterMs` and `faults`.
//!
//! ```
//! use anyport_server::{Context, NotFound, Resource, Tool, ToolError};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Id {
//!     id: u32,
//! }
//!
//! fn find(id: u32) -> Result<String, NotFound> {
//!     Err(NotFound::new(format!("note {id}")))
//! }
//!
//! // A tool tells the model: "not found: note 7".
//! let tool = Tool::new("note").run(async |Id { id }: Id, _: Context| find(id));
//! // A resource answers that there is none at its URI.
//! let resource = Resource::new("notes:///7").read(async |_: Context| find(7));
//! // Any error converts with `?`, and keeps its kind.
//! let both = Tool::new("both").run(async |Id { id }: Id, _: Context| -> Result<String, ToolError> {
//!     let port: u16 = "not a port".parse()?;
//!     Ok(format!("{} {port}", find(id)?))
//! });
//! # let _ = (tool, resource, both);
//! ```

mod build;
mod fault;
mod kinds;
mod recognize;
mod report;
mod tool_error;

pub use anyport_protocol::jsonrpc::ErrorKind;
pub use build::BuildError;
pub(crate) use fault::cut;
pub use fault::{Fault, InvalidParams};
pub use kinds::{ContextError, InternalError, NotFound, PermissionDenied, RateLimited, StateError};
pub(crate) use report::{ErrorReport, millis};
pub use tool_error::ToolError;
