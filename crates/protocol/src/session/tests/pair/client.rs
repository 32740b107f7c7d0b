use super::{server::nonce, world::World};
use crate::{
    Error, Method, Raw,
    capability::ClientProfile,
    meta::LogLevel,
    session::client::{CallEvent, CallFacts, CallId, RequestEnvelope, ServerRequestId},
};

/// Who calls.
pub(super) type Caller = u64;

/// The reader of one call.
pub(super) struct Reader {
    /// Names the call in its params: whatever is said about it must name the same.
    pub(super) nonce: u64,
    pub(super) is_sent: bool,
    /// Whether its outcome has come, if it was not read yet.
    pub(super) is_over: bool,
    /// The calls about which its caller may be asked: itself, and those whose requests came on a shared stream.
    pub(super) asked: Vec<u64>,
    progress: Option<i64>,
    method: Method,
}

/// Callers, and the readers of their calls.
impl World {
    /// Makes a call, if one more may be in flight.
    pub(super) fn call(&mut self) -> Option<CallId> {
        let method = if self.random.chance(70) { Method::ToolsCall } else { Method::ToolsList };
        let capabilities = super::server::raw(r#"{"elicitation":{},"sampling":{},"roots":{}}"#.into());
        let facts = CallFacts {
            method: Some(method),
            caller: self.random.below(2),
            unidentifiable: self.random.chance(10),
            profile: ClientProfile::of(&capabilities),
            log_level: self.random.chance(40).then_some(LogLevel::Info),
            log_level_is_default: self.random.chance(30),
            progress: self.random.chance(80),
            subscription: None,
        };
        let call = self.act(|client, now, out| client.call(now, facts, out)).ok()?;
        self.nonces += 1;
        let nonce = self.nonces;
        let asked = std::iter::once(nonce).chain(self.shared_roots.iter().copied()).collect();
        let reader = Reader { nonce, is_sent: false, is_over: false, asked, progress: None, method };
        assert!(self.readers.insert(call, reader).is_none(), "id {call} is used twice");
        Some(call)
    }

    pub(super) fn abandon(&mut self, call: CallId) {
        if self.readers.remove(&call).is_some() {
            self.abandons = true;
            self.act(|client, now, out| client.abandon(now, call, out));
            self.abandons = false;
        }
        assert!(self.client.next_event(call).is_none(), "an abandoned call says nothing more");
    }

    /// The reader of a call takes what waits, some of them slowly.
    pub(super) fn reads(&mut self, call: CallId) {
        while self.readers.contains_key(&call)
            && let Some(event) = self.client.next_event(call)
        {
            self.event(call, event);
            if self.random.chance(20) {
                return self.reads_later(call);
            }
        }
    }

    fn event(&mut self, call: CallId, event: CallEvent) {
        let Some(reader) = self.readers.get_mut(&call) else { return };
        match event {
            CallEvent::Send => {
                reader.is_sent = true;
                let (nonce, method) = (reader.nonce, reader.method);
                let text = self.request(call, nonce, method);
                self.post_call(call, text);
            }
            CallEvent::Notification(Method::Progress, params) => {
                assert_eq!(nonce(&params), Some(reader.nonce), "progress of another call");
                let value = params.member("progress").and_then(|value| value.as_str().parse().ok());
                assert!(value > reader.progress, "progress does not increase");
                reader.progress = value;
            }
            CallEvent::Notification(..) | CallEvent::UnknownNotification(..) => {}
            CallEvent::Request(request, _, params) => {
                // What came on the stream of another call never comes here.
                let asked = nonce(&params).is_some_and(|nonce| reader.asked.contains(&nonce));
                assert!(asked, "a request about another call");
                self.answers_later(request);
            }
            CallEvent::Finished { outcome, .. } => {
                match outcome {
                    Ok(Ok(result)) => {
                        assert_eq!(nonce(&result), Some(reader.nonce), "the answer to another call")
                    }
                    Ok(Err(error)) if error.message.starts_with("nonce") => {
                        assert_eq!(*error.message, *format!("nonce {}", reader.nonce));
                    }
                    Ok(Err(_)) | Err(_) => {}
                }
                self.readers.remove(&call);
                assert!(self.client.next_event(call).is_none(), "a call ends once");
                self.closes(call);
            }
        }
    }

    fn request(&self, call: CallId, nonce: u64, method: Method) -> Vec<u8> {
        let session = self.session.as_ref().unwrap();
        let envelope = RequestEnvelope {
            progress_token: None,
            capabilities: Raw::EMPTY_OBJECT,
            client_info: Raw::EMPTY_OBJECT,
            log_level: None,
        };
        let params = super::server::raw(format!(r#"{{"name":"t","arguments":{{"nonce":{nonce}}}}}"#));
        let prepared = session.prepare(method.as_str().into(), &params, envelope, true).unwrap();
        prepared.write(call)
    }

    pub(super) fn answers(&mut self, request: ServerRequestId, well: bool) {
        let answer = match well {
            true => Ok(super::server::raw(r#"{"roots":[],"action":"cancel","role":"user","model":"m","content":{"type":"text","text":"x"}}"#.into())),
            false => Err(Error::internal("no")),
        };
        self.act(|client, _, out| client.answer(request, answer, out));
        assert!(!self.client.is_awaited(request));
    }
}
