use anyport_protocol::{Raw, capability::Profile, json::Splice};
use anyport_service::{Caller, Context};

use crate::Client;

/// Which connection a call belongs to.
///
/// A modern server is told with every request what its caller can do, so one connection serves all. A legacy server is
/// told once, so callers that can do the same share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Modern,
    Legacy { profile: Profile, extensions: Option<Raw>, whom: Whom },
}

/// RequestRoute a connection to a legacy server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whom {
    /// That of all who can do the same.
    All,
    /// One caller's: the server asks without saying whom.
    Caller(Caller),
    /// That of one call at a time, of callers that nothing tells apart.
    Lane(usize),
}

impl Key {
    /// `changes_roots`: whether the client says when its roots change. One of 2026-07-28 cannot, whatever it declares.
    pub(super) fn legacy(capabilities: &Raw, changes_roots: bool, whom: Whom) -> Self {
        let profile = Profile { roots_list_changed: changes_roots, ..Profile::of(capabilities) };
        let extensions = capabilities.member("extensions").filter(|extensions| extensions.as_str() != "{}");
        Self::Legacy { profile, extensions, whom }
    }

    /// That of `whom`, of callers who can do the same.
    pub(super) fn of(&self, whom: &Whom) -> Self {
        match self.clone() {
            Self::Legacy { profile, extensions, .. } => {
                Self::Legacy { profile, extensions, whom: whom.clone() }
            }
            Self::Modern => Self::Modern,
        }
    }

    /// Whether it is not for all.
    pub(super) fn is_unidentifiable(&self) -> bool {
        matches!(self, Self::Legacy { whom: Whom::Caller(_) | Whom::Lane(_), .. })
    }

    /// On whose behalf the connection for a call is opened.
    pub(super) fn client(&self, context: &Context) -> Client {
        let capabilities = match self {
            Self::Modern => context.capabilities().clone(),
            Self::Legacy { profile, extensions, .. } => declared(profile, extensions.as_ref()),
        };
        Client { capabilities, info: context.client_info().cloned() }
    }
}

/// The capabilities object that says just this.
fn declared(profile: &Profile, extensions: Option<&Raw>) -> Raw {
    let part = |names: &[(&str, bool)]| {
        let declared = names.iter().filter(|(_, has)| *has);
        declared.fold(Splice::new(), |part, (name, _)| part.with(name, &Raw::EMPTY_OBJECT)).finish()
    };
    let mut capabilities = Splice::new();
    if profile.elicitation_form || profile.elicitation_url {
        let modes = [("form", profile.elicitation_form), ("url", profile.elicitation_url)];
        capabilities = capabilities.with("elicitation", &part(&modes));
    }
    if profile.sampling {
        let parts = [("tools", profile.sampling_tools), ("context", profile.sampling_context)];
        capabilities = capabilities.with("sampling", &part(&parts));
    }
    if profile.roots {
        let changes = Raw::trusted(b"{\"listChanged\":true}".to_vec());
        let roots = if profile.roots_list_changed { changes } else { Raw::EMPTY_OBJECT };
        capabilities = capabilities.with("roots", &roots);
    }
    if let Some(extensions) = extensions {
        capabilities = capabilities.with("extensions", extensions);
    }
    capabilities.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_can_do_the_same_shares_a_connection() {
        let key = |capabilities: serde_json::Value| Key::legacy(&capabilities.into(), false, Whom::All);
        assert_eq!(key(json!({"elicitation": {}})), key(json!({"elicitation": {"form": {}}, "x": 1})));
        assert_ne!(key(json!({"elicitation": {}})), key(json!({"elicitation": {"url": {}}})));
        assert_ne!(key(json!({})), key(json!({"extensions": {"a": {}}})));
    }

    #[test]
    fn a_server_is_told_what_the_profile_says_and_no_more() {
        let told = |capabilities: serde_json::Value| {
            let key = Key::legacy(&capabilities.into(), false, Whom::All);
            let context =
                Context::new(anyport_service::Principal::local(), anyport_protocol::Revision::NEWEST);
            key.client(&context).capabilities.to_string()
        };
        let all = json!({
            "sampling": {"tools": {}}, "roots": {"listChanged": true}, "elicitation": {}, "tasks": {},
            "extensions": {"a": {"b": 1}}
        });
        let expected =
            r#"{"elicitation":{"form":{}},"sampling":{"tools":{}},"roots":{},"extensions":{"a":{"b":1}}}"#;
        assert_eq!(told(all), expected);
        assert_eq!(told(json!({})), "{}");
    }
}
