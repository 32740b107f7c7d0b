//! Which connection a call belongs to.

use anyport_protocol::{Raw, capability::ClientProfile, json::Splice};
use anyport_service::{Context, Principal, SessionId};

use crate::OpenRequest;

/// Which calls may share a connection to a legacy server.
///
/// A legacy server may ask on a connection without saying for which call; then nothing is guessed.
///
/// | policy, and what is known of the server | connection |
/// |---|---|
/// | any; the server is modern | one for all calls |
/// | `Automatic`; it was always clear for which call the server asks | one for all callers with the same capabilities |
/// | `Automatic`; it was not clear once, or the server asked outside any call for something other than roots while several callers shared the connection; the caller is identifiable | its own: per session, else per principal |
/// | the same; the caller is not identifiable, and the method may ask | an exclusive one: one call at a time; if all are in use, a shared one, on which the server's request is declined |
/// | `Shared` | one for all callers with the same capabilities |
/// | `Caller` | as if it was never clear for which call the server asks |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationPolicy {
    /// Callers share connections until the server asks in a way that does not say whom.
    #[default]
    Automatic,
    /// Callers with the same capabilities share a connection, whatever the server asks.
    Shared,
    /// Each caller has a connection of its own.
    Caller,
}

/// Which connection a call belongs to.
///
/// A modern server learns the caller's capabilities with every request, so one connection serves all. A legacy server
/// learns them once, so callers with equal capabilities share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ConnectionKey {
    Modern,
    Legacy { profile: ClientProfile, extensions: Option<Raw>, share: Share },
}

/// Which calls share a connection to a legacy server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// All calls of clients with the same capabilities.
    All,
    /// Those of one session: the server asks without saying whom.
    Session(SessionId),
    /// Those of one principal that has no session.
    Principal(Principal),
    /// One call at a time, of unidentifiable callers.
    ExclusiveSlot(usize),
}

impl ConnectionKey {
    /// `changes_roots`: whether the client says when its roots change. One of 2026-07-28 cannot, whatever it declares.
    pub(crate) fn legacy(capabilities: &Raw, changes_roots: bool, share: Share) -> Self {
        let profile = ClientProfile { roots_list_changed: changes_roots, ..ClientProfile::of(capabilities) };
        let extensions = capabilities.member("extensions").filter(|extensions| extensions.as_str() != "{}");
        Self::Legacy { profile, extensions, share }
    }

    /// That of `share`, of callers who can do the same.
    pub(crate) fn of(&self, share: &Share) -> Self {
        match self.clone() {
            Self::Legacy { profile, extensions, .. } => {
                Self::Legacy { profile, extensions, share: share.clone() }
            }
            Self::Modern => Self::Modern,
        }
    }

    /// Whether it is not for all.
    pub(crate) fn is_unidentifiable(&self) -> bool {
        matches!(
            self,
            Self::Legacy { share: Share::Session(_) | Share::Principal(_) | Share::ExclusiveSlot(_), .. }
        )
    }

    /// The client for which the connection of a call is opened.
    pub(crate) fn client(&self, context: &Context) -> OpenRequest {
        let capabilities = match self {
            Self::Modern => context.capabilities().clone(),
            Self::Legacy { profile, extensions, .. } => declared(profile, extensions.as_ref()),
        };
        OpenRequest { capabilities, info: context.client_info().cloned() }
    }
}

/// The capabilities object that says just this.
fn declared(profile: &ClientProfile, extensions: Option<&Raw>) -> Raw {
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
        let key =
            |capabilities: serde_json::Value| ConnectionKey::legacy(&capabilities.into(), false, Share::All);
        assert_eq!(key(json!({"elicitation": {}})), key(json!({"elicitation": {"form": {}}, "x": 1})));
        assert_ne!(key(json!({"elicitation": {}})), key(json!({"elicitation": {"url": {}}})));
        assert_ne!(key(json!({})), key(json!({"extensions": {"a": {}}})));
    }

    #[test]
    fn a_server_is_told_what_the_profile_says_and_no_more() {
        let told = |capabilities: serde_json::Value| {
            let key = ConnectionKey::legacy(&capabilities.into(), false, Share::All);
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
