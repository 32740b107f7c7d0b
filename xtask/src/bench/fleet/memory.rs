//! The memory that a gateway takes for each upstream and for each session.

use super::{MANY, gateways::Gateways};
use crate::{
    Failure,
    bench::{
        bridge::ways,
        client::{Client, Era, PATIENCE, Tool},
        figures::shown,
        procfs,
    },
    process::{self, Server},
};

/// Open sessions, each of which has made a call.
const SESSIONS: usize = 500;

/// Resident memory in bytes.
pub(super) struct Figures {
    /// With one upstream, which has been called.
    one: u64,
    /// With [`MANY`], of which all are connected and listed.
    many: u64,
    /// The same with [`SESSIONS`].
    sessions: u64,
}

/// Measures; `None` where the system does not tell the memory of a process.
///
/// # Errors
/// When something does not start, or gives a wrong answer.
pub(super) fn measure(gateways: &Gateways<'_>) -> Result<Option<Figures>, Failure> {
    if !procfs::is_here() {
        return Ok(None);
    }
    eprintln!("memory of {MANY} upstreams and of {SESSIONS} sessions");
    let (server, port) = ways::upstream(gateways.workspace, gateways.programs)?;
    let start = |upstreams| -> Result<(Server, u16), Failure> {
        let own = process::free_port()?;
        let log = gateways.workspace.target("bench").join("fleet.log");
        Ok((Server::start(&mut gateways.command(upstreams, port, own)?, own, &log)?, own))
    };
    let called = |own: u16| -> Result<Client, Failure> {
        let mut client = Client::connect(own, Era::Legacy, Tool::PrefixedEcho, PATIENCE)?;
        client.tools()?;
        client.learn(Tool::PrefixedEcho)?;
        Ok(client)
    };
    let (gateway, own) = start(1)?;
    let client = called(own)?;
    let one = procfs::resident(gateway.pid())?;
    drop((client, gateway));
    let (gateway, own) = start(MANY)?;
    let client = called(own)?;
    let many = procfs::resident(gateway.pid())?;
    let open: Result<Vec<_>, _> = (0..SESSIONS).map(|_| called(own)).collect();
    let open = open?;
    let sessions = procfs::resident(gateway.pid())?;
    drop((open, client, gateway, server));
    Ok(Some(Figures { one, many, sessions }))
}

impl Figures {
    pub(super) fn table(&self) -> String {
        let Self { one, many, sessions } = *self;
        let kib = |more: u64, less: u64, count: usize| {
            shown(Some(more.saturating_sub(less) as f64 / 1024.0 / count as f64), 1)
        };
        format!(
            "| memory | MiB | KiB for each more |\n|---|--:|--:|\n| 1 upstream, 1 session | {} | - |\n\
             | {MANY} upstreams | {} | {} |\n| and {SESSIONS} more sessions | {} | {} |\n",
            mib(one),
            mib(many),
            kib(many, one, MANY - 1),
            mib(sessions),
            kib(sessions, many, SESSIONS),
        )
    }
}

fn mib(bytes: u64) -> String {
    shown(Some(bytes as f64 / 1024.0 / 1024.0), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_takes_what_it_adds() {
        let mib = |mib: u64| mib * 1024 * 1024;
        let table = Figures { one: mib(10), many: mib(10) + 99 * 2048, sessions: mib(20) }.table();
        assert!(table.contains("| 100 upstreams | 10.2 | 2.0 |"), "{table}");
    }
}
