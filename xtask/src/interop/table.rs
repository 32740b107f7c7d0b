//! The table in `docs/clients.md`: what each client did with the server that has some of everything.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::dialogue::{Client, Dialogue, Outcome, Script, Subject};
use crate::{Failure, workspace::Workspace};

const PAGE: &str = "docs/clients.md";
const BEGIN: &str = "<!-- `cargo xtask interop --write` writes this table. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// What a client can be put to, in the order of the columns.
const CHECKS: [&str; 8] = ["list", "call", "read", "prompt", "complete", "ask", "progress", "log"];

/// Sees that the page says what came of the dialogues.
///
/// # Errors
/// When it does not, or has no place for it.
pub(super) fn check(workspace: &Workspace, outcomes: &[(Dialogue, Outcome)]) -> Result<(), Failure> {
    let page = read(workspace)?;
    let table = table(outcomes, &Versions::read(workspace)?)?;
    let (_, found, _) = split(&page)?;
    if found == table {
        return Ok(());
    }
    Err(format!(
        "{PAGE} does not say what the clients did; write it with `cargo xtask interop --write`:\n{table}"
    )
    .into())
}

/// Makes the page say what came of the dialogues.
///
/// # Errors
/// When it has no place for it, or cannot be written.
pub(super) fn write(workspace: &Workspace, outcomes: &[(Dialogue, Outcome)]) -> Result<(), Failure> {
    let page = read(workspace)?;
    let (before, _, after) = split(&page)?;
    let table = table(outcomes, &Versions::read(workspace)?)?;
    Ok(fs::write(workspace.path(PAGE), format!("{before}{table}{after}"))?)
}

fn read(workspace: &Workspace) -> Result<String, Failure> {
    fs::read_to_string(workspace.path(PAGE)).map_err(|error| format!("cannot read {PAGE}: {error}").into())
}

/// What stands before the table, the table, and what stands after it.
fn split(page: &str) -> Result<(&str, &str, &str), Failure> {
    let begin = page.find(BEGIN).map(|at| at + BEGIN.len());
    let end = page.find(END);
    match (begin, end) {
        (Some(begin), Some(end)) if begin <= end => Ok((&page[..begin], &page[begin..end], &page[end..])),
        _ => Err(format!("{PAGE} must have the lines\n{BEGIN}{END}around the table").into()),
    }
}

fn table(outcomes: &[(Dialogue, Outcome)], versions: &Versions) -> Result<String, Failure> {
    let mut table = format!("| client | over | revision | {} |\n", CHECKS.join(" | "));
    table += &format!("|---|---|---|{}\n", "---|".repeat(CHECKS.len()));
    for (dialogue, outcome) in outcomes.iter().filter(|(dialogue, _)| dialogue.subject == Subject::Tour) {
        let client = dialogue.client;
        let version = versions.of(client).ok_or_else(|| format!("no file pins `{}`", client.package()))?;
        let works = |check: &&str| outcome.works.iter().any(|works| works == check);
        let marks: Vec<_> = CHECKS.iter().map(|check| if works(check) { "✓" } else { "–" }).collect();
        table += &format!(
            "| {} ({} {version}) | {} | {} | {} |\n",
            client.name(),
            client.package(),
            dialogue.over,
            outcome.revision,
            marks.join(" | ")
        );
    }
    Ok(table)
}

/// Which versions of the clients are pinned.
struct Versions {
    /// `tests/python/requirements.txt`.
    python: String,
    /// `dependencies` in `tests/typescript/package.json`.
    javascript: BTreeMap<String, String>,
}

impl Versions {
    fn read(workspace: &Workspace) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Package {
            dependencies: BTreeMap<String, String>,
        }
        let text = |path: &str| {
            fs::read_to_string(workspace.path(path)).map_err(|error| format!("cannot read {path}: {error}"))
        };
        let package: Package = serde_json::from_str(&text("tests/typescript/package.json")?)?;
        Ok(Self { python: text("tests/python/requirements.txt")?, javascript: package.dependencies })
    }

    fn of(&self, client: Client) -> Option<&str> {
        match client.script() {
            Script::Python => self
                .python
                .lines()
                .find_map(|line| line.strip_prefix(client.package())?.strip_prefix("=="))
                .map(str::trim),
            Script::JavaScript => self.javascript.get(client.package()).map(String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::dialogue::{Era, Over};

    fn versions() -> Versions {
        let javascript = [("@modelcontextprotocol/sdk".to_owned(), "1.32.2".to_owned())].into();
        Versions { python: "# mcp==1.0\nmcp-types==9.9.9\nmcp==2.3.0\n".into(), javascript }
    }

    fn outcome(client: Client, subject: Subject, works: &[&str]) -> (Dialogue, Outcome) {
        let works = works.iter().map(|check| (*check).to_owned()).collect();
        (
            Dialogue { client, subject, over: Over::Http, era: Era::Modern },
            Outcome { revision: "2026-07-28".into(), works },
        )
    }

    #[test]
    fn the_table_has_a_row_for_each_dialogue_with_the_tour() {
        let outcomes = [
            outcome(Client::Python, Subject::Tour, &["list", "log"]),
            outcome(Client::Python, Subject::Documents, &["list"]),
            outcome(Client::TypeScript1, Subject::Tour, &CHECKS),
        ];
        let table = table(&outcomes, &versions()).unwrap();
        let rows: Vec<_> = table.lines().collect();
        assert_eq!(rows.len(), 4, "{table}");
        assert_eq!(rows[2], "| Python SDK (mcp 2.3.0) | http | 2026-07-28 | ✓ | – | – | – | – | – | – | ✓ |");
        assert!(rows[3].contains("sdk 1.32.2") && !rows[3].contains('–'), "{table}");
        assert!(super::table(&[outcome(Client::Inspector, Subject::Tour, &[])], &versions()).is_err());
    }

    #[test]
    fn the_table_is_found_in_its_page() {
        let page = format!("# Clients\n{BEGIN}| a |\n{END}more");
        let (before, table, after) = split(&page).unwrap();
        assert_eq!((table, before.len() + table.len() + after.len()), ("| a |\n", page.len()));
        assert!(split("# Clients\n").is_err());
    }
}
