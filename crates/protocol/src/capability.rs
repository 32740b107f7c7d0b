//! The capabilities that a client declared.

use crate::{Raw, json::Members, method::Method};

/// The part of a client's capabilities that decides which server requests it may receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientProfile {
    /// `elicitation.form`.
    pub elicitation_form: bool,
    /// `elicitation.url`.
    pub elicitation_url: bool,
    /// `sampling`.
    pub sampling: bool,
    /// `sampling.tools`.
    pub sampling_tools: bool,
    /// `sampling.context`.
    pub sampling_context: bool,
    /// `roots`.
    pub roots: bool,
    /// `roots.listChanged` (legacy).
    pub roots_list_changed: bool,
}

impl ClientProfile {
    /// Reads a client's `capabilities` object.
    pub fn of(capabilities: &Raw) -> Self {
        let has = |object: Option<&str>, name| object.and_then(|text| Members::find(text, name)).is_some();
        let find = |name| Members::find(capabilities.as_str(), name).filter(|value| value.starts_with('{'));
        let (elicitation, sampling, roots) = (find("elicitation"), find("sampling"), find("roots"));
        let elicitation_url = has(elicitation, "url");
        Self {
            // 2025-11-25, elicitation §Capabilities: "an empty capabilities object is equivalent to declaring
            // support for `form` mode only".
            elicitation_form: elicitation.is_some() && (has(elicitation, "form") || !elicitation_url),
            elicitation_url,
            sampling: sampling.is_some(),
            sampling_tools: has(sampling, "tools"),
            sampling_context: has(sampling, "context"),
            roots: roots.is_some(),
            roots_list_changed: roots.and_then(|text| Members::find(text, "listChanged")) == Some("true"),
        }
    }

    /// Returns the capabilities that the client would have to declare before it may receive this request, or `None` if
    /// the declared ones suffice.
    pub fn lacks(&self, method: Method, params: &Raw) -> Option<Raw> {
        let needed = InputCapability::needed(method, params)?;
        (!self.has(needed)).then(|| needed.required())
    }

    /// Whether the client declared `capability`.
    pub fn has(&self, capability: InputCapability) -> bool {
        match capability {
            InputCapability::ElicitationForm => self.elicitation_form,
            InputCapability::ElicitationUrl => self.elicitation_url,
            InputCapability::Sampling => self.sampling,
            InputCapability::SamplingTools => self.sampling_tools,
            InputCapability::Roots => self.roots,
        }
    }
}

/// A capability that a client must have declared before a server may ask it something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputCapability {
    /// `elicitation.form`.
    ElicitationForm,
    /// `elicitation.url`.
    ElicitationUrl,
    /// `sampling`.
    Sampling,
    /// `sampling.tools`.
    SamplingTools,
    /// `roots`.
    Roots,
}

impl InputCapability {
    /// The capability that a server request needs, or `None` if it needs no capability.
    pub fn needed(method: Method, params: &Raw) -> Option<Self> {
        let has = |name: &str| params.member(name).is_some();
        Some(match method {
            Method::Elicit if params.member("mode").is_some_and(|mode| mode.as_str() == "\"url\"") => {
                Self::ElicitationUrl
            }
            Method::Elicit => Self::ElicitationForm,
            Method::CreateMessage if has("tools") || has("toolChoice") => Self::SamplingTools,
            Method::CreateMessage => Self::Sampling,
            Method::ListRoots => Self::Roots,
            _ => return None,
        })
    }

    /// The capabilities object that declares it.
    pub fn required(self) -> Raw {
        let text = match self {
            Self::ElicitationForm => r#"{"elicitation":{"form":{}}}"#,
            Self::ElicitationUrl => r#"{"elicitation":{"url":{}}}"#,
            Self::Sampling => r#"{"sampling":{}}"#,
            Self::SamplingTools => r#"{"sampling":{"tools":{}}}"#,
            Self::Roots => r#"{"roots":{}}"#,
        };
        Raw::trusted(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn raw(text: &'static str) -> Raw {
        Raw::parse(text.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_bare_elicitation_means_form() {
        assert!(ClientProfile::of(&raw(r#"{"elicitation":{}}"#)).elicitation_form);
        let url = ClientProfile::of(&raw(r#"{"elicitation":{"url":{}}}"#));
        assert!(url.elicitation_url && !url.elicitation_form);
        assert_eq!(ClientProfile::of(&raw("{}")), ClientProfile::default());
    }

    #[test]
    fn what_is_lacking_is_named() {
        let none = ClientProfile::default();
        let lacking = |method, params| none.lacks(method, &raw(params)).unwrap().to_string();
        assert_eq!(lacking(Method::CreateMessage, r#"{"tools":[]}"#), r#"{"sampling":{"tools":{}}}"#);
        assert_eq!(lacking(Method::Elicit, r#"{"mode":"url"}"#), r#"{"elicitation":{"url":{}}}"#);
        assert_eq!(lacking(Method::ListRoots, "{}"), r#"{"roots":{}}"#);
        let all = ClientProfile::of(&raw(
            r#"{"elicitation":{},"sampling":{"tools":{}},"roots":{"listChanged":true}}"#,
        ));
        assert_eq!(all.lacks(Method::Elicit, &raw("{}")), None);
        assert_eq!(all.lacks(Method::CreateMessage, &raw(r#"{"tools":[]}"#)), None);
        assert!(all.roots_list_changed);
    }
}
