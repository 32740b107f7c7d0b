//! Input requests: what a server requests of the client by an `input_required` result.

use serde::{Deserialize, Serialize};

use super::{
    CreateMessageRequest, ElicitRequest, JsonObject, ListRootsRequest, Ordered, ResultMeta, ResultType,
    wire::union,
};

union! {
    /// A question to the client, by its method. It has no id: its key in [`InputRequests`] is that.
    pub enum InputRequest by "method" of "an input request" {
        /// Asks its model.
        CreateMessage(Box<CreateMessageRequest>) = "sampling/createMessage",
        /// Asks for its roots.
        ListRoots(ListRootsRequest) = "roots/list",
        /// Asks its user.
        Elicit(ElicitRequest) = "elicitation/create",
    }
}

impl From<CreateMessageRequest> for InputRequest {
    fn from(request: CreateMessageRequest) -> Self {
        Self::CreateMessage(Box::new(request))
    }
}

/// Questions by the key under which the answer comes back.
pub type InputRequests = Ordered<InputRequest>;

/// Not the answer yet: what the server asks first, and the state to send back with the answers.
///
/// Either member may be absent, not both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputRequiredResult {
    /// Always [`ResultType::InputRequired`].
    pub result_type: ResultType,
    /// The questions. Absent: retry as soon as you like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_requests: Option<InputRequests>,
    /// To be sent back unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<String>,
    /// The result's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl InputRequiredResult {
    /// Asks `requests`; `state` comes back with the answers.
    pub fn new(requests: InputRequests, state: Option<String>) -> Self {
        Self {
            result_type: ResultType::InputRequired,
            input_requests: (!requests.is_empty()).then_some(requests),
            request_state: state,
            meta: None,
            extra: JsonObject::new(),
        }
    }
}
