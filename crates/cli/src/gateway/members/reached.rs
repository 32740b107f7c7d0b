//! How the servers of a file are reached, with their secrets.

use std::{collections::HashMap, panic::resume_unwind, sync::Arc, thread};

use anyport_config::gateway::UpstreamConfig;
use anyport_protocol::Revision;
use tokio::sync::oneshot;

use crate::{
    gateway::file::GatewayFile,
    target::{self, UpstreamFault},
};

/// How a server is reached, and the only revision that is spoken with it; or why it cannot be used.
pub(super) type Reached = Result<(target::Server, Option<Revision>), UpstreamFault>;

/// How servers are reached, by their names in the file.
#[derive(Default)]
pub(in crate::gateway) struct ReachedServers(HashMap<String, Reached>);

impl ReachedServers {
    /// Reads the secrets of all enabled servers of `file`. Files and commands may take their time, so they are read beside the
    /// runtime, which goes on; commands run side by side.
    pub(in crate::gateway) async fn all(file: &Arc<GatewayFile>) -> Self {
        let is_enabled = |(_, config): &(&String, &UpstreamConfig)| !config.disabled;
        let names = file.config.upstreams.iter().filter(is_enabled).map(|(name, _)| name.clone());
        Self::of(file, names.collect()).await
    }

    /// The same for the server `name` alone.
    pub(in crate::gateway) async fn one(file: &Arc<GatewayFile>, name: &str) -> Self {
        Self::of(file, vec![name.to_owned()]).await
    }

    /// A thread of its own: one of the runtime's would keep the program from ending until the last command has ended.
    async fn of(file: &Arc<GatewayFile>, names: Vec<String>) -> Self {
        let (file, (sent, read)) = (file.clone(), oneshot::channel());
        thread::spawn(move || {
            // The gateway may have been stopped meanwhile.
            let _ = sent.send(side_by_side(&file, &names));
        });
        // It fails only if the thread has panicked, which was said.
        Self(read.await.unwrap_or_default())
    }

    /// How the server `name` is reached, if it was read.
    pub(super) fn remove(&mut self, name: &str) -> Option<Reached> {
        self.0.remove(name)
    }
}

/// How the servers `names` are reached. Those with commands that write secrets have a thread each.
fn side_by_side(file: &GatewayFile, names: &[String]) -> HashMap<String, Reached> {
    let described = names.iter().filter_map(|name| Some((name, file.config.upstreams.get(name)?)));
    let (slow, quick): (Vec<_>, Vec<_>) = described.partition(|(_, config)| target::runs_commands(config));
    thread::scope(|scope| {
        let slow: Vec<_> =
            slow.into_iter().map(|(name, config)| (name, scope.spawn(|| reached(config, file)))).collect();
        let quick: Vec<_> = quick.into_iter().map(|(name, config)| (name, reached(config, file))).collect();
        let slow = slow
            .into_iter()
            .map(|(name, thread)| (name, thread.join().unwrap_or_else(|panic| resume_unwind(panic))));
        quick.into_iter().chain(slow).map(|(name, reached)| (name.clone(), reached)).collect()
    })
}

fn reached(config: &UpstreamConfig, file: &GatewayFile) -> Reached {
    let revision = target::check_upstream(config, file)?;
    Ok((target::of_upstream(config, file)?, revision))
}
