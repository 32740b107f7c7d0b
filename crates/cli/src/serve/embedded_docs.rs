//! Anyport's own documentation, which is served when there is nothing else to serve.

use anyport_knowledge::{Document, DocumentPath, FileTimes, Library};

/// Every page, by its path under `docs/`.
const PAGES: &[(&str, &str)] = &[
    ("asking.md", include_str!("../../../../docs/asking.md")),
    ("audit.md", include_str!("../../../../docs/audit.md")),
    ("bridging-matrix.md", include_str!("../../../../docs/bridging-matrix.md")),
    ("bridging.md", include_str!("../../../../docs/bridging.md")),
    ("caching.md", include_str!("../../../../docs/caching.md")),
    ("checklists.md", include_str!("../../../../docs/checklists.md")),
    ("cli.md", include_str!("../../../../docs/cli.md")),
    ("client.md", include_str!("../../../../docs/client.md")),
    ("clients.md", include_str!("../../../../docs/clients.md")),
    ("coming-from.md", include_str!("../../../../docs/coming-from.md")),
    ("composing.md", include_str!("../../../../docs/composing.md")),
    ("contexts.md", include_str!("../../../../docs/contexts.md")),
    ("deploying.md", include_str!("../../../../docs/deploying.md")),
    ("finding.md", include_str!("../../../../docs/finding.md")),
    ("first-ten-minutes.md", include_str!("../../../../docs/first-ten-minutes.md")),
    ("gateway.md", include_str!("../../../../docs/gateway.md")),
    ("getting-started.md", include_str!("../../../../docs/getting-started.md")),
    ("glossary.md", include_str!("../../../../docs/glossary.md")),
    ("guards.md", include_str!("../../../../docs/guards.md")),
    ("identity-provider.md", include_str!("../../../../docs/identity-provider.md")),
    ("invariants.md", include_str!("../../../../docs/invariants.md")),
    ("knowledge.md", include_str!("../../../../docs/knowledge.md")),
    ("life.md", include_str!("../../../../docs/life.md")),
    ("limits.md", include_str!("../../../../docs/limits.md")),
    ("operating.md", include_str!("../../../../docs/operating.md")),
    ("policies.md", include_str!("../../../../docs/policies.md")),
    ("prompts.md", include_str!("../../../../docs/prompts.md")),
    ("protecting.md", include_str!("../../../../docs/protecting.md")),
    ("rates.md", include_str!("../../../../docs/rates.md")),
    ("recipes.md", include_str!("../../../../docs/recipes.md")),
    ("resources.md", include_str!("../../../../docs/resources.md")),
    ("rest.md", include_str!("../../../../docs/rest.md")),
    ("results-and-errors.md", include_str!("../../../../docs/results-and-errors.md")),
    ("revisions.md", include_str!("../../../../docs/revisions.md")),
    ("schema.md", include_str!("../../../../docs/schema.md")),
    ("serve.md", include_str!("../../../../docs/serve.md")),
    ("servers.md", include_str!("../../../../docs/servers.md")),
    ("signing-in.md", include_str!("../../../../docs/signing-in.md")),
    ("store.md", include_str!("../../../../docs/store.md")),
    ("telemetry.md", include_str!("../../../../docs/telemetry.md")),
    ("terminal-session.md", include_str!("../../../../docs/terminal-session.md")),
    ("testing.md", include_str!("../../../../docs/testing.md")),
    ("tools.md", include_str!("../../../../docs/tools.md")),
    ("transports.md", include_str!("../../../../docs/transports.md")),
];

/// The documentation as documents.
pub(super) fn library() -> Library {
    let document = |(path, text): &(&str, &str)| {
        let path = DocumentPath::new(*path).ok()?;
        let mut document = Document::parse(path, text, FileTimes::default()).0;
        // `results-and-errors.md` is about no language called "results".
        document.language = None;
        document.domain = None;
        Some(document)
    };
    Library::new(PAGES.iter().filter_map(document).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".md"))
            .collect();
        files.sort();
        assert!(library().languages().is_empty() && library().domains().is_empty());
        assert_eq!(files, PAGES.iter().map(|(path, _)| *path).collect::<Vec<_>>());
        assert_eq!(library().len(), PAGES.len());
        for (path, text) in PAGES {
            let warnings = Document::parse(DocumentPath::new(*path).unwrap(), text, FileTimes::default()).1;
            assert!(warnings.is_empty(), "{path}: {warnings:?}");
        }
    }
}
