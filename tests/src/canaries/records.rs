//! What a gateway has written down: metrics, log and audit log.

use std::sync::Arc;

use serde_json::Value;

use super::{
    canary::{Owner, any, any_hidden, of_several},
    gateway::Gateway,
    plan::Plan,
    tally::Tally,
    theft::FOREIGN,
    visit::{CANCEL, THEFT},
};
use crate::{cross_transport::Fault, plain::Plain};

/// The metrics name no canary and no token.
///
/// # Errors
/// When they cannot be read.
pub(super) async fn check_metrics(
    gateway: &Gateway,
    tokens: &[Arc<str>],
    tally: &Tally,
) -> Result<(), Fault> {
    let token = tokens.first().ok_or("no principal")?;
    let page = Plain::at(gateway.address).bearer(token).ask("GET", "/metrics", "").await?;
    if page.status != 200 || !page.body.contains("anyport_") {
        return Err(format!("the metrics are {page:?}").into());
    }
    if let Some(found) = any(&page.body) {
        tally.violation(format!("the metrics have {found}"));
    }
    Ok(())
}

/// The log has nothing that is to be masked, and no line has something of two principals. Each record of the audit log has only
/// canaries of the principal that it names.
///
/// # Errors
/// When they cannot be read.
pub(super) fn check(gateway: &Gateway, plan: &Plan, tokens: &[Arc<str>], tally: &Tally) -> Result<(), Fault> {
    for line in gateway.log()?.lines() {
        let token = || tokens.iter().find(|token| line.contains(&***token)).map(|_| "a token".to_owned());
        if let Some(found) = any_hidden(line).or_else(|| of_several(line)).or_else(token) {
            tally.violation(format!("the log has {found} in {line:.400}"));
        }
    }
    let owners: Vec<Owner> = (0..plan.principals).map(|number| Owner::new(plan.seed, number)).collect();
    let mut records = 0;
    for line in gateway.audit()? {
        records += u64::from(is_of_its_principal(&line?, &owners, tally));
    }
    // A call that is cancelled at once may never arrive, and an attempt at theft has records of its own kind.
    let calls = tally.calls() - tally.of(CANCEL) - tally.of(THEFT);
    if records < calls {
        tally.violation(format!("{calls} calls have {records} records"));
    }
    Ok(())
}

/// Whether a record is one of a call; what is wrong with it is reported.
fn is_of_its_principal(line: &str, owners: &[Owner], tally: &Tally) -> bool {
    let record: Value = serde_json::from_str(line).unwrap_or_default();
    let Some(owner) = owners.iter().find(|owner| record["subject"] == owner.name().as_str()) else {
        if let Some(found) = any(line) {
            tally.violation(format!("a record without a principal has {found}"));
        }
        return false;
    };
    // What a thief has sent is its own word.
    let is_theft = record["outcome"]["reason"] == FOREIGN;
    if let Some(found) = owner.crossing(line).filter(|_| !is_theft) {
        tally.violation(format!("the record of a call of {} has {found}", owner.name()));
    }
    // A stream has a record of its begin and one of its end.
    record["event"] == "call" || record["event"] == "begin"
}
