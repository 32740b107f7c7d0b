use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyport_service::sync::Lock;

use super::kind::Kind;

/// What came of the calls.
#[derive(Debug, Default)]
pub(super) struct Tally(Lock<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// How often a call of a tool ended in this way.
    calls: BTreeMap<(Kind, &'static str, String), u64>,
    /// How often this happened to a server.
    faults: BTreeMap<String, u64>,
    /// What must not have happened.
    violations: Vec<String>,
    /// Some sessions that callers have left, by the kind of server.
    sessions: HashMap<Kind, Vec<String>>,
}

/// How many sessions of a bridge are looked for at the end.
const SESSIONS: usize = 200;

/// The outcome of a call whose server asked on a shared connection without saying for which call.
pub(super) const NOT_ATTRIBUTABLE: &str = "not attributable to a caller, so declined";

/// A server over HTTP says for which call it asks, unless a stream was cut: of so many requests one is declined at most, and some
/// beside, since a minute has few.
const ATTRIBUTABLE: u64 = 20;
const CUT: u64 = 4;

/// How many violations are listed.
const LISTED: usize = 20;

impl Tally {
    pub(super) fn call(&self, kind: Kind, tool: &'static str, outcome: impl Into<String>) {
        *self.0.lock().calls.entry((kind, tool, outcome.into())).or_default() += 1;
    }

    pub(super) fn fault(&self, what: impl Into<String>) {
        *self.0.lock().faults.entry(what.into()).or_default() += 1;
    }

    pub(super) fn violation(&self, what: String) {
        self.0.lock().violations.push(what);
    }

    pub(super) fn left(&self, kind: Kind, session: &str) {
        let mut counts = self.0.lock();
        let sessions = counts.sessions.entry(kind).or_default();
        if sessions.len() < SESSIONS {
            sessions.push(session.to_owned());
        }
    }

    pub(super) fn sessions(&self, kind: Kind) -> Vec<String> {
        self.0.lock().sessions.get(&kind).cloned().unwrap_or_default()
    }

    /// Requests that were declined too often, as if nothing ever told whom a server over HTTP asks.
    pub(super) fn check_attribution(&self) {
        let mut counts = self.0.lock();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Program) {
            let count =
                |outcome: &str| counts.calls.get(&(kind, "ask", outcome.to_owned())).copied().unwrap_or(0);
            let (declined, answered) = (count(NOT_ATTRIBUTABLE), count("answered"));
            if declined > answered / ATTRIBUTABLE + CUT {
                let what = format!("{} asked {answered} callers and not {declined}", kind.name());
                counts.violations.push(what);
            }
        }
    }

    /// What must not have happened; beyond some, their number.
    pub(super) fn violations(&self) -> Vec<String> {
        let counts = self.0.lock();
        let mut listed: Vec<_> = counts.violations.iter().take(LISTED).cloned().collect();
        if counts.violations.len() > LISTED {
            listed.push(format!("and {} more", counts.violations.len() - LISTED));
        }
        listed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock();
        for ((kind, tool, outcome), count) in &counts.calls {
            writeln!(f, "{:<26} {tool:<8} {count:>9}  {outcome}", kind.name())?;
        }
        for (fault, count) in &counts.faults {
            writeln!(f, "{count:>45}  {fault}")?;
        }
        Ok(())
    }
}
