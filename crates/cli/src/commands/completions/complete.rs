//! `anyport __complete`: the words that can stand at a place of a command line, for the scripts of shells.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Arg, ArgAction, Command, builder::PossibleValue};

use crate::{
    exit::Exit,
    list_cache::{self, Argument, CachedLists, Entry},
    render::{safe, table},
    target::{Surroundings, configured_names},
};

/// The arguments of `anyport __complete`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The command line up to the cursor.
    #[arg(long, allow_hyphen_values = true)]
    line: Option<String>,
    /// The signs at which the shell breaks words: it wants what follows the last of them.
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    breaks: String,
    /// The words up to the cursor, instead of the line.
    #[arg(last = true)]
    words: Vec<String>,
}

/// Something that can stand there.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    value: String,
    about: String,
}

/// Writes the candidates, one a line: the word, and after a tab what it is.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode> {
    let words = match &arguments.line {
        Some(line) => words_of(line),
        None => arguments.words.clone(),
    };
    command.build();
    let surroundings = Surroundings::here();
    let known = Known { servers: &|| configured_names(&surroundings), lists: &list_cache::load };
    let typed = words.last().map(String::as_str).unwrap_or_default();
    let before = typed.rfind(|sign| arguments.breaks.contains(sign)).map_or(0, |at| at + 1);
    let mut out = String::new();
    for Candidate { value, about } in candidates(&command, &words, &known) {
        if value.starts_with(typed) && is_plain(&value) {
            out += &format!("{}\t{}\n", &value[before..], table::cut(&safe::line(&about), ABOUT));
        }
    }
    io::stdout().write_all(out.as_bytes())?;
    Ok(Exit::Done.into())
}

/// The width of what is said of a candidate.
const ABOUT: usize = 60;

/// The words of a line, the last of which is still being typed; it may be empty, or in open quotes.
fn words_of(line: &str) -> Vec<String> {
    let split = ["", "'", "\""].into_iter().find_map(|quote| shlex::split(&format!("{line}{quote}")));
    let mut words = split.unwrap_or_default();
    if line.ends_with(char::is_whitespace) {
        words.push(String::new());
    }
    words
}

/// Whether every shell takes the text as one word that means itself: what a server calls its tools must not become a command.
fn is_plain(text: &str) -> bool {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "_-./:@+,#%=".contains(sign);
    !text.is_empty() && !text.starts_with('#') && text.chars().all(plain)
}

/// Whether what a server calls a tool or an argument is no option of ours, and no file that is read.
fn is_only_a_name(name: &str) -> bool {
    !name.starts_with(['-', '@'])
}

/// Where servers and what they offer come from.
struct Known<'a> {
    /// The names of configured servers.
    servers: &'a dyn Fn() -> Vec<(String, String)>,
    /// The lists of a server.
    lists: &'a dyn Fn(&str) -> CachedLists,
}

/// What can stand in place of the last of `words`, the first of which is the program. Empty where a file or a command of the
/// system stands: the shell knows those.
fn candidates(program: &Command, words: &[String], known: &Known<'_>) -> Vec<Candidate> {
    let Some((typed, before)) = words.split_last() else { return Vec::new() };
    let Some((name, given)) = before.get(1..).and_then(<[String]>::split_first) else {
        return match typed.starts_with('-') {
            true => options(program),
            false => commands(program),
        };
    };
    let Some(command) = program.find_subcommand(name) else { return Vec::new() };
    let mut places: Vec<&str> = Vec::new();
    let mut open: Option<&Arg> = None;
    for word in given {
        if open.take().is_some() {
            continue;
        }
        match word.as_str() {
            "--" => return Vec::new(),
            option if option.starts_with('-') && option.len() > 1 => {
                open = option_called(command, option).filter(|arg| takes_value(arg));
            }
            place => places.push(place),
        }
    }
    if let Some(option) = open {
        return values(option).collect();
    }
    if let Some((option, _)) = typed.split_once('=').filter(|_| typed.starts_with("--")) {
        let Some(arg) = option_called(command, option) else { return Vec::new() };
        let whole = |value: Candidate| Candidate { value: format!("{option}={}", value.value), ..value };
        return values(arg).map(whole).collect();
    }
    if typed.starts_with('-') {
        return options(command);
    }
    let nested: Vec<Candidate> = if places.is_empty() { commands(command) } else { Vec::new() };
    let nested = nested.into_iter();
    nested.chain(at_place(command, &places, typed, known)).collect()
}

/// What can stand after the words `places` of a command.
fn at_place(command: &Command, places: &[&str], typed: &str, known: &Known<'_>) -> Vec<Candidate> {
    let servers = || {
        let one = |(value, about): (String, String)| Candidate { value, about };
        (known.servers)().into_iter().map(one).collect()
    };
    let named = |mut entries: Vec<Entry>| {
        entries.retain(|entry| is_only_a_name(&entry.name));
        let one = |entry: Entry| Candidate { value: entry.name, about: entry.about };
        entries.into_iter().map(one).collect()
    };
    match (command.get_name(), places) {
        (
            "tools" | "call" | "resources" | "read" | "prompts" | "prompt" | "inspect" | "doctor" | "bridge",
            [],
        )
        | ("get" | "remove", [])
        | ("replay" | "install", [_]) => servers(),
        ("install" | "import", []) => clients(),
        ("tools" | "call", [server]) => named((known.lists)(server).tools),
        ("prompt", [server]) => named((known.lists)(server).prompts),
        ("read", [server]) => named((known.lists)(server).resources),
        ("call", [server, tool, given @ ..]) => arguments_of((known.lists)(server).tools, tool, given, typed),
        ("prompt", [server, prompt, given @ ..]) => {
            arguments_of((known.lists)(server).prompts, prompt, given, typed)
        }
        _ => {
            let place = command.get_positionals().nth(places.len());
            place.into_iter().flat_map(values).collect()
        }
    }
}

/// The clients whose files are written.
fn clients() -> Vec<Candidate> {
    let written = anyport_config::CLIENTS.iter().filter(|client| client.id != "anyport");
    written.map(|client| Candidate { value: client.id.into(), about: client.title.into() }).collect()
}

/// The arguments of a tool or prompt that are not given yet, as `key=`; after the `=`, the values.
fn arguments_of(entries: Vec<Entry>, name: &str, given: &[&str], typed: &str) -> Vec<Candidate> {
    let arguments = entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.arguments);
    let mut arguments = arguments.unwrap_or_default();
    if let Some((key, _)) = typed.split_once('=') {
        arguments.retain(|argument| argument.name == key);
        let values = arguments.into_iter().flat_map(|argument| argument.values);
        return values
            .map(|value| Candidate { value: format!("{key}={value}"), about: String::new() })
            .collect();
    }
    let is_given = |name: &str| {
        given.iter().any(|word| word.split(['=', ':']).next() == Some(name) && word.contains('='))
    };
    arguments.retain(|argument| is_only_a_name(&argument.name) && !is_given(&argument.name));
    let one = |argument: Argument| Candidate { value: format!("{}=", argument.name), about: argument.about };
    arguments.into_iter().map(one).collect()
}

fn commands(of: &Command) -> Vec<Candidate> {
    let shown = of.get_subcommands().filter(|command| !command.is_hide_set());
    let one = |command: &Command| Candidate {
        value: command.get_name().to_owned(),
        about: command.get_about().map(ToString::to_string).unwrap_or_default(),
    };
    shown.map(one).collect()
}

fn options(of: &Command) -> Vec<Candidate> {
    let shown = of.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional());
    let one = |arg: &Arg| {
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let long = arg.get_long().map(|long| format!("--{long}"));
        let value = long.or_else(|| arg.get_short().map(|short| format!("-{short}")))?;
        Some(Candidate { value, about })
    };
    shown.filter_map(one).collect()
}

fn option_called<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut options = command.get_arguments();
    match word.strip_prefix("--") {
        Some(long) => options.find(|arg| arg.get_long() == Some(long)),
        // Of several short ones the last can take a value.
        None => options.find(|arg| arg.get_short().is_some() && arg.get_short() == word.chars().last()),
    }
}

/// Whether the next word is the value of an option.
fn takes_value(arg: &Arg) -> bool {
    let always = arg.get_num_args().is_none_or(|number| number.min_values() > 0);
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && always
}

fn values(arg: &Arg) -> impl Iterator<Item = Candidate> + use<> {
    let one = |value: PossibleValue| Candidate {
        value: value.get_name().to_owned(),
        about: value.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).map(one)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn lists(server: &str) -> CachedLists {
        let entry = |name: &str, arguments| Entry { name: name.into(), about: String::new(), arguments };
        let argument = |name: &str, values: &[&str]| Argument {
            name: name.into(),
            about: String::new(),
            values: values.iter().map(|&value| value.into()).collect(),
        };
        match server {
            "shop" => CachedLists {
                tools: vec![entry("book", vec![argument("kind", &["bus", "train"]), argument("seats", &[])])],
                prompts: vec![entry("review", vec![argument("language", &[])])],
                resources: vec![entry("docs:///a.md", Vec::new())],
            },
            _ => CachedLists::default(),
        }
    }

    /// The values at the end of a line.
    fn at(line: &str) -> Vec<String> {
        let mut program = crate::Arguments::command();
        program.build();
        let servers = || vec![("shop".to_owned(), String::new()), ("files".to_owned(), String::new())];
        let known = Known { servers: &servers, lists: &lists };
        let words = words_of(line);
        let typed = words.last().cloned().unwrap_or_default();
        let found = candidates(&program, &words, &known).into_iter().map(|candidate| candidate.value);
        found.filter(|value| value.starts_with(&typed)).collect()
    }

    #[test]
    fn every_place_of_a_command_line_has_what_can_stand_there() {
        for (line, expected) in [
            ("anyport to", &["tools", "token"][..]),
            ("anyport __", &[]),
            ("anyport completions z", &["zsh"]),
            ("anyport call ", &["shop", "files"]),
            ("anyport call --json ", &["shop", "files"]),
            ("anyport call -e A=b s", &["shop"]),
            ("anyport call shop ", &["book"]),
            ("anyport tools shop b", &["book"]),
            ("anyport call other ", &[]),
            ("anyport call shop book ", &["kind=", "seats="]),
            ("anyport call shop book kind=bus ", &["seats="]),
            ("anyport call shop book seats:=2 k", &["kind="]),
            ("anyport call shop book kind=t", &["kind=train"]),
            ("anyport call 'shop' boo", &["book"]),
            ("anyport prompt shop review ", &["language="]),
            ("anyport read shop docs:", &["docs:///a.md"]),
            ("anyport replay recording f", &["files"]),
            ("anyport replay f", &[]),
            ("anyport remove s", &["shop"]),
            ("anyport install cursor f", &["files"]),
            ("anyport tools --rev", &["--revision"]),
            ("anyport tools --revision 2026", &["2026-07-28"]),
            ("anyport tools --revision=2026", &["--revision=2026-07-28"]),
            ("anyport tools --cwd ", &[]),
            ("anyport tools -- ", &[]),
            ("anyport nothing ", &[]),
        ] {
            assert_eq!(at(line), expected, "{line}");
        }
        assert!(
            at("anyport ").contains(&"call".to_owned()) && !at("anyport ").contains(&"__complete".to_owned())
        );
    }

    #[test]
    fn what_a_shell_could_take_for_a_command_is_no_candidate() {
        for plain in ["search_issues", "docs:///a-b.md", "key=", "@file", "a.b"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "$(id)", "a b", "a;b", "`id`", "a&b", "#a", "a\nb", "~root", "a*", "ü"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
