//! Configuration files of clients: whatever stands in one, an edit changes one entry and nothing else.

use std::path::Path;

use anyport_config::{CLIENTS, ConfigFile};
use serde_json::{Value, json};

/// The first byte chooses the client, the rest is its file. An entry that is added is found again, a second time changes nothing, and
/// what had been there before is there when it is removed.
pub(super) fn config(input: &[u8]) {
    let Some((&first, text)) = input.split_first() else { return };
    let client = CLIENTS[usize::from(first) % CLIENTS.len()];
    let text = String::from_utf8_lossy(text);
    let path = Path::new(match client.id {
        "codex" => "config.toml",
        "goose" => "config.yaml",
        "opencode" => "opencode.json",
        _ => "mcp.json",
    });
    let names = |text: &str| {
        let file = ConfigFile::parse(path, text, Path::new("/")).ok()?;
        let names: Vec<String> = file.names().map(str::to_owned).collect();
        for name in &names {
            let _ = file.server(name);
        }
        Some(names)
    };
    let before = names(&text);
    let entry = json!({"type": "stdio", "command": "fuzzed", "args": ["a \"b\"", "#c: d"]});
    let Value::Object(entry) = entry else { return };
    let Ok(Some(added)) = client.set(path, &text, NAME, &entry, true) else { return };
    let after = names(&added).unwrap_or_else(|| panic!("an edit broke {text:?}: {added:?}"));
    assert!(after.iter().any(|name| name == NAME), "{text:?} has no entry: {added:?}");
    let again = client.set(path, &added, NAME, &entry, true);
    assert!(matches!(again, Ok(None)), "{added:?} is not left as it is: {again:?}");
    let removed = client.remove(path, &added, NAME).ok().flatten();
    let removed = removed.unwrap_or_else(|| panic!("the entry stays in {added:?}"));
    let mut before = before.unwrap_or_default();
    before.retain(|name| name != NAME);
    assert_eq!(names(&removed).unwrap_or_default(), before, "{text:?} became {removed:?}");
}

/// No input has an entry of this name by chance.
const NAME: &str = "fuzzed-entry";
