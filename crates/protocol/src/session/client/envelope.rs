use smallvec::SmallVec;

use crate::{
    Error, Raw, Revision,
    json::{Member, Members},
    meta::{LogLevel, key},
    revision::{self, Part, Unrepresentable},
};

/// The members that one hop adds to a request: its progress token, and the client's capabilities and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEnvelope {
    /// The token that the server's progress notifications shall carry; `None`: none are wanted.
    pub progress_token: Option<Raw>,
    /// The client's capabilities, in the newest vocabulary.
    pub capabilities: Raw,
    /// The client's identity: an `Implementation`.
    pub client_info: Raw,
    /// From which severity on log messages of this request are wanted; `None`: none are.
    pub log_level: Option<LogLevel>,
}

/// The members of `_meta` that belong to one hop. Those of another hop never go on to the next.
const MEMBERS: [&str; 8] = [
    key::PROTOCOL_VERSION,
    key::CLIENT_INFO,
    key::CLIENT_CAPABILITIES,
    key::LOG_LEVEL,
    key::SERVER_INFO,
    key::SUBSCRIPTION_ID,
    key::RELATED_TASK,
    key::PROGRESS_TOKEN,
];

impl RequestEnvelope {
    /// The envelope with the capabilities in the words of `revision`, if requests of that revision carry them.
    pub(super) fn lowered(self, revision: Revision) -> Self {
        if !revision.is_stateless() {
            return self;
        }
        Self { capabilities: lower_capabilities(revision, self.capabilities), ..self }
    }

    /// `params` with this hop's members in place of those of another hop; all else byte for byte.
    pub(super) fn write(&self, revision: Revision, params: &Raw) -> Raw {
        let mut parts = Parts::default();
        match self.collect(
            revision,
            params.as_str(),
            self.progress_token.as_ref().map(Raw::as_str),
            &mut parts,
        ) {
            true => Raw::trusted(parts.join()),
            false => params.clone(),
        }
    }

    /// Collects the parts of `params`, with this hop's members in place of those of another hop. Returns `false`, and
    /// collects nothing, if that changes nothing.
    pub(super) fn collect<'a>(
        &'a self,
        revision: Revision,
        params: &'a str,
        progress_token: Option<&'a str>,
        parts: &mut Parts<'a>,
    ) -> bool {
        let mut members: SmallVec<[Member<'a>; 8]> = SmallVec::new();
        let mut kept: SmallVec<[(&'a str, Member<'a>); 4]> = SmallVec::new();
        let mut dropped = false;
        for member in Members::of(params) {
            if !member.is("_meta") {
                members.push(member);
            } else if member.value.starts_with('{') {
                for inner in Members::of(member.value) {
                    match is_hop(&inner) {
                        true => dropped = true,
                        false => kept.push((member.value, inner)),
                    }
                }
            }
        }
        let needed = revision.is_stateless() || progress_token.is_some();
        // Nothing to do: a legacy server, and nothing of a hop in the params.
        if !needed && !dropped {
            return false;
        }
        parts.begin();
        if needed || !kept.is_empty() {
            parts.key("_meta");
            parts.begin();
            for (meta, member) in &kept {
                parts.copy(meta, member);
            }
            self.members(revision, progress_token, parts);
            parts.end();
        }
        for member in &members {
            parts.copy(params, member);
        }
        parts.end();
        true
    }

    /// 2026-07-28, basic §_meta, Per-Request Protocol Fields: protocolVersion and clientCapabilities are required in
    /// every request; clientInfo clients SHOULD include.
    fn members<'a>(&'a self, revision: Revision, progress_token: Option<&'a str>, parts: &mut Parts<'a>) {
        if revision.is_stateless() {
            parts.key(key::PROTOCOL_VERSION);
            parts.text(revision.as_str());
            parts.key(key::CLIENT_INFO);
            parts.raw(self.client_info.as_str());
            parts.key(key::CLIENT_CAPABILITIES);
            parts.raw(self.capabilities.as_str());
            if let Some(level) = self.log_level {
                parts.key(key::LOG_LEVEL);
                parts.text(level.as_str());
            }
        }
        if let Some(token) = progress_token {
            parts.key(key::PROGRESS_TOKEN);
            parts.raw(token);
        }
    }
}

fn is_hop(member: &Member<'_>) -> bool {
    MEMBERS.iter().any(|name| member.is(name))
}

/// The params of `initialize` for a client that asks for `revision`: what it can do, in the words of that revision.
pub fn initialize_params(revision: Revision, capabilities: &Raw, client_info: &Raw) -> Raw {
    let capabilities = lower_capabilities(revision, capabilities.clone());
    let mut parts = Parts::default();
    parts.begin();
    parts.key("protocolVersion");
    parts.text(revision.as_str());
    parts.key("capabilities");
    parts.raw(capabilities.as_str());
    parts.key("clientInfo");
    parts.raw(client_info.as_str());
    parts.end();
    Raw::trusted(parts.join())
}

/// The params of `server/discover` of a client that speaks `revision`, one of those without sessions.
pub fn discover_params(revision: Revision, capabilities: &Raw, client_info: &Raw) -> Raw {
    let (capabilities, client_info) = (capabilities.clone(), client_info.clone());
    let envelope = RequestEnvelope { progress_token: None, capabilities, client_info, log_level: None };
    envelope.lowered(revision).write(revision, &Raw::EMPTY_OBJECT)
}

/// The client's capabilities in the words of `revision`. None of today's rules refuses capabilities. Should one, a client
/// that declares nothing is still true.
fn lower_capabilities(revision: Revision, capabilities: Raw) -> Raw {
    revision::lower(Part::ClientCapabilities, revision, capabilities).unwrap_or(Raw::EMPTY_OBJECT)
}

/// The error for params that a server's revision has no words for.
pub(super) fn cannot_say(name: &str, refused: &Unrepresentable) -> Error {
    match refused {
        Unrepresentable::Method { .. } => Error::method_not_found(name),
        _ => Error::invalid_params(refused.to_string()),
    }
}

/// Pieces of a JSON text, in order. They are joined once all are there, so that the text is as large as its buffer: bytes with
/// room to spare cost another allocation when they are shared.
#[derive(Default)]
pub(super) struct Parts<'a> {
    parts: SmallVec<[&'a str; 64]>,
    /// Whether a member was written into the object that is open.
    any: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn raw(&mut self, text: &'a str) {
        self.parts.push(text);
        self.any = true;
    }

    fn begin(&mut self) {
        self.parts.push("{");
        self.any = false;
    }

    fn end(&mut self) {
        self.raw("}");
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.any, true) {
            self.parts.push(",");
        }
    }

    /// A key without anything to escape; its value follows.
    fn key(&mut self, key: &'static str) {
        self.comma();
        self.parts.extend(["\"", key, "\":"]);
    }

    /// A string without anything to escape.
    pub(super) fn text(&mut self, text: &'a str) {
        self.parts.extend(["\"", text, "\""]);
    }

    /// A member of `object`, as it stands there.
    fn copy(&mut self, object: &'a str, member: &Member<'_>) {
        self.comma();
        self.parts.push(object.get(member.range.clone()).unwrap_or_default());
    }

    pub(super) fn join(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.parts.iter().map(|part| part.len()).sum());
        for part in &self.parts {
            text.extend_from_slice(part.as_bytes());
        }
        text
    }
}
