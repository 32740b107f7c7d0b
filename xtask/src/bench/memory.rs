//! How much memory a server holds, at rest and with many connections.

use super::{figures::Figures, procfs, subject::Subject};
use crate::{Failure, workspace::Workspace};

const CONNECTIONS: usize = 256;
const CALLS: usize = 10;

/// Looks at the resident memory after one answer, and when [`CONNECTIONS`] clients made [`CALLS`] calls each and are
/// still there.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if !procfs::is_here() {
        eprintln!("no resident memory: it is read from /proc, which this system does not have");
        return Ok(());
    }
    eprintln!("{CONNECTIONS} connections to every server");
    for (subject, figures) in subjects.iter().zip(figures) {
        let running = subject.start(workspace, &[])?;
        figures.idle = Some(procfs::resident(running.server.pid())?);
        let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| running.client()).collect();
        let mut clients = clients?;
        for round in 0..CALLS {
            for (number, client) in clients.iter_mut().enumerate() {
                client.call(&running.answer, 2_000_000 + round * CONNECTIONS + number)?;
            }
        }
        figures.loaded = Some(procfs::resident(running.server.pid())?);
    }
    Ok(())
}
