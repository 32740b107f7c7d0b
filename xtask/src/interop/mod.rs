//! Our servers, our bridge, our client and our program with other people's clients and servers.
//!
//! Eight things are tried:
//! - other people's clients with two servers of ours, `examples/tour.rs`, which has some of everything, and
//!   `anyport serve` over documents, over every transport, in every era that both know;
//! - other people's clients with other people's servers, and `anyport bridge` between them;
//! - other people's servers whose tools ask in one era alone, through `anyport bridge`, with clients of both eras;
//! - our client with other people's servers;
//! - six servers of others behind one gateway, with three clients at the same time;
//! - our program's commands with servers of other projects;
//! - programs that sign in, ours and others', with authorization servers of other projects;
//! - the schemas of our servers with Ajv in its strict mode, `mcp-inspector --cli --strict` and `mcporter list`.
//!
//! Of the combinations so many are tried that any two things meet in one of them, or with `--all` every one.
//!
//! The results are tables in `docs/clients.md`; the check includes that they are still true.
//!
//! # Layout
//! - `asking`: which dialogues there are with servers whose tools ask in one era alone.
//! - `dialogue`: clients, eras, transports; which dialogues there are with our servers, and what comes of one.
//! - `fleet`: six servers behind one gateway, and who uses them.
//! - `meeting`: which dialogues there are with other people's servers.
//! - `pairwise`: the choice among combinations.
//! - `program`: which servers the program's commands are tried with.
//! - `schemas`: the servers whose schemas are looked at.
//! - `signing_in`: which programs sign in, and where.
//! - `stage`: all these programs, installed and running.
//! - `table`: what `docs/clients.md` says of it.
//!
//! Invariant: Clients of other projects work with our servers, over every transport and era that they
//! support.

use std::{fmt, time::Instant};

use asking::Asking;
use dialogue::{Dialogue, Outcome, Subject};
use meeting::Meeting;
use pairwise::pairwise;
use signing_in::SigningIn;
use stage::Stage;
use table::Results;

use crate::{Failure, parallel, workspace::Workspace};

mod asking;
mod dialogue;
mod fleet;
mod meeting;
mod pairwise;
mod program;
mod schemas;
mod signing_in;
mod stage;
mod table;

/// The step of `cargo xtask test`: the dialogues, and whether the documentation says what came of them.
///
/// # Errors
/// When our programs do not build or start, when a client found fault (each that did is named), or when
/// `docs/clients.md` says something else.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace, &Wanted::default())
}

/// The options of `cargo xtask interop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Every combination, not only so many that any two things meet.
    all: bool,
    /// `docs/clients.md` is made to say what came of it.
    write: bool,
    /// Only what has these words in its name; `docs/clients.md` is left alone then.
    only: Option<String>,
}

impl Wanted {
    /// Reads the options of the command.
    ///
    /// # Errors
    /// When there is no such option.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match (*option, options.as_slice().first()) {
                ("--all", _) => wanted.all = true,
                ("--write", _) => (wanted.write, wanted.all) = (true, true),
                ("--only", Some(words)) => {
                    wanted.only = Some((*words).to_owned());
                    options.next();
                }
                (other, _) => {
                    return Err(format!("`{other}` is none of `--all`, `--write` and `--only WORDS`").into());
                }
            }
        }
        if wanted.write && wanted.only.is_some() {
            return Err("`--write` tells of everything, so it does not go with `--only`".into());
        }
        Ok(wanted)
    }

    fn pick<T: fmt::Display>(&self, mut all: Vec<T>) -> Vec<T> {
        if let Some(words) = &self.only {
            all.retain(|one| one.to_string().contains(words.as_str()));
        }
        all
    }
}

/// Whatever is tried.
enum Trial {
    /// Somebody's client with a server of ours.
    Direct(Dialogue),
    /// A client with somebody's server, through a bridge or not.
    Met(Meeting),
    /// A server whose tools ask in one era alone, with a client, through a bridge.
    Asked(Asking),
    /// Six servers behind one gateway, with three clients at the same time.
    Shared,
    /// The program's commands.
    Program(program::Server),
    /// A program that signs in.
    SignedIn(SigningIn),
    /// The schemas of our servers.
    Schemas,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(dialogue) => dialogue.fmt(f),
            Self::Met(meeting) => meeting.fmt(f),
            Self::Asked(asking) => asking.fmt(f),
            Self::Shared => f.write_str("six servers of others behind one gateway, three clients at once"),
            Self::Program(server) => write!(f, "the command line with {}", server.name()),
            Self::SignedIn(signing_in) => signing_in.fmt(f),
            Self::Schemas => f.write_str("schemas of our servers"),
        }
    }
}

/// Tries what is wanted.
///
/// # Errors
/// As [`check`].
pub(crate) fn run(workspace: &Workspace, wanted: &Wanted) -> Result<(), Failure> {
    let mut direct = dialogue::all();
    let (mut bridged, mut asking) = (meeting::bridged(), asking::all());
    if !wanted.all {
        let chosen = pairwise(&direct);
        // The page has a row for each with the tour.
        direct.retain(|dialogue| dialogue.subject == Subject::Tour || chosen.contains(dialogue));
        (bridged, asking) = (pairwise(&bridged), pairwise(&asking));
    }
    let trials = wanted.pick(
        // The longest first: whoever begins last is waited for.
        [Trial::Schemas, Trial::Shared]
            .into_iter()
            .chain(SigningIn::ALL.map(Trial::SignedIn))
            .chain(direct.into_iter().map(Trial::Direct))
            .chain(meeting::ours().into_iter().chain(bridged).map(Trial::Met))
            .chain(asking.into_iter().map(Trial::Asked))
            .chain(program::Server::ALL.map(Trial::Program))
            .collect(),
    );
    let meetings: Vec<_> = trials.iter().filter_map(Trial::met).collect();
    let stage = Stage::set(workspace, &meetings)?;
    // As many at once as there are processors: clients mostly wait for themselves to start.
    let outcomes = parallel::map(&trials, parallel::processors(), |trial| {
        let begun = Instant::now();
        // In words: a failure itself may not change threads.
        let outcome = trial.run(&stage).map_err(|failure| failure.to_string());
        let seconds = begun.elapsed().as_secs_f64();
        match &outcome {
            Ok(outcome) => println!("{trial}: {outcome} ({seconds:.1} s)"),
            Err(failure) => eprintln!("{trial}: FAILED after {seconds:.1} s: {failure}"),
        }
        outcome
    });
    // Again in full: what was printed meanwhile may be far above, or cut from a log.
    let failed: Vec<_> = trials
        .iter()
        .zip(&outcomes)
        .filter_map(|(trial, outcome)| Some(format!("{trial}: {}", outcome.as_ref().err()?)))
        .collect();
    if !failed.is_empty() {
        eprintln!("{}", stage.last_words());
        return Err(
            format!("{} of {} dialogues failed:\n{}", failed.len(), trials.len(), failed.join("\n")).into()
        );
    }
    println!("{} dialogues", trials.len());
    if wanted.only.is_some() {
        return Ok(());
    }
    let mut results = Results { met: meetings, ..Results::default() };
    for (trial, outcome) in trials.iter().zip(outcomes) {
        match (trial, outcome) {
            (Trial::Direct(dialogue), Ok(outcome)) => results.direct.push((*dialogue, outcome)),
            (Trial::Program(server), Ok(outcome)) => results.commands.push((*server, outcome)),
            (Trial::SignedIn(signing_in), Ok(outcome)) => results.signed_in.push((*signing_in, outcome)),
            _ => {}
        }
    }
    match wanted.write {
        true => table::write(workspace, &results),
        false => table::check(workspace, &results),
    }
}

impl Trial {
    fn run(&self, stage: &Stage<'_>) -> Result<Outcome, Failure> {
        match self {
            Self::Direct(dialogue) => stage.hold(dialogue),
            Self::Met(meeting) => stage.meet(meeting),
            Self::Asked(asking) => stage.ask(asking),
            Self::Shared => stage.share(),
            Self::Program(server) => stage.run(*server),
            Self::SignedIn(signing_in) => stage.sign_in(*signing_in),
            Self::Schemas => stage.look_at_schemas(),
        }
    }

    fn met(&self) -> Option<Meeting> {
        if let Self::Met(meeting) = self { Some(*meeting) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read() {
        let parse = |options: &[&str]| Wanted::parse(options).map_err(|failure| failure.to_string());
        assert_eq!(parse(&[]).unwrap(), Wanted::default());
        assert!(parse(&["--write"]).unwrap().all, "the table tells of every meeting");
        assert_eq!(parse(&["--all", "--only", "FastMCP"]).unwrap().only.as_deref(), Some("FastMCP"));
        assert!(parse(&["--only"]).unwrap_err().contains("`--only`"));
        assert!(parse(&["--write", "--only", "x"]).is_err());
    }
}
