//! The file of a running gateway is read again when it has changed, and only what is different is replaced.
//!
//! Changes are looked for about once a second, in the file itself and in the `.env` beside it: editors replace files in so many
//! ways that the text is what counts. A file that is still being written is read once it stays as it is. SIGHUP reads the file at once, and secrets again; not in a terminal, whose end it says.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use anyport_config::gateway::{GatewayConfig, LogConfig};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    hangup::Hangup,
    members::{Members, ReachedServers},
    running::Running,
};
use crate::{listen::Limits, logging, render::safe, serve::Arguments, target, user_error::UserError};

/// A server that is to be connected anew, and where it is said whether it was there.
pub(super) type Restart = (String, oneshot::Sender<Result<(), String>>);

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(750);

/// How long a changed file must stay as it is. An editor that writes it in two steps has first half of the servers there.
const SETTLED: Duration = Duration::from_millis(250);

/// How often a file is looked at that does not stay as it is.
const MOST_LOOKS: usize = 20;

impl Running {
    /// Reads the file again whenever it has changed.
    pub(super) async fn follow(
        &self,
        (mut hangup, mut restarts): (Hangup, mpsc::Receiver<Restart>),
        arguments: &Arguments,
    ) -> Infallible {
        let paths = self.file().watched();
        let mut seen = texts(&paths);
        loop {
            let is_forced = tokio::select! {
                () = hangup.next() => true,
                () = sleep(LOOK) => false,
                Some((name, done)) = restarts.recv() => {
                    // Whoever wanted it may be gone.
                    let _ = done.send(self.restart(&name, arguments).await);
                    continue;
                }
            };
            let found = texts(&paths);
            if !is_forced && found == seen {
                continue;
            }
            seen = if is_forced { found } else { settled(found, || texts(&paths)).await };
            if let Err(error) = self.reload(arguments).await {
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

    /// Reads the file, and replaces what is different. With a fault, nothing is.
    async fn reload(&self, arguments: &Arguments) -> Result<()> {
        let old_file = self.file();
        if !old_file.path.is_file() {
            let problem = format!("{} is no file, and cannot be read again", old_file.path.display());
            return Err(UserError::failed(problem, "write it anew, or start the gateway with another file"));
        }
        let file = Arc::new(old_file.read_again()?);
        arguments.listen.check_required_scopes(&file.config)?;
        let limits =
            Limits::with(&[&*file.limits()?, &*arguments.listen.limit].concat()).rates(&file.config.limits);
        let (before, factory) = (self.factories.now(), self.factories.under(&limits));
        let policy = file.policy(factory.limits.policy)?;
        let (guards, masking, log_mask) =
            (file.guards(factory.limits.guards)?, file.masking()?, file.log_mask()?);
        let log_filter = file.log_filter()?;
        let (old, reached) = (self.members(), ReachedServers::all(&file).await);
        let members = Arc::new(Members::new(&file, reached, Some(&old), arguments, &factory)?);
        let mut changes = vec![members.changes(&old)];
        changes.extend(virtual_changes(&old_file.config, &file.config));
        if file.config.gateway != old_file.config.gateway {
            changes.push("[gateway] has changed".to_owned());
        }
        if file.config.auth != old_file.config.auth {
            changes.push("[auth] has changed".to_owned());
        }
        if file.config.policy != old_file.config.policy {
            changes.push("[[policy]] has changed".to_owned());
        }
        for (name, has_changed) in [
            ("[[guard]]", file.config.guard != old_file.config.guard),
            ("[mask]", file.config.mask != old_file.config.mask),
            ("[log]", file.config.log != old_file.config.log),
            ("[definitions]", file.config.definitions != old_file.config.definitions),
        ] {
            changes.extend(has_changed.then(|| format!("{name} has changed")));
        }
        if file.config.audit != old_file.config.audit {
            changes.push("[audit] has changed".to_owned());
        }
        if file.config.store != old_file.config.store {
            changes.push("[store] has changed".to_owned());
        }
        if file.config.telemetry != old_file.config.telemetry {
            changes.push("[telemetry] has changed".to_owned());
        }
        let applied = before.limits.differing(&factory.limits);
        let are_rates_new = file.config.limits.rates() != old_file.config.limits.rates();
        if are_rates_new {
            changes.push("how often calls may be made has changed".to_owned());
        }
        if !applied.is_empty() {
            changes.push(format!("[limits] has changed: {}", applied.join(", ")));
        }
        factory.logs.retain(&members.upstream_names());
        let (served, config) = (&self.served, file.config.clone());
        let is_policy_new = config.policy != old_file.config.policy || !applied.is_empty();
        if is_policy_new {
            // No call is to find a new server without its rules, or one that goes without those that it had.
            let both = file.policy(factory.limits.policy)?.joined(old_file.policy(factory.limits.policy)?);
            self.set_policy(both, &factory.limits);
        }
        let old_config = &old_file.config;
        let has_new_servers =
            config.upstreams != old_config.upstreams || config.knowledge != old_config.knowledge;
        let has_new_guards = file.config.guard != old_file.config.guard;
        if has_new_guards {
            // No call is to find a new server without its guards, or one that goes without those that it had.
            let both = file.guards(factory.limits.guards)?.joined(old_file.guards(factory.limits.guards)?);
            self.set_guards(both, masking.clone());
        } else {
            self.set_guards(file.guards(factory.limits.guards)?, masking.clone());
        }
        target::set_log_mask(log_mask);
        if file.config.log.level != old_file.config.log.level {
            // Else what `anyport log` has set stays.
            logging::filter::set(log_filter);
        }
        if is_policy_new || has_new_servers {
            file.warn_of_policy_doubts();
        }
        self.replace(file, members).await?;
        if is_policy_new {
            self.set_policy(policy, &factory.limits);
        }
        if has_new_guards {
            self.set_guards(guards, masking);
        }
        if are_rates_new || !applied.is_empty() {
            served.set_limits(&factory.limits);
        }
        served.follow(&config, &arguments.name, &factory.limits);
        let mut unapplied = factory.limits.differing(&limits);
        unapplied.extend(auth_differs(&config, arguments));
        if config.audit != self.audit_of_start {
            unapplied.push("audit");
        }
        if !is_applied(&config.log, &self.log_of_start) {
            unapplied.push("log");
        }
        if config.telemetry != self.telemetry_of_start {
            unapplied.push("telemetry");
        }
        self.factories.set(factory);
        logging::notice(format!("the file was read again: {}", changes.join("; ")));
        if !unapplied.is_empty() && unapplied != self.unapplied() {
            tracing::warn!("what has changed takes a restart of the gateway: {}", unapplied.join(", "));
        }
        self.set_unapplied(unapplied);
        Ok(())
    }

    /// Connects a server anew, with the secrets that are in their places now.
    ///
    /// # Errors
    /// Why that cannot be.
    async fn restart(&self, name: &str, arguments: &Arguments) -> Result<(), String> {
        let factory = self.factories.now();
        let words = |error: anyhow::Error| error.to_string();
        let file = Arc::new(self.file().with_variables_of_now().map_err(words)?);
        let reached = ReachedServers::one(&file, name).await;
        let (members, fault) = self.members().with_restarted(name, &file, reached, arguments, &factory)?;
        self.replace(file, Arc::new(members)).await.map_err(words)?;
        if let Some(fault) = fault {
            return Err(format!("{name} cannot be used: {fault}"));
        }
        factory.logs.of(name).event("restarted");
        logging::notice(format!("restarted {}", safe::line(name)));
        Ok(())
    }
}

/// Whether the log is as `config` says, of which only the level can change.
fn is_applied(config: &LogConfig, start: &LogConfig) -> bool {
    LogConfig { level: None, ..config.clone() } == LogConfig { level: None, ..start.clone() }
}

/// What `look` finds once it finds the same twice, beginning with `found`.
async fn settled<T: PartialEq>(mut found: T, mut look: impl FnMut() -> T) -> T {
    for _ in 0..MOST_LOOKS {
        sleep(SETTLED).await;
        let next = look();
        if next == found {
            break;
        }
        found = next;
    }
    found
}

/// What of a file holds only after a restart, beside limits: who may call, the URL that tokens are for, and where certificates are.
fn auth_differs(config: &GatewayConfig, arguments: &Arguments) -> Vec<&'static str> {
    let mut differs = Vec::new();
    if arguments.listen.file_auth().is_some_and(|served| *served != config.auth)
        || (arguments.listen.file_auth().is_none() && config.auth.is_set())
    {
        differs.push("auth");
    }
    if !arguments.listen.has_public_url_of(config) {
        differs.push("public_url");
    }
    if !arguments.listen.has_trusted_proxies_of(config) {
        differs.push("trusted_proxies");
    }
    if !arguments.listen.has_tls_of(config) {
        differs.push("tls_cert");
    }
    if !arguments.listen.store.is_of(config) {
        differs.push("store");
    }
    differs
}

/// What is different about the virtual servers of a file, in words.
fn virtual_changes(old: &GatewayConfig, new: &GatewayConfig) -> Option<String> {
    let (old, new) = (&old.servers, &new.servers);
    let named = |what: &str, names: Vec<&String>| {
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let added = new.keys().filter(|name| !old.contains_key(*name)).collect();
    let removed = old.keys().filter(|name| !new.contains_key(*name)).collect();
    let changed = |name: &&String| old.get(*name).is_some_and(|before| *before != new[*name]);
    let changed = new.keys().filter(changed).collect();
    let said = [("added", added), ("removed", removed), ("changed", changed)];
    let said: Vec<_> = said.into_iter().filter_map(|(what, names)| named(what, names)).collect();
    (!said.is_empty()).then(|| format!("virtual servers: {}", said.join(", ")))
}

/// The texts at `paths`, as far as they can be read. What is no file, such as a pipe, gives its text only once.
fn texts(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let text = |path: &PathBuf| if path.is_file() { std::fs::read(path).ok() } else { None };
    paths.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `settled` finds in a file that has these texts, one at each look.
    async fn read(texts: &[&'static str]) -> &'static str {
        let mut looks = texts.iter().copied();
        let first = looks.next().unwrap();
        let last = *texts.last().unwrap();
        settled(first, || looks.next().unwrap_or(last)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_once_it_stays_as_it_is() {
        assert_eq!(read(&["whole"]).await, "whole");
        assert_eq!(read(&["", "half", "whole", "whole", "next"]).await, "whole");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_stays_is_read_nevertheless() {
        let mut looks = 0;
        let found = settled(0, || {
            looks += 1;
            looks
        });
        assert_eq!(found.await, MOST_LOOKS);
    }
}
