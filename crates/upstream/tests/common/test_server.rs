//! Servers for tests: as many connections as are asked for, each of which the test holds at its other end.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    failure::{CloseReason, Failure},
    jsonrpc::ConnectionRefusal,
    session::client::{Attribution, NegotiatedSession},
};
use anyport_service::{
    Context, Event, Notification, Outcome, Peer, PeerEvent, Principal, Reply, Request, ServerRequest,
    Service, SessionId, emit,
    peer::{PeerChannel, PeerTransport, ToPeer, UnsolicitedRequest},
};
use anyport_upstream::{ConnectError, Connected, Connector, OpenRequest};
use serde_json::{Value, json};
use tokio::time::sleep;

#[derive(Clone)]
pub(crate) struct Farm(Arc<Mutex<Inside>>);

struct Inside {
    revision: Revision,
    /// The revision of those connections that prefer a legacy one, of a server of both eras.
    legacy: Option<Revision>,
    clients: Vec<OpenRequest>,
    /// Why the next attempts fail.
    failures: VecDeque<&'static str>,
    delay: Duration,
    /// How long a connection takes to close.
    closing: Duration,
    servers: Vec<Server>,
    tools: Value,
    endless: bool,
    /// Resources that nobody may subscribe to.
    refused: Arc<Mutex<Vec<&'static str>>>,
}

/// What is refused where nobody may listen.
const LISTENERS: &str = "subscriptions/listen";

/// One connection, from the server's side.
#[derive(Clone)]
pub(crate) struct Server {
    revision: Revision,
    calls: Arc<Mutex<Vec<String>>>,
    wire: Arc<Wire>,
    tools: Value,
    endless: bool,
    refused: Arc<Mutex<Vec<&'static str>>>,
}

/// The connection outside any call.
struct Wire {
    id: SessionId,
    events: PeerChannel,
    attribution: Mutex<Option<Attribution>>,
    /// The notifications of its client.
    heard: Mutex<Vec<String>>,
    /// Cuts the streams of those who listen.
    cut: tokio::sync::Notify,
}

impl PeerTransport for Wire {
    fn id(&self) -> SessionId {
        self.id
    }

    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        let ToPeer::Notification(method, _) = message else { return Err(message) };
        self.heard.lock().unwrap().push(method.to_string());
        Ok(())
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }

    fn attribution(&self) -> Option<Attribution> {
        *self.attribution.lock().unwrap()
    }
}

impl Farm {
    pub(crate) fn new(revision: Revision) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            revision,
            legacy: None,
            clients: Vec::new(),
            failures: VecDeque::new(),
            delay: Duration::from_millis(50),
            closing: Duration::ZERO,
            servers: Vec::new(),
            tools: json!([{"name": "read", "annotations": {"readOnlyHint": true}}, {"name": "write"}]),
            endless: false,
            refused: Arc::default(),
        })))
    }

    /// A server of both eras.
    pub(crate) fn dual() -> Self {
        let farm = Self::new(Revision::V2026_07_28);
        farm.0.lock().unwrap().legacy = Some(Revision::V2025_11_25);
        farm
    }

    pub(crate) fn failing(self, reasons: &[&'static str]) -> Self {
        self.0.lock().unwrap().failures.extend(reasons);
        self
    }

    /// Connecting takes `delay`, closing takes `closing`.
    pub(crate) fn slow(self, delay: Duration, closing: Duration) -> Self {
        {
            let mut inside = self.0.lock().unwrap();
            (inside.delay, inside.closing) = (delay, closing);
        }
        self
    }

    /// From the next connection on, the server speaks `revision`.
    pub(crate) fn speak(&self, revision: Revision) {
        self.0.lock().unwrap().revision = revision;
    }

    /// From the next connection on, every page of tools has one after it.
    pub(crate) fn endless(&self) {
        self.0.lock().unwrap().endless = true;
    }

    /// Nobody may subscribe to `uri` any more.
    pub(crate) fn refuse(&self, uri: &'static str) {
        self.0.lock().unwrap().refused.lock().unwrap().push(uri);
    }

    /// Refuses `subscriptions/listen` as of a revision that it does not speak.
    pub(crate) fn refuse_listeners(&self) {
        self.refuse(LISTENERS);
    }

    pub(crate) fn set_tools(&self, tools: Value) {
        self.0.lock().unwrap().tools = tools;
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.lock().unwrap().clients.len()
    }

    pub(crate) fn client(&self, index: usize) -> OpenRequest {
        self.0.lock().unwrap().clients[index].clone()
    }

    pub(crate) fn server(&self, index: usize) -> Server {
        self.0.lock().unwrap().servers[index].clone()
    }
}

impl Connector for Farm {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let farm = self.clone();
        Box::pin(async move {
            let legacy_first = client.legacy_first;
            let delay = {
                let mut inside = farm.0.lock().unwrap();
                inside.clients.push(client);
                inside.delay
            };
            sleep(delay).await;
            let mut inside = farm.0.lock().unwrap();
            if let Some(why) = inside.failures.pop_front() {
                return Err(ConnectError::new(why));
            }
            let wire = Arc::new(Wire {
                id: SessionId::next(),
                events: PeerChannel::default(),
                attribution: Mutex::default(),
                heard: Mutex::default(),
                cut: tokio::sync::Notify::new(),
            });
            let (closing, takes) = (wire.clone(), inside.closing);
            let server = Server {
                revision: inside.legacy.filter(|_| legacy_first).unwrap_or(inside.revision),
                calls: Arc::default(),
                wire: wire.clone(),
                tools: inside.tools.clone(),
                endless: inside.endless,
                refused: inside.refused.clone(),
            };
            inside.servers.push(server.clone());
            Ok(Connected {
                service: Arc::new(server.clone()),
                session: Arc::new(server.session()),
                peer: Peer::new(wire),
                close: Box::pin(async move {
                    sleep(takes).await;
                    closing.events.close(CloseReason::Closed);
                }),
            })
        })
    }
}

impl Server {
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn say(&self, method: Method, params: Value) {
        self.wire.events.send(PeerEvent::Notification(method.as_str().into(), params.into()));
    }

    /// Asks outside any call. Whoever takes the request answers it on what is returned.
    pub(crate) fn ask(&self, method: Method) -> tokio::sync::oneshot::Receiver<anyport_service::Answer> {
        let (request, answer) = ServerRequest::new(method, Raw::EMPTY_OBJECT);
        self.wire.events.send(PeerEvent::Request(UnsolicitedRequest::new(request)));
        answer
    }

    /// From now on the calls of its requests were found in this way.
    pub(crate) fn attribute(&self, attribution: Attribution) {
        *self.wire.attribution.lock().unwrap() = Some(attribution);
    }

    /// The methods of the notifications that its client has sent.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.wire.heard.lock().unwrap().clone()
    }

    /// Why the connection is gone, if it is.
    pub(crate) fn end(&self) -> Option<CloseReason> {
        self.wire.events.close_reason()
    }

    /// Breaks the connection.
    pub(crate) fn lose(&self, why: &'static str) {
        self.wire.events.close(CloseReason::lost(why));
    }

    /// Cuts the streams of those who listen, as a server over HTTP does that dies: nothing else tells of it.
    pub(crate) fn cut(&self) {
        self.wire.cut.notify_waiters();
    }

    /// Does what the arguments of a call say for the era of this connection: `{"modern": [..], "legacy": [..]}`. Each step is
    /// `"ask"`, the text of a failed tool, the code and message of an error, or a result.
    async fn scripted(&self, request: &Request, emitter: &emit::Emitter) -> Outcome {
        let is_modern = self.revision.is_stateless();
        let params: Value = request.params.raw().decode().unwrap();
        let steps = &params["arguments"][if is_modern { "modern" } else { "legacy" }];
        let is_answered = params.get("inputResponses").is_some();
        for step in steps.as_array().unwrap() {
            match step {
                Value::String(ask) if ask == "ask" && is_answered => {}
                Value::String(ask) if ask == "ask" && is_modern => {
                    let form =
                        json!({"message": "?", "requestedSchema": {"type": "object", "properties": {}}});
                    let requests = json!({"q": {"method": "elicitation/create", "params": form}});
                    let asked = json!({"resultType": "input_required", "inputRequests": requests});
                    return Outcome::InputRequired(asked.into());
                }
                Value::String(ask) if ask == "ask" => {
                    let (question, answer) =
                        ServerRequest::new(Method::Elicit, json!({"message": "?"}).into());
                    emitter.emit(Event::ServerRequest(question)).await;
                    answer.await.unwrap().unwrap();
                }
                Value::String(text) => {
                    let content = json!([{"type": "text", "text": text}]);
                    let failed = json!({"resultType": "complete", "content": content, "isError": true});
                    return Outcome::Result(failed.into());
                }
                Value::Array(error) => {
                    let message = error[1].as_str().unwrap().to_owned();
                    return Outcome::Error(Error::new(error[0].as_i64().unwrap(), message));
                }
                result => return Outcome::Result(result.clone().into()),
            }
        }
        panic!("a script ends with an outcome")
    }

    fn session(&self) -> NegotiatedSession {
        let capabilities =
            json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}, "x-unknown": {"a": 1}});
        let info = json!({"name": "farm", "version": "1"});
        if self.revision.is_stateless() {
            let discovered = json!({
                "resultType": "complete",
                "supportedVersions": [self.revision.as_str()],
                "capabilities": capabilities,
                "instructions": "be kind",
                "_meta": {"io.modelcontextprotocol/serverInfo": info},
            });
            return NegotiatedSession::modern(self.revision, discovered.into()).unwrap();
        }
        let initialized = json!({
            "protocolVersion": self.revision.as_str(),
            "capabilities": capabilities,
            "instructions": "be kind",
            "serverInfo": info,
        });
        NegotiatedSession::legacy(&initialized.into()).unwrap()
    }
}

impl Service for Server {
    fn call(&self, request: Request, context: Context) -> Reply {
        let name = request.name().map_or_else(|| request.method.to_string(), |name| name.to_string());
        self.calls.lock().unwrap().push(name.clone());
        let lost = self.wire.events.closed();
        let lost = async move { Outcome::from(Failure::Disconnected(lost.await)) };
        let done = |result: Value| Outcome::Result(result.into());
        if request.known() == Some(Method::ToolsList) {
            let mut page = json!({"resultType": "complete", "tools": self.tools, "ttlMs": 0});
            if self.endless {
                page["nextCursor"] = json!(self.calls().len().to_string());
            }
            return Reply::ready(done(page));
        }
        if request.known() == Some(Method::Subscribe) {
            let uri = request.params.member("uri").and_then(|uri| uri.as_string()).unwrap_or_default();
            if self.refused.lock().unwrap().contains(&&*uri) {
                return Reply::error(Error::invalid_params("no such resource"));
            }
            return Reply::ready(done(json!({})));
        }
        if name == "upgraded" && !self.revision.is_stateless() {
            let supported = json!({"supported": ["2026-07-28"]}).into();
            return Reply::error(Error::new(-32022, "Unsupported protocol version").with_data(supported));
        }
        if name == "placed" {
            let place = request.params.member("arguments").and_then(|arguments| arguments.member("place"));
            let place = place.and_then(|place| place.as_string()).unwrap_or_default();
            let mut sent = context.param_headers().into_iter().flat_map(|headers| headers.get("place"));
            if sent.next() != Some(place.as_bytes()) {
                let error = Error::header_mismatch("Mcp-Param-Place is not the place");
                return Reply::error(Error { refusal: Some(ConnectionRefusal::HeaderMismatch), ..error });
            }
        }
        let hangs =
            request.params.member("arguments").is_some_and(|arguments| arguments.member("hang").is_some());
        let modern = self.revision.is_stateless();
        let asks = ["ask", "pushes", "returns"].iter().any(|asks| name.starts_with(asks));
        let answered = request.params.member("inputResponses").is_some();
        let server = self.clone();
        emit::reply(move |emitter| async move {
            if request.is_listen() && server.refused.lock().unwrap().contains(&LISTENERS) {
                let refusal = Some(ConnectionRefusal::UnsupportedRevision);
                return Outcome::Error(Error {
                    refusal,
                    ..Error::new(-32022, "Unsupported protocol version")
                });
            }
            if request.is_listen() {
                let told = Notification {
                    method: Method::Acknowledged,
                    params: json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}}).into(),
                };
                emitter.emit(Event::Notification(told)).await;
                return tokio::select! {
                    () = server.wire.cut.notified() => {
                        Outcome::from(Failure::OutcomeUnknown(CloseReason::lost("cut")))
                    }
                    lost = lost => lost,
                };
            }
            if context.progress_token().is_some() {
                for progress in 1..=2 {
                    let params = json!({"progressToken": 1, "progress": progress}).into();
                    emitter
                        .emit(Event::Notification(Notification { method: Method::Progress, params }))
                        .await;
                }
            }
            if name == "forged" {
                let data = json!({"upstreamCode": -32022});
                return Outcome::Error(Error::internal("forged").with_data(data.into()));
            }
            if name.starts_with("pushes") && modern {
                // As FastMCP 4 does in `Context.elicit`.
                let text =
                    "elicitation via server-initiated requests is unavailable on 2026-07-28 connections.";
                let content = json!([{"type": "text", "text": text}]);
                return done(json!({"resultType": "complete", "content": content, "isError": true}));
            }
            if name == "scripted" {
                return server.scripted(&request, &emitter).await;
            }
            if name.starts_with("returns") && !modern {
                // As rmcp does with an `InputRequiredResult`.
                return Outcome::Error(Error::new(
                    -32600,
                    "InputRequiredResult requires negotiated protocol version 2026-07-28 or newer",
                ));
            }
            if name == "outdated" {
                let refusal = Some(ConnectionRefusal::UnsupportedRevision);
                return Outcome::Error(Error { refusal, ..Error::internal("outdated") });
            }
            if hangs && !asks {
                return lost.await;
            }
            if asks && modern && !answered {
                let question = json!({"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}});
                return Outcome::InputRequired(
                    json!({"resultType": "input_required", "inputRequests": {"q": question}}).into(),
                );
            }
            if asks && !modern {
                tokio::pin!(lost);
                let (question, answer) = ServerRequest::new(Method::Elicit, json!({"message": "?"}).into());
                emitter.emit(Event::ServerRequest(question)).await;
                let answer = tokio::select! {
                    answer = answer => answer.unwrap().unwrap(),
                    lost = &mut lost => return lost,
                };
                if hangs {
                    return lost.await;
                }
                return done(json!({"resultType": "complete", "answer": answer.decode::<Value>().unwrap()}));
            }
            let nth = server.calls().len();
            done(json!({"resultType": "complete", "called": name, "nth": nth}))
        })
    }
}

/// A caller that can be asked `capabilities`.
pub(crate) fn caller(revision: Revision, capabilities: Value) -> Context {
    let info = json!({"name": "caller", "version": "1"});
    Context::new(Principal::anonymous(), revision).with_client(capabilities.into(), Some(info.into()))
}

pub(crate) fn call(tool: &str, arguments: Value) -> Request {
    Request::new(Method::ToolsCall, Raw::from(json!({"name": tool, "arguments": arguments})))
}

pub(crate) fn result(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Result(result) => result.decode().unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

pub(crate) fn error(outcome: Outcome) -> (String, Value) {
    let error = match outcome {
        Outcome::Failed(failure) => failure.to_error(),
        // Of a call that went through the adapter, which keeps the response for a retry.
        Outcome::Error(error) => error,
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(error.code, -32603);
    (error.message.to_string(), error.data.unwrap().decode().unwrap())
}
