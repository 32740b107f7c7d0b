//! A gateway that runs: its file is read again when it has changed, and only what is different is replaced.
//!
//! Changes are looked for once a second, in the file itself and in the `.env` beside it: editors replace files in so many ways
//! that the text is what counts. SIGHUP reads the file at once, and secrets again; not in a terminal, whose end it says.

use std::{convert::Infallible, io::IsTerminal as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use anyport_gateway::federation::{Federation, RetiredMember};
#[cfg(unix)]
use anyport_gateway::federation::{MemberState, MemberStatus};
use anyport_service::sync::Lock;
use anyport_transport::http::ClientHeaderNames;
#[cfg(unix)]
use serde_json::{Value, json};
#[cfg(unix)]
use tokio::sync::watch;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{file::GatewayFile, members::Members};
use crate::{
    logging, render::safe, serve::Arguments, upstream_factory::UpstreamFactory, user_error::UserError,
};

/// A gateway that runs.
pub(super) struct Running {
    federation: Federation,
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

/// A server that is to be connected anew, and where it is said whether it was there.
pub(super) type Restart = (String, oneshot::Sender<Result<(), String>>);

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Running {
    pub(super) fn new(
        file: GatewayFile,
        federation: Federation,
        members: Members,
        client_headers: ClientHeaderNames,
    ) -> Self {
        let now = Lock::new((Arc::new(file), Arc::new(members)));
        Self { federation, client_headers, now, retired: Lock::default() }
    }

    /// The file that is served now.
    pub(super) fn file(&self) -> Arc<GatewayFile> {
        self.now.lock().0.clone()
    }

    fn members(&self) -> Arc<Members> {
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
        let _ = timeout(drain, idle(&[], &self.members())).await;
        let retired = std::mem::take(&mut *self.retired.lock());
        let mut ending = JoinSet::new();
        for members in retired.into_iter().map(|(members, _)| members).chain([self.members()]) {
            ending.spawn(async move { members.shut_down().await });
        }
        ending.join_all().await;
    }

    /// Reads the file again whenever it has changed.
    pub(super) async fn follow(
        &self,
        (mut hangup, mut restarts): (Hangup, mpsc::Receiver<Restart>),
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Infallible {
        let paths = self.file().watched();
        let mut seen = texts(&paths);
        loop {
            let is_forced = tokio::select! {
                () = hangup.next() => true,
                () = sleep(LOOK) => false,
                Some((name, done)) = restarts.recv() => {
                    // Whoever wanted it may be gone.
                    let _ = done.send(self.restart(&name, arguments, factory).await);
                    continue;
                }
            };
            let found = texts(&paths);
            if !is_forced && found == seen {
                continue;
            }
            seen = found;
            if let Err(error) = self.reload(arguments, factory).await {
                let help = error.downcast_ref().map_or("correct the file", |error: &UserError| &error.help);
                // The place of the fault has lines of its own.
                let problem: Vec<_> = error.to_string().lines().map(safe::text).collect();
                logging::notice(format!(
                    "error: the file has a fault, and nothing was changed: {}\n  help: {}",
                    problem.join("\n"),
                    safe::text(help)
                ));
            }
        }
    }

    /// Reads the file, and replaces what is different.
    async fn reload(&self, arguments: &Arguments, factory: &Arc<UpstreamFactory>) -> Result<()> {
        let old_file = self.file();
        if !old_file.path.is_file() {
            let problem = format!("{} is no file, and cannot be read again", old_file.path.display());
            return Err(UserError::failed(problem, "write it anew, or start the gateway with another file"));
        }
        let file = old_file.read_again()?;
        file.limits()?;
        let old = self.members();
        let members = Arc::new(Members::new(&file, Some(&old), arguments, factory)?);
        let changes = members.changes(&old);
        for (what, is_different) in [
            ("[servers]", file.config.servers != old_file.config.servers),
            ("[gateway]", file.config.gateway != old_file.config.gateway),
            ("[limits]", file.config.limits != old_file.config.limits),
        ] {
            if is_different {
                tracing::warn!("{what} has changed, which takes a restart of the gateway");
            }
        }
        factory.logs.retain(&members.upstream_names());
        self.replace(Arc::new(file), members).await?;
        logging::notice(format!("the file was read again: {changes}"));
        Ok(())
    }

    /// Connects a server anew, with the secrets that are in their places now.
    ///
    /// # Errors
    /// Why that cannot be.
    async fn restart(
        &self,
        name: &str,
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<(), String> {
        let (file, old) = (self.file(), self.members());
        if old.has_documents(name) {
            return Err(format!("{name} is a folder of documents, which are read again when they change"));
        }
        let Some(others) = old.except(name) else { return Err(format!("the gateway has no server {name}")) };
        let members =
            Members::new(&file, Some(&others), arguments, factory).map_err(|error| error.to_string())?;
        self.replace(file, Arc::new(members)).await.map_err(|error| error.to_string())?;
        factory.logs.of(name).event("restarted");
        logging::notice(format!("restarted {}", safe::line(name)));
        Ok(())
    }

    /// Serves `members` from now on.
    async fn replace(&self, file: Arc<GatewayFile>, members: Arc<Members>) -> Result<()> {
        let gone = self.federation.set_members(members.all()).map_err(anyhow::Error::new)?;
        self.client_headers.set(members.forwarded_headers());
        members.start().await?;
        let (_, old) = std::mem::replace(&mut *self.now.lock(), (file, members.clone()));
        self.retire(old.without(&members), gone);
        Ok(())
    }

    /// The servers and their states, for `anyport status`.
    #[cfg(unix)]
    pub(super) fn servers(&self) -> Vec<Value> {
        let members = self.members();
        let state = |state| match state {
            MemberState::Up => "up",
            MemberState::Down => "down",
            _ => "unused",
        };
        let one = |status: MemberStatus| {
            let mut value = json!({
                "name": status.name,
                "title": status.title,
                "state": state(status.state),
                "since": status.since.to_string(),
                "last_error": status.last_error,
                "tools": status.tools,
                "prompts": status.prompts,
                "resources": status.resources,
                "templates": status.templates,
                "calls": status.calls,
                "errors": status.errors,
                "in_flight": status.in_flight,
                "changed": status.pending.iter().map(|one| json!({
                    "list": one.list, "name": one.name, "new": one.is_new,
                })).collect::<Vec<_>>(),
            });
            members.describe(&status.name, &mut value);
            value
        };
        self.federation.status().into_iter().map(one).collect()
    }
}

impl Running {
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

/// The texts at `paths`, as far as they can be read. What is no file, such as a pipe, gives its text only once.
fn texts(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let text = |path: &PathBuf| if path.is_file() { std::fs::read(path).ok() } else { None };
    paths.iter().map(text).collect()
}

/// SIGHUP, on systems that have it. In a terminal it means that the terminal is closed, and is not caught here.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: Self::caught(),
        }
    }

    #[cfg(unix)]
    fn caught() -> Option<tokio::signal::unix::Signal> {
        use tokio::signal::unix::{SignalKind, signal};
        if std::io::stdin().is_terminal() || std::io::stderr().is_terminal() {
            return None;
        }
        let warn = |error: &std::io::Error| tracing::warn!(%error, "SIGHUP does not read the file again");
        signal(SignalKind::hangup()).inspect_err(warn).ok()
    }

    /// Whether it reads the file again, and does not stop the gateway.
    pub(super) fn is_caught(&self) -> bool {
        #[cfg(unix)]
        return self.signal.is_some();
        #[cfg(not(unix))]
        return false;
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
