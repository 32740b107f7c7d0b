//! Generates the parts of `docs/cli.md` on commands, options, variables and exit codes from the code that reads them.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyport_protocol::settings::{LimitField, LimitSpec, Unit};
use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::{
    exit::Exit,
    listen::Limits,
    target::{CALL_TIMEOUT, TIMEOUT},
};

/// Set this variable to write the page instead of comparing with it.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_reference_of_the_command_line_is_what_the_code_says() {
    let mut program = crate::Arguments::command();
    program.build();
    let parts = vec![
        ("commands", commands(&program)),
        ("timeouts", timeouts()),
        ("places", config_locations()),
        ("variables", variables(&program)),
        ("exit codes", exit_codes()),
    ];
    compare("cli.md", parts);
}

#[test]
fn the_schema_of_the_gateways_file_is_what_the_code_reads() {
    let schema = format!("{:#}\n", anyport_config::gateway::schema());
    compare("schema.md", vec![("schema", format!("```text\n{schema}```\n"))]);
    // The same as a file by itself, for editors.
    golden("anyport.schema.json", &schema);
}

#[test]
fn the_tables_of_limits_are_what_the_code_declares() {
    // Each section with its rows; a limit that several parts have stands once.
    let mut sections: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    Limits::default().each(|section, LimitField { spec, value }| {
        let known = sections.values().flatten().any(|(name, _)| *name == spec.name);
        if !known {
            let LimitSpec { name, unit, note, beyond, .. } = spec;
            let default = value.number().map(|number| in_words(number, unit)).unwrap_or_default();
            let row = format!("| `{name}` | {default}{note} | {beyond} |\n");
            sections.entry(section).or_default().push((name, row));
        }
    });
    let table = |rows: &[(&str, String)]| {
        let rows: String = rows.iter().map(|(_, row)| row.as_str()).collect();
        format!("| name | default | beyond it |\n|---|---|---|\n{rows}")
    };
    let tables = sections.iter().map(|(section, rows)| (*section, table(rows)));
    compare("limits.md", tables.chain([("timeouts", timeouts())]).collect());
}

/// What bounds the time of a call, by the command that runs. Two pages have it, in the same words.
fn timeouts() -> String {
    let serve = in_words(crate::serve::TIMEOUT.0.as_secs(), Unit::Seconds);
    let mut max = None;
    Limits::default().each(|_, LimitField { spec, value }| {
        max = max.or_else(|| value.number().filter(|_| spec.name == "call_timeout_max"));
    });
    let in_words = |seconds: u64| in_words(seconds, Unit::Seconds);
    let (call, max) = (in_words(CALL_TIMEOUT.as_secs()), in_words(max.unwrap()));
    let open = in_words(TIMEOUT.as_secs());
    format!(
        "The timeouts, by the command that runs:\n\n\
         | command | limit | default | beyond it |\n|---|---|---|---|\n\
         | `serve` | `call_timeout` (`--timeout`) | {serve} a call | -32603 `timeout`, and the handler is dropped |\n\
         | `bridge`, `serve --config` | `call_timeout` (`--timeout`) | {call} without a progress notification of the call | -32603 `timeout`, and \
         the server receives a cancellation |\n\
         | `bridge`, `serve --config` | `call_timeout_max` (`--limit`) | {max} a call; not less than `call_timeout` | the same |\n\
         | `bridge` | `open_timeout` (`--timeout`) | {open} until a revision is agreed with the server | connecting fails |\n\
         | `serve --config` | `open_timeout` (a key of the upstream, as are the others) | {open} until a revision is agreed with the server | \
         connecting fails |\n\
         | a command that speaks to a server | `open_timeout` and the timeout of its calls (`--timeout`) | {open} until a \
         revision is agreed, and {open} without a progress notification of the call | the command fails |\n\n\
         The time in which a person answers a server request does not count. `--timeout 0` sets no limit; `serve` refuses it.\n"
    )
}

/// Compares the parts of a page with what the code says, or writes them.
fn compare(page: &str, parts: Vec<(&str, String)>) {
    let text = fs::read_to_string(in_docs(page)).unwrap();
    golden(page, &parts.into_iter().fold(text, |page, (name, part)| replaced(&page, name, &part)));
}

/// Compares the file of `docs` with `written`, or writes it.
fn golden(file: &str, written: &str) {
    let path = in_docs(file);
    if env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0") {
        fs::write(path, written).unwrap();
    } else {
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, written, "{UPDATE}=1 cargo test -p anyport-cli reference writes {file} anew");
    }
}

fn in_docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file)
}

fn in_words(number: u64, unit: Unit) -> String {
    let multiple = |of: u64| number > 0 && number.is_multiple_of(of);
    match unit {
        Unit::Bytes if multiple(1 << 20) => format!("{} MiB", number >> 20),
        Unit::Bytes if multiple(1 << 10) => format!("{} KiB", number >> 10),
        Unit::Seconds if number == 24 * 3600 => "1 day".into(),
        Unit::Seconds if number == 3600 => "1 hour".into(),
        Unit::Seconds if multiple(24 * 3600) => format!("{} days", number / (24 * 3600)),
        Unit::Seconds if multiple(3600) => format!("{} hours", number / 3600),
        Unit::Seconds if number > 60 && multiple(60) => format!("{} minutes", number / 60),
        Unit::Seconds => format!("{number} s"),
        Unit::Bytes | Unit::Count => {
            let digits = number.to_string();
            let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
    }
}

/// `page` with `part` between the marks called `name`.
fn replaced(page: &str, name: &str, part: &str) -> String {
    let mark =
        format!("<!-- {name}: `UPDATE_GOLDEN=1 cargo test -p anyport-cli reference` writes this part. -->\n");
    let (before, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("the page lacks {mark}"));
    let (_, after) = rest.split_once("<!-- Until here. -->").expect("the part does not end");
    format!("{before}{mark}\n{part}\n<!-- Until here. -->{after}")
}

/// Commands that have most of their options in common, and what they are together.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Commands that speak to a server",
        &["tools", "call", "resources", "read", "prompts", "prompt", "inspect", "doctor", "replay"],
    ),
    ("Commands that serve", &["serve", "bridge"]),
    ("Commands on logins", &["login", "logout", "accounts"]),
    ("Commands on running gateways", &["status", "restart", "log", "logs", "tap"]),
    (
        "Commands on configured servers",
        &["servers", "add", "get", "remove", "enable", "disable", "import", "install"],
    ),
];

/// Every command with its options; those of a whole group stand once.
fn commands(program: &Command) -> String {
    let mut out = String::new();
    let find = |name: &str| program.find_subcommand(name).unwrap();
    let mut shown: Vec<&str> = Vec::new();
    for (title, names) in GROUPS {
        let common: Vec<String> = options(find(names[0]))
            .filter(|arg| names.iter().all(|name| options(find(name)).any(|other| row(other) == row(arg))))
            .map(row)
            .collect();
        writeln!(out, "### {title}\n").unwrap();
        for name in names {
            command(&mut out, find(name), &common);
        }
        let first = options(find(names[0])).filter(|arg| common.contains(&row(arg)));
        writeln!(out, "**Options of every command in this section:**\n\n{}", table(first)).unwrap();
        shown.extend(names);
    }
    writeln!(out, "### Others\n").unwrap();
    for other in program.get_subcommands().filter(|other| !other.is_hide_set() && other.get_name() != "help")
    {
        if !shown.contains(&other.get_name()) {
            command(&mut out, other, &[]);
            let parts = other.get_subcommands().filter(|part| part.get_name() != "help");
            parts.for_each(|part| command(&mut out, part, &[]));
        }
    }
    out.trim_end().to_owned() + "\n"
}

fn command(out: &mut String, command: &Command, common: &[String]) {
    let about =
        command.get_about().unwrap_or_else(|| panic!("{} says nothing of itself", command.get_name()));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let name = command.get_bin_name().unwrap_or_default();
    writeln!(out, "#### {name}\n\n{about}\n\n```text\n{usage}\n```\n").unwrap();
    let own = table(options(command).filter(|arg| !common.contains(&row(arg))));
    if !own.is_empty() {
        out.push_str(&(own + "\n"));
    }
    // The hint from the short help to the long one is useless here.
    let more =
        command.get_after_help().map(ToString::to_string).filter(|more| !more.contains("--help shows"));
    if let Some(more) = more {
        writeln!(out, "{}\n", with_listings(&more)).unwrap();
    }
}

/// A text whose indented lines, such as examples, are listings.
fn with_listings(text: &str) -> String {
    let mut out = String::new();
    let mut is_listing = false;
    for line in text.lines() {
        if line.starts_with("  ") != is_listing {
            is_listing = !is_listing;
            out.push_str(if is_listing { "\n```text\n" } else { "```\n" });
        }
        writeln!(out, "{}", line.strip_prefix("  ").unwrap_or(line)).unwrap();
    }
    if is_listing {
        out.push_str("```\n");
    }
    out.trim_end().to_owned()
}

/// The named options, without `--help`.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    // Of what has no name, usage says enough, but not what may stand there.
    let told =
        command.get_arguments().filter(|arg| !arg.is_positional() || !arg.get_possible_values().is_empty());
    told.filter(|arg| !arg.is_hide_set() && arg.get_id() != "help")
}

/// Options under the headings that `--help` has.
fn table<'a>(options: impl Iterator<Item = &'a Arg>) -> String {
    let mut headings: Vec<(&str, Vec<String>)> = Vec::new();
    for option in options {
        let heading = option.get_help_heading().unwrap_or("Options");
        match headings.iter_mut().find(|(other, _)| *other == heading) {
            Some((_, rows)) => rows.push(row(option)),
            None => headings.push((heading, vec![row(option)])),
        }
    }
    let one =
        |(heading, rows): (&str, Vec<String>)| format!("| {heading} | |\n|---|---|\n{}\n", rows.concat());
    headings.into_iter().map(one).collect()
}

fn row(arg: &Arg) -> String {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = match (takes, arg.get_value_names()) {
        (false, _) => String::new(),
        (true, Some(names)) => format!(" {}", names.join(" ")),
        (true, None) => format!(" {}", arg.get_id().as_str().to_uppercase()),
    };
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let place = arg.is_positional().then(|| format!("`{}`", arg.get_id().as_str().to_uppercase()));
    let names = [short, long, place].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let mut help = arg.get_help().unwrap_or_else(|| panic!("{names} says nothing of itself")).to_string();
    let mut more = Vec::new();
    let possible = arg.get_possible_values();
    if takes && !possible.is_empty() && !arg.is_hide_possible_values_set() {
        let all: Vec<String> = possible
            .iter()
            .filter(|one| !one.is_hide_set())
            .map(|one| format!("`{}`", one.get_name()))
            .collect();
        more.push(format!("one of {}", all.join(", ")));
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes && !default.is_empty() {
        more.push(format!("default `{}`", default.join(",")));
    }
    if let Some(variable) = arg.get_env() {
        more.push(format!("variable `{}`", variable.to_string_lossy()));
    }
    if !more.is_empty() {
        write!(help, " ({})", more.join("; ")).unwrap();
    }
    format!("| {names} | {} |\n", help.replace('|', "\\|").replace('\n', " "))
}

/// Variables that clap does not read: what was named as a word comes before them.
const READ_BY_HAND: [(&str, &str, &str); 2] =
    [("ANYPORT_CONFIG", "config", "serve"), ("ANYPORT_DOCS", "docs", "serve")];

/// The variables that stand for options.
fn variables(program: &Command) -> String {
    let mut found: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    for command in program.get_subcommands() {
        for option in command.get_subcommands().flat_map(options).chain(options(command)) {
            let (Some(variable), Some(long)) = (option.get_env(), option.get_long()) else { continue };
            let entry = found.entry(variable.to_string_lossy().into_owned()).or_default();
            entry.0 = long.to_owned();
            if entry.1.last() != Some(&command.get_name()) {
                entry.1.push(command.get_name());
            }
        }
    }
    for (variable, option, command) in READ_BY_HAND {
        let options = program.find_subcommand(command).unwrap().get_arguments();
        assert!(options.into_iter().any(|arg| arg.get_long() == Some(option)), "{command} has no --{option}");
        found.insert(variable.to_owned(), (option.to_owned(), vec![command]));
    }
    let mut out = String::from("| variable | stands for | of |\n|---|---|---|\n");
    for (variable, (option, commands)) in found {
        writeln!(out, "| `{variable}` | `--{option}` | {} |", commands.join(", ")).unwrap();
    }
    out
}

fn exit_codes() -> String {
    let mut out = String::from("| code | name | |\n|---|---|---|\n");
    for exit in Exit::ALL {
        writeln!(out, "| {} | `{}` | {} |", exit.code(), exit.name(), exit.meaning()).unwrap();
    }
    out
}

/// Where names of servers are looked for.
fn config_locations() -> String {
    let mut out = String::from("| client | in the project | of the user |\n|---|---|---|\n");
    for (client, project, user) in anyport_config::by_client() {
        let shown =
            |paths: Vec<String>| paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        writeln!(out, "| {} | {} | {} |", client.title, shown(project), shown(user)).unwrap();
    }
    out
}
