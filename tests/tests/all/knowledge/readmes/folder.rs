//! The folder.

use anyport_knowledge::{Document, DocumentPath, FileTimes};

/// Files that were written by hand, each after a line with its path.
const WRITTEN: &str = include_str!("written.txt");

/// Packages: where they are, what they are, and for whom.
#[rustfmt::skip]
const PACKAGES: &[(&str, &str, &str)] = &[
    ("crates", "anvil", "Builds other build systems"),
    ("crates", "barley", "Sorted sets with ranges"),
    ("crates", "bitweave", "Bit fields as structs"),
    ("crates", "cellar", "A key-value store in one file"),
    ("crates", "chime", "Timers and intervals for async programs"),
    ("crates", "clamp", "Numbers that stay within bounds"),
    ("crates", "codex", "Encodings of text: UTF-16, Latin-1 and others"),
    ("crates", "dice", "Random numbers that can be repeated"),
    ("crates", "drift", "Coordinates and map projections"),
    ("crates", "ember", "Logging with structured fields"),
    ("crates", "fathom", "Metrics: counters, gauges and histograms"),
    ("crates", "gasket", "Channels between threads"),
    ("crates", "glyphs", "Reads font files and draws letters"),
    ("crates", "hatch", "Memory pools for small objects"),
    ("crates", "jotter", "Snapshot tests"),
    ("crates", "kelp", "Strings that share their memory"),
    ("crates", "lattice", "Matrices and linear algebra"),
    ("crates", "mortar", "Errors with context"),
    ("crates", "needle", "Regular expressions in linear time"),
    ("crates", "paintbox", "Styles for text in a terminal"),
    ("crates", "plume", "A parser generator"),
    ("crates", "queue", "Lock-free queues in memory"),
    ("crates", "sift", "A full text search engine"),
    ("crates", "tarn", "Reads and writes tar and zip archives"),
    ("crates", "thimble", "Temporary files and folders"),
    ("crates", "turnpike", "Limits the rate of calls in a process"),
    ("npm", "aviary", "An event emitter with types"),
    ("npm", "bundlewise", "Finds what makes a bundle large"),
    ("npm", "cascade", "CSS in JavaScript"),
    ("npm", "clocktower", "Dates and times without surprises"),
    ("npm", "dashboarder", "Charts for dashboards"),
    ("npm", "elbow", "A router for single page applications"),
    ("npm", "formal", "Validation of form values"),
    ("npm", "gridiron", "A data grid with a million rows"),
    ("npm", "hooked", "Hooks for React"),
    ("npm", "iconic", "Two thousand icons as components"),
    ("npm", "jsonpatch", "Differences of JSON documents"),
    ("npm", "lintel", "A linter with few rules"),
    ("npm", "mailhop", "Reads mailboxes over IMAP"),
    ("npm", "nightowl", "Dark mode for any site"),
    ("npm", "pagination", "Pages of long lists"),
    ("npm", "quilt", "Drag and drop layouts"),
    ("npm", "scaffolding", "Project templates"),
    ("npm", "slideways", "Carousels and slides"),
    ("npm", "storeroom", "State of an application in one store"),
    ("npm", "tooltip", "Tooltips and popovers"),
    ("npm", "uploader", "Uploads of large files in parts"),
    ("npm", "virtualist", "Virtual scrolling"),
    ("npm", "worklet", "Web workers as functions"),
    ("pypi", "abacus", "Statistics without NumPy"),
    ("pypi", "beaker", "A small web framework"),
    ("pypi", "cauldron", "Workflows of tasks"),
    ("pypi", "dataloom", "Frames of columns and rows"),
    ("pypi", "envelope", "Settings from the environment"),
    ("pypi", "formatter", "Formats source code"),
    ("pypi", "geodesy", "Distances on the globe"),
    ("pypi", "imagery", "Reads and writes image formats"),
    ("pypi", "kiln", "Trains models of decision trees"),
    ("pypi", "ledger", "Double-entry bookkeeping"),
    ("pypi", "mocked", "Replaces objects in tests"),
    ("pypi", "notebooks", "Runs notebooks from the shell"),
    ("pypi", "ormolu", "Objects as rows of tables"),
    ("pypi", "plotter", "Plots for papers"),
    ("pypi", "scraper", "Crawls web pages politely"),
    ("pypi", "taxonomy", "Trees of categories"),
    ("pypi", "typist", "Checks types at run time"),
    ("pypi", "vectors", "Finds nearest neighbours"),
    ("pypi", "xylem", "XML as objects"),
    ("go", "anchor", "Service discovery"),
    ("go", "breaker", "Circuit breakers"),
    ("go", "certify", "Certificates from ACME authorities"),
    ("go", "dnsmith", "A DNS server with plugins"),
    ("go", "etcher", "Writes images to disks"),
    ("go", "flagship", "Commands with subcommands and flags"),
    ("go", "gopherbot", "A bot for chats"),
    ("go", "hashring", "Consistent hashing"),
    ("go", "ipcalc", "Networks and addresses"),
    ("go", "jwtkit", "JSON web tokens"),
    ("go", "kvstore", "A distributed key-value store"),
    ("go", "loadtest", "Sends requests until something breaks"),
    ("go", "migrator", "Moves data between clouds"),
    ("go", "natsbox", "Messages over NATS"),
    ("go", "oauthkit", "OAuth clients and servers"),
    ("go", "profiler", "Profiles of running programs"),
    ("go", "sshkit", "SSH clients and servers"),
    ("go", "templar", "Templates with inheritance"),
    ("go", "valve", "Quotas of tenants"),
    ("php", "blade-runner", "Templates that compile to code"),
    ("php", "cachet", "Caches with tags"),
    ("php", "domino", "Reads HTML with selectors"),
    ("php", "eventful", "Events and listeners"),
    ("php", "filer", "One interface to local and remote files"),
    ("php", "gatekeeper", "Roles and permissions"),
    ("php", "invoicer", "Invoices as documents"),
    ("php", "localize", "Names of countries and currencies"),
    ("php", "queuer", "Background work for web applications"),
    ("php", "slugger", "Readable addresses from titles"),
    ("php", "throttle", "Slows down callers"),
];

/// Every document.
pub(super) fn documents() -> Vec<Document> {
    let mut files: Vec<(String, String)> = WRITTEN
        .split("==> ")
        .skip(1)
        .map(|file| file.split_once("\n").unwrap())
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    // The same file in many projects, with another badge in some.
    let vendored = files.iter().find(|(path, _)| path == "vendor/litelib/README.md").unwrap().1.clone();
    for (number, (_, name, _)) in PACKAGES.iter().enumerate().step_by(8) {
        let badge = format!("[![Build](https://ci.example/{name}.svg)](https://ci.example/{name})\n\n");
        let text = if number % 16 == 0 { vendored.clone() } else { badge + &vendored };
        files.push((format!("apps/{name}/third_party/litelib/README.md"), text));
    }
    // Forks of what is looked for.
    for fork in ["crates/schemaflow", "pypi/madeup", "go/mdhtml"] {
        let text = files.iter().find(|(path, _)| *path == format!("{fork}/README.md")).unwrap().1.clone();
        files.push((format!("forks/{fork}/README.md"), text));
    }
    for (number, (place, name, what)) in PACKAGES.iter().enumerate() {
        files.push((format!("{place}/{name}/README.md"), readme(number, place, name, what)));
        if number % 3 == 0 {
            files.push((format!("{place}/{name}/CHANGELOG.md"), changelog(number, name)));
        }
        if number % 4 == 1 {
            files.push((format!("{place}/{name}/README.de.md"), translated(name, what)));
        }
        if number % 5 == 2 {
            files.push((format!("{place}/{name}/CONTRIBUTING.md"), contributing(place, name)));
        }
    }
    files.into_iter().map(|(path, text)| document(&path, &text)).collect()
}

fn document(path: &str, text: &str) -> Document {
    Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
}

fn language(place: &str) -> &'static str {
    match place {
        "crates" => "Rust",
        "npm" => "JavaScript and TypeScript on Node.js",
        "pypi" => "Python",
        "go" => "Go",
        _ => "PHP",
    }
}

/// A README as its author might have written it: no two neighbours in the same manner.
fn readme(number: usize, place: &str, name: &str, what: &str) -> String {
    let language = language(place);
    let badges = format!(
        "[![Build](https://ci.example/{name}.svg)](https://ci.example/{name}) \
         [![Version](https://img.example/{place}/{name}.svg)](https://{place}.example/{name})"
    );
    let head = match number % 5 {
        0 => format!("# {name}\n\n{badges}\n\n{what}.\n"),
        1 => format!("<h1 align=\"center\">{name}</h1>\n\n{badges}\n\n{what}, for {language}.\n"),
        2 => format!("{badges}\n\n{name}\n====\n\n{what}. A small library, open source, best in class.\n"),
        3 => format!(
            "<p align=\"center\">\n<img src=\"logo.png\" alt=\"{name}\">\n</p>\n\n# {name}\n\n> {what}\n\n{badges}\n"
        ),
        _ => format!("# `{name}`: {what}\n\n{badges}\n\nWritten in {language}.\n"),
    };
    let features = match place {
        "crates" => {
            "## Feature flags\n\n- `std`: on by default\n- `serde`: implements the traits of Serde\n\nFeature flags are additive.\n\n"
        }
        "npm" => "## Components\n\nImport what you need; React and Vue bindings are separate.\n\n",
        _ => "## Features\n\n- Fast\n- Tested\n- No dependencies\n\n",
    };
    let install = match place {
        "crates" => format!("cargo add {name}"),
        "npm" => format!("npm install {name}"),
        "pypi" => format!("python -m pip install {name}"),
        "go" => format!("go get example.org/{name}"),
        _ => format!("composer require example/{name}"),
    };
    let usage = match number % 4 {
        0 => {
            "Open a file, read its data, and close the file. The command line tool does the same: its arguments are files."
        }
        1 => "Send a request to the server, and wait for the answer. Requests that failed raise an error.",
        2 => {
            "Run the example with `--help` to see the arguments of the command line. The output is colored in a terminal."
        }
        _ => "See the tests for how to use it. Configuration is read from a TOML file or from JSON.",
    };
    format!(
        "{head}\n{features}## Installation\n\n```sh\n{install}\n```\n\n## Usage\n\n{usage}\n\n\
         ## Contributing\n\nIssues and pull requests are welcome. Run the tests before you open one, and restart CI if it failed.\n\n\
         ## License\n\nMIT or Apache-2.0, at your option.\n"
    )
}

/// Release after release of words that other documents are about.
fn changelog(number: usize, name: &str) -> String {
    let changes = [
        "Fixed: HTTP requests failed behind a proxy; retry them",
        "Added: colored output in the terminal",
        "Changed: the parser of the command line takes several arguments",
        "Fixed: a date before 1970, in the date picker of the demo",
        "Added: CSV and PDF export of text, HTML in Markdown",
        "Fixed: email addresses with a plus sign are valid",
        "Changed: files are watched for changes, no restart is needed",
        "Added: translations of messages (i18n)",
        "Fixed: passwords are hashed, never logged",
        "Added: migrations of SQLite and Postgres tables",
        "Fixed: WebSocket clients that leave; background jobs of the queue; cron schedule",
    ];
    let releases = (0..8).map(|release| {
        let lines = (0..3).map(|line| {
            let change = changes[(number + release * 3 + line) % changes.len()];
            format!("- {change} ([#{}](https://git.example/{name}/{0}))\n", number * 31 + release * 3 + line)
        });
        format!("## {}.{}.0\n\n{}\n", 3 - release / 3, 9 - release, lines.collect::<String>())
    });
    format!("# Changelog of {name}\n\nAll notable changes.\n\n{}", releases.collect::<String>())
}

fn translated(name: &str, what: &str) -> String {
    format!(
        "<h1 align=\"center\">{name}</h1>\n\n[English](README.md) | Deutsch\n\n{what} – eine kleine Bibliothek.\n\n\
         ## Installation\n\nSiehe die englische Seite.\n\n## Lizenz\n\nMIT oder Apache-2.0.\n"
    )
}

fn contributing(place: &str, name: &str) -> String {
    format!(
        "# Contributing to {name}\n\nThank you! Open an issue before a large change. {name} is written in {}; its tests need \
         Postgres, Redis and a browser, and the command line tools of each. Watch the build, and restart it if it failed.\n\n\
         ## Tests\n\nGenerate test data first. Tests that make HTTP requests retry them.\n\n## Releases\n\nA job converts \
         the Markdown of the changelog to HTML.\n",
        language(place)
    )
}
