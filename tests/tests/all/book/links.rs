//! Links between pages, and to files of the repository.

use std::{collections::BTreeMap, path::Path};

use anyport_tests::book::{Page, pages};

#[test]
fn every_link_leads_somewhere() {
    let pages = pages().unwrap();
    let by_name: BTreeMap<&str, &Page> = pages.iter().map(|page| (page.file.as_str(), page)).collect();
    let mut broken = Vec::new();
    for page in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(a, b)| (a, Some(b)));
            let file = if file.is_empty() { page.file.as_str() } else { file };
            let leads = match (by_name.get(file), anchor) {
                (Some(there), Some(anchor)) => there.anchors.iter().any(|known| known == anchor),
                (Some(_), None) => true,
                // The program serves pages alone: nothing else would be found there.
                (None, _) => false,
            };
            if !leads {
                broken.push(format!("docs/{}: {link}", page.file));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_can_be_found_from_the_first() {
    let pages = pages().unwrap();
    let mut found = vec!["getting-started.md"];
    let mut next = 0;
    while let Some(file) = found.get(next).copied() {
        next += 1;
        let page = pages.iter().find(|page| page.file == file);
        for link in page.into_iter().flat_map(|page| &page.links) {
            let link = link.split('#').next().unwrap_or_default();
            if let Some(page) = pages.iter().find(|page| page.file == link)
                && !found.contains(&page.file.as_str())
            {
                found.push(&page.file);
            }
        }
    }
    let lost: Vec<_> = pages.iter().filter(|page| !found.contains(&page.file.as_str())).collect();
    assert!(lost.is_empty(), "no link leads to {:?}", lost.iter().map(|page| &page.file).collect::<Vec<_>>());
}

#[test]
fn links_to_examples_name_ones_that_exist() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let start = "https://github.com/anyport/anyport/blob/main/examples/";
    let pages = pages().unwrap();
    let names = pages.iter().flat_map(|page| &page.links).filter_map(|link| link.strip_prefix(start));
    let missing: Vec<_> = names.filter(|name| !examples.join(name).is_file()).collect();
    assert!(missing.is_empty(), "no such examples: {missing:?}");
}
