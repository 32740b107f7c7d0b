//! `anyport resources`, `anyport prompts`: what a server offers.

use std::process::ExitCode;

use anyhow::Result;
use anyport_client::Error as ClientError;
use anyport_protocol::jsonrpc::code;
use serde_json::json;

use super::Plain;
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    list_cache::Listed,
    logging,
    render::lists::{self, Detail},
};

/// The arguments of these commands.
pub(crate) type Arguments = Plain;

/// Lists the resources, and the forms of those that are not listed.
pub(crate) fn resources(arguments: &Arguments) -> Result<ExitCode> {
    client_session::with(&arguments.options, arguments.target(), list_resources)
}

/// Lists the prompts.
pub(crate) fn prompts(arguments: &Arguments) -> Result<ExitCode> {
    client_session::with(&arguments.options, arguments.target(), list_prompts)
}

async fn list_resources(session: ClientSession, mut output: Output) -> Result<Exit> {
    let resources = some(session.client.resources().await).map_err(|error| errors::of_call(&error))?;
    session.store(Listed::Resources(&resources)).await;
    let templates = some(session.client.templates().await).map_err(|error| errors::of_call(&error))?;
    if resources.is_empty() && templates.is_empty() {
        nothing(&output, "resources");
    }
    let text = |output: &Output| {
        let (detail, screen) = (output.detail, output.screen);
        let mut text = lists::resources(&resources, detail, screen);
        let forms = lists::templates(&templates, detail, screen);
        if !text.is_empty() && !forms.is_empty() && detail != Detail::Name {
            text.push('\n');
        }
        Ok(text + &forms)
    };
    output.show(|| json!({ "resources": resources, "resourceTemplates": templates }), text)?;
    Ok(Exit::Done)
}

async fn list_prompts(session: ClientSession, mut output: Output) -> Result<Exit> {
    let prompts = some(session.client.prompts().await).map_err(|error| errors::of_call(&error))?;
    session.store(Listed::Prompts(&prompts)).await;
    if prompts.is_empty() {
        nothing(&output, "prompts");
    }
    output.show(
        || json!({ "prompts": prompts }),
        |output| Ok(lists::prompts(&prompts, output.detail, output.screen)),
    )?;
    Ok(Exit::Done)
}

/// A list, which is empty where the server does not know the method: it has none of these.
pub(super) fn some<T>(listed: Result<Vec<T>, ClientError>) -> Result<Vec<T>, ClientError> {
    match listed {
        Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Says to a person why there is nothing to see.
pub(super) fn nothing(output: &Output, what: &str) {
    if !output.json && output.detail != Detail::Name {
        logging::notice(format!("the server has no {what}"));
    }
}
