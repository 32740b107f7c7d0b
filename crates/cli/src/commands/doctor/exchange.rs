//! Whether the server lists what it has, and answers a call.

use std::time::Instant;

use anyhow::Result;
use anyport_client::Error as ClientError;
use anyport_protocol::{jsonrpc::code, types::Tool};
use anyport_transport::client::Connection;
use serde_json::{Map, Value, json};

use super::report::Report;
use crate::{
    client_session::{self, ClientSession, errors, waiting::Waiting},
    commands::{
        inspect::{self, Offer},
        tools::find,
    },
    render::safe,
    target::Target,
    tool_args::{self, Fit},
    user_error::UserError,
};

/// Lists all there is, and makes a call: `call`, or one that does no harm.
pub(super) async fn exchange(
    report: &mut Report,
    connection: &Connection,
    target: &Target,
    options: &client_session::Options,
    started: Instant,
    waiting: Waiting,
    call: Option<(&str, &[String])>,
) -> Result<()> {
    report.begin();
    let session = match client_session::over(connection, target, options, started, waiting).await? {
        Ok(session) => session,
        Err(error) => return failed(report, "list", &error, target, options),
    };
    let offer = match Offer::of(&session.client).await {
        Ok(offer) => offer,
        Err(error) => return failed(report, "list", &error, target, options),
    };
    match inspect::findings(&offer).len() {
        0 => report.ok("list", offer.counts())?,
        warnings => {
            let help = format!("`anyport inspect` tells of {warnings} that may break clients");
            report.doubtful("list", offer.counts(), help)?;
        }
    }
    let (name, given) = match call {
        Some((name, words)) => {
            let tool = find(&offer.tools, name)?;
            (name, arguments_of(tool, words)?)
        }
        None => match harmless(&offer.tools) {
            Some(tool) => (tool.name.as_str(), Map::new()),
            None if offer.tools.is_empty() => return report.skipped("call", "it has no tools"),
            None => return refuses(report, &session, target, options).await,
        },
    };
    session.bar.waiting.begin(format!("calling {name}"));
    let bar = session.bar.clone();
    let result = session.client.call(name, given).progress(move |step| bar.show(&step)).await;
    session.bar.clear();
    match result {
        Err(error) => failed(report, "call", &error, target, options),
        Ok(result) if result.is_error() => {
            let words: String = result.text().chars().take(SHOWN).collect();
            let detail = format!("{name} answers that it failed: {words}");
            match call {
                Some(_) => report.tool_failed(detail),
                None => report.doubtful(
                    "call",
                    detail,
                    "the server answers; `anyport call` shows the whole answer",
                ),
            }
        }
        Ok(_) => report.ok("call", format!("{name} answers")),
    }
}

/// How much of what a tool says is shown.
const SHOWN: usize = 300;

/// A read-only tool without required arguments.
fn harmless(tools: &[Tool]) -> Option<&Tool> {
    let reads = |tool: &&Tool| {
        tool.annotations.as_ref().is_some_and(|annotations| annotations.read_only_hint == Some(true))
    };
    let wants_nothing = |tool: &&Tool| {
        let required = tool.input_schema.get("required").and_then(Value::as_array);
        required.is_none_or(Vec::is_empty)
    };
    tools.iter().filter(reads).find(wants_nothing)
}

/// A name that no tool has.
const NOBODY: &str = "anyport-doctor-no-such-tool";

/// Without a tool that is known to do no harm, one is called that does not exist.
async fn refuses(
    report: &mut Report,
    session: &ClientSession,
    target: &Target,
    options: &client_session::Options,
) -> Result<()> {
    let params = json!({"name": NOBODY, "arguments": {}});
    match session.client.request("tools/call", params).await {
        Err(ClientError::Refused { error, .. })
            if error.code != code::METHOD_NOT_FOUND && !errors::is_access_denied(&error) =>
        {
            report.ok("call", "a tool that does not exist is refused, as it should be")
        }
        // Servers of older revisions say it in the result.
        Ok(raw) if raw.member("isError").is_some_and(|is| is.as_str() == "true") => {
            report.ok("call", "a tool that does not exist is refused, as it should be")
        }
        Ok(_) => {
            let help = "whoever made the server must refuse unknown tools with -32602";
            report.doubtful("call", "a tool that does not exist is answered as if it did", help)
        }
        Err(error) => failed(report, "call", &error, target, options),
    }
}

/// Notes that the way ends here.
fn failed(
    report: &mut Report,
    step: &'static str,
    error: &ClientError,
    target: &Target,
    options: &client_session::Options,
) -> Result<()> {
    let user_error = errors::with_credential(errors::user_error(error), target, &options.server);
    report.failed(step, user_error.problem, user_error.help)?;
    report.ends_with(user_error.exit);
    Ok(())
}

fn arguments_of(tool: &Tool, words: &[String]) -> Result<Map<String, Value>> {
    let stdin = || std::io::read_to_string(std::io::stdin());
    tool_args::parse(words, &tool.name, &tool.input_schema, Fit::Must, stdin)
        .map_err(|mistake| UserError::usage(safe::text(&mistake.problem), safe::text(&mistake.help)))
}
