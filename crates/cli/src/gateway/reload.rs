//! The file of a running gateway is read again when it has changed, and only what is different is replaced.
//!
//! Changes are looked for once a second, in the file itself and in the `.env` beside it: editors replace files in so many ways
//! that the text is what counts. SIGHUP reads the file at once, and secrets again; not in a terminal, whose end it says.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{hangup::Hangup, members::Members, running::Running};
use crate::{
    logging, render::safe, serve::Arguments, upstream_factory::UpstreamFactory, user_error::UserError,
};

/// A server that is to be connected anew, and where it is said whether it was there.
pub(super) type Restart = (String, oneshot::Sender<Result<(), String>>);

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Running {
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
}

/// The texts at `paths`, as far as they can be read. What is no file, such as a pipe, gives its text only once.
fn texts(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let text = |path: &PathBuf| if path.is_file() { std::fs::read(path).ok() } else { None };
    paths.iter().map(text).collect()
}
