use std::{future::Future, pin::Pin, sync::Arc};

use anyport_protocol::{failure::CloseReason, meta::key::SERVER_INFO};
use anyport_transport::client::{ConnectOptions, MessageObserver, Target, child::StderrReader};
use anyport_upstream::{ConnectError, Connected, Connector, OpenRequest, TransportConnector};
use memchr::memmem::Finder;
use serde_json::Value;

use crate::traffic::{ConnectionObserver, Traffic};

use super::{EntryKind, LogEntry, ServerLog, stderr::StderrLines};

/// Connects to a server, and notes in its log how connections begin and end, and what the server logs.
pub(crate) struct LoggedConnector {
    inner: TransportConnector,
    noted: Option<Noted>,
}

/// Where what is seen of a server goes.
#[derive(Clone)]
struct Noted {
    name: Arc<str>,
    log: Arc<ServerLog>,
    traffic: Traffic,
}

impl LoggedConnector {
    /// The server `name` at `target`, whose connections are opened as `opening` says. Without a log, nothing is noted.
    pub(crate) fn new(
        name: &str,
        mut target: Target,
        opening: ConnectOptions,
        noted: Option<(Arc<ServerLog>, Traffic)>,
    ) -> Self {
        let noted = noted.map(|(log, traffic)| Noted { name: name.into(), log, traffic });
        if let (Target::Command(command), Some(Noted { log, .. })) = (&mut target, &noted) {
            let log = log.clone();
            command.stderr_reader = Some(StderrReader::new(move |process| {
                let mut lines = StderrLines::new(log.clone(), process);
                move |piece: &[u8]| lines.write(piece)
            }));
        }
        Self { inner: TransportConnector::new(target, opening), noted }
    }
}

impl LoggedConnector {
    /// Sets what errors say is to be done where only a login helps.
    pub(crate) fn login_help(self, help: Option<Arc<str>>) -> Self {
        Self { inner: self.inner.login_help(help), ..self }
    }

    /// Sets how often a server is connected that goes away before its handshake is over.
    pub(crate) fn handshakes(self, handshakes: u32) -> Self {
        Self { inner: self.inner.handshakes(handshakes), ..self }
    }
}

impl Connector for LoggedConnector {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let Some(Noted { name, log, traffic }) = self.noted.clone() else {
            return self.inner.connect(client);
        };
        let messages = Arc::new(LogMessages::new(log.clone()));
        let observer = Arc::new(ConnectionObserver::new(&name, &traffic, messages));
        let connecting = self.inner.observed(observer).connect(client);
        Box::pin(async move {
            let connected =
                connecting.await.inspect_err(|error| log.event(format!("not connected: {error}")))?;
            log.event(connected_words(&connected));
            let closed = connected.peer.closed();
            tokio::spawn(async move { log.event(closed_words(&closed.await)) });
            Ok(connected)
        })
    }
}

fn connected_words(connected: &Connected) -> String {
    let revision = connected.session.revision();
    let era = if revision.is_stateless() { "modern" } else { "legacy" };
    let info = connected.session.discovered().member("_meta").and_then(|meta| meta.member(SERVER_INFO));
    let [name, version] = ["name", "version"].map(|key| {
        let value = info.as_ref().and_then(|info| info.member(key)?.decode::<String>().ok());
        value.unwrap_or_default()
    });
    format!("connected: {revision} ({era}), {name} {version}").trim_end_matches([' ', ',']).to_owned()
}

/// How a connection ended, in one line: what a program wrote last is in the log already.
fn closed_words(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Closed => "closed".to_owned(),
        CloseReason::Exited { status: Some(status), .. } => format!("lost: the process ended ({status})"),
        CloseReason::Exited { status: None, .. } => "lost: the process ended".to_owned(),
        reason => format!("lost: {reason}"),
    }
}

/// Notes the log messages of a server, on whichever of its connections.
struct LogMessages {
    log: Arc<ServerLog>,
    method: Finder<'static>,
}

impl LogMessages {
    fn new(log: Arc<ServerLog>) -> Self {
        Self { log, method: Finder::new(METHOD) }
    }
}

impl MessageObserver for LogMessages {
    fn sent(&self, _: &[u8]) {}

    fn received(&self, message: &[u8]) {
        // Nearly every message is another one, and is not parsed here.
        if message.len() > LONGEST || self.method.find(message).is_none() {
            return;
        }
        let Ok(message) = serde_json::from_slice::<Value>(message) else { return };
        if message["method"] != METHOD {
            return;
        }
        let params = &message["params"];
        let text = params["data"].as_str().map_or_else(|| params["data"].to_string(), str::to_owned);
        let [level, logger] = ["level", "logger"].map(|key| params[key].as_str().map(str::to_owned));
        self.log.add(LogEntry { level, logger, ..LogEntry::new(EntryKind::Message, text) });
    }
}

/// The method of a log message.
const METHOD: &str = "notifications/message";
/// The size in bytes of the longest message that is looked at.
const LONGEST: usize = 64 << 10;
