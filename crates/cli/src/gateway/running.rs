//! A gateway that runs: its file, its members, and those that were replaced.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use anyport_config::gateway::{AuditConfig, LogConfig, TelemetryConfig};
use anyport_gateway::federation::{Federation, Masking, RetiredMember};
use anyport_guards::Guards;
use anyport_policy::Policy;
use anyport_service::sync::Lock;
use anyport_transport::http::ClientHeaderNames;
#[cfg(unix)]
use tokio::sync::watch;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

#[cfg(unix)]
use super::status::ServerStatus;
use super::{
    factories::Factories, file::GatewayFile, member_names::is_own, members::Members, own::OwnMembers,
    served::Served,
};
use crate::{health::HealthReporter, listen::Limits, secret_command};

/// A gateway that runs.
pub(super) struct Running {
    federation: Federation,
    /// What clients reach.
    pub(super) served: Served,
    own: OwnMembers,
    pub(super) factories: Factories,
    /// How calls are recorded, until the gateway is started again.
    pub(super) audit_of_start: AuditConfig,
    /// Where and how lines are logged, until the gateway is started again.
    pub(super) log_of_start: LogConfig,
    /// Where spans and metrics go, until the gateway is started again.
    pub(super) telemetry_of_start: TelemetryConfig,
    /// The limits of the file that hold only after a restart of the gateway.
    unapplied: Lock<Vec<&'static str>>,
    /// The headers that clients bring for the servers.
    client_headers: ClientHeaderNames,
    now: Lock<(Arc<GatewayFile>, Arc<Members>)>,
    /// What is not in the file any more, until its calls have ended.
    retired: Lock<Vec<(Arc<Members>, JoinHandle<()>)>>,
}

/// How long the calls of a server that was taken out of the file may take before they are cut.
pub(super) const RETIRE: Duration = Duration::from_secs(60);
/// The time between looks at the calls in flight.
const QUIET: Duration = Duration::from_millis(200);

impl Running {
    pub(super) fn new(
        file: Arc<GatewayFile>,
        members: Members,
        federation: Federation,
        (served, own): (Served, OwnMembers),
        factories: Factories,
        client_headers: ClientHeaderNames,
    ) -> Self {
        let (audit_of_start, telemetry_of_start) = (file.config.audit.clone(), file.config.telemetry.clone());
        let log_of_start = file.config.log.clone();
        let now = Lock::new((file, Arc::new(members)));
        let (unapplied, retired) = (Lock::default(), Lock::default());
        Self {
            federation,
            served,
            own,
            factories,
            audit_of_start,
            log_of_start,
            telemetry_of_start,
            unapplied,
            client_headers,
            now,
            retired,
        }
    }

    /// How the gateway is.
    pub(super) fn health(&self) -> &Arc<HealthReporter> {
        &self.own.health.reporter
    }

    /// The limits of the file that hold only after a restart of the gateway.
    pub(super) fn unapplied(&self) -> Vec<&'static str> {
        self.unapplied.lock().clone()
    }

    /// Notes the limits of the file that hold only after a restart of the gateway.
    pub(super) fn set_unapplied(&self, names: Vec<&'static str>) {
        *self.unapplied.lock() = names;
    }

    /// The file that is served now.
    pub(super) fn file(&self) -> Arc<GatewayFile> {
        self.now.lock().0.clone()
    }

    /// The members of now.
    pub(super) fn members(&self) -> Arc<Members> {
        self.now.lock().1.clone()
    }

    /// When a connection to the server `name` alone must end; `None` if there is no such server.
    #[cfg(unix)]
    pub(super) fn connect(&self, name: &str) -> Option<watch::Receiver<bool>> {
        self.members().connect(name)
    }

    /// Takes no more calls; those under way go on.
    pub(super) fn close(&self) {
        let members = self.members();
        members.retire();
        members.close();
    }

    /// Ends everything that was started. Connections to single servers may end by themselves first, within `drain`.
    pub(super) async fn shut_down(&self, drain: Duration) {
        secret_command::end_all().await;
        let _ = timeout(drain, idle(&[], &self.members())).await;
        let retired = std::mem::take(&mut *self.retired.lock());
        let mut ending = JoinSet::new();
        for members in retired.into_iter().map(|(members, _)| members).chain([self.members()]) {
            ending.spawn(async move { members.shut_down().await });
        }
        ending.join_all().await;
    }

    /// Serves `members` from now on.
    pub(super) async fn replace(&self, file: Arc<GatewayFile>, members: Arc<Members>) -> Result<()> {
        let gone = self
            .federation
            .set_members(members.all().chain(self.own.all(&file.config)?))
            .map_err(anyhow::Error::new)?;
        self.own.health.reporter.require(&file.config.health.require);
        self.client_headers.set(members.forwarded_headers());
        members.announce_callers(&self.factories.now());
        members.start().await?;
        let (_, old) = std::mem::replace(&mut *self.now.lock(), (file, members.clone()));
        self.retire(old.without(&members), gone);
        Ok(())
    }

    /// Enforces `policy` from now on.
    pub(super) fn set_policy(&self, policy: Policy, limits: &Limits) {
        self.federation.set_policy(policy, limits.legacy_clients);
    }

    /// Checks by `guards` from now on, and covers data as `masking` says.
    pub(super) fn set_guards(&self, guards: Guards, masking: Masking) {
        self.federation.set_guards(guards, masking);
    }

    /// The servers and their states, for `anyport status`.
    #[cfg(unix)]
    pub(super) fn servers(&self) -> Vec<ServerStatus> {
        let members = self.members();
        let all = self.federation.status().into_iter().filter(|member| !is_own(&member.name));
        all.map(|member| members.status(member)).collect()
    }

    /// Ends servers that are not in the file any more. Their calls in flight finish first.
    fn retire(&self, members: Members, gone: Vec<RetiredMember>) {
        if members.is_empty() {
            return;
        }
        members.retire();
        let members = Arc::new(members);
        let mut retired = self.retired.lock();
        // Whoever is gone needs no end when the gateway stops.
        retired.retain(|(_, ending)| !ending.is_finished());
        let later = members.clone();
        let ending = tokio::spawn(async move {
            // A call that has found its member just now is given the time to begin.
            sleep(QUIET).await;
            // When it stops, they cut nothing that `RETIRE` would let finish.
            let _ = timeout(RETIRE, idle(&gone, &later)).await;
            later.close();
            later.shut_down().await;
        });
        retired.push((members, ending));
    }
}

/// Completes when no call of `gone` is in flight, and no connection leads to one of `members` alone.
async fn idle(gone: &[RetiredMember], members: &Members) {
    while !members.are_unconnected() || gone.iter().any(|member| member.in_flight() > 0) {
        sleep(QUIET).await;
    }
}
