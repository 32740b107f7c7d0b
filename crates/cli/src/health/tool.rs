//! The tool `health_check`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use anyport_protocol::types::ToolAnnotations;
use anyport_server::{Context, Json, NoArguments, PermissionDenied, Server, Tool};

use super::{report::Report, reporter::HealthReporter};

/// The name of the tool.
pub(crate) const TOOL: &str = "health_check";

/// A server whose only tool tells how the program is, as `/health` does for operators.
///
/// # Errors
/// Never, as long as the schema of a report is valid.
pub(crate) fn tool_server(reporter: Arc<HealthReporter>) -> Result<Server> {
    let check = Tool::new(TOOL)
        .title("Check the gateway's health")
        .description(
            "Tell how the gateway is: the machine's load, what is in use, and the servers that it needs.",
        )
        .annotations(ToolAnnotations {
            read_only_hint: Some(true),
            open_world_hint: Some(false),
            ..ToolAnnotations::default()
        })
        .uncached()
        .run(move |_: NoArguments, context: Context| {
            let reporter = reporter.clone();
            async move { answer(&reporter, &context).await }
        });
    Server::builder("health", env!("CARGO_PKG_VERSION"))
        .tool(check)
        .build()
        .context("the tool cannot be served")
}

async fn answer(reporter: &HealthReporter, context: &Context) -> Result<Json<Report>, PermissionDenied> {
    match reporter.operators.admit(context.authorization()) {
        true => Ok(Json(reporter.report().await)),
        false => Err(PermissionDenied::new("the health of this gateway is for its operators")),
    }
}
