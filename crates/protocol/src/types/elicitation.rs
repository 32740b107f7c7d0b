//! Elicitation: asking the user.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JsonObject, Ordered, PrimitiveSchemaDefinition, tag, wire::Peek};

/// A question to the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElicitRequest {
    /// Always `elicitation/create`.
    pub method: tag::Elicit,
    /// The question.
    pub params: ElicitRequestParams,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ElicitRequest {
    /// Asks with a form.
    pub fn form(message: impl Into<String>, requested_schema: RequestedSchema) -> Self {
        let message = message.into();
        let params = ElicitRequestFormParams { message, requested_schema, ..Default::default() };
        Self { method: tag::Elicit, params: ElicitRequestParams::Form(params), extra: JsonObject::new() }
    }

    /// Sends the user to a URL.
    pub fn url(message: impl Into<String>, url: impl Into<String>) -> Self {
        let (message, url) = (message.into(), url.into());
        let params = ElicitRequestUrlParams { message, url, ..Default::default() };
        Self { method: tag::Elicit, params: ElicitRequestParams::Url(params), extra: JsonObject::new() }
    }
}

/// The mode: a form or a URL.
#[derive(Clone, Debug, PartialEq)]
pub enum ElicitRequestParams {
    /// With a form. The mode if none is named.
    Form(ElicitRequestFormParams),
    /// By sending the user to a URL.
    Url(ElicitRequestUrlParams),
    /// An unknown mode, with all its members.
    Unknown(Value),
}

impl Serialize for ElicitRequestParams {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Form(params) => params.serialize(serializer),
            Self::Url(params) => params.serialize(serializer),
            Self::Unknown(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ElicitRequestParams {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let peek = Peek::read(deserializer, "elicitation params")?;
        match peek.word("mode")?.as_deref() {
            None | Some("form") => peek.decode().map(Self::Form),
            Some("url") => peek.decode().map(Self::Url),
            Some(_) => peek.decode().map(Self::Unknown),
        }
    }
}

/// A form for the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElicitRequestFormParams {
    /// `form` or absent, which means the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<tag::Form>,
    /// The message for the user.
    pub message: String,
    /// The fields.
    pub requested_schema: RequestedSchema,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// A URL for the user to visit; what is entered there the client does not see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElicitRequestUrlParams {
    /// Always `url`.
    pub mode: tag::Url,
    /// The message for the user.
    pub message: String,
    /// Where.
    pub url: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The fields of a form: an object without nesting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestedSchema {
    /// The dialect of JSON Schema.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Always `object`.
    #[serde(rename = "type")]
    pub tag: tag::Object,
    /// The fields, in the order of the form.
    pub properties: Ordered<PrimitiveSchemaDefinition>,
    /// The fields that must be filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<Vec<String>>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl RequestedSchema {
    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, field: impl Into<PrimitiveSchemaDefinition>) -> Self {
        self.properties.insert(name, field.into());
        self
    }

    /// Adds a field that must be filled in.
    #[must_use]
    pub fn require(mut self, name: impl Into<String>, field: impl Into<PrimitiveSchemaDefinition>) -> Self {
        let name = name.into();
        self.required.get_or_insert_default().push(name.clone());
        self.with(name, field)
    }
}

/// The user's action.
///
/// Unlike other words of the protocol it is read strictly: an unknown answer must not pass for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElicitAction {
    /// Sent the form, or agreed to visit the URL.
    Accept,
    /// Said no.
    Decline,
    /// Went away without choosing.
    Cancel,
}

/// The user's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElicitResult {
    /// The user's action.
    pub action: ElicitAction,
    /// The form's values: text, numbers, booleans and lists of text. Only for an accepted form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<JsonObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ElicitResult {
    /// A form that was filled in.
    pub fn accept(content: JsonObject) -> Self {
        Self { content: Some(content), ..Self::of(ElicitAction::Accept) }
    }

    /// An answer without content.
    pub fn of(action: ElicitAction) -> Self {
        Self { action, content: None, extra: JsonObject::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::{BooleanSchema, StringSchema};

    #[test]
    fn the_mode_decides_and_its_absence_means_form() {
        let read = |value: &Value| serde_json::from_value::<ElicitRequestParams>(value.clone()).unwrap();
        let fields = json!({ "type": "object", "properties": {} });
        let bare = json!({ "message": "m", "requestedSchema": fields });
        let form = json!({ "mode": "form", "message": "m", "requestedSchema": fields });
        let url = json!({ "mode": "url", "message": "m", "url": "https://a.example/", "elicitationId": "1" });
        let other = json!({ "mode": "voice", "message": "m" });
        assert!(matches!(read(&bare), ElicitRequestParams::Form(params) if params.mode.is_none()));
        assert!(matches!(read(&form), ElicitRequestParams::Form(params) if params.mode.is_some()));
        assert!(matches!(read(&url), ElicitRequestParams::Url(_)));
        assert!(matches!(read(&other), ElicitRequestParams::Unknown(_)));
        for value in [bare, form, url, other] {
            assert_eq!(serde_json::to_value(read(&value)).unwrap(), value);
        }
    }

    #[test]
    fn a_form_keeps_the_order_of_its_fields() {
        let schema = RequestedSchema::default()
            .require("zip", StringSchema::default())
            .with("agree", BooleanSchema::default());
        assert_eq!(
            serde_json::to_string(&ElicitRequest::form("m", schema)).unwrap(),
            concat!(
                r#"{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","#,
                r#""properties":{"zip":{"type":"string"},"agree":{"type":"boolean"}},"required":["zip"]}}}"#
            )
        );
    }

    #[test]
    fn an_action_nobody_knows_is_refused() {
        assert!(serde_json::from_value::<ElicitResult>(json!({ "action": "maybe" })).is_err());
        let accepted = ElicitResult::accept(JsonObject::new());
        assert_eq!(serde_json::to_value(accepted).unwrap(), json!({ "action": "accept", "content": {} }));
    }
}
