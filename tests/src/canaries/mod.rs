//! Many principals at one gateway, each with secret canaries: `cargo xtask canaries [CALLS]`.
//!
//! 200 principals call through `anyport serve` in every revision and over every transport, each with canaries that nobody else may
//! get. Every byte that a principal receives is searched for those of others, and every answer must be the one of its call. Each
//! principal tries to take what belongs to another. In the end the metrics, the log and the log of calls are searched.
//!
//! - `plan`: what a run is asked for.
//! - `canary`: whose a canary is, and the search for foreign ones.
//! - `server`: what is called; `gateway`: the program before it, and its file.
//! - `line`: the ways in which principals reach it; `tap`: the search on such a way.
//! - `visit`: what a principal does; `flat`: over HTTP/2 and the REST interface; `theft`: what it tries
//!   to take.
//! - `records`: what the gateway has written down.
//! - `tally`: what came of the calls, and what must not have happened.

mod canary;
mod flat;
mod gateway;
mod line;
mod plan;
mod records;
mod server;
mod tally;
mod tap;
mod theft;
mod visit;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyport::auth::resource_server::SharedSecretJwt;
use fastrand::Rng;
use tokio::task::JoinSet;

use canary::Owner;
use gateway::Gateway;
use line::Line;
pub use plan::Plan;
pub use server::serve;
use tally::Tally;
use tap::Tap;
use theft::Loot;
use visit::Visit;

use crate::cross_transport::Fault;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What came of the calls.
    pub text: String,
    /// What must not have happened, one line each.
    pub violations: Vec<String>,
}

/// How many calls a principal makes before the next takes its turn.
const CALLS: u64 = 25;

/// How often a run says how far it is.
const TELLS: Duration = Duration::from_secs(10);

/// Runs it.
///
/// # Errors
/// When something could not be started or read.
pub async fn run(plan: &Plan) -> Result<Report, Fault> {
    let mut gateway = Gateway::start(plan).await?;
    let run = Arc::new(Run::new(plan, &gateway)?);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..plan.concurrency {
        tasks.spawn(run.clone().visits());
    }
    let telling = tokio::spawn(tell(run.tally.clone(), start));
    let ended = async {
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok::<_, Fault>(())
    };
    ended.await?;
    telling.abort();
    let (took, calls) = (start.elapsed().as_secs_f64(), run.tally.calls());
    records::check_metrics(&gateway, &run.tokens, &run.tally).await?;
    gateway.stop().await?;
    records::check(&gateway, plan, &run.tokens, &run.tally)?;
    if run.tally.cached() == 0 {
        run.tally.violation("no answer came from the cache".to_owned());
    }
    let mut text = format!("{}{calls} calls in {took:.1} s, {:.0} calls/s", run.tally, calls as f64 / took);
    if run.tally.failures() > 0 {
        text += &format!("\nthe log and the records of the gateway are in {}", gateway.keep().display());
    }
    Ok(Report { text, violations: run.tally.violations() })
}

/// What all principals of a run have in common.
struct Run {
    plan: Plan,
    gateway: std::net::SocketAddr,
    tokens: Vec<Arc<str>>,
    lines: Vec<Line>,
    tally: Arc<Tally>,
    loot: Arc<Loot>,
    /// The number of the next visit.
    next: AtomicU64,
}

impl Run {
    fn new(plan: &Plan, gateway: &Gateway) -> Result<Self, Fault> {
        let signer = SharedSecretJwt::new(gateway::SECRET.as_bytes())?;
        let token = |number| {
            let name = Owner::new(plan.seed, number).name();
            Arc::from(signer.issue(&name, &[], Duration::from_secs(24 * 3600)).expose())
        };
        Ok(Self {
            plan: plan.clone(),
            gateway: gateway.address,
            tokens: (0..plan.principals).map(token).collect(),
            lines: Line::all(),
            tally: Arc::default(),
            loot: Arc::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Makes visits, one after the other, until all calls are made or something is wrong.
    async fn visits(self: Arc<Self>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number * CALLS >= self.plan.calls || self.tally.failures() > 0 {
                return;
            }
            let mut visit = self.visit(number);
            if let Err(fault) = self.carry_out(&mut visit).await {
                visit.violation(&fault.to_string());
            }
        }
    }

    /// The visit of this number: the principals take turns, and each comes in another way the next time.
    fn visit(&self, number: u64) -> Visit {
        let mut random = Rng::with_seed(self.plan.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let principal = (number % self.plan.principals as u64) as usize;
        let line = self.lines[random.usize(..self.lines.len())];
        let owner = Owner::new(self.plan.seed, principal);
        let name = format!("seed {}, visit {number}, {}, {}", self.plan.seed, owner.name(), line.name());
        let calls = CALLS.min(self.plan.calls - number * CALLS);
        let (token, tally, loot) = (self.tokens[principal].clone(), self.tally.clone(), self.loot.clone());
        Visit { owner, token, line, tally, loot, random, name, calls, next: number * CALLS * 4 }
    }

    async fn carry_out(&self, visit: &mut Visit) -> Result<(), Fault> {
        let tap = Tap::before(self.gateway, &visit.owner, &visit.name, &self.tally).await?;
        match visit.line {
            Line::Mcp(way, revision) => visit.call(&tap, way, revision).await,
            Line::Http2 => visit.call_over_http2(&tap).await,
            Line::Rest => visit.call_over_rest(&tap).await,
        }
    }
}

/// Says how far a run is, until it is dropped.
async fn tell(tally: Arc<Tally>, start: Instant) {
    loop {
        tokio::time::sleep(TELLS).await;
        eprintln!("{} calls after {} s", tally.calls(), start.elapsed().as_secs());
    }
}
