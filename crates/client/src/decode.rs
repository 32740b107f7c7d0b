//! Results, read as types.

use anyport_protocol::{Raw, json::Members};
use serde::de::DeserializeOwned;

use crate::{CallResult, Error};

/// Reads `raw`, the answer to `method`, as a `T`, and says where that fails.
pub(crate) fn decode<T: DeserializeOwned>(method: &str, raw: &Raw) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.as_str());
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| Error::Decode {
        method: method.to_owned(),
        place: error.path().to_string(),
        fault: error.inner().to_string(),
    })
}

/// Checks that `raw` is a final result.
///
/// 2026-07-28, basic §ResultType: "A `resultType` of any value unrecognized by the client **MUST** be considered
/// invalid."
pub(crate) fn complete(method: &str, raw: Raw) -> Result<Raw, Error> {
    let wrong =
        |place: &str, fault: String| Error::Decode { method: method.into(), place: place.into(), fault };
    if !raw.is_object() {
        return Err(wrong(".", "a result must be an object".into()));
    }
    match Members::find(raw.as_str(), "resultType") {
        None | Some("\"complete\"") => Ok(raw),
        Some(other) => Err(wrong("resultType", format!("{other:.64} is not known here"))),
    }
}

impl CallResult {
    /// The structured content, read as a `T`.
    ///
    /// # Errors
    /// [`Error::ToolFailed`] if the tool failed, and [`Error::Decode`] if there is no structured content or it cannot be read as a `T`.
    pub fn structured<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let wrong = |place: String, fault| Error::Decode { method: "tools/call".into(), place, fault };
        let Some(value) = self.structured_content() else {
            if self.is_error() {
                return Err(Error::ToolFailed { text: self.text() });
            }
            return Err(wrong(
                "structuredContent".into(),
                format!("there is none; the text is {:.200}", self.text()),
            ));
        };
        serde_path_to_error::deserialize(value)
            .map_err(|error| wrong(format!("structuredContent.{}", error.path()), error.inner().to_string()))
    }
}
