//! The tables of `docs/revisions.md` are written from the code that they speak of.

use std::{env, fmt::Write as _, fs, path::Path};

use anyport::Revision;
use anyport_protocol::method::{Entry, Sender, TABLE};
use anyport_tests::matrix::Transport;

/// Set this variable to write the tables instead of comparing with them.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_tables_of_revisions_are_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/revisions.md");
    let page = fs::read_to_string(&path).unwrap();
    let written = [("transports", transports()), ("methods", methods())]
        .into_iter()
        .fold(page.clone(), |page, (name, table)| replaced(&page, name, &table));
    if env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0") {
        fs::write(path, written).unwrap();
    } else {
        assert_eq!(page, written, "{UPDATE}=1 writes the tables anew");
    }
}

/// `page` with `table` between the marks called `name`.
fn replaced(page: &str, name: &str, table: &str) -> String {
    let mark = format!(
        "<!-- {name}: `UPDATE_GOLDEN=1 cargo test -p anyport-tests --test all book::` writes this table. -->\n"
    );
    let (before, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("the page lacks {mark}"));
    let (_, after) = rest.split_once("<!-- Until here. -->").expect("the table does not end");
    format!("{before}{mark}{table}<!-- Until here. -->{after}")
}

fn table(first: &str, rows: impl Iterator<Item = (String, [&'static str; 5])>) -> String {
    let mut table = format!("| {first} |");
    for revision in Revision::ALL {
        write!(table, " {revision} |").unwrap();
    }
    table.push_str("\n|---|---|---|---|---|---|\n");
    for (name, cells) in rows {
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    table
}

/// What the tests run over: the same cells as those of `every_revision`.
fn transports() -> String {
    let name = |transport| match transport {
        Transport::Stdio => "stdio",
        Transport::Http => "Streamable HTTP",
        Transport::Http2 => "Streamable HTTP over HTTP/2",
        Transport::Sse => "HTTP+SSE",
        Transport::Unix => "Unix socket",
        Transport::WebSocket => "WebSocket",
        Transport::Memory => "in the same process",
        Transport::Axum => "Streamable HTTP within axum",
        Transport::AxumSse => "HTTP+SSE within axum",
        Transport::AxumWebSocket => "WebSocket within axum",
    };
    table(
        "transport",
        Transport::ALL.into_iter().map(|transport| {
            let cell = |revision| if transport.carries(revision) { "✓" } else { "–" };
            (name(transport).to_owned(), Revision::ALL.map(cell))
        }),
    )
}

/// Every method, and who may send it.
fn methods() -> String {
    let cell = |entry: &Entry, revision| {
        let from = |side| entry.method.exists(entry.kind, side, revision);
        match (from(Sender::Client), from(Sender::Server)) {
            (true, true) => "both",
            (true, false) => "client",
            (false, true) => "server",
            (false, false) if (entry.since..=entry.until).contains(&revision) => "in a result",
            (false, false) => "–",
        }
    };
    let row =
        |entry: &Entry| (format!("`{}`", entry.name), Revision::ALL.map(|revision| cell(entry, revision)));
    table("message", TABLE.iter().map(row))
}
