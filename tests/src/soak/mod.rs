//! A long run through bridges whose servers fail in every way: `cargo xtask soak --minutes N`.
//!
//! Callers of every revision call at once, each with a word of its own. The servers behind the bridges are killed, stopped,
//! upgraded, slow, and cut in the middle of a body. Every call must have exactly one outcome, with the caller's own word or
//! an error that names nobody else's. When all is quiet again, each bridge must be as it was when it began.
//!
//! - `server`: what is called.
//! - `plan`: what a run is asked for; `kind`: the kinds of servers.
//! - `upstream`: a server, its bridge, and what happens to the server.
//! - `caller`: who calls.
//! - `tally`: what came of the calls, and what must not have happened.
//! - `process`: what a process holds: memory, descriptors, children.

mod caller;
mod kind;
mod plan;
mod process;
mod server;
mod tally;
mod upstream;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use caller::Caller;
use kind::Kind;
pub use kind::revisions;
pub use plan::Plan;
use process::Held;
pub use server::serve;
use tally::Tally;
use upstream::Upstream;

use crate::cross_transport::Fault;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What came of the calls, what happened to the servers, and what the bridges held before and after.
    pub text: String,
    /// What must not have happened, one line each.
    pub violations: Vec<String>,
}

/// How many callers each bridge has at once.
const CALLERS: u64 = 6;

/// How long a bridge may take, once nobody calls, to forget its callers and to let go of what they used.
const SETTLES: Duration = Duration::from_secs(90);

/// Runs it.
///
/// # Errors
/// When something could not be started or measured.
pub async fn run(plan: &Plan) -> Result<Report, Fault> {
    let mut upstreams = Vec::new();
    for kind in Kind::ALL {
        upstreams.push(Arc::new(Upstream::start(kind, plan).await?));
    }
    let tally = Arc::new(Tally::default());
    // What a bridge allocates once, for its first calls of every kind, is not what it fails to give back.
    call(&upstreams, &tally, plan, Duration::from_secs(5), false).await?;
    let before = settled(&upstreams, None).await?;
    call(&upstreams, &tally, plan, plan.time, true).await?;
    let after = settled(&upstreams, Some(&before)).await?;
    tally.check_attribution();
    let mut text =
        format!("{tally}\n{:<28} {:>12} {:>12} {:>12}\n", "bridge before", "MiB", "descriptors", "children");
    for ((upstream, before), after) in upstreams.iter().zip(&before).zip(&after) {
        text += &format!("{:<28} {}\n", upstream.kind.name(), after.beside(before));
        for fault in after.exceeds(before, upstream.kind.listens_later()) {
            tally.violation(format!("the bridge before {} {fault}", upstream.kind.name()));
        }
        for session in caller::still_open(upstream.address, &tally.sessions(upstream.kind)).await? {
            tally.violation(format!(
                "the bridge before {} still has the session {session}",
                upstream.kind.name()
            ));
        }
    }
    Ok(Report { text, violations: tally.violations() })
}

/// Lets callers call for `time`, while the servers fail if they `fail`.
async fn call(
    upstreams: &[Arc<Upstream>],
    tally: &Arc<Tally>,
    plan: &Plan,
    time: Duration,
    fail: bool,
) -> Result<(), Fault> {
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for (number, upstream) in (0..).zip(upstreams) {
        for place in 0..CALLERS {
            let caller = Caller::new(upstream, tally, plan.seed ^ (number * CALLERS + place + 1));
            tasks.spawn(async move {
                caller.call_until(until).await;
                Ok(())
            });
        }
        if fail {
            let (upstream, tally) = (upstream.clone(), tally.clone());
            let random = fastrand::Rng::with_seed(plan.seed ^ (1000 + number));
            tasks.spawn(async move { upstream.fail_until(until, random, &tally).await });
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// What each bridge holds, as soon as that is no more than it held `before`, or when it has had its time. Without that, what it
/// holds at rest.
async fn settled(upstreams: &[Arc<Upstream>], before: Option<&[Held]>) -> Result<Vec<Held>, Fault> {
    let held = || upstreams.iter().map(|upstream| upstream.held()).collect::<Result<Vec<_>, _>>();
    let Some(before) = before else {
        sleep(REST).await;
        return Ok(held()?);
    };
    let until = Instant::now() + SETTLES;
    // Sessions that were left end by themselves, and so do connections that were theirs.
    sleep(upstream::IDLE * 2).await;
    loop {
        let held = held()?;
        let mut pairs = upstreams.iter().zip(held.iter().zip(before));
        let is_settled = pairs
            .all(|(upstream, (held, before))| held.exceeds(before, upstream.kind.listens_later()).is_empty());
        if is_settled || Instant::now() > until {
            return Ok(held);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// How long a bridge that nobody calls keeps what it may use again, and a little more: connections, for 30 s.
const REST: Duration = Duration::from_secs(35);
