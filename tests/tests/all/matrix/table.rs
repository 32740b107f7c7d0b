//! What was measured, once for all tests.

use std::{sync::OnceLock, time::Duration};

use anyport::Revision;
use tokio::time::timeout;

use crate::matrix::{
    pair::Way,
    row::Row,
    rows::{Topic, topics},
    verdict::{Carried, Verdict},
};

/// A topic, measured.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) whole: bool,
    pub(crate) rows: Vec<Measurement>,
}

/// A row, measured.
pub(crate) struct Measurement {
    pub(crate) name: &'static str,
    pub(crate) server_since: Revision,
    pub(crate) server_until: Revision,
    pub(crate) is_of_both_eras: bool,
    pub(crate) cells: Vec<Cell>,
    /// Cells that are not what the rule says, in words.
    pub(crate) faults: Vec<String>,
}

/// What became of something between a client and a server of these revisions.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) client: Revision,
    pub(crate) server: Revision,
    pub(crate) verdict: Verdict,
}

impl Measurement {
    /// Whether it is carried by every client from all servers that have it.
    pub(crate) fn is_plain(&self) -> bool {
        self.cells.iter().all(|cell| cell.verdict == Carried)
            && Revision::ALL.into_iter().all(|client| self.cells.iter().any(|cell| cell.client == client))
    }
}

/// Every cell. Time is paused: what takes minutes is over at once.
pub(crate) fn measured() -> &'static [Table] {
    static ALL: OnceLock<Vec<Table>> = OnceLock::new();
    ALL.get_or_init(|| {
        let measure = |Topic { name, about, whole, rows }| {
            let rows = rows.iter().map(measure).collect();
            Table { name, about, whole, rows }
        };
        topics().into_iter().map(measure).collect()
    })
}

fn measure(row: &Row) -> Measurement {
    let (mut cells, mut faults) = (Vec::new(), Vec::new());
    for client in Revision::ALL {
        for server in Revision::ALL {
            if !row.has(client, server) {
                continue;
            }
            let expected = row.expected(client, server);
            let [verdict, over_http] =
                Way::ALL.map(|way| alone(row.measure(client, server, way)).unwrap_or_else(Verdict::Lost));
            for (verdict, way) in [(&verdict, ""), (&over_http, " over HTTP")] {
                if *verdict != expected {
                    faults
                        .push(format!("{}, {client} to {server}{way}: {verdict}, not {expected}", row.name));
                }
            }
            cells.push(Cell { client, server, verdict });
        }
    }
    Measurement {
        name: row.name,
        server_since: row.server_since,
        server_until: row.server_until,
        is_of_both_eras: row.is_of_both_eras,
        cells,
        faults,
    }
}

/// Runs a cell in a runtime of its own, whose clock is paused. What the cell leaves behind ends with it, and no timer of it
/// fires in the next.
fn alone(cell: impl Future<Output = Result<Verdict, String>>) -> Result<Verdict, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let cell = async { timeout(PATIENCE, cell).await.unwrap_or_else(|_| Err("it came to no end".into())) };
    runtime.unwrap().block_on(cell)
}

/// Longer than anything may take.
const PATIENCE: Duration = Duration::from_secs(3600);
