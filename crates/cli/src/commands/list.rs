//! `anyport tools`, `anyport resources`, `anyport prompts`: what a server offers.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::Plain;
use crate::{
    exit::Exit,
    render::lists::{self, Detail},
    session::{self, Session, failure, output::Output},
};

/// What these commands can be told.
pub(crate) type Arguments = Plain;

/// Lists the tools.
pub(crate) fn tools(arguments: &Arguments) -> Result<ExitCode> {
    session::with(&arguments.options, arguments.target(), list_tools)
}

/// Lists the resources, and the forms of those that are not listed.
pub(crate) fn resources(arguments: &Arguments) -> Result<ExitCode> {
    session::with(&arguments.options, arguments.target(), list_resources)
}

/// Lists the prompts.
pub(crate) fn prompts(arguments: &Arguments) -> Result<ExitCode> {
    session::with(&arguments.options, arguments.target(), list_prompts)
}

async fn list_tools(session: Session, mut output: Output) -> Result<Exit> {
    let tools = session.client.tools().await.map_err(|error| failure::of_call(&error))?;
    match output.json {
        true => output.value(&json!({ "tools": tools }))?,
        false => output.text(&lists::tools(&tools, output.detail, output.screen))?,
    }
    Ok(Exit::Done)
}

async fn list_resources(session: Session, mut output: Output) -> Result<Exit> {
    let resources = session.client.resources().await.map_err(|error| failure::of_call(&error))?;
    let templates = session.client.templates().await.map_err(|error| failure::of_call(&error))?;
    if output.json {
        output.value(&json!({ "resources": resources, "resourceTemplates": templates }))?;
        return Ok(Exit::Done);
    }
    let (detail, screen) = (output.detail, output.screen);
    let mut text = lists::resources(&resources, detail, screen);
    let forms = lists::templates(&templates, detail, screen);
    if !text.is_empty() && !forms.is_empty() && detail != Detail::Name {
        text.push('\n');
    }
    output.text(&(text + &forms))?;
    Ok(Exit::Done)
}

async fn list_prompts(session: Session, mut output: Output) -> Result<Exit> {
    let prompts = session.client.prompts().await.map_err(|error| failure::of_call(&error))?;
    match output.json {
        true => output.value(&json!({ "prompts": prompts }))?,
        false => output.text(&lists::prompts(&prompts, output.detail, output.screen))?,
    }
    Ok(Exit::Done)
}
