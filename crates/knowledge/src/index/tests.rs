use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use proptest::prelude::*;

use super::*;
use crate::file_times::FileTimes;

fn document(path: &str, text: &str) -> Document {
    let times = FileTimes { created: SystemTime::UNIX_EPOCH, modified: SystemTime::UNIX_EPOCH };
    Document::parse(DocumentPath::new(path).unwrap(), text, times).0
}

fn put(index: &Index, path: &str, text: &str) {
    let document = document(path, text);
    let content = crate::front_matter::split(text).content;
    index.put(&document, content).unwrap();
}

fn index(files: &[(&str, &str)]) -> Index {
    let index = Index::new(Storage::Memory).unwrap();
    for (path, text) in files {
        put(&index, path, text);
    }
    index.commit().unwrap();
    index
}

fn found(index: &Index, query: &str) -> Vec<String> {
    hits(index, &SearchQuery::new(query))
}

fn hits(index: &Index, query: &SearchQuery) -> Vec<String> {
    let hits = index.search(query).unwrap();
    assert!(hits.hits.is_sorted_by(|a, b| a.score >= b.score), "{hits:?}");
    assert!(hits.total >= hits.hits.len());
    hits.hits.into_iter().map(|hit| hit.path.to_string()).collect()
}

#[test]
fn documents_are_found_by_their_words_after_the_commit() {
    let index = Index::new(Storage::Memory).unwrap();
    assert!(found(&index, "anything").is_empty());
    put(&index, "a.md", "# Retry\n\nWait before you try again.\n");
    put(&index, "b.md", "# Timeout\n\nGive up in time.\n");
    assert!(found(&index, "retry").is_empty());
    index.commit().unwrap();
    assert_eq!(found(&index, "RETRY"), ["a.md"]);
    assert_eq!(found(&index, "waiting"), ["a.md"]);
    assert_eq!(found(&index, "give up"), ["b.md"]);
}

#[test]
fn a_document_put_again_is_replaced_and_a_removed_one_is_gone() {
    let index = index(&[("a.md", "old words"), ("b.md", "other words")]);
    put(&index, "a.md", "never seen");
    put(&index, "a.md", "new words");
    index.commit().unwrap();
    assert_eq!(found(&index, "words").len(), 2);
    assert!(found(&index, "old").is_empty());
    assert!(found(&index, "never").is_empty());
    assert_eq!(found(&index, "new"), ["a.md"]);
    index.remove(&DocumentPath::new("a.md").unwrap()).unwrap();
    index.remove(&DocumentPath::new("c.md").unwrap()).unwrap();
    index.commit().unwrap();
    assert_eq!(found(&index, "words"), ["b.md"]);
    put(&index, "a.md", "back again");
    index.commit().unwrap();
    assert_eq!(found(&index, "again"), ["a.md"]);
}

#[test]
fn all_words_come_before_some_words_and_titles_before_all() {
    let many = "python testing ".repeat(50);
    let index = index(&[
        ("both.md", "# Notes\n\nOn testing. And, somewhere else, on python.\n"),
        ("python.md", &format!("# Python, Python, Python\n\n{}", "python ".repeat(50))),
        ("long.md", &format!("# Python testing guide\n\n{many}")),
        ("title.md", "# Testing Python\n\nNothing.\n"),
        ("exact/b.md", "---\ntitle: Python Testing\n---\nNothing.\n"),
        ("exact/a.md", "---\ntitle: python-testing\ndescription: long\n---\nNothing.\n"),
    ]);
    let found = found(&index, "Python testing");
    assert!(found[0].starts_with("exact/") && found[1].starts_with("exact/"), "{found:?}");
    assert_eq!(found[5], "python.md");
    assert_eq!(found.len(), 6);
}

#[test]
fn a_word_weighs_most_in_title_then_tags_headings_path_and_text() {
    let index = index(&[
        ("body.md", "# A\n\nOpening.\n\ncaching.\n"),
        ("heading.md", "# A\n\n## Caching\n\nx.\n"),
        ("tag.md", "---\ntags: [caching]\n---\n# A\n\nx.\n"),
        ("title.md", "# Caching\n\nx.\n"),
        ("caching/path.md", "# A\n\nx.\n"),
    ]);
    let found = found(&index, "caching");
    assert_eq!(found[0], "title.md");
    assert_eq!(found[1], "tag.md");
    assert_eq!(found[4], "body.md");
}

#[test]
fn the_word_itself_comes_before_others_of_its_stem() {
    let index = index(&[
        ("important.md", "It is important, most important, so important.\n"),
        ("imports.md", "It imports once, in so many words of filler text.\n"),
        ("import.md", "We import it once, in so many words of filler text that nobody reads.\n"),
    ]);
    assert_eq!(found(&index, "import")[0], "import.md");
    assert_eq!(found(&index, "imports")[0], "imports.md");
    assert_eq!(found(&index, "import").len(), 3);
}

#[test]
fn names_are_found_however_they_are_written() {
    let index = index(&[
        ("snake.md", "Set `max_retries` to 3."),
        ("camel.md", "Set `maxRetries` to 3."),
        ("kebab.md", "Pass `--max-retries 3`."),
        ("arc.md", "Use `std::sync::Arc<T>` here."),
        ("cpp.md", "Written in C++ and C#."),
        ("c.md", "Written in C."),
        ("node.md", "Runs on Node.js 20."),
        ("code.md", "It fails with -32602 (invalid params)."),
        ("cjk.md", "サーバーの設定方法を説明します。"),
        ("korean.md", "서버를 설정합니다."),
        ("german.md", "Über die Größe."),
    ]);
    for query in ["max_retries", "maxRetries", "max-retries", "MAX_RETRIES", "maxretries", "max retries"] {
        let mut found = found(&index, query);
        found.sort();
        assert_eq!(found, ["camel.md", "kebab.md", "snake.md"], "{query}");
    }
    for (query, path) in [
        ("std::sync::Arc", "arc.md"),
        ("sync::Arc", "arc.md"),
        ("C++", "cpp.md"),
        ("c#", "cpp.md"),
        ("node.js", "node.md"),
        ("nodejs", "node.md"),
        ("-32602", "code.md"),
        ("32602", "code.md"),
        ("設定方法", "cjk.md"),
        ("サーバー", "cjk.md"),
        ("法", "cjk.md"),
        ("서버", "korean.md"),
        ("uber grosse", "german.md"),
        ("GRÖSSE", "german.md"),
    ] {
        assert_eq!(found(&index, query)[0], path, "{query}");
    }
    assert_eq!(found(&index, "C++"), ["cpp.md"]);
    assert_eq!(found(&index, "C"), ["c.md"]);
}

#[test]
fn a_quoted_phrase_is_found_as_it_stands() {
    let index = index(&[
        ("phrase.md", "About error handling in depth."),
        (
            "words.md",
            "Handling of an error. Error, then handling; error error handling? No: error-free handling.",
        ),
        ("far.md", "An error, and much later its handling."),
    ]);
    assert_eq!(found(&index, "\"error handling\" depth"), ["phrase.md", "words.md"]);
    assert_eq!(found(&index, "\"error handling\"").len(), 2);
    assert_eq!(found(&index, "\"Handling of an ERROR\""), ["words.md"]);
    assert!(found(&index, "\"depth handling\"").is_empty());
    assert!(found(&index, "\"error handlings\" depth").is_empty());
    assert_eq!(found(&index, "\"error handling").len(), 3);
    put(&index, "title.md", "# Errors\n\nMistakes, that is.");
    index.commit().unwrap();
    assert_eq!(found(&index, "\"error\"").len(), 3);
    assert_eq!(found(&index, "\"errors\" mistake"), ["title.md"]);
}

#[test]
fn a_search_can_be_narrowed() {
    let index = index(&[
        ("python/testing.md", "---\ntags: [Unit, pytest]\n---\nwords"),
        ("go/testing.md", "---\ntags: [unit]\n---\nwords"),
        ("python/security.md", "---\nlanguage: Python\ntags: [secrets management]\n---\nwords"),
    ]);
    let narrowed = |language: &str, domain: &str, tags: &[&str]| {
        let some = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let query = SearchQuery {
            language: some(language),
            domain: some(domain),
            tags,
            ..SearchQuery::new("words absent")
        };
        hits(&index, &query)
    };
    assert_eq!(narrowed("", "", &[]).len(), 3);
    assert_eq!(narrowed("PYTHON", "", &[]).len(), 2);
    assert_eq!(narrowed(" python ", "Testing", &[]), ["python/testing.md"]);
    assert_eq!(narrowed("", "", &["UNIT"]).len(), 2);
    assert_eq!(narrowed("", "", &["unit", "PyTest"]), ["python/testing.md"]);
    assert!(narrowed("pyth", "", &[]).is_empty());
    assert!(narrowed("", "", &["secrets"]).is_empty());
    assert_eq!(narrowed("", "", &["Secrets Management"]), ["python/security.md"]);
}

#[test]
fn mistyped_words_find_what_was_meant_after_what_was_typed() {
    let index = index(&[
        ("kubernetes.md", "# Kubernetes\n\nDeployments of containers."),
        ("python.md", "# Python\n\nTesting with pytest."),
        ("typo.md", "Somebody wrote pyhton here."),
        ("go.md", "Testing in Go."),
        ("http2.md", "On http2 frames."),
    ]);
    let search = |query: &str| index.search(&SearchQuery::new(query)).unwrap();
    for query in ["kubernates", "kubernetse", "kuberntees", "kubrnetse", "qubernetes"] {
        let hits = search(query);
        assert_eq!(hits.hits.len(), 1, "{query}");
        assert_eq!(hits.hits[0].path.as_str(), "kubernetes.md");
        assert!(hits.approximate, "{query}");
    }
    assert!(!search("kubernetes").approximate);
    assert_eq!(found(&index, "pyhton"), ["typo.md", "python.md"]);
    assert_eq!(found(&index, "pyhton testing")[0], "python.md");
    for query in ["gp", "quburnetes", "kubxrnxtxs", "http3", "\"kubernates\""] {
        let hits = search(query);
        assert!(hits.hits.is_empty() && !hits.approximate, "{query}: {hits:?}");
    }
}

#[test]
fn nothing_that_is_typed_is_an_error() {
    let index = index(&[("a.md", "one AND two")]);
    for query in ["", "   ", "?!", "\"", "\"\"", "() [] {} : ^ ~ * \\ /", "\u{0}", "-", "+++", "#"] {
        let hits = index.search(&SearchQuery::new(query)).unwrap();
        assert_eq!(hits, Hits::default(), "{query}");
    }
    for query in ["one AND", "two:", "(one", "one^2", "a:one OR -two", "\"one AND two", "NOT one"] {
        assert_eq!(found(&index, query), ["a.md"], "{query}");
    }
    assert_eq!(found(&index, &"one ".repeat(2_500)), ["a.md"]);
    assert_eq!(found(&index, &"x".repeat(10_000)), [""; 0]);
    let none = SearchQuery { limit: 0, ..SearchQuery::new("one") };
    assert_eq!(index.search(&none).unwrap().total, 1);
    let all = SearchQuery { limit: usize::MAX, ..SearchQuery::new("one") };
    assert_eq!(hits(&index, &all), ["a.md"]);
}

/// Text of all kinds that documents have, words of several scripts among them.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,12}",
        "[a-zA-Z]{1,10}[_.-][a-zA-Z0-9]{1,10}",
        "[A-Z][a-z]{1,6}[A-Z][a-z]{1,6}",
        "-?[0-9]{1,6}",
        "[日本語設定猫犬]{1,6}",
        "[àéîöüßñ]{1,4}[a-z]{0,4}",
        "\\PC{1,8}",
        "[#*`>|=-]{1,3}",
        "\n{1,2}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Invariant: Every word of a document finds it, no input panics, and a document is in the index at most
    /// once.
    #[test]
    fn every_word_of_a_document_finds_it(text in text(), others in proptest::collection::vec(text(), 3)) {
        let index = Index::new(Storage::Memory).unwrap();
        for (number, other) in others.iter().enumerate() {
            put(&index, &format!("other/{number}.md"), other);
        }
        let content = format!("x {text}");
        put(&index, "it.md", &content);
        index.commit().unwrap();
        for word in content.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)) {
            // A quote is the one sign that means something.
            let word = word.replace('"', " ");
            let query = SearchQuery { limit: 10, ..SearchQuery::new(word.clone()) };
            prop_assert!(hits(&index, &query).contains(&"it.md".to_owned()), "{word:?}");
        }
    }

    /// Invariant: Every word of a document finds it, no input panics, and a document is in the index at most
    /// once.
    #[test]
    fn whatever_is_put_and_asked_nothing_panics(text in any::<String>(), query in any::<String>()) {
        let index = index(&[("a.md", &text)]);
        let found = index.search(&SearchQuery::new(query)).unwrap();
        prop_assert!(found.hits.len() <= 1);
        crate::snippet(&text, &found.words);
    }

    /// Invariant: Every word of a document finds it, no input panics, and a document is in the index at most
    /// once.
    #[test]
    fn after_any_changes_each_document_is_there_once_or_not_at_all(
        changes in proptest::collection::vec((0..4u8, 0..3u8), 1..24)
    ) {
        let index = Index::new(Storage::Memory).unwrap();
        let mut there = std::collections::BTreeMap::new();
        for (step, (document, change)) in changes.iter().enumerate() {
            let path = format!("{document}.md");
            match change {
                0 => {
                    index.remove(&DocumentPath::new(path.as_str()).unwrap()).unwrap();
                    there.remove(&path);
                }
                1 => {
                    put(&index, &path, &format!("common step{step}"));
                    there.insert(path, step);
                }
                _ => index.commit().unwrap(),
            }
        }
        index.commit().unwrap();
        let mut found = found(&index, "common");
        found.sort();
        prop_assert_eq!(found, there.keys().cloned().collect::<Vec<_>>());
        for (path, step) in there {
            prop_assert_eq!(hits(&index, &SearchQuery::new(format!("step{step}"))), [path]);
        }
    }
}

#[test]
fn searches_go_on_while_documents_are_put_and_see_whole_commits() {
    let index = index(&[("0.md", "common")]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=10 {
                for number in 0..20 {
                    put(&index, &format!("{number}.md"), &format!("common round{round}"));
                }
                index.commit().unwrap();
            }
        });
        let mut before = 1;
        while !writer.is_finished() {
            let total = index.search(&SearchQuery::new("common")).unwrap().total;
            assert!((total == 1 || total == 20) && total >= before, "{total}");
            before = total;
        }
        writer.join().unwrap();
    });
    assert_eq!(index.search(&SearchQuery::new("round10")).unwrap().total, 20);
    assert_eq!(index.search(&SearchQuery::new("round9")).unwrap().total, 0);
}

#[test]
fn documents_put_at_the_same_time_are_there_once() {
    let index = Index::new(Storage::Memory).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let index = &index;
            scope.spawn(move || {
                for number in 0..50 {
                    put(index, &format!("{}.md", number % 5), &format!("common thread{thread}"));
                }
            });
        }
    });
    index.commit().unwrap();
    assert_eq!(index.search(&SearchQuery::new("common")).unwrap().total, 5);
}

#[test]
fn hits_lead_to_a_passage() {
    let text =
        "# Guide\n\nIntro.\n\n## Timeouts\n\nSet a timeout of 30 s.\n\n## Retries\n\nRetrying is waiting.\n";
    let index = index(&[("a.md", text)]);
    for (query, fragment) in [("timeout", "timeouts"), ("retry", "retries"), ("timeuot", "timeouts")] {
        let found = index.search(&SearchQuery::new(query)).unwrap();
        assert_eq!(crate::snippet(text, &found.words).fragment.as_deref(), Some(fragment), "{query}");
    }
}

#[test]
fn a_sentence_is_found_without_the_words_that_every_document_has() {
    let filler = |number: usize| format!("Every common document speaks of example number{number}.");
    let files: Vec<_> = (0..20).map(|number| (format!("{number}.md"), filler(number))).collect();
    let mut files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("it.md", "Goroutines leak when nobody receives from unbuffered channels."));
    let index = index(&files);
    let asked =
        "every common example document: goroutines leak when nobody receives from unbuffered channels";
    let found = index.search(&SearchQuery::new(asked)).unwrap();
    assert_eq!((found.hits[0].path.as_str(), found.total), ("it.md", 1));
}

#[test]
fn what_is_gathered_is_found_at_once_and_becomes_one_part_later() {
    let index = Index::new(Storage::Memory).unwrap();
    index.gather();
    for number in 0..2 * PARTS_THAT_ARE_MERGED {
        put(&index, &format!("{number}.md"), "apple");
        index.commit().unwrap();
        assert_eq!(found(&index, "apple").len(), (number + 1).min(10));
    }
    assert!(index.parts() >= 2 * PARTS_THAT_ARE_MERGED, "{}", index.parts());

    let merging = index.merge().unwrap().unwrap();
    // What happens meanwhile is not lost, and nothing comes back. Two parts are left empty: if the commit drops them before
    // the merge is done, the merge comes to nothing, and the next one takes the others.
    put(&index, "0.md", "banana");
    index.remove(&DocumentPath::new("1.md").unwrap()).unwrap();
    index.commit().unwrap();
    merging.wait().unwrap();
    index.reload().unwrap();
    while let Some(merging) = index.merge().unwrap() {
        merging.wait().unwrap();
        index.reload().unwrap();
    }
    assert!(index.parts() <= 1, "{}", index.parts());
    let apples = index.search(&SearchQuery::new("apple")).unwrap().total;
    assert_eq!((apples, found(&index, "banana")), (2 * PARTS_THAT_ARE_MERGED - 2, vec!["0.md".to_owned()]));

    // A part by itself is as it should be.
    let alone = self::index(&[("a.md", "apple")]);
    assert!(alone.merge().unwrap().is_none());
}

#[test]
fn not_even_what_is_gathered_has_parts_without_end() {
    let index = Index::new(Storage::Memory).unwrap();
    index.gather();
    let most = merging::MOST_PARTS + PARTS_THAT_ARE_MERGED;
    for number in 0..2 * most {
        put(&index, &format!("{number}.md"), "apple");
        index.commit().unwrap();
    }
    // They are merged on threads of the index.
    let start = Instant::now();
    while index.parts() > most && start.elapsed() < Duration::from_secs(60) {
        thread::yield_now();
        index.reload().unwrap();
    }
    assert!(index.parts() <= most, "{}", index.parts());
    assert_eq!(index.search(&SearchQuery::new("apple")).unwrap().total, 2 * most);
}

#[test]
fn a_query_with_one_word_too_many_finds_what_is_meant() {
    let filler =
        |number: usize| (format!("{number}.md"), format!("# Number {number}\n\nA file for a parser."));
    let mut files: Vec<_> = (0..20).map(filler).collect();
    let said = "Notes of many kinds. ".repeat(30);
    let scattered =
        format!("# Notes\n\n{said}TOML. {said}A configuration. {said}File. {said}Library. {said}");
    // Enough of them to fill an answer.
    files.extend((0..12).map(|number| (format!("notes{number}.md"), format!("{scattered}{number}"))));
    files.push((
        "tomlette.md".into(),
        "# Tomlette: TOML configuration\n\nReads a TOML configuration file.".into(),
    ));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let index = index(&files);
    let hits = index.search(&SearchQuery::new("toml configuration file library")).unwrap();
    assert_eq!(
        (hits.hits[0].path.as_str(), &*hits.hits[0].missing),
        ("tomlette.md", &["library".to_owned()][..])
    );
    assert!(!hits.weak && hits.hits[1].missing.is_empty(), "{hits:?}");
    // Of two words none is too many.
    assert_ne!(found(&index, "toml library")[0], "tomlette.md");
}

#[test]
fn a_weak_best_hit_is_marked() {
    let index = index(&[
        (
            "starter.md",
            "# A project\n\n## More\n\nUse our starter, or write everything by hand as you like it.",
        ),
        ("recipes.md", "# Recipes\n\nHow to deploy."),
        ("bread.md", "# Oven\n\nFor a kitchen."),
        ("other.md", "# Other\n\nThings."),
    ]);
    let weak = |query: &str| index.search(&SearchQuery::new(query)).unwrap().weak;
    assert!(weak("sourdough starter for bread at home"));
    assert!(weak("kubernetes recipes cluster"));
    for query in [
        "recipes",
        "deploy recipes",
        "how do I deploy recipes",
        "starter",
        "starter by hand",
        "recipse",
        "zzzz",
    ] {
        assert!(!weak(query), "{query}");
    }
}

#[test]
fn copies_of_one_text_are_one_hit() {
    let text = "# SQLite\n\nOne two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen.\n";
    let copies: Vec<_> = (0..15).map(|number| format!("{number:02}/sqlite.md")).collect();
    let badge = format!("[![Build](x.svg)](y)\n\n{text}");
    let mut files: Vec<_> = copies.iter().map(|path| (path.as_str(), text)).collect();
    files.extend([
        ("badge.md", badge.as_str()),
        ("sqlite-migrations.md", "# Versions\n\nOne SQLite file."),
        ("x.md", "SQLite"),
    ]);
    let index = index(&files);
    let hits = index.search(&SearchQuery { limit: 3, ..SearchQuery::new("sqlite one") }).unwrap();
    let copied: Vec<_> = hits.hits.iter().filter(|hit| !hit.copies.is_empty()).collect();
    assert_eq!((hits.hits.len(), copied.len()), (3, 1), "{hits:?}");
    assert_eq!((copied[0].copies.len(), copied[0].more_copies, hits.total), (MAX_COPIES, 5, 18));
    assert!(!copied[0].copies.contains(&copied[0].path) && copied[0].copies.is_sorted());
    // Those that are gone are not named.
    for path in &copies[3..] {
        index.remove(&DocumentPath::new(path.as_str()).unwrap()).unwrap();
    }
    index.commit().unwrap();
    let hits = index.search(&SearchQuery::new("SQLite two three")).unwrap();
    assert_eq!((hits.hits[0].copies.len(), hits.hits[0].more_copies), (3, 0), "{hits:?}");
    // Stubs that say the same are documents of their own.
    let stubs = self::index(&[("a.md", "See the guide."), ("b.md", "See the guide.")]);
    assert_eq!(found(&stubs, "guide").len(), 2);
}

#[test]
fn names_of_the_path_weigh_more_than_headings() {
    let index = index(&[
        ("a/README.md", "# One\n\n## Date picker\n\nText."),
        ("ui/packages/date-picker/README.md", "# Two\n\nText."),
        ("date/b/c/d.md", "# Three\n\nText, and a picker."),
        ("e.md", "# Four\n\nWhat a picker does with a date."),
    ]);
    for query in ["date picker", "date-picker", "DatePicker"] {
        assert_eq!(found(&index, query)[0], "ui/packages/date-picker/README.md", "{query}");
    }
}

/// The engine merges so many parts of like size.
const PARTS_THAT_ARE_MERGED: usize = 8;
