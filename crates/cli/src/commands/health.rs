//! `anyport health`: whether a running server or gateway is well.

use std::{process::ExitCode, str::FromStr as _, time::Duration};

use anyhow::Result;
use anyport_transport::client::http::{Endpoint, SideAnswer, SideRequest};
use http::{HeaderValue, header};
use serde_json::{Value, json};
use url::Url;

use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    render::safe,
    secret_source::{InvalidSecretSource, SecretSource},
    user_error::UserError,
};

/// The arguments of `anyport health`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport health\n  anyport health https://mcp.example.com --token env:OPS_TOKEN --json"
)]
pub(crate) struct Arguments {
    /// Where the server is: its URL, of which only the host and the port count.
    #[arg(default_value = "http://127.0.0.1:3020", env = "ANYPORT_HEALTH_URL")]
    url: String,
    /// Source of the token of an operator, who sees more than a word: env:NAME, file:PATH or cmd:COMMAND.
    #[arg(long, value_name = "PLACE")]
    token: Option<String>,
    /// The seconds until the server must have answered.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// The largest answer that is read.
const ANSWER_MAX: usize = 4 << 20;

/// Asks the server, and says how it is: exit code 0 if it may be sent requests, else 1.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (endpoint, request) = (arguments.endpoint()?, arguments.request()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(endpoint.ask(request)).map_err(|fault| {
        UserError::failed(fault.to_string(), "start the server, or name another URL: anyport health URL")
    })?;
    let seen = seen(&answer)?;
    Output::stdout(&arguments.output).show(|| seen.clone(), |_| Ok(words(&seen)))?;
    Ok(if answer.status == 200 { Exit::Done } else { Exit::Failed }.into())
}

impl Arguments {
    fn endpoint(&self) -> Result<Endpoint> {
        let wrong = |why: String| UserError::usage(why, "write it as http://127.0.0.1:3020");
        let url =
            Url::parse(&self.url).map_err(|error| wrong(format!("{:?} is no URL: {error}", self.url)))?;
        let url = url.join("/health").map_err(|error| wrong(error.to_string()))?;
        Endpoint::new(url.as_str()).map_err(|fault| wrong(fault.to_string()))
    }

    fn request(&self) -> Result<SideRequest> {
        let request = SideRequest::get(ANSWER_MAX, Duration::from_secs(self.timeout.into()));
        let Some(place) = &self.token else { return Ok(request) };
        let source = SecretSource::from_str(place).map_err(|InvalidSecretSource| {
            UserError::usage(
                "--token takes the place of the token, never the token itself",
                "keep the token in a variable or a file, and give --token env:NAME or file:PATH",
            )
        })?;
        let value = HeaderValue::try_from(format!("Bearer {}", source.read("--token")?)).map_err(|_| {
            UserError::usage("the token of --token has characters that no token has", "correct the token")
        })?;
        Ok(request.header(header::AUTHORIZATION, value))
    }
}

/// What the server says.
///
/// # Errors
/// When it is no server that tells its health.
fn seen(answer: &SideAnswer) -> Result<Value> {
    let body = answer.body.as_deref().unwrap_or_default();
    let seen = serde_json::from_slice::<Value>(body).ok().filter(|seen| seen["status"].is_string());
    seen.ok_or_else(|| {
        let problem = format!("the answer, of status {}, says nothing of health", answer.status);
        UserError::failed(problem, "name the URL of a server of Anyport: anyport health URL")
    })
}

/// The same for people.
fn words(seen: &Value) -> String {
    let text = |value: &Value| safe::line(value.as_str().unwrap_or_default()).to_string();
    let mut words = text(&seen["status"]) + "\n";
    for reason in seen["reasons"].as_array().into_iter().flatten() {
        words.push_str(&format!("  {}\n", text(reason)));
    }
    for (name, one) in seen["dependencies"].as_object().into_iter().flatten() {
        let error = match &one["last_error"] {
            Value::String(error) if one["status"] != json!("healthy") => format!(": {}", safe::line(error)),
            _ => String::new(),
        };
        words.push_str(&format!("  {} {}{error}\n", safe::line(name), text(&one["status"])));
    }
    words
}
