//! What is known of the members of a gateway, for `anyport status`.

use anyport_config::gateway::Pin;
use anyport_gateway::{
    CallerBridges,
    federation::{MemberStatus, PinMode},
};
use anyport_protocol::Revision;
use anyport_upstream::UpstreamHealth;

use super::{Members, upstream::UpstreamMember};
use crate::gateway::status::{ServerState, ServerStatus, Time, UpstreamStatus};

impl Members {
    /// The state of a server, of which the federation knows `member`.
    pub(in crate::gateway) fn status(&self, member: MemberStatus) -> ServerStatus {
        let mut status = ServerStatus::of(member);
        if let Some(upstream) = self.upstreams.get(&status.name) {
            upstream.describe(&mut status);
        }
        status
    }
}

impl UpstreamMember {
    /// Adds to `status` how it is reached, and what its connections say.
    fn describe(&self, status: &mut ServerStatus) {
        if self.bridge.is_stopped() && status.state == ServerState::Up {
            status.state = ServerState::Idle;
        }
        let retry_at = self.note_health(status);
        let known = self.bridge.upstream().server_info().borrow().clone();
        let info = [Revision::NEWEST, Revision::NEWEST_LEGACY]
            .into_iter()
            .find_map(|revision| known.for_callers_of(revision));
        status.transport = self.server.transport().to_owned();
        status.upstream = Some(UpstreamStatus {
            pin: match self.pin {
                None => Pin::Off,
                Some(PinMode::Report) => Pin::Report,
                Some(PinMode::Strict) => Pin::Strict,
            },
            server: self.server.to_string(),
            retry_at,
            revision: info.map(|info| info.revision.as_str().to_owned()),
        });
    }

    /// Notes in `status` what the connections say of the server, which may be newer than the last request. Returns when it is
    /// connected again, if it is down.
    fn note_health(&self, status: &mut ServerStatus) -> Option<Time> {
        // Callers with keys of their own may reach it although others do not.
        if self.of_callers.as_ref().is_some_and(CallerBridges::is_connected) {
            status.state = ServerState::Up;
            return None;
        }
        match self.bridge.upstream().health() {
            UpstreamHealth::Down { since, why, retry_at } => {
                status.state = ServerState::Down;
                status.since = Time(since);
                status.last_error = Some(why);
                Some(Time(retry_at))
            }
            // It was connected again, and nothing was requested since.
            UpstreamHealth::Connected { since }
                if status.state == ServerState::Down && status.since.0 < since =>
            {
                status.state = ServerState::Up;
                status.since = Time(since);
                None
            }
            _ => None,
        }
    }
}
