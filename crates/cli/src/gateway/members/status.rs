//! What is known of the members of a gateway, for `anyport status`.

use anyport_auth::CallerCounts;
use anyport_config::{
    Endpoint,
    gateway::{Pin, UpstreamConfig},
};
use anyport_gateway::{
    CallerBridges,
    federation::{MemberStatus, PinMode},
};
use anyport_protocol::Revision;
use anyport_transport::client::http::without_secrets;
use anyport_upstream::UpstreamHealth;

use super::{Members, upstream::UpstreamMember};
use crate::gateway::status::{CallersStatus, Login, ServerState, ServerStatus, Time, UpstreamStatus};

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
        let retry_at = match &self.server {
            Ok(_) => self.note_health(status),
            Err(unusable) => {
                status.state = ServerState::Down;
                status.since = Time(unusable.since);
                status.last_error = Some(unusable.why(&status.name));
                None
            }
        };
        let login = self.sign_in.as_ref().map(|sign_in| Login::of(sign_in.state()));
        if let (Some(Login::Needed), ServerState::Down) = (login, status.state) {
            status.last_error = Some("it needs a login".to_owned());
        }
        let known = self.bridge.upstream().server_info().borrow().clone();
        let info = [Revision::NEWEST, Revision::NEWEST_LEGACY]
            .into_iter()
            .find_map(|revision| known.for_callers_of(revision));
        let (transport, server) = match &self.server {
            Ok(server) => (server.transport(), server.to_string()),
            Err(_) => described(&self.config),
        };
        status.transport = transport.to_owned();
        status.upstream = Some(UpstreamStatus {
            pin: match self.pin {
                None => Pin::Off,
                Some(PinMode::Report) => Pin::Report,
                Some(PinMode::Strict) => Pin::Strict,
            },
            server,
            retry_at,
            login,
            callers: self.callers(&status.name),
            revision: info.map(|info| info.revision.as_str().to_owned()),
        });
    }

    /// The callers, if each signs in there.
    fn callers(&self, name: &str) -> Option<CallersStatus> {
        let logins = &self.access.as_ref()?.per_user()?.logins;
        let CallerCounts { signed_in, signed_out, waiting } = logins.callers(name);
        Some(CallersStatus { signed_in, signed_out, waiting })
    }

    /// Notes in `status` what the connections say of the server, which may be newer than the last request. Returns when it is
    /// connected again, if it is down.
    fn note_health(&self, status: &mut ServerStatus) -> Option<Time> {
        // Callers with keys of their own may reach it although others do not.
        if self.of_callers.as_ref().is_some_and(CallerBridges::is_connected) {
            status.state = ServerState::Up;
            return None;
        }
        // That the server refuses those without a token says nothing of it.
        if self.access.as_ref().is_some_and(|access| access.per_user().is_some()) {
            return None;
        }
        match self.bridge.upstream().health() {
            UpstreamHealth::Down { since, why, retry_at } => {
                status.state = ServerState::Down;
                status.since = Time(since);
                status.last_error = Some(why);
                retry_at.map(Time)
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

/// Over what an upstream would be reached, and its URL or program, as far as its entry says.
fn described(config: &UpstreamConfig) -> (&'static str, String) {
    match config.server().map(|described| described.endpoint) {
        Ok(Endpoint::Command { program, .. }) => ("stdio", program),
        Ok(Endpoint::Url { url, .. }) => {
            let transport = match url.split(':').next() {
                Some("unix") => "unix",
                Some("ws" | "wss") => "websocket",
                _ => "http",
            };
            (transport, without_secrets(&url))
        }
        Err(_) => ("unknown", String::new()),
    }
}
