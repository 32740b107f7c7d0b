//! Queries that the ranking was not changed for: over this project's own book, and over the READMEs of other people's crates.
//!
//! They were written before the change that they judge, from the titles of the documents alone, and are not tuned on. Whoever
//! changes the ranking looks at the three numbers here, and at the queries of `readmes` for the reasons.

use std::path::{Path, PathBuf};

use anyport_knowledge::{Folders, Knowledge, Settings};

use super::quality::Quality;

/// Queries over `docs/`, with the pages that answer each.
const BOOK: [(&str, &[&str]); 30] = [
    ("exit codes", &["cli.md", "serve.md"]),
    ("ask the user for confirmation during a tool call", &["asking.md"]),
    ("docker container environment variables port", &["coming-from.md", "serve.md"]),
    ("which limits exist and what are their defaults", &["limits.md"]),
    ("call tools with curl", &["rest.md"]),
    ("test a server without network", &["testing.md"]),
    ("mount one server in another", &["composing.md", "decisions/044-mounted-servers.md"]),
    ("front matter tags", &["serve.md", "knowledge.md"]),
    ("claude desktop configuration file", &["servers.md", "first-ten-minutes.md", "getting-started.md"]),
    ("complete the arguments of a prompt", &["prompts.md"]),
    ("resource template uri", &["resources.md"]),
    ("mcporter equivalent commands", &["coming-from.md"]),
    ("run blocking code in a tool", &["life.md", "decisions/016-blocking-functions.md"]),
    (
        "structured output of a tool",
        &["results-and-errors.md", "tools.md", "decisions/041-arguments-and-results.md"],
    ),
    ("progress notifications from a tool", &["tools.md"]),
    ("retry a call after a lost connection", &["decisions/034-reconnecting.md", "bridging.md", "client.md"]),
    ("watching folders for changes", &["decisions/052-folder-watching.md", "knowledge.md"]),
    ("which memory allocator", &["decisions/051-allocator.md"]),
    ("idle websocket connections are closed", &["decisions/028-websocket-idle.md"]),
    ("how are search results ranked", &["decisions/054-ranking.md", "knowledge.md", "finding.md"]),
    ("add a new protocol revision", &["recipes.md"]),
    ("sampling with the model of the client", &["asking.md"]),
    ("secrets in log files", &["decisions/050-redaction.md", "gateway.md"]),
    ("json-rpc batches", &["decisions/029-json-arrays.md", "revisions.md"]),
    ("old clients with new servers", &["bridging.md", "revisions.md", "bridging-matrix.md"]),
    ("unix socket", &["transports.md", "serve.md"]),
    ("graceful shutdown", &["decisions/011-lifecycle.md", "life.md", "serve.md", "transports.md"]),
    ("tools that are added at run time", &["composing.md"]),
    ("diagnose a server that does not work", &["cli.md", "decisions/049-doctor.md"]),
    ("orphaned child processes", &["decisions/039-child-processes.md"]),
];

/// Queries over `tests/data/readmes/`, with the crates that answer each.
const READMES: [(&str, &[&str]); 36] = [
    ("strip ansi colors when the output is not a terminal", &["anstream"]),
    ("hash map with simd lookup", &["hashbrown"]),
    ("fast hash that is not cryptographic", &["ahash", "rustc-hash", "fnv"]),
    ("swap an arc atomically", &["arc-swap"]),
    ("generate self signed certificates", &["rcgen"]),
    ("root certificates of the operating system", &["rustls-native-certs", "openssl-probe"]),
    ("convert strings to snake case", &["heck"]),
    ("parse http date header", &["httpdate"]),
    ("dates and time zones", &["chrono", "time", "iana-time-zone"]),
    ("big integers", &["num-bigint", "num"]),
    ("run code when a scope ends", &["scopeguard"]),
    ("split a command into shell words", &["shlex"]),
    ("vectors that store a few elements inline on the stack", &["smallvec"]),
    ("websocket protocol implementation", &["tungstenite"]),
    ("keep comments when editing toml", &["toml_edit"]),
    ("parallel iterators", &["rayon", "rayon-core"]),
    ("how many columns has the terminal", &["terminal_size"]),
    ("display width of unicode characters", &["unicode-width"]),
    ("compare strings regardless of case", &["unicase"]),
    ("erase secrets from memory", &["zeroize"]),
    ("compile c code from a build script", &["cc"]),
    ("compiler version in a build script", &["rustc_version", "version_check", "rustversion", "autocfg"]),
    ("handle unix signals", &["signal-hook", "signal-hook-registry", "signal-hook-mio"]),
    ("global variable that is initialized at first use", &["once_cell", "lazy_static"]),
    ("serialize trait objects", &["typetag-impl"]),
    ("print floating point numbers quickly", &["dtoa"]),
    ("export metrics for prometheus", &["prometheus-client"]),
    ("model context protocol sdk", &["rmcp"]),
    ("unique identifiers", &["uuid"]),
    ("memory mapped files", &["memmap2"]),
    ("constant time comparison", &["ctutils", "cmov"]),
    ("international domain names", &["idna", "idna_adapter"]),
    ("clone a boxed trait object", &["dyn-clone"]),
    ("channel that sends a single message", &["oneshot"]),
    ("server sent events stream", &["sse-stream"]),
    ("hash map that keeps the order of insertion", &["indexmap"]),
];

async fn knowledge(folder: &str) -> Knowledge {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let knowledge = Knowledge::open(Folders::new(folder), Settings::default()).unwrap();
    knowledge.settled().await;
    knowledge
}

/// The path of the README of each crate, whatever its version and its ending.
fn readme(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/readmes");
    let is_of = |path: &PathBuf| {
        let folder = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let version = folder.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.find(is_of).unwrap_or_else(|| panic!("no README of {name}"));
    let file = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files =
        file.filter(|file| file.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("readme")));
    let file = files.next().unwrap_or_else(|| panic!("no README in {}", folder.display()));
    let names = [folder.file_name(), file.file_name()].map(|name| name.unwrap().to_str().unwrap().to_owned());
    names.join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_were_not_tuned_for_find_pages_of_the_book() {
    let quality = Quality::measure(&knowledge("../docs").await, BOOK);
    println!("{quality}");
    assert!(quality.first() >= 26 && quality.first_three() >= 28, "{quality}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_were_not_tuned_for_find_readmes_of_other_people() {
    let meant: Vec<Vec<String>> =
        READMES.iter().map(|(_, crates)| crates.iter().map(|name| readme(name)).collect()).collect();
    let meant: Vec<Vec<&str>> =
        meant.iter().map(|paths| paths.iter().map(String::as_str).collect()).collect();
    let queries = READMES.iter().zip(&meant).map(|((query, _), meant)| (*query, meant.as_slice()));
    let quality = Quality::measure(&knowledge("data/readmes").await, queries);
    println!("{quality}");
    assert!(quality.first() >= 29 && quality.first_three() >= 33, "{quality}");
}
