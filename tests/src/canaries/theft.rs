use std::collections::VecDeque;

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_testing::{Remote, Wire};
use serde_json::{Value, json};

use super::{
    tap::Tap,
    visit::{PATIENCE, THEFT, Visit},
};
use crate::{
    cross_transport::Fault,
    matrix::capabilities,
    plain::{Plain, Response},
};

/// What belongs to principals and others try to use.
#[derive(Debug, Default)]
pub(super) struct Loot(Lock<VecDeque<(usize, Theft)>>);

/// Why a state of another is refused.
pub(super) const FOREIGN: &str = "foreign";

/// How many things are remembered.
const ROOM: usize = 256;

/// Something that is of use to its owner alone.
#[derive(Clone, Debug)]
enum Theft {
    /// A session of Streamable HTTP.
    Session(Revision, String),
    /// Where a client of HTTP+SSE posts.
    Messages(String),
    /// The params of a retry, with the state of the call and the answers to its questions.
    State(Value),
}

impl Loot {
    fn leave(&self, owner: usize, theft: Theft) {
        let mut loot = self.0.lock();
        if loot.len() == ROOM {
            loot.pop_front();
        }
        loot.push_back((owner, theft));
    }

    /// The newest thing of somebody else.
    fn of_another(&self, thief: usize) -> Option<Theft> {
        let loot = self.0.lock();
        loot.iter().rev().find(|(owner, _)| *owner != thief).map(|(_, theft)| theft.clone())
    }
}

impl Visit {
    /// Leaves for thieves what identifies the session.
    pub(super) fn leave_session(&self, wire: &Wire) {
        let theft = match (wire.session(), wire.link().messages()) {
            (Some(session), _) => Theft::Session(wire.revision(), session.to_owned()),
            (None, Some(path)) => Theft::Messages(path.to_owned()),
            (None, None) => return,
        };
        self.loot.leave(self.owner.number(), theft);
    }

    /// Asks, leaves the state of the call to thieves, and takes the call up again.
    pub(super) async fn ask_in_rounds(
        &mut self,
        wire: &mut Wire,
        params: Value,
        canary: &str,
    ) -> Result<(), Fault> {
        self.counted("rounds");
        wire.leave_open();
        let asked = wire.call("tools/call", params.clone()).await?.outcome?;
        let (Some(state), Some(requests)) = (asked.get("requestState"), asked["inputRequests"].as_object())
        else {
            self.violation(&format!("rounds of {canary} got {asked}"));
            return Ok(());
        };
        let answer = json!({"action": "accept", "content": {"word": canary}});
        let answers: Value = requests.keys().map(|key| (key.clone(), answer.clone())).collect();
        let mut retry = params;
        retry["requestState"] = state.clone();
        retry["inputResponses"] = answers;
        self.loot.leave(self.owner.number(), Theft::State(retry.clone()));
        // Thieves may come first.
        tokio::task::yield_now().await;
        let answer = wire.call("tools/call", retry).await?;
        if answer.is_error() || answer.text() != canary {
            self.violation(&format!("rounds of {canary} got {:?}", answer.outcome));
        }
        Ok(())
    }

    /// Tries to use what belongs to another: everything must be refused.
    pub(super) async fn steal(&mut self, tap: &Tap) -> Result<(), Fault> {
        let Some(theft) = self.loot.of_another(self.owner.number()) else { return Ok(()) };
        self.counted(THEFT);
        let plain = Plain::at(tap.address()).bearer(&self.token);
        match &theft {
            Theft::Session(revision, session) => {
                let accept = "application/json, text/event-stream";
                let plain = plain.header("Mcp-Session-Id", session).header("Accept", accept);
                let plain = plain.header("MCP-Protocol-Version", revision.as_str());
                let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
                let resumed = plain.clone().header("Last-Event-ID", "0/1");
                for response in [
                    plain.ask("POST", "/mcp", &ping).await?,
                    plain.ask("GET", "/mcp", "").await?,
                    resumed.ask("GET", "/mcp", "").await?,
                    plain.ask("DELETE", "/mcp", "").await?,
                ] {
                    self.expect_refused(&theft, &response, 404);
                }
            }
            Theft::Messages(path) => {
                let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
                self.expect_refused(&theft, &plain.ask("POST", path, &ping).await?, 404);
            }
            Theft::State(params) => {
                let remote = Remote::new(tap.address()).bearer(&self.token);
                let mut wire = Wire::over(remote.http("/mcp"))
                    .declaring(capabilities(Revision::NEWEST))
                    .patience(PATIENCE);
                wire.open(Revision::NEWEST).await?;
                let answer = wire.call("tools/call", params.clone()).await?;
                let is_refused = answer.outcome.as_ref().is_err_and(|error| error.data["reason"] == FOREIGN);
                if !is_refused {
                    self.violation(&format!("the state of another was taken: {:?}", answer.outcome));
                }
                wire.close().await?;
            }
        }
        Ok(())
    }

    fn expect_refused(&self, theft: &Theft, response: &Response, status: u16) {
        if response.status != status {
            self.violation(&format!("{theft:?} of another was answered by {response:?}"));
        }
    }
}
