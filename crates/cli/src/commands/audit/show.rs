//! `anyport audit`: the newest records.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use anyport_audit::{Call, Event, Found, Query};

use super::common::{Common, Wanted};
use crate::{client_session::output::Output, exit::Exit, render::safe};

/// The arguments of `anyport audit` itself.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// At most so many of the newest records.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Go on with what is recorded from now on, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How often new records are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Writes the records, one in a line.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let log = arguments.common.log()?;
    let (filter, mut output) = (arguments.wanted.filter(), Output::stdout(&arguments.common.output));
    let mut query = Query::new(log.store.clone(), &log.key);
    let mut found = log.wait(query.newest(&filter, arguments.limit))?;
    if found.is_empty() && !arguments.follow && !output.json && !arguments.common.output.quiet {
        output.text("no call is recorded that fits\n")?;
    }
    loop {
        for record in &found {
            match output.json {
                true => output.value(record)?,
                false => output.text(&line(record))?,
            }
        }
        if !arguments.follow || !output.is_read() {
            return Ok(Exit::Done.into());
        }
        log.pause(LOOK);
        found = log.wait(query.newer(&filter))?;
    }
}

/// A record for people: when, who, what, where, and what became of it.
fn line(found: &Found) -> String {
    let at = format!("{:.3}", found.said.at);
    let said = match &found.said.event {
        Event::Open(opening) => format!("the log begins (anyport {})", opening.version),
        Event::Close => "the log ends".to_owned(),
        Event::Lost { records } => format!("{records} records were lost, since too many waited"),
        Event::Refusals(refusals) => {
            let by = refusals.refused_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            format!("{}  {} more calls refused{by}", who(&refusals.caller.principal), refusals.count)
        }
        Event::Call(call) | Event::End(call) => of_call(call),
        Event::Begin(call) => format!("{}  not ended", of_call(call)),
        _ => String::new(),
    };
    safe::line(&format!("{at}  {said}")) + "\n"
}

fn who(principal: &str) -> &str {
    if principal.is_empty() { "-" } else { principal }
}

fn of_call(call: &Call) -> String {
    let mut words = vec![who(&call.caller.principal).to_owned(), call.method.clone()];
    words.extend(call.name.clone());
    words.extend(call.item.as_ref().map(|item| format!("({item})")));
    let place = if call.cached == Some(true) { "from the cache of" } else { "at" };
    words.extend(call.upstream.as_ref().map(|upstream| format!("{place} {upstream}")));
    if let Some(outcome) = &call.outcome {
        words.push(match (outcome.code, &outcome.reason, &outcome.refused_by) {
            (_, _, Some(by)) => format!("{} by {by}", outcome.kind.as_str()),
            (Some(code), Some(reason), None) => format!("{} {code} {reason}", outcome.kind.as_str()),
            (Some(code), None, None) => format!("{} {code}", outcome.kind.as_str()),
            _ => outcome.kind.as_str().to_owned(),
        });
    }
    words.extend(call.duration_us.map(|micros| format!("{}.{:01} ms", micros / 1_000, micros % 1_000 / 100)));
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(record: &Value) -> String {
        let said = serde_json::from_value(record.clone()).unwrap();
        line(&Found { chain: "c".into(), record: 1, said })
    }

    #[test]
    fn a_record_is_a_line_that_commands_no_terminal() {
        let call = json!({
            "at": "2026-11-24T02:00:00.123456Z", "event": "call", "principal": "name:ci", "method": "tools/call",
            "name": "buy\u{1b}[2J", "upstream": "shop", "duration_us": 1_250,
            "outcome": {"kind": "error", "code": -32603, "reason": "timeout"},
        });
        assert_eq!(
            shown(&call),
            "2026-11-24T02:00:00.123Z  name:ci  tools/call  buy\\u{1b}[2J  at shop  error -32603 timeout  1.2 ms\n"
        );
        let mut refused = call.clone();
        refused["outcome"] = json!({"kind": "refused", "code": -32603, "refused_by": "listers"});
        assert!(shown(&refused).contains("refused by listers"));
        let more =
            json!({"at": "2026-11-24T02:00:00Z", "event": "refusals", "principal": "anonymous", "count": 7});
        assert_eq!(shown(&more), "2026-11-24T02:00:00.000Z  anonymous  7 more calls refused\n");
    }
}
