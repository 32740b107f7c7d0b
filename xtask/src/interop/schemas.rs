//! The schemas of our servers, as validators and clients of other projects take them: `tests/typescript/schemas.mjs`.

/// The examples that have tools and serve them on standard streams alone.
pub(super) const EXAMPLES: [&str; 20] = [
    "ask_the_user",
    "builder_twin",
    "change_notifications",
    "compose",
    "dynamic_tools",
    "errors",
    "hello_server",
    "in_memory_test",
    "long_blocking",
    "methods",
    "middleware",
    "mount",
    "once",
    "progress",
    "raw_schema",
    "start_and_stop",
    "state",
    "structured_output",
    "tools",
    "tour",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;
    use crate::workspace::Workspace;

    /// A server over HTTP; a client; one that needs a database; servers without tools; one that serves on everything at once.
    const OTHERS: [&str; 7] = [
        "axum_embedding",
        "call_a_server",
        "database_pool",
        "prompts",
        "protected_server",
        "resources",
        "transports",
    ];

    #[test]
    fn every_example_is_looked_at_unless_it_has_nothing_to_see() {
        let folder = Workspace::find().unwrap().path("examples");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let names = names.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        let names: BTreeSet<_> =
            names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        let known: BTreeSet<_> = EXAMPLES.into_iter().chain(OTHERS).map(str::to_owned).collect();
        assert_eq!(names, known);
    }
}
