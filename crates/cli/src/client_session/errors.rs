//! Converts a server's failure to one of the program: its exit code, and the advice.

use std::time::Duration;

use anyhow::Error;
use anyport_client::Error as ClientError;
use anyport_protocol::{
    failure::Failure,
    jsonrpc::{Error as ServerError, Reason, code},
};
use serde_json::{Value, json};

use super::{
    access::{self, Login},
    credential::Credential,
};
use crate::{
    exit::Exit,
    render::safe,
    target::{self, Server, Target},
    user_error::{Denial, UserError},
};

/// The HTTP status that an error of a request stands for.
fn http_status(error: &ServerError) -> Option<String> {
    let status = error.data.as_ref()?.member("httpStatus")?;
    Some(status.as_str().to_owned())
}

/// Whether the server requires authentication or refuses the caller, by the HTTP status.
pub(crate) fn is_access_denied(error: &ServerError) -> bool {
    http_status(error).is_some_and(|status| matches!(&*status, "401" | "403"))
}

/// What to do about a call that failed with `text`, if the server can ask about it only in another revision.
pub(crate) fn other_revision(text: &str) -> Option<String> {
    let revision = anyport_upstream::revision_to_ask_in(text)?;
    Some(format!(
        "the server can only ask about this in {revision}: try it in a terminal with --revision {revision}"
    ))
}

/// A call did not work.
pub(crate) fn of_call(error: &ClientError) -> Error {
    Error::new(user_error(error))
}

/// How to see more than a failure says.
pub(crate) const RECORD: &str = "--record FILE keeps what was said; the server's own log may tell more";

/// What to do where time was too short.
const MORE_TIME: &str = "give it more time with --timeout SECONDS";

/// Why a call did not work, and what to do.
pub(crate) fn user_error(error: &ClientError) -> UserError {
    let (exit, problem, help) = match error {
        ClientError::Refused { method, error } => return refused(method, error),
        ClientError::Closed { method, fault, sent } => (
            Exit::Unreachable,
            format!("the connection to the server is gone during {method}: {}", without_settings(fault)),
            if *sent {
                FIND_OUT
            } else {
                "try again; `anyport doctor` says where the way to the server ends"
            },
        ),
        ClientError::Timeout { method, after } => {
            (Exit::Unreachable, format!("no answer to {method} within {}", seconds(*after)), MORE_TIME)
        }
        ClientError::Failed { method, failure } => match failure.root() {
            Failure::Timeout { after, .. } | Failure::NoProgress { after, .. } => {
                (Exit::Unreachable, format!("no answer to {method} within {}", seconds(*after)), MORE_TIME)
            }
            failure => {
                let failure = without_settings(&failure.to_string());
                (Exit::Failed, format!("{method} failed: {failure}"), RECORD)
            }
        },
        ClientError::Decode { method, place, fault } => (
            Exit::Failed,
            format!("the answer to {method} cannot be read at {place}: {fault}; the server is at fault"),
            "report it to the server's developers; --record FILE keeps what it said",
        ),
        ClientError::Output { tool, fault, .. } => (
            Exit::Failed,
            format!(
                "the result of the tool {tool} does not fit its output schema: {fault}; the server is at fault"
            ),
            "report it to the server's developers; --unchecked takes results that miss their schema",
        ),
        ClientError::Endless { method, fault } => {
            (Exit::Failed, format!("{method} does not end: {fault}; the server is at fault"), RECORD)
        }
        ClientError::Answer { method, question, fault } => (
            Exit::Failed,
            format!("{method} was cancelled, since the answer to {question:?} is wrong: {fault}"),
            "answer the server's question as it asks",
        ),
        error => (Exit::Failed, error.to_string(), RECORD),
    };
    UserError { is_of_server: true, ..UserError::new(exit, safe::text(&problem), help) }
}

const FIND_OUT: &str = "the server may have done what was asked: find out before you ask again; --record FILE keeps what was said";

/// The server answered with an error.
fn refused(method: &str, error: &ServerError) -> UserError {
    let status = http_status(error);
    let challenge = error.data.as_ref().and_then(|data| data.member("wwwAuthenticate")?.decode().ok());
    if is_access_denied(error) {
        let problem = format!("{method} was refused: {}", error.message);
        let denied = access::forbidden(safe::text(&problem), None, (None, None));
        let is_unknown = status.as_deref() == Some("401");
        let denial = Some(Denial { method: method.to_owned(), is_unknown, challenge });
        return UserError { is_of_server: true, denial, ..denied };
    }
    if status.is_some() {
        let problem = safe::text(&format!("{method} failed: {}", error.message));
        return UserError { is_of_server: true, ..UserError::new(Exit::Failed, problem, RECORD) };
    }
    let help = match error.code {
        code::METHOD_NOT_FOUND => "`anyport inspect` says what the server offers",
        code::INVALID_PARAMS => {
            "correct what was asked for; `anyport tools SERVER TOOL` shows what a tool takes"
        }
        code::MISSING_CLIENT_CAPABILITY => {
            "the server needs something of its client that this program cannot give"
        }
        _ => "the server's own log may tell more",
    };
    let help = other_revision(&error.message).unwrap_or_else(|| help.to_owned());
    let problem = safe::text(&format!("the server answered {method} with an error: {}", words(error)));
    UserError {
        is_of_server: true,
        answer: Some(answer(error)),
        ..UserError::new(Exit::Failed, problem, help)
    }
}

/// The error of a server as it sent it.
pub(crate) fn answer(error: &ServerError) -> Value {
    let (code, data) = as_sent(error);
    json!({"code": code, "message": error.message, "data": data})
}

/// The error of a server for people: its message, code and data.
pub(crate) fn words(error: &ServerError) -> String {
    let (code, data) = as_sent(error);
    let mut words = format!("{} (code {code})", error.message);
    if !data.is_null() {
        let data: String = data.to_string().chars().take(DATA_SHOWN).collect();
        words += &format!("; data: {data}");
    }
    words
}

/// How much of the data of an error is shown to people.
const DATA_SHOWN: usize = 1000;

/// The code and the data that the server sent. Codes that the newest revision does not allow are kept in the data.
fn as_sent(error: &ServerError) -> (i64, Value) {
    let mut data: Value = error.data.as_ref().and_then(|data| data.decode().ok()).unwrap_or_default();
    let Some(code) = data.as_object_mut().and_then(|data| data.shift_remove("upstreamCode")?.as_i64()) else {
        return (error.code, data);
    };
    match data.as_object_mut() {
        Some(rest) if rest.is_empty() => (code, Value::Null),
        Some(rest) if rest.len() == 1 => {
            let whole = rest.shift_remove("data");
            (code, whole.unwrap_or(data))
        }
        _ => (code, data),
    }
}

/// `text` without the names of settings that no option of the program sets.
pub(crate) fn without_settings(text: &str) -> String {
    [" (answer_max)", " (limits.bytes)", " (limits.depth)", " (limits.nodes)"]
        .iter()
        .fold(text.to_owned(), |text, name| text.replace(name, ""))
}

/// A time as people say it.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 0.1 => format!("{} ms", time.as_millis()),
        seconds => format!("{} s", (seconds * 10.0).round() / 10.0),
    }
}

/// A failure of a server, with where the server is and which credential it was sent.
pub(crate) fn located(error: Error, target: &Target, options: &target::Options) -> Error {
    match error.downcast::<UserError>() {
        Ok(mut user_error) => {
            user_error = with_credential(user_error, target, options);
            if let Server::Gateway(server) = &target.server
                && is_lost(&user_error)
            {
                user_error.exit = Exit::Unreachable;
                user_error.help = format!("`anyport logs {}` may tell why", safe::line(&server.name));
            }
            let server = target.server.to_string();
            if user_error.is_of_server && !user_error.problem.contains(&server) {
                user_error.problem = format!("{server}: {}", user_error.problem);
            }
            Error::new(user_error)
        }
        Err(error) => error,
    }
}

/// Whether a gateway says that its server is down, or was lost during the call.
fn is_lost(user_error: &UserError) -> bool {
    let reason = user_error.answer.as_ref().and_then(|answer| answer["data"]["reason"].as_str());
    let lost = [Reason::UpstreamDown, Reason::UpstreamLost, Reason::OutcomeUnknown];
    lost.iter().any(|lost| reason == Some(lost.as_str()))
}

/// A failure that names the credential, if the server refused the caller.
pub(crate) fn with_credential(
    mut user_error: UserError,
    target: &Target,
    options: &target::Options,
) -> UserError {
    let Some(Denial { method, is_unknown, challenge }) = user_error.denial.take() else { return user_error };
    let credential = Credential::of(options, target);
    let (login, challenge) = (Login::at(target, options), challenge.as_deref());
    let denied = match is_unknown {
        true => {
            let at = target.server.to_string();
            access::unauthorized(&at, Some(&method), challenge, (credential.as_ref(), &login))
        }
        false => access::forbidden(user_error.problem, challenge, (credential.as_ref(), Some(&login))),
    };
    UserError {
        is_of_server: true,
        problem: safe::text(&denied.problem),
        help: safe::text(&denied.help),
        ..denied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_the_newest_revision_reserves_is_told_as_it_was_sent() {
        let sent = |data: Value| {
            let told = answer(&ServerError::internal("no").with_data(data.into()));
            (told["code"].clone(), told["data"].clone())
        };
        assert_eq!(sent(json!({"upstreamCode": -32050})), (json!(-32050), Value::Null));
        assert_eq!(sent(json!({"upstreamCode": -32050, "a": 1})), (json!(-32050), json!({"a": 1})));
        assert_eq!(sent(json!({"upstreamCode": -32050, "data": "x"})), (json!(-32050), json!("x")));
        assert_eq!(sent(json!({"a": 1})), (json!(-32603), json!({"a": 1})));
    }

    #[test]
    fn times_are_said_in_seconds() {
        let said = |millis| seconds(Duration::from_millis(millis));
        assert_eq!([said(20), said(301), said(60_004)], ["20 ms", "0.3 s", "60 s"]);
    }
}
