//! How long a large folder takes, and how much memory. Run by hand, in release:
//!
//! `DOCUMENTS=100000 cargo test --release -p anyport-knowledge --test scale -- --ignored --nocapture`

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use anyport_knowledge::{Folders, Knowledge, SearchQuery, Settings};

/// The most memory that the process has taken, in MB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// A text of about 4 KB with words as rare as those of a language are.
fn text(seed: &mut u64) -> String {
    let mut random = || {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    };
    let mut text = String::from("---\ntags: [generated]\n---\n");
    for section in 0..4 {
        let _ = write!(text, "\n## Section {section} of w{}\n\n", random() % 50_000);
        for _ in 0..170 {
            let rare = (random() % 1_000_000) as f64 / 1_000_000.0;
            let _ = write!(text, "w{} ", (50_000.0 * rare * rare * rare) as u64);
        }
    }
    text
}

fn search(knowledge: &Knowledge, query: &str) -> (usize, Duration) {
    let begun = Instant::now();
    let query =
        SearchQuery { query: query.into(), language: None, domain: None, tags: Vec::new(), limit: 10 };
    (knowledge.search(&query).map_or(0, |hits| hits.total), begun.elapsed())
}

#[tokio::test]
#[ignore = "takes long; run by hand"]
async fn a_large_folder() {
    let count: usize = std::env::var("DOCUMENTS").map_or(100_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 42;
    for number in 0..count {
        let below = folder.path().join(format!("{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir(&below).unwrap();
        }
        fs::write(below.join(format!("{number}.md")), text(&mut seed)).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let index_dir = std::env::var_os("IN_MEMORY").is_none().then(|| place.path().to_owned());
    let begun = Instant::now();
    let knowledge =
        Knowledge::open(Folders::new(folder.path()), Settings { index_dir, ..Settings::default() }).unwrap();
    println!("opened after {:?}: {:?}", begun.elapsed(), knowledge.progress());
    while knowledge.progress().reading {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("read after {:?}, {} MB: {:?}", begun.elapsed(), peak(), knowledge.progress());
    knowledge.settled().await;
    println!("settled after {:?}, {} MB: {:?}", begun.elapsed(), peak(), knowledge.progress());
    println!("search {:?} {:?}", search(&knowledge, "w12 w400"), search(&knowledge, "w49000"));

    let mut changes = knowledge.changes();
    for round in 0..5 {
        let written = Instant::now();
        fs::write(folder.path().join("0/0.md"), format!("needle{round}")).unwrap();
        changes.recv().await.unwrap();
        println!("a change is found after {:?}", written.elapsed());
        assert_eq!(search(&knowledge, &format!("needle{round}")).0, 1);
    }
    let written = Instant::now();
    fs::create_dir(folder.path().join("new")).unwrap();
    fs::write(folder.path().join("new/a.md"), "newcomer").unwrap();
    changes.recv().await.unwrap();
    println!("a file in a new folder is found after {:?}, {} MB", written.elapsed(), peak());
    assert_eq!(search(&knowledge, "newcomer").0, 1);
}
