//! What a completion is of.

use anyport_protocol::{Error, Raw};
use anyport_service::Request;
use bytestring::ByteString;

/// What the argument that is completed belongs to.
pub(super) enum Completed {
    /// A prompt, by its name.
    Prompt(ByteString),
    /// A resource template.
    Template(ByteString),
}

impl Completed {
    /// What `ref` of a request names: 2026-07-28, server/utilities/completion §Reference Types.
    ///
    /// # Errors
    /// -32602 if it names nothing, or both: servers would differ in which they take.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let reference = request.params.member("ref").unwrap_or(Raw::EMPTY_OBJECT);
        let text = |key| reference.member(key).and_then(|text| text.as_string());
        let has = |key| reference.member(key).is_some();
        match (text("uri"), text("name")) {
            (Some(uri), None) if !has("name") => Ok(Self::Template(uri)),
            (None, Some(name)) if !has("uri") => Ok(Self::Prompt(name)),
            _ => Err(Error::invalid_params(
                "\"ref\" must name either a prompt (`name`) or a resource template (`uri`)",
            )),
        }
    }

    /// The member of `ref` that has its name.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Prompt(_) => "name",
            Self::Template(_) => "uri",
        }
    }
}
