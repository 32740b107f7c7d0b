//! Configuration files of clients: whatever stands in one, an edit changes one entry and nothing else.

use std::path::Path;

use anyport_config::{CLIENTS, ConfigFile, GATEWAY, gateway, input_ids, inputs};
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

/// The file of a gateway: what is read of it is described, a fault has its place, and a server that is added, disabled and removed leaves the
/// others as they were.
pub(super) fn gateway(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let path = Path::new("anyport.toml");
    let lines = gateway::lines(&text);
    let last = text.lines().count().max(1);
    assert!(lines.values().all(|line| (1..=last).contains(line)), "{text:?}: {lines:?}");
    let _ = inputs(path, &text);
    let before = match gateway::parse(path, &text) {
        Ok(config) => config,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for upstream in before.upstreams.values() {
        // It was checked when it was read.
        let server = upstream.server().unwrap_or_else(|(key, reason)| panic!("{text:?}: {key}: {reason}"));
        let _ = input_ids(&server);
    }
    let entry = json!({"command": ["fuzzed", "a \"b\"", "#c: d"]});
    let Value::Object(entry) = entry else { return };
    let Ok(Some(added)) = GATEWAY.set(path, &text, NAME, &entry, true) else { return };
    let parsed = |text: &str| gateway::parse(path, text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert!(parsed(&added).upstreams.contains_key(NAME), "{added:?}");
    if let Ok(Some(disabled)) = GATEWAY.enable(path, &added, NAME, false) {
        assert!(parsed(&disabled).upstreams[NAME].disabled, "{disabled:?}");
    }
    let removed = GATEWAY.remove(path, &added, NAME).ok().flatten();
    let removed = removed.unwrap_or_else(|| panic!("the entry stays in {added:?}"));
    let mut before = before;
    before.upstreams.shift_remove(NAME);
    assert_eq!(parsed(&removed), before, "{text:?} became {removed:?}");
}

/// No input has an entry of this name by chance.
const NAME: &str = "fuzzed-entry";
