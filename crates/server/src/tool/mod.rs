//! Tools: functions that a model can call.
//!
//! - `definition`: [`Tool`] as it is written. `result`: what its function returns.
//! - `entry`: a tool as the server calls it. `coerce`, `output`, `timeout`: what its calls go through.
//! - `cacheable`: whether its results may be cached.

mod cacheable;
mod coerce;
mod definition;
mod entry;
mod header_secrets;
mod output;
mod result;
mod timeout;

pub use definition::{NoArguments, Tool, ToolHandler};
pub(crate) use entry::{Entry, is_tool_name};
pub(crate) use output::Output;
pub use result::{IntoToolResult, Json, ToolResult};
pub(crate) use timeout::Timeout;
