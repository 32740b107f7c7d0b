//! The page of the book with a session on a terminal: `UPDATE_GOLDEN=1 cargo test -p anyport-cli terminal_session` writes it anew,
//! from bash and the real program on a pseudo terminal.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path, process::Command, sync::mpsc, thread};

use anyport::{
    Context, Server,
    ask::{Elicited, Form},
    serve::ListenAddr,
    tool,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{folder, terminal::Terminal};

/// Says hello.
#[tool]
fn greet(
    /// Who is greeted
    name: String,
) -> String {
    format!("Hello, {name}!")
}

/// Counts, and tells how far it is.
#[tool]
async fn count(
    context: Context,
    /// Where it ends
    #[arg(range = 1..=100)]
    to: u32,
) -> String {
    let half = to / 2;
    for number in 1..=to {
        if number == half + 1 {
            // Until the screen was looked at.
            let _ = LOOKED_AT.acquire().await;
        }
        context.progress(f64::from(number), f64::from(to), format!("{number} of {to}").as_str()).await;
    }
    format!("counted to {to}")
}

static LOOKED_AT: Semaphore = Semaphore::const_new(0);

#[derive(Deserialize, JsonSchema)]
struct Trip {
    /// Where to
    city: String,
    /// How many nights
    #[schemars(range(min = 1, max = 30))]
    nights: u32,
}

/// Books a trip, with the user's help.
#[tool]
async fn book(context: Context) -> String {
    match context.ask("trip", Form::new("Where shall it go?")).await {
        Elicited::Accepted(Trip { city, nights }) => format!("Booked: {nights} nights in {city}"),
        Elicited::Declined | Elicited::Cancelled => "Nothing is booked.".to_owned(),
    }
}

/// Serves the tools over HTTP until the test ends, and returns where.
fn tour() -> SocketAddr {
    let (ready, listens) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Server::builder("tour", "1.0.0").add(greet).add(count).add(book).build().unwrap();
        let serving = anyport::serve(server).http(([127, 0, 0, 1], 0)).on_ready(move |addresses| {
            let Some(ListenAddr::Http(address, _)) = addresses.first() else { panic!("{addresses:?}") };
            ready.send(*address).unwrap();
        });
        runtime.block_on(async { serving.await.unwrap() });
    });
    listens.recv().unwrap()
}

/// bash in `home`, which completes the words of `anyport`.
fn bash(home: &Path) -> Terminal {
    let program = Path::new(env!("CARGO_BIN_EXE_anyport"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-i"]).current_dir(home).env("PATH", path);
    command.env("HOME", home.join("user")).env("XDG_STATE_HOME", home.join("state"));
    command.env_remove("XDG_CONFIG_HOME").env("PS1", "$ ");
    let mut terminal = Terminal::start(command, 80);
    terminal.until("$");
    terminal.press("source <(anyport completions bash); clear; echo sourced\n");
    terminal.until("sourced\n$");
    terminal
}

/// Types a line on an empty screen.
fn enter(terminal: &mut Terminal, line: &str) {
    terminal.press("clear\n");
    terminal.until_is("$");
    terminal.press(line);
}

/// The screen once the shell asks for the next line, without that.
fn picture(terminal: &Terminal) -> String {
    let screen = terminal.until_last_line("$");
    screen.trim_end_matches('$').trim_end().to_owned()
}

#[test]
fn the_page_of_a_terminal_session_is_what_the_program_does() {
    let address = tour();
    let config = json!({"mcpServers": {"tour": {"url": format!("http://{address}/mcp")}}});
    let home = folder(&[(".mcp.json", &config.to_string())]);
    let mut terminal = bash(home.path());
    let mut pictures = Vec::new();
    enter(&mut terminal, "anyport tools tour\n");
    pictures.push(("The tools of a server", "", picture(&terminal)));
    enter(&mut terminal, "anyport tools tour count\n");
    pictures.push(("One tool", "", picture(&terminal)));
    enter(&mut terminal, "anyport call tour count to=10\n");
    // The sign in front of the bar turns.
    let turning = |sign: char| if ('\u{2800}'..='\u{28ff}').contains(&sign) { '⠿' } else { sign };
    let half: String = terminal.until("5 of 10").chars().map(turning).collect();
    let shows = "While the tool works, a bar shows its progress:";
    pictures.push(("A call with progress", shows, half));
    LOOKED_AT.add_permits(1);
    pictures.push(("", "Then nothing of the bar remains:", picture(&terminal)));
    enter(&mut terminal, "anyport call tour book\n");
    for (question, keys) in
        [("Your answer?", "\r"), ("city", "Lisbon\r"), ("nights", "3\r"), ("Send this?", "\r")]
    {
        terminal.until(question);
        terminal.press(keys);
    }
    let asks = "The server asks for what it needs; the answer is shown before it is sent:";
    pictures.push(("A form", asks, picture(&terminal)));
    enter(&mut terminal, "anyport call tour greet nam=Ada; echo \"exit code $?\"\n");
    pictures.push(("An error", "", picture(&terminal)));
    enter(&mut terminal, "anyport call tour \t\t");
    terminal.until("greet");
    terminal.press("cou\t\t");
    let completed = terminal.until("count to=");
    let knows = "Two presses of the tab key list the tools that `anyport tools` has listed before; one completes a name that is clear:";
    pictures.push(("Completion", knows, completed));

    let mut page = HEAD.to_owned();
    for (heading, text, picture) in pictures {
        if !heading.is_empty() {
            write!(page, "\n## {heading}\n").unwrap();
        }
        if !text.is_empty() {
            write!(page, "\n{text}\n").unwrap();
        }
        write!(page, "\n```text\n{picture}\n```\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/terminal-session.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty() && value != "0") {
        fs::write(path, page).unwrap();
    } else {
        let written = fs::read_to_string(path).unwrap();
        assert_eq!(
            written, page,
            "UPDATE_GOLDEN=1 cargo test -p anyport-cli terminal_session writes the page anew"
        );
    }
}

const HEAD: &str = "\
---
title: A session on a terminal
description: Screens of the command line, with a list, one tool, a call with progress, a form, an error and completion.
tags: [cli, terminal, progress, elicitation, completion]
---

# A session on a terminal

A server with three tools stands in `.mcp.json` as `tour`. These are the screens of a terminal with 80 columns, which a test
takes from the program. [The command line](cli.md) describes every option.
";
