//! The connection that a call belongs to: the policy and the key.

use anyport_protocol::{Raw, capability::ClientProfile, json::Splice};
use anyport_service::{Context, Principal, SessionId};

use crate::{OpenRequest, era::Era};

/// Which calls may share a connection to a legacy server.
///
/// A legacy server may ask on a connection without saying for which call; then nothing is guessed.
///
/// | policy, and what is known of the server | connection |
/// |---|---|
/// | any; the call is of the modern era | one for all calls |
/// | `Automatic`; it was always clear for which call the server asks | one for all callers with the same capabilities |
/// | `Automatic`; it was not clear once, or the server asked outside any call for something other than roots while several callers shared the connection; the caller is identifiable | its own: per session, else per principal |
/// | the same; the caller is not identifiable, and the method may ask | an exclusive one: one call at a time; if all are in use, a shared one, on which the server's request is declined |
/// | any but `Shared`; the server was given the roots of a caller on a connection | that connection is this caller's alone: others get one of their own. Unidentifiable callers count as one |
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

/// The key of a connection: calls with equal keys use the same one.
///
/// A modern server learns the caller's capabilities with every request, so one connection serves all. A legacy server
/// learns them once, so callers with equal capabilities share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKey {
    /// The era of the connection. `None`: it is opened for a modern caller before it is known whether the server is modern,
    /// and is put under the key of its era then.
    pub(crate) era: Option<Era>,
    /// The capabilities that the connection declares; `None` in the modern era.
    profile: Option<Profile>,
    pub(crate) share: Share,
}

/// The capabilities of a client that a legacy server learns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Profile {
    client: ClientProfile,
    extensions: Option<Raw>,
}

/// The calls that share a connection to a legacy server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// All calls of clients with the same capabilities.
    All,
    /// Those of one session: the server asks without saying whom.
    Session(SessionId),
    /// Those of one principal that has no session.
    Principal(Principal),
    /// One call at a time, of unidentifiable callers.
    Lane(usize),
}

impl Share {
    /// The calls that share a connection of their own with `context`'s. The unidentifiable share one: each of them might
    /// give any roots.
    pub(crate) fn own(context: &Context) -> Self {
        match context.session_id() {
            Some(session) => Self::Session(session),
            None => Self::Principal(context.principal().clone()),
        }
    }
}

impl ConnectionKey {
    /// The key of the connection to a modern server.
    pub(crate) fn modern() -> Self {
        Self { era: Some(Era::Modern), profile: None, share: Share::All }
    }

    /// The key of a connection to a legacy server. `changes_roots`: whether the client announces when its roots change. A
    /// client of 2026-07-28 cannot, whatever it declares.
    pub(crate) fn legacy(capabilities: &Raw, changes_roots: bool, share: Share) -> Self {
        let client = ClientProfile { roots_list_changed: changes_roots, ..ClientProfile::of(capabilities) };
        let extensions = capabilities.member("extensions").filter(|extensions| extensions.as_str() != "{}");
        Self { era: Some(Era::Legacy), profile: Some(Profile { client, extensions }), share }
    }

    /// The key of the first connection for modern callers with these capabilities, of whatever era it will be.
    pub(crate) fn first(capabilities: &Raw, changes_roots: bool) -> Self {
        Self { era: None, ..Self::legacy(capabilities, changes_roots, Share::All) }
    }

    /// The key of the same connection once it is known as one of the legacy era.
    pub(crate) fn found_legacy(&self) -> Self {
        Self { era: Some(Era::Legacy), ..self.clone() }
    }

    /// The era that is preferred when the connection is opened: that of its callers.
    pub(crate) fn preferred(&self) -> Era {
        self.era.unwrap_or(Era::Modern)
    }

    /// The key of the connection that `share` has, of callers with the same capabilities.
    pub(crate) fn of(&self, share: &Share) -> Self {
        Self { share: share.clone(), ..self.clone() }
    }

    /// The client for which the connection of a call is opened.
    pub(crate) fn client(&self, context: &Context) -> OpenRequest {
        let capabilities = match &self.profile {
            None => context.capabilities().clone(),
            Some(profile) => profile.declared(),
        };
        let legacy_first = self.preferred() == Era::Legacy;
        OpenRequest { capabilities, info: context.client_info().cloned(), legacy_first }
    }
}

impl Profile {
    /// The capabilities object with these capabilities and no others.
    fn declared(&self) -> Raw {
        let Self { client, extensions } = self;
        let part = |names: &[(&str, bool)]| {
            let declared = names.iter().filter(|(_, has)| *has);
            declared.fold(Splice::new(), |part, (name, _)| part.with(name, &Raw::EMPTY_OBJECT)).finish()
        };
        let mut capabilities = Splice::new();
        if client.elicitation_form || client.elicitation_url {
            let modes = [("form", client.elicitation_form), ("url", client.elicitation_url)];
            capabilities = capabilities.with("elicitation", &part(&modes));
        }
        if client.sampling {
            let parts = [("tools", client.sampling_tools), ("context", client.sampling_context)];
            capabilities = capabilities.with("sampling", &part(&parts));
        }
        if client.roots {
            let changes = Raw::trusted(b"{\"listChanged\":true}".to_vec());
            let roots = if client.roots_list_changed { changes } else { Raw::EMPTY_OBJECT };
            capabilities = capabilities.with("roots", &roots);
        }
        if let Some(extensions) = extensions {
            capabilities = capabilities.with("extensions", extensions);
        }
        capabilities.finish()
    }
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
