//! How a program that serves is: for load balancers, operators and models.
//!
//! - [`dependency`]: what the program needs: servers, documents, its store.
//! - [`report`]: all of it, as `/health` and the tool `health_check` show it.
//! - [`reporter`]: looks at all of it, and knows who may see it.
//! - [`tool`]: the tool.

mod dependency;
mod report;
mod reporter;
mod tool;

pub(crate) use self::{
    dependency::{Dependency, HealthLimits, Looking, of_documents, of_store, of_upstream},
    report::Bounds,
    reporter::{HealthReporter, Operators},
    tool::{TOOL, tool_server},
};
