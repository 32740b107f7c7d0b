//! A client on any link.

use anyport_protocol::Revision;
use serde_json::Value;

use super::ends::Ends;
use crate::{Lost, Wire};

pub(super) struct Client {
    wire: Option<Wire>,
    /// How many messages the script has seen.
    seen: usize,
}

impl Client {
    pub(super) fn new(mut wire: Wire, revision: Revision) -> Self {
        wire.leave_open();
        wire.speak(revision);
        Self { wire: Some(wire), seen: 0 }
    }
}

impl Ends for Client {
    async fn send(&mut self, message: &Value) -> Result<(), String> {
        let wire = self.wire.as_mut().ok_or("the script has closed the connection")?;
        let agreed = message["params"]["protocolVersion"].as_str().and_then(|version| version.parse().ok());
        if let ("initialize", Some(revision)) = (message["method"].as_str().unwrap_or_default(), agreed) {
            wire.speak(revision);
        }
        wire.tell(&message.to_string()).map_err(|lost| lost.to_string())?;
        if message["method"] == "notifications/initialized" {
            wire.open_stream().await.map_err(|lost| lost.to_string())?;
        }
        Ok(())
    }

    async fn receive(&mut self) -> Option<Result<Value, String>> {
        let wire = self.wire.as_mut()?;
        loop {
            if let Some(heard) = wire.heard().get(self.seen) {
                self.seen += 1;
                return Some(Ok(heard.message.clone()));
            }
            match wire.pull("what the script expects").await {
                Ok(()) => {}
                Err(Lost::Garbage(text)) => return Some(Err(text)),
                Err(_) => return None,
            }
        }
    }

    async fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            let _ = wire.close().await;
        }
    }

    async fn exit(&mut self) {
        self.wire = None;
    }
}
