use anyport_protocol::{
    Raw,
    types::{ElicitAction, ElicitRequestFormParams, ElicitResult, JsonObject, RequestedSchema},
};
use serde::Serialize;
use serde_json::Value;

use crate::schema;

/// A form that a server wants its user to fill in.
///
/// 2026-07-28, elicitation §Security Considerations: "Clients MUST provide clear indication of which server is requesting information";
/// [`Form::server`] is that.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    server: String,
    message: String,
    schema: RequestedSchema,
    /// The schema as it arrived, for checks.
    source: Value,
}

/// The user's answer to a form.
#[derive(Clone, Debug, PartialEq)]
pub enum ElicitAnswer {
    /// Sent it, with these fields: an object. Fields that are left out have their default, where there is one.
    Accept(Value),
    /// Said no.
    Decline,
    /// Went away without choosing.
    Cancel,
}

impl ElicitAnswer {
    /// The form was sent with the fields of `content`: a struct, a map, `json!({...})`. What is no object, or cannot be
    /// JSON, ends the call with [`Error::Answer`](crate::Error::Answer).
    pub fn accept(content: impl Serialize) -> Self {
        Self::Accept(serde_json::to_value(content).unwrap_or_default())
    }
}

impl Form {
    /// Reads the params of `elicitation/create`.
    pub(super) fn read(server: &str, params: &Raw) -> Result<Self, serde_json::Error> {
        let read: ElicitRequestFormParams = params.decode()?;
        let source = params.member("requestedSchema").map(|schema| schema.decode()).transpose()?;
        Ok(Self {
            server: server.into(),
            message: read.message,
            schema: read.requested_schema,
            source: source.unwrap_or_default(),
        })
    }

    /// The name of the server that asks.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The message for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields.
    pub fn schema(&self) -> &RequestedSchema {
        &self.schema
    }

    /// The fields that have a default, with it: what a form shows at first, or an answer without the user.
    pub fn defaults(&self) -> JsonObject {
        let fields = self.source["properties"].as_object().into_iter().flatten();
        fields.filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone()))).collect()
    }

    /// Checks whether `content`, completed by the defaults, fits the form.
    ///
    /// # Errors
    /// What is wrong with which fields.
    pub fn check(&self, content: &JsonObject) -> Result<(), String> {
        self.complete(content.clone()).map(drop)
    }

    /// Fills in the defaults, and checks the whole.
    ///
    /// 2026-07-28, elicitation §Form Mode Security: "Clients SHOULD validate all responses against the provided schema".
    fn complete(&self, mut content: JsonObject) -> Result<JsonObject, String> {
        for (name, default) in self.defaults() {
            content.entry(name).or_insert(default);
        }
        let filled = Value::Object(content.clone());
        schema::check_form(&self.source, &filled).map(|()| content)
    }

    /// The answer as it goes to the server.
    pub(super) fn answered(&self, answer: ElicitAnswer) -> Result<ElicitResult, String> {
        match answer {
            ElicitAnswer::Accept(Value::Object(content)) => self.complete(content).map(ElicitResult::accept),
            ElicitAnswer::Accept(other) => {
                Err(format!("a form is filled in with an object, not {other:.80}"))
            }
            ElicitAnswer::Decline => Ok(ElicitResult::of(ElicitAction::Decline)),
            ElicitAnswer::Cancel => Ok(ElicitResult::of(ElicitAction::Cancel)),
        }
    }
}

/// A page that a server wants its user to visit.
///
/// 2026-07-28, elicitation §Safe URL Handling: clients "MUST NOT open the URL without explicit consent from the user" and
/// "MUST show the full URL to the user for examination before consent". Nothing here opens or fetches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the server that asks.
    pub server: String,
    /// The message for the user.
    pub message: String,
    /// Where. Whatever the server wrote: check it before it is opened.
    pub url: String,
}
