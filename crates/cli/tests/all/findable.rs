//! Every document is found, by its title and by a sentence from its middle: those of this book, and other people's.
//!
//! `ANYPORT_FINDABLE=DIR` names a further folder, whose endings may be any of text.
//!
//! Invariant: Every document is found by its title and by a sentence from its middle, and typed queries find
//! the expected document.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Program, anyport, folder, http::Server};
use serde_json::{Value, json};

/// As many hits as a search gives.
const HITS: usize = 50;
/// How far down a person looks.
const LOOKED_AT: usize = 10;

/// A running program over `folder`, when it has read everything.
fn serve(home: &Path, folder: &Path) -> (Program, Server) {
    let mut command = anyport(home);
    command.args(["serve", "--port", "0", "--ext", "mdx,txt", "--docs"]).arg(folder);
    let mut program = Program::start(command);
    let server = program.server();
    server.settled();
    (program, server)
}

/// Every document that is served, without its text.
fn documents(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    let mut query = json!({});
    loop {
        let page = server.call("list_docs", &query);
        all.extend(page["documents"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = json!({"cursor": cursor}),
            None => return all,
        }
    }
}

/// A line of prose near the middle of `text`; none, if there is no such line.
fn sentence(text: &str) -> Option<&str> {
    let prose = |line: &&str| {
        // Three words or four say too little to know one document by.
        line.split_whitespace().filter(|word| word.len() > 3).count() >= 5
            && line.starts_with(|c: char| c.is_alphabetic())
            && !line.contains(['`', '<', '|', '{', '[', '=', '\\', '_', '*', '"'])
    };
    let lines: Vec<&str> = text.lines().collect();
    let middle = lines.len() / 2;
    let mut near: Vec<(usize, &str)> =
        lines.into_iter().enumerate().filter(|(_, line)| prose(line)).collect();
    near.sort_by_key(|(at, _)| at.abs_diff(middle));
    near.first().map(|(_, line)| *line)
}

/// A text without its line ends and other marks, in which a sentence is found however its lines are broken.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Where `path` stands among the hits for `query`, from 1, by itself or as a copy of another document.
fn rank(server: &Server, query: &str, path: &Value) -> Option<usize> {
    let hits = server.call("search_docs", &json!({"query": query, "limit": HITS}));
    let is_there = |hit: &Value| {
        hit["path"] == *path || hit["copies"].as_array().is_some_and(|copies| copies.contains(path))
    };
    hits["hits"].as_array().unwrap().iter().position(is_there).map(|at| at + 1)
}

/// Asks for every document of `folder`, and returns how many there are.
fn every_document_is_found(source: &Path) -> usize {
    let home = folder(&[]);
    let (_program, server) = serve(home.path(), source);
    let documents = documents(&server);
    let texts: Vec<String> = documents
        .iter()
        .map(|document| {
            let whole = json!({"path": document["path"], "max_chars": 10_000_000});
            server.call("get_doc", &whole)["content"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut titles: HashMap<String, usize> = HashMap::new();
    for document in &documents {
        *titles.entry(document["title"].as_str().unwrap().to_lowercase()).or_default() += 1;
    }
    let plain: Vec<String> = texts.iter().map(|text| words(text)).collect();
    let mut lost = Vec::new();
    for (document, text) in documents.iter().zip(&texts) {
        // Of twenty documents called "Changelog" each is as good an answer as the others.
        let title = document["title"].as_str().unwrap();
        let namesakes = titles[&title.to_lowercase()];
        if namesakes + LOOKED_AT <= HITS {
            let rank = rank(&server, title, &document["path"]);
            if rank.is_none_or(|rank| rank > namesakes - 1 + LOOKED_AT) {
                lost.push(format!("{} by its title {title:?}: {rank:?}", document["path"]));
            }
        }
        let Some(sentence) = sentence(text) else { continue };
        let copies = plain.iter().filter(|text| text.contains(&words(sentence))).count();
        if copies + LOOKED_AT <= HITS {
            let rank = rank(&server, sentence, &document["path"]);
            if rank.is_none_or(|rank| rank > copies - 1 + LOOKED_AT) {
                lost.push(format!("{} by {sentence:?}: {rank:?}", document["path"]));
            }
        }
    }
    assert!(lost.is_empty(), "{} of {} documents:\n{}", lost.len(), documents.len(), lost.join("\n"));
    documents.len()
}

#[test]
fn every_page_of_the_book_is_found() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    assert!(every_document_is_found(&book) > 15);
}

/// The READMEs of crates, as other people wrote them: `tests/data/readmes.md` says whose they are.
fn of_other_people() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/readmes")
}

#[test]
fn what_other_people_wrote_is_found() {
    let readmes = of_other_people();
    let copied = fs::read_dir(&readmes).unwrap().count();
    let found = every_document_is_found(&readmes);
    assert!(copied > 150 && found == copied, "{found} of {copied}");
}

#[test]
fn what_a_developer_types_finds_what_is_meant() {
    let page = include_str!("../../../../docs/finding.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let [query, meant, place, ..] = cells[..] else { return None };
        let place: usize = place.split([',', ' ']).next()?.parse().ok()?;
        let query = query.split(" (").next()?;
        Some((query, meant.strip_prefix('`')?.strip_suffix('`')?, place))
    });
    let home = folder(&[]);
    let (_program, server) = serve(home.path(), &of_other_people());
    let mut typed = 0;
    for (query, meant, place) in rows {
        let hits = server.call("search_docs", &json!({"query": query}));
        let paths: Vec<&str> =
            hits["hits"].as_array().unwrap().iter().map(|hit| hit["path"].as_str().unwrap()).collect();
        let crates: Vec<&str> = paths.iter().map(|path| path.rsplit_once('-').unwrap().0).collect();
        let found = crates.iter().position(|found| *found == meant).map(|at| at + 1);
        assert!(found.is_some_and(|found| found <= place), "{query}: {meant} is at {found:?} of {crates:?}");
        typed += 1;
    }
    assert_eq!(typed, 10);
}

#[test]
fn a_folder_of_the_testers_choice_is_found() {
    if let Some(folder) = std::env::var_os("ANYPORT_FINDABLE") {
        assert!(every_document_is_found(Path::new(&folder)) > 0);
    }
}
