//! `anyport audit export`: all records, for other programs.

use std::process::ExitCode;

use anyhow::Result;
use anyport_audit::{Event, Found, Query};

use super::common::{Common, Wanted};
use crate::{client_session::output::Output, exit::Exit};

/// The arguments of `anyport audit export`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport audit export > audit.jsonl\n  anyport audit export --since 7d --format csv > audit.csv"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// The form of the records.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_enum)]
    format: Format,
    #[command(flatten)]
    pub(super) common: Common,
}

/// A form of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// JSON, one record in a line, with everything that is recorded.
    Jsonl,
    /// Comma-separated values (RFC 4180): calls alone, without their arguments.
    Csv,
}

const COLUMNS: [&str; 16] = [
    "chain",
    "record",
    "at",
    "event",
    "principal",
    "client",
    "address",
    "revision",
    "method",
    "name",
    "item",
    "upstream",
    "outcome",
    "code",
    "refused_by",
    "duration_us",
];

/// Writes the records.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let log = arguments.common.log()?;
    let mut output = Output::stdout(&arguments.common.output);
    if arguments.format == Format::Csv {
        output.text(&row(COLUMNS.map(str::to_owned)))?;
    }
    let mut written = Ok(());
    let query = Query::new(log.store.clone(), &log.key);
    log.wait(query.all(&arguments.wanted.filter(), |found| {
        written = match arguments.format {
            Format::Jsonl => output.value(&found),
            Format::Csv => fields(&found).map_or(Ok(()), |fields| output.text(&row(fields))),
        };
        written.is_ok() && output.is_read()
    }))?;
    written?;
    Ok(Exit::Done.into())
}

fn fields(found: &Found) -> Option<[String; 16]> {
    let call = found.said.call()?;
    let event = match &found.said.event {
        Event::Begin(_) => "begin",
        Event::End(_) => "end",
        _ => "call",
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let outcome = call.outcome.as_ref();
    Some([
        found.chain.clone(),
        found.record.to_string(),
        format!("{:.3}", found.said.at),
        event.to_owned(),
        call.caller.principal.clone(),
        text(&call.caller.client),
        call.caller.address.map(|address| address.to_string()).unwrap_or_default(),
        call.revision.clone(),
        call.method.clone(),
        text(&call.name),
        text(&call.item),
        text(&call.upstream),
        outcome.map(|outcome| outcome.kind.as_str().to_owned()).unwrap_or_default(),
        number(outcome.and_then(|outcome| outcome.code)),
        outcome.and_then(|outcome| outcome.refused_by.clone()).unwrap_or_default(),
        number(call.duration_us.and_then(|micros| i64::try_from(micros).ok())),
    ])
}

/// A row of comma-separated values. A text that a spreadsheet would compute gets an apostrophe: clients choose names.
fn row<const N: usize>(fields: [String; N]) -> String {
    let fields = fields.map(|field| {
        let is_number = field.parse::<i64>().is_ok();
        let is_formula = !is_number && field.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let field = if is_formula { format!("'{field}") } else { field };
        match field.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        }
    });
    fields.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_none_is_a_formula() {
        let fields = ["a,b", "say \"x\"", "=1+1", "-32603", "plain"].map(str::to_owned);
        assert_eq!(row(fields), "\"a,b\",\"say \"\"x\"\"\",'=1+1,-32603,plain\r\n");
    }
}
