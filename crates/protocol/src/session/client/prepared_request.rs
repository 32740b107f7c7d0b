use bytestring::ByteString;

use super::{
    call_id::CallId,
    envelope::{Parts, RequestEnvelope},
    negotiated::NegotiatedSession,
};
use crate::{Method, Raw, Revision, json::string};

/// The request of a call, ready to be written: in the server's revision, for one hop, without an id.
///
/// The reader of the call holds it and writes it at each [`CallEvent::Send`](super::CallEvent::Send).
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    method: ByteString,
    known: Option<Method>,
    /// In the words of the server's revision.
    params: Raw,
    revision: Revision,
    envelope: RequestEnvelope,
    progress: bool,
}

impl NegotiatedSession {
    /// Prepares a request whose caller wrote `params`. With `progress`, the request has a progress token: the id of the
    /// call, whatever token `envelope` has.
    ///
    /// # Errors
    /// See [`NegotiatedSession::params`].
    pub fn prepare(
        &self,
        method: ByteString,
        params: &Raw,
        envelope: RequestEnvelope,
        progress: bool,
    ) -> Result<PreparedRequest, crate::revision::Unrepresentable> {
        let params = self.lowered(&method, params)?;
        let known = Method::named(&method);
        let envelope = envelope.lowered(self.revision());
        Ok(PreparedRequest { method, known, params, revision: self.revision(), envelope, progress })
    }
}

impl PreparedRequest {
    /// The method's name.
    pub fn method(&self) -> &ByteString {
        &self.method
    }

    /// The method; `None` if the protocol does not have it.
    pub fn known(&self) -> Option<Method> {
        self.known
    }

    /// The revision in which it is written.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The params, without what the envelope adds.
    pub fn params(&self) -> &Raw {
        &self.params
    }

    /// The name or URI in the params that a header repeats (2026-07-28, streamable-http §Request Metadata).
    pub fn name(&self) -> Option<ByteString> {
        self.params.member(self.known?.header_name()?)?.as_string()
    }

    /// The request as JSON text, written once and as large as its buffer.
    pub fn write(&self, call: CallId) -> Vec<u8> {
        let mut digits = [0; 20];
        let id = call.digits(&mut digits);
        let mut escaped = Vec::new();
        let mut parts = Parts::default();
        parts.raw(r#"{"jsonrpc":"2.0","id":"#);
        parts.raw(id);
        parts.raw(r#","method":"#);
        match self.known {
            Some(known) => parts.text(known.as_str()),
            None => {
                string::write(&mut escaped, &self.method);
                parts.raw(std::str::from_utf8(&escaped).unwrap_or("\"\""));
            }
        }
        parts.raw(r#","params":"#);
        let params = self.params.as_str();
        if !self.envelope.collect(self.revision, params, self.progress.then_some(id), &mut parts) {
            parts.raw(params);
        }
        parts.raw("}");
        parts.join()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn raw(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn written(revision: Revision, method: &str, params: &str, progress: bool) -> String {
        let session = NegotiatedSession::modern(revision, Raw::EMPTY_OBJECT).unwrap();
        let envelope = RequestEnvelope {
            progress_token: None,
            capabilities: raw(r#"{"roots":{}}"#),
            client_info: raw(r#"{"name":"c"}"#),
            log_level: None,
        };
        let prepared = session.prepare(method.into(), &raw(params), envelope, progress).unwrap();
        let text = prepared.write(CallId::new(7).unwrap());
        assert_eq!(text.len(), text.capacity(), "as large as its buffer");
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_request_is_written_once_with_its_own_envelope() {
        let modern = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"x": 1,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"progressToken":7},"name": "t","arguments":{ }}}"#;
        let params = r#"{"name": "t", "_meta":{"progressToken":"theirs","x": 1}, "arguments":{ }}"#;
        assert_eq!(written(Revision::V2026_07_28, "tools/call", params, true), modern);
        let legacy = r#"{"jsonrpc":"2.0","id":7,"method":"x/\"y","params":{"a": 1}}"#;
        assert_eq!(written(Revision::V2025_11_25, "x/\"y", r#"{"a": 1}"#, false), legacy);
        let last = CallId::new(u64::MAX).unwrap();
        assert_eq!(last.digits(&mut [0; 20]), u64::MAX.to_string());
        let cleaned = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}"#;
        let of_another_hop = r#"{"_meta":{"progressToken":1}}"#;
        assert_eq!(written(Revision::V2025_11_25, "tools/call", of_another_hop, false), cleaned);
    }
}
