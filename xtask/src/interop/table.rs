//! The tables in `docs/clients.md`: what each client did with the server that has some of everything, and with other
//! people's servers through a bridge; and what our commands did.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::{
    dialogue::{CHECKS, Client, Dialogue, Era, Outcome, Script, Subject},
    meeting::{self, Meeting, Server},
    program,
    signing_in::{Named, SigningIn},
};
use crate::{Failure, tools::Packages, workspace::Workspace};

const PAGE: &str = "docs/clients.md";
const BEGIN: &str = "<!-- `cargo xtask interop --write` writes this table. -->\n";
const BEGIN_BRIDGED: &str = "<!-- `cargo xtask interop --write` writes this table, too. -->\n";
const BEGIN_COMMANDS: &str = "<!-- `cargo xtask interop --write` writes this table as well. -->\n";
const BEGIN_SIGNED_IN: &str = "<!-- `cargo xtask interop --write` also writes this table. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// The results of all meetings.
#[derive(Default)]
pub(super) struct Results {
    /// Other people's clients with our servers.
    pub(super) direct: Vec<(Dialogue, Outcome)>,
    /// The meetings without a fault.
    pub(super) met: Vec<Meeting>,
    /// Our commands.
    pub(super) commands: Vec<(program::Server, Outcome)>,
    /// Programs that signed in.
    pub(super) signed_in: Vec<(SigningIn, Outcome)>,
}

/// Checks that the page has the results of every meeting.
///
/// # Errors
/// When it does not, or has no place for it.
pub(super) fn check(workspace: &Workspace, results: &Results) -> Result<(), Failure> {
    let page = read(workspace)?;
    let versions = Versions::read(workspace)?;
    // The meetings of this run are part of the page, and each had the result that the page shows.
    let all = meeting::bridged();
    let mut wrong = String::new();
    for (begin, table) in tables(results, &all, &versions)? {
        if split(&page, begin)?.1 != table {
            wrong += &table;
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{PAGE} does not say what was done; write it with `cargo xtask interop --write`:\n{wrong}")
        .into())
}

/// Makes the page say what came of it; of the meetings it must be all.
///
/// # Errors
/// When it has no place for it, or cannot be written.
pub(super) fn write(workspace: &Workspace, results: &Results) -> Result<(), Failure> {
    let versions = Versions::read(workspace)?;
    let mut page = read(workspace)?;
    for (begin, table) in tables(results, &results.met, &versions)? {
        let (before, _, after) = split(&page, begin)?;
        page = format!("{before}{table}{after}");
    }
    Ok(fs::write(workspace.path(PAGE), page)?)
}

fn tables(
    results: &Results,
    met: &[Meeting],
    versions: &Versions,
) -> Result<[(&'static str, String); 4], Failure> {
    Ok([
        (BEGIN, table(&results.direct, versions)?),
        (BEGIN_BRIDGED, bridged(met, versions)?),
        (BEGIN_COMMANDS, commands(&results.commands, versions)?),
        (BEGIN_SIGNED_IN, signed_in(&results.signed_in, versions)?),
    ])
}

fn read(workspace: &Workspace) -> Result<String, Failure> {
    fs::read_to_string(workspace.path(PAGE)).map_err(|error| format!("cannot read {PAGE}: {error}").into())
}

/// Splits the page at the table that `begin` marks: the text before it, the table, and the text after it.
fn split<'p>(page: &'p str, begin: &str) -> Result<(&'p str, &'p str, &'p str), Failure> {
    let from = page.find(begin).map(|at| at + begin.len());
    let end = from.and_then(|from| Some(from + page[from..].find(END)?));
    match (from, end) {
        (Some(from), Some(end)) => Ok((&page[..from], &page[from..end], &page[end..])),
        _ => Err(format!("{PAGE} must have the lines\n{begin}{END}around the table").into()),
    }
}

fn table(outcomes: &[(Dialogue, Outcome)], versions: &Versions) -> Result<String, Failure> {
    let mut table = format!("| client | over | revision | {} |\n", CHECKS.join(" | "));
    table += &format!("|---|---|---|{}\n", "---|".repeat(CHECKS.len()));
    for (dialogue, outcome) in outcomes.iter().filter(|(dialogue, _)| dialogue.subject == Subject::Tour) {
        let client = dialogue.client;
        let works = |check: &&str| outcome.works.iter().any(|works| works == check);
        let marks: Vec<_> = CHECKS.iter().map(|check| if works(check) { "✓" } else { "–" }).collect();
        table += &format!(
            "| {} | {} | {} | {} |\n",
            versions.client(client)?,
            dialogue.over,
            outcome.revision,
            marks.join(" | ")
        );
    }
    Ok(table)
}

/// The features that work in all of these meetings, and those that do not in some.
fn cell(meetings: &[Meeting]) -> String {
    if meetings.is_empty() {
        return "–".to_owned();
    }
    let works = |check: &&&str| meetings.iter().all(|meeting| meeting.checks().any(|other| other == **check));
    let lacks: Vec<_> = CHECKS.iter().filter(|check| !works(check)).copied().collect();
    if lacks.is_empty() { "✓".to_owned() } else { format!("✓ but {}", lacks.join(", ")) }
}

/// A row for each client and server, with what works in each pair of eras over all pairs of transports.
fn bridged(meetings: &[Meeting], versions: &Versions) -> Result<String, Failure> {
    const PAIRS: [(Era, Era); 4] = [
        (Era::Modern, Era::Modern),
        (Era::Modern, Era::Legacy),
        (Era::Legacy, Era::Modern),
        (Era::Legacy, Era::Legacy),
    ];
    let heads = PAIRS.map(|(client, server)| format!("{client} → {server}"));
    let mut table =
        format!("| client | server | {} |\n|---|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for client in Client::BRIDGED {
        for server in Server::ALL {
            let cells = PAIRS.map(|(era, theirs)| {
                let met = |meeting: &&Meeting| {
                    (meeting.client, meeting.server, meeting.era) == (client, server, era)
                        && meeting.behind.is_some_and(|behind| behind.era == theirs)
                };
                cell(&meetings.iter().filter(met).copied().collect::<Vec<_>>())
            });
            let (client, server) = (versions.client(client)?, versions.server(server)?);
            table += &format!("| {client} | {server} | {} |\n", cells.join(" | "));
        }
    }
    Ok(table)
}
/// A row for each server, with what our commands did there.
fn commands(outcomes: &[(program::Server, Outcome)], versions: &Versions) -> Result<String, Failure> {
    let mut table = "| server | tried |\n|---|---|\n".to_owned();
    for (server, outcome) in outcomes {
        let name =
            versions.pinned(&server.package().replace("@modelcontextprotocol/", ""), server.package())?;
        table += &format!("| {name} | {} |\n", outcome.works.join(", "));
    }
    Ok(table)
}

/// A row for each program that signed in, with what it did then.
fn signed_in(outcomes: &[(SigningIn, Outcome)], versions: &Versions) -> Result<String, Failure> {
    let mut table = "| program | server | authorization server | tried |\n|---|---|---|---|\n".to_owned();
    for (signing_in, outcome) in outcomes {
        let name = |(name, package): Named| match package {
            Some(package) => versions.pinned(name, package),
            None => Ok(name.to_owned()),
        };
        let [program, server, authorization_server] = signing_in.parts().map(name);
        let tried = outcome.works.join(", ");
        table += &format!("| {} | {} | {} | {tried} |\n", program?, server?, authorization_server?);
    }
    Ok(table)
}

/// Which versions of the packages are pinned.
struct Versions {
    /// `tests/python/requirements.txt` and `requirements-1.txt`.
    python: [String; 2],
    /// `dependencies` in `tests/typescript/package.json`.
    javascript: BTreeMap<String, String>,
    /// `Cargo.toml`.
    rust: String,
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
        Ok(Self {
            python: [text(Packages::Newest.pins())?, text(Packages::First.pins())?],
            javascript: package.dependencies,
            rust: text("Cargo.toml")?,
        })
    }

    /// A client, with its package and version.
    fn client(&self, client: Client) -> Result<String, Failure> {
        let package = client.package();
        let version = match client.script() {
            Script::Python(packages) => self.python(packages, package),
            Script::Node => self.javascript.get(package).map(String::as_str),
            Script::Rust => self.rust(package),
        };
        named(client.name(), package, version)
    }

    /// A server, with its package and version if somebody else wrote it.
    fn server(&self, server: Server) -> Result<String, Failure> {
        let (name, Some(package)) = server.name() else { return Ok(server.to_string()) };
        self.pinned(name, package)
    }

    /// A package of any language, by `name`.
    fn pinned(&self, name: &str, package: &str) -> Result<String, Failure> {
        let version = self.python(Packages::Newest, package);
        let version = version.or_else(|| self.javascript.get(package).map(String::as_str));
        named(name, package, version.or_else(|| self.rust(package)))
    }

    fn python(&self, packages: Packages, package: &str) -> Option<&str> {
        let [newest, first] = &self.python;
        let pins = if packages == Packages::Newest { newest } else { first };
        pins.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("==")).map(str::trim)
    }

    fn rust(&self, package: &str) -> Option<&str> {
        let line = self.rust.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix(" = "))?;
        line.split_once("version = \"=")?.1.split('"').next()
    }
}

fn named(name: &str, package: &str, version: Option<&str>) -> Result<String, Failure> {
    let version = version.ok_or_else(|| format!("no file pins `{package}`"))?;
    Ok(match package.ends_with(name) {
        true => format!("{name} {version}"),
        false => format!("{name} ({package} {version})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::dialogue::Over;

    fn versions() -> Versions {
        let javascript = ["@modelcontextprotocol/sdk", "@modelcontextprotocol/server-everything"];
        Versions {
            python: ["# mcp==1.0\nmcp-types==9.9.9\nmcp==2.3.0\nfastmcp-slim==4.1.6\n", "mcp==1.30.0\n"]
                .map(str::to_owned),
            javascript: javascript.map(|name| (name.to_owned(), "1.32.2".to_owned())).into(),
            rust: "rmcp = { version = \"=3.9.0\", features = [] }\n".into(),
        }
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
            outcome(Client::Python2, Subject::Tour, &["list", "log"]),
            outcome(Client::Python2, Subject::Documents, &["list"]),
            outcome(Client::TypeScript1, Subject::Tour, &CHECKS),
        ];
        let table = table(&outcomes, &versions()).unwrap();
        let rows: Vec<_> = table.lines().collect();
        assert_eq!(rows.len(), 4, "{table}");
        assert_eq!(
            rows[2],
            "| Python SDK 2 (mcp 2.3.0) | http | 2026-07-28 | ✓ | – | – | – | – | – | – | – | ✓ |"
        );
        assert!(rows[3].contains("sdk 1.32.2") && !rows[3].contains('–'), "{table}");
        assert!(super::table(&[outcome(Client::Inspector, Subject::Tour, &[])], &versions()).is_err());
    }

    #[test]
    fn each_client_and_server_has_a_row_with_its_eras() {
        let (everything, all) = (Server::Everything, meeting::bridged());
        let cells = |client, server| {
            let met = |meeting: &&Meeting| (meeting.client, meeting.server) == (client, server);
            let of = |behind| {
                let met = all
                    .iter()
                    .filter(met)
                    .filter(|meeting| meeting.behind.map(|end| end.era) == Some(behind));
                cell(&met.copied().collect::<Vec<_>>())
            };
            [of(Era::Modern), of(Era::Legacy)]
        };
        assert_eq!(cells(Client::Python1, everything), ["–", "✓ but log"]);
        assert_eq!(cells(Client::Python2, Server::Anyport), ["✓", "✓"]);
        let versions = versions();
        assert_eq!(versions.client(Client::Python1).unwrap(), "Python SDK 1 (mcp 1.30.0)");
        assert_eq!(versions.client(Client::Rmcp).unwrap(), "Rust SDK (rmcp 3.9.0)");
        assert_eq!(versions.server(Server::Rmcp).unwrap(), "rmcp 3.9.0");
        assert_eq!(versions.server(everything).unwrap(), "server-everything 1.32.2");
    }

    #[test]
    fn each_server_of_the_commands_has_a_row() {
        let works = ["list", "call"].map(str::to_owned).to_vec();
        let outcome = Outcome { revision: String::new(), works };
        let table = commands(&[(program::Server::Everything, outcome)], &versions()).unwrap();
        assert_eq!(table.lines().last(), Some("| server-everything 1.32.2 | list, call |"));
    }

    #[test]
    fn each_program_that_signed_in_has_a_row() {
        let versions = Versions::read(&Workspace::find().unwrap()).unwrap();
        let outcome = Outcome { revision: String::new(), works: vec!["login".to_owned()] };
        let all = SigningIn::ALL.map(|one| (one, outcome.clone()));
        let table = signed_in(&all, &versions).unwrap();
        assert_eq!(table.lines().count(), 2 + all.len(), "{table}");
        assert!(
            table.contains("| Anyport | Python SDK 2 (mcp ") && table.ends_with(" | login |\n"),
            "{table}"
        );
    }

    #[test]
    fn the_page_tells_of_every_meeting_with_the_versions_that_are_pinned() {
        let workspace = Workspace::find().unwrap();
        let table = bridged(&meeting::bridged(), &Versions::read(&workspace).unwrap()).unwrap();
        let page = read(&workspace).unwrap();
        assert_eq!(split(&page, BEGIN_BRIDGED).unwrap().1, table, "{table}");
    }

    #[test]
    fn a_table_is_found_in_its_page() {
        let page = format!("# Clients\n{BEGIN}| a |\n{END}more\n{BEGIN_BRIDGED}| b |\n{END}rest");
        for (begin, wanted) in [(BEGIN, "| a |\n"), (BEGIN_BRIDGED, "| b |\n")] {
            let (before, table, after) = split(&page, begin).unwrap();
            assert_eq!((table, before.len() + table.len() + after.len()), (wanted, page.len()));
        }
        assert!(split("# Clients\n", BEGIN).is_err());
    }
}
