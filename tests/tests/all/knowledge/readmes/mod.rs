//! What somebody types finds what is meant, in a folder such as people have: the READMEs of many packages, with their
//! changelogs, translations, forks and lists of other packages.
//!
//! The folder is made. The texts that are looked for, and those that repeat their words, are written by hand
//! (`written.txt`); the rest comes from a table. The queries were written before the ranking was changed for them.

mod folder;

use anyport_knowledge::{Knowledge, Library};

use super::quality::Quality;

/// A query, and the path of the document that is meant.
const QUERIES: [(&str, &str); 24] = [
    ("how do I retry failed http requests in python", "pypi/again/README.md"),
    ("parse command line arguments rust", "crates/argot/README.md"),
    ("rate limiter for redis", "npm/spigot/README.md"),
    ("convert markdown to html", "go/mdhtml/README.md"),
    ("react date picker component", "ui/packages/date-picker/README.md"),
    ("websocket client go", "go/net/websocket-client/README.md"),
    // Mistyped.
    ("levenshtein distnace", "crates/editdist/README.md"),
    ("kuberntes operator framework", "go/steersman/README.md"),
    // One word too many, which other documents have.
    ("toml configuration file parser library", "crates/tomlette/README.md"),
    ("best open source tool to resize an image", "go/thumb/README.md"),
    ("colored terminal output", "npm/crayon/README.md"),
    // Only the path has the name.
    ("python-frostbite", "pypi/python-frostbite/README.md"),
    ("postgres job queue", "crates/jobq/README.md"),
    ("streaming csv parser node", "npm/rowstream/README.md"),
    ("dependency injection container php", "php/containerize/README.md"),
    ("generate fake data for tests", "pypi/madeup/README.md"),
    ("how to validate email addresses", "php/postie/README.md"),
    ("argon2 password hashing", "crates/pepper/README.md"),
    ("watch files and restart on changes", "go/rerun/README.md"),
    ("extract text from pdf", "pypi/pagewise/README.md"),
    // Many documents have a section that is called so.
    ("feature flags", "npm/lighthouse-switch/README.md"),
    ("translations i18n vue", "npm/babelfish/README.md"),
    ("sqlite migrations", "crates/schemaflow/README.md"),
    (
        "I need a small library that lets me schedule recurring background jobs with cron expressions in typescript",
        "npm/cronic/README.md",
    ),
];

/// The documents, once all of them can be found.
async fn knowledge() -> Knowledge {
    let knowledge = Knowledge::of(Library::new(folder::documents()));
    knowledge.settled().await;
    knowledge
}

#[tokio::test(flavor = "multi_thread")]
async fn natural_queries_find_what_is_meant() {
    let knowledge = knowledge().await;
    let queries: Vec<_> = QUERIES.iter().map(|(query, meant)| (*query, [*meant])).collect();
    let quality =
        Quality::measure(&knowledge, queries.iter().map(|(query, meant)| (*query, meant.as_slice())));
    println!("{quality}");
    assert!(quality.first() >= 14 && quality.first_three() >= 23, "{quality}");
}
