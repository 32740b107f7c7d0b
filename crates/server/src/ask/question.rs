use std::marker::PhantomData;

use anyport_protocol::{
    Method, Raw,
    types::{
        CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, ElicitAction, ElicitRequest,
        ElicitRequestParams, ElicitResult, ListRootsRequest, ListRootsResult, RequestedSchema,
    },
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::fields;
use crate::{schema::Schema, validation};

/// Something to ask the client with [`crate::Context::ask`]: a [`Form`], a [`Confirmation`], or one of the protocol's own requests:
/// [`ElicitRequest`] (a form by its schema, or a URL), [`CreateMessageRequest`], [`ListRootsRequest`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no question to a client",
    note = "ask with `Form::<T>::new(..)`, `Confirmation::new(..)`, `ElicitRequest`, `CreateMessageRequest` or `ListRootsRequest`"
)]
pub trait Question {
    /// The client's answer.
    type Answer;

    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    fn method(&self) -> Method;

    /// The request's params.
    ///
    /// # Errors
    /// When this cannot be asked at all. The call then ends with -32603.
    fn params(&self) -> Result<Raw, QuestionError>;

    /// Reads the client's result.
    ///
    /// # Errors
    /// When it is no answer to this question. The client is then asked again.
    fn read(&self, result: &Raw) -> Result<Self::Answer, QuestionError>;
}

/// A server request that cannot be sent, or an answer that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(pub String);

impl QuestionError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// A user's answer to a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elicited<T> {
    /// Filled it in.
    Accepted(T),
    /// Said no.
    Declined,
    /// Went away without choosing.
    Cancelled,
}

impl<T> Elicited<T> {
    /// Returns the accepted values, if the user accepted the form.
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(content) => Some(content),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

/// A form for elicitation with the fields of `T`: text, numbers, booleans, enums without data (their doc comments are
/// the titles), lists of such enums; `Option<_>` for optional fields.
#[derive(Clone, Debug)]
pub struct Form<T> {
    message: String,
    fields: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + JsonSchema> Form<T> {
    /// Makes a form for a `T`. `message` tells the user why.
    ///
    /// 2026-07-28, client/elicitation: "Servers MUST NOT use form mode elicitation to request sensitive
    /// information"; send the user to a URL for that ([`ElicitRequest::url`]).
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fields: PhantomData }
    }
}

impl<T: DeserializeOwned + JsonSchema> Question for Form<T> {
    type Answer = Elicited<T>;

    fn method(&self) -> Method {
        Method::Elicit
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        let form = fields::of::<T>().map_err(QuestionError::new)?;
        written(&ElicitRequest::form(self.message.clone(), form).params)
    }

    fn read(&self, result: &Raw) -> Result<Elicited<T>, QuestionError> {
        let form = fields::of::<T>().map_err(QuestionError::new)?;
        let result = answered(result, Some(&form))?;
        Ok(match result.action {
            ElicitAction::Accept => {
                let content = Value::Object(result.content.unwrap_or_default());
                Elicited::Accepted(serde_json::from_value(content).map_err(QuestionError::new)?)
            }
            ElicitAction::Decline => Elicited::Declined,
            ElicitAction::Cancel => Elicited::Cancelled,
        })
    }
}

/// A yes-or-no question for the user: a form without fields, which is accepted or not.
///
/// ```
/// # use anyport_server::{Confirmation, Context};
/// # async fn f(context: &Context) {
/// if context.can_ask(&Confirmation::new("Empty the bin?")) {
///     let sure: bool = context.ask("sure", Confirmation::new("Empty the bin?")).await;
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    text: String,
}

impl Confirmation {
    /// Makes a question with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl Question for Confirmation {
    /// Whether the user accepted. Declined and cancelled are both `false`.
    type Answer = bool;

    fn method(&self) -> Method {
        Method::Elicit
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        written(&ElicitRequest::form(self.text.clone(), RequestedSchema::default()).params)
    }

    fn read(&self, result: &Raw) -> Result<bool, QuestionError> {
        Ok(answered(result, None)?.action == ElicitAction::Accept)
    }
}

impl Question for ElicitRequest {
    type Answer = ElicitResult;

    fn method(&self) -> Method {
        Method::Elicit
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        written(&self.params)
    }

    fn read(&self, result: &Raw) -> Result<ElicitResult, QuestionError> {
        match &self.params {
            ElicitRequestParams::Form(params) => answered(result, Some(&params.requested_schema)),
            _ => answered(result, None),
        }
    }
}

impl Question for CreateMessageRequestParams {
    type Answer = CreateMessageResult;

    fn method(&self) -> Method {
        Method::CreateMessage
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        written(self)
    }

    fn read(&self, result: &Raw) -> Result<CreateMessageResult, QuestionError> {
        result.decode().map_err(QuestionError::new)
    }
}

impl Question for CreateMessageRequest {
    type Answer = CreateMessageResult;

    fn method(&self) -> Method {
        Method::CreateMessage
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        self.params.params()
    }

    fn read(&self, result: &Raw) -> Result<CreateMessageResult, QuestionError> {
        self.params.read(result)
    }
}

impl Question for ListRootsRequest {
    type Answer = ListRootsResult;

    fn method(&self) -> Method {
        Method::ListRoots
    }

    fn params(&self) -> Result<Raw, QuestionError> {
        self.params.as_ref().map_or(Ok(Raw::EMPTY_OBJECT), written)
    }

    fn read(&self, result: &Raw) -> Result<ListRootsResult, QuestionError> {
        result.decode().map_err(QuestionError::new)
    }
}

fn written<T: Serialize>(params: &T) -> Result<Raw, QuestionError> {
    Raw::of(params).map_err(QuestionError::new)
}

/// Reads the answer to an elicitation; what was accepted must be what the form allows.
///
/// 2026-07-28, client/elicitation §Security: servers SHOULD validate that what they receive matches the requested
/// schema.
fn answered(result: &Raw, form: Option<&RequestedSchema>) -> Result<ElicitResult, QuestionError> {
    let mut result: ElicitResult = result.decode().map_err(QuestionError::new)?;
    if let (ElicitAction::Accept, Some(form)) = (result.action, form) {
        let content = Value::Object(result.content.take().unwrap_or_default());
        let schema = serde_json::to_value(form).map_err(QuestionError::new)?;
        let schema = Schema::with_formats(&schema).map_err(QuestionError::new)?;
        schema.check(&content).map_err(|faults| QuestionError(validation::words(&faults)))?;
        let Value::Object(content) = content else {
            return Err(QuestionError::new("the content is no object"));
        };
        result.content = Some(content);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use anyport_protocol::types::StringSchema;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_must_fit_the_form() {
        let name = RequestedSchema::default().require("name", StringSchema::default());
        let question = ElicitRequest::form("Name?", name);
        let read = |result: Value| question.read(&Raw::from(result));
        let accepted = read(json!({"action": "accept", "content": {"name": "Ada"}})).unwrap();
        assert_eq!(accepted.content.unwrap()["name"], "Ada");
        assert_eq!(read(json!({"action": "decline"})).unwrap().action, ElicitAction::Decline);
        for unfit in [
            json!(null),
            json!(12345),
            json!({}),
            json!({"action": "agree"}),
            json!({"action": "accept"}),
            json!({"action": "accept", "content": {"name": 5}}),
            json!({"action": "accept", "content": "Ada"}),
        ] {
            assert!(read(unfit.clone()).is_err(), "{unfit}");
        }
    }

    #[test]
    fn a_url_needs_no_content() {
        let question = ElicitRequest::url("Pay", "https://example.com/pay");
        assert_eq!(
            question.params().unwrap().as_str(),
            r#"{"mode":"url","message":"Pay","url":"https://example.com/pay"}"#
        );
        assert!(question.read(&Raw::from(json!({"action": "accept"}))).is_ok());
    }
}
