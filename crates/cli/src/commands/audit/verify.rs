//! `anyport audit verify`: whether the log is as it was written.

use std::process::ExitCode;

use anyhow::Result;
use anyport_audit::{ChainReport, Head, Report, verify};
use serde_json::json;

use super::common::Common;
use crate::{client_session::output::Output, exit::Exit, render::safe};

/// The arguments of `anyport audit verify`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport audit verify\n  anyport audit verify --state-dir /var/lib/anyport --json"
)]
pub(super) struct Arguments {
    /// A head that must be in the log: CHAIN:BLOCK:RECORD:TAG, as the gateway's own log has it each minute; more than once.
    #[arg(long, value_name = "HEAD", value_parser = head)]
    head: Vec<Head>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Checks the log.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let log = arguments.common.log()?;
    let report = log.wait(verify(log.store.clone(), &log.key, &arguments.head))?;
    let exit = if report.is_whole() { Exit::Done } else { Exit::Failed };
    let value = || json!({"whole": report.is_whole(), "records": report.records(), "chains": report.chains});
    Output::stdout(&arguments.common.output).show(value, |_| Ok(text(&report)))?;
    Ok(exit.into())
}

fn text(report: &Report) -> String {
    let (chains, records) = (report.chains.len(), report.records());
    let mut text = match report.is_whole() {
        // A log that was removed as a whole leaves nothing to find it by but the heads that went to the log.
        true if chains == 0 => "there is no audit log here. If there was one, it was removed: give a head of it from the log with --head\n".to_owned(),
        true => format!("the audit log is whole: {records} records in {chains} chains\n"),
        false => "the audit log is not as it was written\n".to_owned(),
    };
    for chain in &report.chains {
        text += &(safe::line(&format!("  {}", line(chain))) + "\n");
    }
    text
}

fn line(ChainReport { head, dropped, is_closed, fault, .. }: &ChainReport) -> String {
    let chain = &head.chain;
    if let Some(fault) = fault {
        return format!("{chain}  {fault}");
    }
    let dropped = if *dropped > 0 { format!(", {dropped} dropped for their age") } else { String::new() };
    let end = if *is_closed { "" } else { "; its process still runs or was ended by force" };
    format!("{chain}  {} records{dropped}{end}", head.record)
}

/// A head as text.
fn head(text: &str) -> Result<Head, String> {
    let wrong = || "write CHAIN:BLOCK:RECORD:TAG, as the log of the gateway has it".to_owned();
    let [chain, block, record, tag] = *text.split(':').collect::<Vec<_>>() else { return Err(wrong()) };
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let tag = tag.parse().map_err(|_| wrong())?;
    Ok(Head { chain: chain.to_owned(), block: number(block)?, record: number(record)?, tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_the_log_has_it() {
        let tag = "ab".repeat(32);
        let text = format!("20261124T020000.000Z-0123:7:90:{tag}");
        assert_eq!(head(&text).unwrap().to_string(), text);
        for wrong in ["", "a:1:2", "a:1:2:3", &format!("a:x:2:{tag}"), &format!("{text}:1")] {
            assert!(head(wrong).is_err(), "{wrong}");
        }
    }
}
