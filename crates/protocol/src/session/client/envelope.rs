use crate::{
    Error, Raw, Revision,
    json::{Member, string},
    meta::{LogLevel, key},
    revision::{self, Part, Unrepresentable},
};

/// What one hop adds to a request: its own token, and what the server is told of whom it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEnvelope {
    /// The token that the server's progress notifications shall carry; `None`: none are wanted.
    pub progress_token: Option<Raw>,
    /// What the client can be asked, in the newest vocabulary.
    pub capabilities: Raw,
    /// Who the client is: an `Implementation`.
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

/// What the members of a modern `_meta` need beside their values.
const ENVELOPE: usize = 256;

impl RequestEnvelope {
    /// `params` with this hop's members in place of whatever was there of another hop's; all else byte for byte.
    pub(super) fn write(&self, revision: Revision, params: &Raw) -> Raw {
        let meta = params.members().find(|member| member.is("_meta") && member.value.starts_with('{'));
        let old = meta.as_ref().map(|member| params.slice(member.value));
        let needed = revision.is_modern() || self.progress_token.is_some();
        // The shortest way where there is nothing to do: an old server, and nothing of a hop in the params.
        if !needed && old.as_ref().is_none_or(|meta| meta.members().all(|member| !is_hop(&member))) {
            return params.clone();
        }
        let more = if revision.is_modern() {
            ENVELOPE + self.capabilities.as_str().len() + self.client_info.as_str().len()
        } else {
            64
        };
        let mut object = Object::with_capacity(params.as_str().len() + more);
        let kept = old.as_ref().is_some_and(|meta| meta.members().any(|member| !is_hop(&member)));
        if needed || kept {
            object.key("_meta");
            object.begin();
            if let Some(old) = &old {
                for member in old.members().filter(|member| !is_hop(member)) {
                    object.copy(old, &member);
                }
            }
            self.members(revision, &mut object);
            object.end();
        }
        for member in params.members().filter(|member| !member.is("_meta")) {
            object.copy(params, &member);
        }
        object.finish()
    }

    /// 2026-07-28, basic §_meta, Per-Request Protocol Fields: protocolVersion and clientCapabilities are required in
    /// every request; clientInfo clients SHOULD include.
    fn members(&self, revision: Revision, object: &mut Object) {
        if revision.is_modern() {
            object.text(key::PROTOCOL_VERSION, revision.as_str());
            object.raw(key::CLIENT_INFO, &self.client_info);
            object.raw(key::CLIENT_CAPABILITIES, &self.capabilities);
            if let Some(level) = self.log_level {
                object.text(key::LOG_LEVEL, level.as_str());
            }
        }
        if let Some(token) = &self.progress_token {
            object.raw(key::PROGRESS_TOKEN, token);
        }
    }
}

fn is_hop(member: &Member<'_>) -> bool {
    MEMBERS.iter().any(|name| member.is(name))
}

/// The params of `initialize` for a client that asks for `revision`: what it can do, in the words of that revision.
pub fn initialize_params(revision: Revision, capabilities: &Raw, client_info: &Raw) -> Raw {
    // None of today's rules refuses capabilities. Should one, a client that declares nothing is still true.
    let lowered = revision::lower(Part::ClientCapabilities, revision, capabilities.clone());
    let capabilities = lowered.unwrap_or(Raw::EMPTY_OBJECT);
    let mut object = Object::with_capacity(128 + capabilities.as_str().len() + client_info.as_str().len());
    object.text("protocolVersion", revision.as_str());
    object.raw("capabilities", &capabilities);
    object.raw("clientInfo", client_info);
    object.finish()
}

/// The error for params that a server's revision has no words for.
pub(super) fn cannot_say(name: &str, refused: &Unrepresentable) -> Error {
    match refused {
        Unrepresentable::Method { .. } => Error::method_not_found(name),
        _ => Error::invalid_params(refused.to_string()),
    }
}

/// Writes nested objects into one buffer.
struct Object {
    out: Vec<u8>,
    first: bool,
}

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(b'{');
        Self { out, first: true }
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
    }

    fn key(&mut self, key: &str) {
        self.comma();
        string::write(&mut self.out, key);
        self.out.push(b':');
    }

    fn raw(&mut self, key: &str, value: &Raw) {
        self.key(key);
        self.out.extend_from_slice(value.as_str().as_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        string::write(&mut self.out, value);
    }

    fn copy(&mut self, object: &Raw, member: &Member<'_>) {
        self.comma();
        let text = object.as_str().as_bytes();
        self.out.extend_from_slice(text.get(member.range.clone()).unwrap_or_default());
    }

    fn begin(&mut self) {
        self.out.push(b'{');
        self.first = true;
    }

    fn end(&mut self) {
        self.out.push(b'}');
        self.first = false;
    }

    fn finish(mut self) -> Raw {
        self.out.push(b'}');
        Raw::trusted(self.out)
    }
}
