//! The lists of a server, and whether the listed entries exist.

use std::collections::BTreeSet;

use anyport_protocol::jsonrpc::code;
use serde_json::{Map, Value, json};

use super::{Over, Visit, rule, said};

impl Visit<'_> {
    /// Whether there are tools, that is: whether the server says so.
    pub(super) async fn tools(&mut self, capabilities: &Value) -> Result<bool, Over> {
        if capabilities.get("tools").is_none() {
            return Ok(false);
        }
        let tools = self.list("tools/list", "tools").await?;
        let mut names = BTreeSet::new();
        for tool in &tools {
            let name = tool["name"].as_str().unwrap_or_default();
            if !is_legal(name) {
                self.breach(rule::TOOL_NAME, format!("the name {name:?}"));
            }
            if !names.insert(name) {
                self.breach(rule::TOOL_UNIQUE, format!("the name {name:?} stands there twice"));
            }
            for member in ["inputSchema", "outputSchema"] {
                if let Some(fault) = tool.get(member).and_then(schema_fault) {
                    self.breach(rule::TOOL_SCHEMA, format!("the {member} of {name:?}: {fault}"));
                }
            }
        }
        let wrong = [
            json!({"name": "conforms-no-such-tool", "arguments": {}}),
            json!({"arguments": {}}),
            json!({"name": 5}),
            json!({"name": tools.first().map_or("x".into(), |tool| tool["name"].clone()), "arguments": "{}"}),
        ];
        for params in wrong {
            self.refused(rule::TOOL_UNKNOWN, "tools/call", params, &[code::INVALID_PARAMS]).await?;
        }
        Ok(true)
    }

    pub(super) async fn resources(&mut self, capabilities: &Value) -> Result<(), Over> {
        if capabilities.get("resources").is_none() {
            return Ok(());
        }
        let resources = self.list("resources/list", "resources").await?;
        // A server without templates may not know the method.
        if self.call("resources/templates/list", json!({})).await?.code() != Some(code::METHOD_NOT_FOUND) {
            self.list("resources/templates/list", "resourceTemplates").await?;
        }
        for resource in self.check.tried(&resources, "uri") {
            let answer = self.call("resources/read", json!({"uri": resource["uri"]})).await?;
            if answer.code().is_some_and(|code| !UNASKED.contains(&code)) {
                let uri = &resource["uri"];
                self.breach(
                    rule::RESOURCE_READ,
                    format!("{uri} is listed, and answered with {}", said(&answer)),
                );
            }
        }
        let unknown =
            if self.revision.is_stateless() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
        let params = json!({"uri": "anyport-conforms://no/such/resource"});
        self.refused(rule::RESOURCE_UNKNOWN, "resources/read", params, &[unknown]).await
    }

    pub(super) async fn prompts(&mut self, capabilities: &Value) -> Result<(), Over> {
        if capabilities.get("prompts").is_none() {
            return Ok(());
        }
        let prompts = self.list("prompts/list", "prompts").await?;
        for prompt in self.check.tried(&prompts, "name") {
            let name = &prompt["name"];
            let required: Vec<&str> = prompt["arguments"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|argument| argument["required"] == true)
                .filter_map(|argument| argument["name"].as_str())
                .collect();
            if !required.is_empty() {
                let params = json!({"name": name, "arguments": {}});
                self.refused(rule::PROMPT_ARGUMENTS, "prompts/get", params, &[code::INVALID_PARAMS]).await?;
            }
            let arguments: Map<String, Value> =
                required.iter().map(|name| ((*name).to_owned(), "conforms".into())).collect();
            let answer = self.call("prompts/get", json!({"name": name, "arguments": arguments})).await?;
            if answer.code().is_some_and(|code| code != code::INVALID_PARAMS && !UNASKED.contains(&code)) {
                self.breach(rule::PROMPT_GOT, format!("{name} is answered with {}", said(&answer)));
            }
        }
        let params = json!({"name": "conforms-no-such-prompt"});
        self.refused(rule::PROMPT_UNKNOWN, "prompts/get", params, &[code::INVALID_PARAMS]).await
    }

    /// All pages of a list, and a cursor that does not exist.
    async fn list(&mut self, method: &str, member: &str) -> Result<Vec<Value>, Over> {
        let (mut all, mut cursors) = (Vec::new(), BTreeSet::new());
        let mut params = json!({});
        loop {
            let answer = self.call(method, params).await?;
            let Ok(page) = &answer.outcome else {
                self.breach(rule::ANSWERS, format!("{method} is answered with {}", said(&answer)));
                break;
            };
            all.extend(page[member].as_array().into_iter().flatten().cloned());
            let Some(cursor) = page.get("nextCursor").filter(|cursor| !cursor.is_null()) else { break };
            if !cursors.insert(cursor.to_string()) {
                self.breach(rule::PAGES, format!("{method}: the cursor {cursor} comes twice"));
                break;
            }
            params = json!({ "cursor": cursor });
        }
        let wrong = json!({"cursor": "conforms-no-such-cursor"});
        self.refused(rule::CURSOR, method, wrong, &[code::INVALID_PARAMS]).await?;
        Ok(all)
    }
}

/// How who needs to ask refuses a client that cannot be asked: 2026-07-28, basic §`_meta`; before, as an invalid request.
const UNASKED: [i64; 2] = [code::MISSING_CLIENT_CAPABILITY, code::INVALID_REQUEST];

/// 2026-07-28, server/tools §Tool Names.
fn is_legal(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(fits)
}

/// The faults of `schema` as JSON Schema: of the dialect that it names, or of 2020-12.
fn schema_fault(schema: &Value) -> Option<String> {
    let of_schema = jsonschema::meta::validate(schema).err().map(|error| error.to_string());
    // References must be local: nothing is fetched.
    of_schema.or_else(|| jsonschema::validator_for(schema).err().map(|error| error.to_string()))
}
