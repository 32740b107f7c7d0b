//! What the commands on pins have in common: options, the pinned upstreams, and how an item is named.

use std::{future::Future, path::PathBuf};

use anyhow::{Context as _, Result};
use anyport_gateway::federation::{Definition, Pin, PinRecords, PinnedList};
use anyport_protocol::suggest::did_you_mean;
use anyport_store::Error as StoreError;

use crate::{
    client_session::output,
    commands::stored,
    gateway::{nearest_file, pinned_as},
    state_dir,
    store::StoreArguments,
    user_error::UserError,
};

/// The options that these commands have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Common {
    /// The file of the gateway. Else every file whose definitions are pinned, and the nearest anyport.toml where only one can be meant.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    pub(super) output: output::Options,
}

/// One upstream whose definitions are pinned.
pub(super) struct PinnedUpstream {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) lists: Vec<PinnedList>,
}

impl Common {
    /// The pins of the state folder, and something to wait for the store with.
    ///
    /// # Errors
    /// When there is no state folder, or nothing was ever pinned in it.
    pub(super) fn pins(&self) -> Result<Pinned> {
        let state = state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
            UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
        })?;
        // Pins outlive their file.
        let file = self.config.as_deref().filter(|file| file.is_file());
        let store = stored::open(&stored::place(&self.store, file)?, &state)?;
        if !store.may_hold_something() {
            return Err(nothing(&format!("nothing is stored in {}", state.display())));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the program cannot wait for the store")?;
        Ok(Pinned { records: PinRecords::new(store.store), runtime })
    }

    /// The upstreams whose definitions are pinned, of the file that is named, or of all.
    pub(super) fn upstreams(&self, pins: &Pinned) -> Result<Vec<PinnedUpstream>> {
        let mut upstreams: Vec<PinnedUpstream> = Vec::new();
        let file = self.config.as_deref().map(pinned_as);
        for list in pins.wait(pins.records.all())? {
            if file.as_ref().is_some_and(|file| *file != list.file) {
                continue;
            }
            let known = upstreams.iter_mut().find(|one| one.file == list.file && one.name == list.upstream);
            match known {
                Some(known) => known.lists.push(list),
                None => upstreams.push(PinnedUpstream {
                    file: list.file.clone(),
                    name: list.upstream.clone(),
                    lists: vec![list],
                }),
            }
        }
        upstreams.sort_by(|one, other| (&one.file, &one.name).cmp(&(&other.file, &other.name)));
        Ok(upstreams)
    }

    /// The upstream `name`.
    ///
    /// # Errors
    /// When there is none, or several files have one.
    pub(super) fn upstream(&self, pins: &Pinned, name: &str) -> Result<PinnedUpstream> {
        let all = self.upstreams(pins)?;
        let (mut named, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.name == name);
        if named.len() > 1
            && let Some(nearest) = nearest_file().map(|file| pinned_as(&file))
            && named.iter().any(|one| one.file == nearest)
        {
            named.retain(|one| one.file == nearest);
        }
        match named.len() {
            0 if others.is_empty() => Err(nothing("no definitions are pinned")),
            0 => {
                let names = others.iter().map(|one| one.name.as_str()).collect::<Vec<_>>();
                let near = did_you_mean(name, names.iter().copied());
                let help = near.unwrap_or_else(|| format!("there are {}", names.join(", ")));
                Err(UserError::failed(format!("no definitions of an upstream {name} are pinned"), help))
            }
            1 => Ok(named.swap_remove(0)),
            _ => {
                let files: Vec<_> = named.iter().map(|one| one.file.as_str()).collect();
                let problem = format!("several files have an upstream {name}: {}", files.join(", "));
                Err(UserError::usage(problem, "name one with --config FILE"))
            }
        }
    }
}

fn nothing(problem: &str) -> anyhow::Error {
    let help = "anyport serve --config FILE pins what its upstreams offer when a client first lists it";
    UserError::failed(problem, help)
}

/// The pins of a state folder.
pub(super) struct Pinned {
    pub(super) records: PinRecords,
    runtime: tokio::runtime::Runtime,
}

impl Pinned {
    /// Waits for the store.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T> {
        self.runtime.block_on(answer).map_err(|error| {
            UserError::failed(
                format!("the pinned definitions cannot be used: {error}"),
                "anyport store check says what is wrong with the store",
            )
        })
    }
}

impl PinnedUpstream {
    /// The items with definitions that are not accepted: the list, the name and the pin.
    pub(super) fn pending(&self) -> impl Iterator<Item = (&str, &str, &Pin)> {
        self.lists.iter().flat_map(|list| {
            let items = list.items.iter().filter(|(_, pin)| !pin.pending.is_empty());
            items.map(|(name, pin)| (list.list.as_str(), name.as_str(), pin))
        })
    }
}

/// An item as it is named on a command line: its own name, the same with its upstream's name in front (`files_read_file`), or its
/// URI; and after `@`, the first digits of the definition's hash. Other prefixes and names that `anyport.toml` sets are not known here.
pub(super) struct Wanted<'a> {
    name: &'a str,
    hash: Option<&'a str>,
}

/// So many digits of a hash tell definitions apart.
const DIGITS: usize = 8;

impl<'a> Wanted<'a> {
    pub(super) fn of(word: &'a str) -> Self {
        let parts = word.rsplit_once('@');
        let is_hash =
            |hash: &str| hash.len() >= DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        match parts.filter(|(_, hash)| is_hash(hash)) {
            Some((name, hash)) => Self { name, hash: Some(hash) },
            None => Self { name: word, hash: None },
        }
    }

    /// Whether it names the item `name` of `upstream`.
    pub(super) fn names(&self, upstream: &str, name: &str) -> bool {
        let own = self.name.strip_prefix(upstream).and_then(|rest| rest.strip_prefix('_'));
        self.name == name || own == Some(name)
    }

    /// Whether it names the definition.
    pub(super) fn has(&self, definition: &Definition) -> bool {
        self.hash.is_none_or(|hash| definition.hash.starts_with(&hash.to_ascii_lowercase()))
    }
}

/// The first digits of a definition's hash.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// An entry of a list, in words.
pub(super) fn noun(list: &str) -> &'static str {
    match list {
        "tools" => "tool",
        "prompts" => "prompt",
        "resources" => "resource",
        _ => "resource template",
    }
}
