//! The help of the program as a whole.

use clap::{Args as _, Command};

use crate::{client_session, exit};

/// What stands below the commands: examples, the options that commands have in common, and the exit codes.
pub(crate) fn of_program() -> String {
    format!("{EXAMPLES}\n\nOptions of every command that speaks to a server:\n{}\n{}", common(), exit::help())
}

const EXAMPLES: &str = "\
Examples:
  anyport tools https://example.com/mcp               what a server offers
  anyport call search query=issues -- npx -y server   a tool of a program
  anyport serve documents --stdio                     a folder as a server
  anyport bridge -- npx -y server                     a program for clients over HTTP";

/// The names of the common options, by their headings; `anyport tools --help` explains each.
fn common() -> String {
    let options = client_session::Options::augment_args(Command::new("anyport"));
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for option in options.get_arguments().filter(|option| !option.is_positional()) {
        let heading = option.get_help_heading().unwrap_or("Options").to_owned();
        let short = option.get_short().map(|short| format!("-{short}"));
        let name = option.get_long().map(|long| format!("--{long}"));
        let name = [short, name].into_iter().flatten().collect::<Vec<_>>().join(", ");
        match lines.iter_mut().find(|(other, _)| *other == heading) {
            Some((_, names)) => names.push(name),
            None => lines.push((heading, vec![name])),
        }
    }
    let line = |(heading, names): (String, Vec<String>)| format!("  {heading}: {}\n", names.join("; "));
    let explained = "  anyport tools --help explains them.\n";
    lines.into_iter().map(line).collect::<String>() + explained
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::Arguments;

    /// The program's commands and theirs, each with its whole name.
    fn commands(of: &Command, name: &str, found: &mut Vec<(String, Command)>) {
        for command in of.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
            let name = format!("{name} {}", command.get_name());
            commands(command, &name, found);
            found.push((name, command.clone()));
        }
    }

    fn all() -> Vec<(String, Command)> {
        let mut program = Arguments::command();
        program.build();
        let mut found = Vec::new();
        commands(&program, "anyport", &mut found);
        found.push(("anyport".into(), program));
        found
    }

    #[test]
    fn every_help_has_two_examples_that_are_command_lines() {
        for (name, mut command) in all() {
            let help = command.render_long_help().to_string();
            let (_, examples) =
                help.split_once("Examples:\n").unwrap_or_else(|| panic!("{name} has no examples"));
            let examples: Vec<&str> =
                examples.lines().map_while(|line| line.strip_prefix("  anyport ")).collect();
            assert!(examples.len() >= 2, "{name} has {} examples", examples.len());
            for example in examples {
                // What it is for stands after a gap.
                let line = example.split("  ").next().unwrap_or_default();
                let words = shlex::split(line).unwrap_or_else(|| panic!("{name}: {line}"));
                let line = format!("anyport {line}");
                assert!(line.starts_with(&name), "{line} is no example of {name}");
                let words = std::iter::once("anyport".to_owned()).chain(words);
                // A redirection is the shell's.
                let words = words.take_while(|word| word != ">");
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn common_options_stand_in_one_place_of_each_help_and_no_others_are_among_them() {
        let headings = ["Server", "Output"];
        let of = |command: &Command| -> Vec<(String, String)> {
            let options = command.get_arguments().filter(|option| !option.is_positional());
            let one = |option: &clap::Arg| {
                let heading = option.get_help_heading().unwrap_or_default().to_owned();
                (heading, option.get_long().unwrap_or_default().to_owned())
            };
            options.map(one).filter(|(heading, _)| headings.contains(&heading.as_str())).collect()
        };
        let common = of(&client_session::Options::augment_args(Command::new("anyport")));
        assert!(common.len() > 10);
        for name in ["tools", "call", "resources", "read", "prompts", "prompt", "inspect", "doctor", "replay"]
        {
            let (_, command) =
                all().into_iter().find(|(other, _)| *other == format!("anyport {name}")).unwrap();
            assert_eq!(of(&command), common, "{name}");
        }
        let help = of_program();
        assert!(common.iter().all(|(_, option)| help.contains(&format!("--{option}"))), "{help}");
    }
}
