//! How the members of a gateway are started and ended.

use anyhow::{Context as _, Result};
use anyport_config::gateway::Start;
#[cfg(unix)]
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Members, upstream::UpstreamMember};
#[cfg(unix)]
use crate::gateway::direct::DirectConnections;

impl Members {
    /// Starts the documents, and connects the servers that are to be connected now. What has started already stays as it is.
    pub(in crate::gateway) async fn start(&self) -> Result<()> {
        for (name, upstream) in &self.upstreams {
            if let Some((pins, mode)) = self.pins.get(name).zip(upstream.pin) {
                pins.set_mode(mode);
            }
        }
        for documents in self.documents.values() {
            documents.server.start().await.context("the documents cannot be served")?;
        }
        let eager = self.upstreams.values().filter(|member| member.config.start == Start::Eager);
        eager.for_each(UpstreamMember::connect);
        Ok(())
    }

    /// When a connection to the server `name` alone must end; `None` if there is no such server.
    #[cfg(unix)]
    pub(in crate::gateway) fn connect(&self, name: &str) -> Option<watch::Receiver<bool>> {
        let upstream = self.upstreams.get(name).map(|member| &member.direct);
        let direct = upstream.or_else(|| self.documents.get(name).map(|member| &member.direct));
        direct.map(|direct| direct.connect())
    }

    #[cfg(unix)]
    fn all_direct(&self) -> impl Iterator<Item = &DirectConnections> {
        let upstreams = self.upstreams.values().map(|member| &*member.direct);
        upstreams.chain(self.documents.values().map(|member| &*member.direct))
    }

    /// Ends the connections to single servers once their calls in flight have ended.
    pub(in crate::gateway) fn retire(&self) {
        #[cfg(unix)]
        self.all_direct().for_each(DirectConnections::retire);
    }

    /// Whether no connection leads to one of the servers alone.
    pub(in crate::gateway) fn are_unconnected(&self) -> bool {
        #[cfg(unix)]
        return self.all_direct().all(|direct| direct.count() == 0);
        #[cfg(not(unix))]
        return true;
    }

    /// Takes no more calls; those under way go on.
    pub(in crate::gateway) fn close(&self) {
        self.upstreams.values().for_each(UpstreamMember::close);
        self.documents.values().for_each(|member| member.server.close());
    }

    /// Ends everything that was started.
    pub(in crate::gateway) async fn shut_down(&self) {
        let mut ending = JoinSet::new();
        self.upstreams.values().for_each(|member| member.shut_down(&mut ending));
        for member in self.documents.values() {
            member.stop().await;
        }
        ending.join_all().await;
    }
}
