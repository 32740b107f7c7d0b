//! What is listed, member by member.

use anyport::Revision::{self, *};
use anyport_testing::Lost as Nothing;
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    peer::offers,
    row::Row,
    verdict::{Carried, Lost, Measured, all, lowered, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Lists",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Tools: name, description, arguments, `_meta`, unknown members", async |pair| {
                tool(pair, &["name", "description", "inputSchema", "_meta", "x-own"]).await
            }),
            Row::new("Tools: annotations", async |pair| {
                let mut arrived = listed(pair, "tools/list", "tools", "full").await?["annotations"].clone();
                // A title may have been added.
                arrived.as_object_mut().map(|annotations| annotations.remove("title"));
                Ok(same(&arrived, &sent("tools", pair.server, "full")["annotations"]))
            })
            .since(V2025_03_26),
            Row::new("Tools: titles", titles)
                .since(V2025_06_18)
                .rule(|client, _| if client < V2025_06_18 { lowered(TITLE) } else { Carried }),
            Row::new("Tools: schema of results", async |pair| tool(pair, &["outputSchema"]).await)
                .since(V2025_06_18),
            Row::new("Tools: schema of results that are not objects", result_schema)
                .since(V2026_07_28)
                .rule(|client, _| if client.is_stateless() { Carried } else { lowered(NO_SCHEMA) }),
            Row::new("Tools: arguments whose schema is `true` or `false`", boolean_schemas)
                .since(V2026_07_28)
                .rule(|client, _| if client.is_stateless() { Carried } else { lowered(BOOLEANS) }),
            Row::new("Tools: icons", async |pair| tool(pair, &["icons"]).await).since(V2025_11_25),
            Row::new("Resources: name, description, type, size, annotations", async |pair| {
                let names = ["uri", "name", "description", "mimeType", "size", "annotations", "x-own"];
                members(pair, RESOURCES, &names).await
            }),
            Row::new("Resources: titles, `_meta`", async |pair| {
                members(pair, RESOURCES, &["title", "_meta"]).await
            })
            .since(V2025_06_18),
            Row::new("Resources: icons", async |pair| members(pair, RESOURCES, &["icons"]).await)
                .since(V2025_11_25),
            Row::new("Resource templates", async |pair| {
                members(pair, TEMPLATES, &["uriTemplate", "name", "title", "icons", "x-own"]).await
            }),
            Row::new("Prompts: name, description, arguments", async |pair| {
                members(pair, PROMPTS, &["name", "description", "arguments", "x-own"]).await
            }),
            Row::new("Prompts: titles", async |pair| members(pair, PROMPTS, &["title"]).await)
                .since(V2025_06_18),
            Row::new("Prompts: icons", async |pair| members(pair, PROMPTS, &["icons"]).await)
                .since(V2025_11_25),
            Row::new("Pages", pages),
            Row::new("How long a list is valid", hints)
                .since(V2026_07_28)
                .rule(|client, _| if client.is_stateless() { Carried } else { lowered(NO_HINTS) }),
        ],
    }
}

const TITLE: &str = "also written as `annotations.title`";
const NO_SCHEMA: &str = "omitted; the result is sent as text";
const BOOLEANS: &str = "written as `{}` and `{\"not\": {}}`";
const NO_HINTS: &str = "omitted: only 2026-07-28 has it, and older clients are notified when a list changes";

/// A method, the member of its result, the name of an entry.
type Of = (&'static str, &'static str, &'static str);

const RESOURCES: Of = ("resources/list", "resources", "text");
const TEMPLATES: Of = ("resources/templates/list", "resourceTemplates", "note");
const PROMPTS: Of = ("prompts/list", "prompts", "full");

async fn listed(pair: &mut Pair, method: &str, member: &str, name: &str) -> Result<Value, Nothing> {
    let list = pair.wire.call(method, json!({})).await?.outcome?;
    let found = list[member].as_array().and_then(|list| list.iter().find(|entry| entry["name"] == name));
    Ok(found.cloned().unwrap_or_default())
}

fn sent(member: &str, revision: Revision, name: &str) -> Value {
    let list = match member {
        "tools" => offers::tools(revision),
        "resources" => offers::resources(revision),
        "resourceTemplates" => offers::templates(revision),
        _ => offers::prompts(revision, 0),
    };
    let found = list.as_array().and_then(|list| list.iter().find(|entry| entry["name"] == name));
    found.cloned().unwrap_or_default()
}

async fn members(pair: &mut Pair, (method, member, name): Of, names: &[&str]) -> Measured {
    let arrived = listed(pair, method, member, name).await?;
    let sent = sent(member, pair.server, name);
    Ok(all(names.iter().map(|name| same(&arrived[*name], &sent[*name]))))
}

async fn tool(pair: &mut Pair, names: &[&str]) -> Measured {
    members(pair, ("tools/list", "tools", "full"), names).await
}

async fn titles(pair: &mut Pair) -> Measured {
    let arrived = listed(pair, "tools/list", "tools", "full").await?;
    let verdict = same(&arrived["title"], &json!("Full"));
    let copied = verdict == Carried && arrived["annotations"]["title"] == "Full";
    Ok(if copied { lowered(TITLE) } else { verdict })
}

async fn result_schema(pair: &mut Pair) -> Measured {
    let arrived = listed(pair, "tools/list", "tools", "free").await?;
    Ok(match arrived.get("outputSchema") {
        None if arrived["name"] == "free" => lowered(NO_SCHEMA),
        schema => same(schema.unwrap_or(&Value::Null), &sent("tools", pair.server, "free")["outputSchema"]),
    })
}

async fn boolean_schemas(pair: &mut Pair) -> Measured {
    let arrived = listed(pair, "tools/list", "tools", "free").await?["inputSchema"].clone();
    let spelled = json!({"type": "object", "properties": {"any": {}, "none": {"not": {}}}});
    let sent = &sent("tools", pair.server, "free")["inputSchema"];
    Ok(if arrived == spelled { lowered(BOOLEANS) } else { same(&arrived, sent) })
}

async fn pages(pair: &mut Pair) -> Measured {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let params = cursor.map_or(json!({}), |cursor: Value| json!({ "cursor": cursor }));
        let page = pair.wire.call("prompts/list", params).await?.outcome?;
        names.extend(page["prompts"].as_array().into_iter().flatten().map(|prompt| prompt["name"].clone()));
        cursor = page.get("nextCursor").cloned();
        if cursor.is_none() || names.len() > 9 {
            return Ok(same(&names.into(), &json!(["full", "asking", "blocks"])));
        }
    }
}

async fn hints(pair: &mut Pair) -> Measured {
    let list = pair.wire.call("tools/list", json!({})).await?.outcome?;
    Ok(match (&list["ttlMs"], &list["cacheScope"]) {
        (Value::Null, Value::Null) if list.get("ttlMs").is_none() => lowered(NO_HINTS),
        (ttl, scope) if *ttl == 1000 && scope == "private" => Carried,
        other => Lost(format!("{other:?}")),
    })
}
