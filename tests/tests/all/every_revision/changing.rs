//! Servers that change while clients are connected, by themselves and mounted in others.

use anyport::{
    BuildError, Context, Prompt, Resource, Server, Template, Tool,
    server::{List, Mount, NoArguments, Values},
    with_legacy_clients,
};
use anyport_testing::Lost;
use anyport_tests::{
    everything::Probe,
    matrix::{Cell, around, capabilities},
};
use serde_json::{Value, json};

fn tool(name: &str) -> Tool {
    Tool::new(name).run(async |_: NoArguments, context: Context| {
        context.progress(1.0, None, None).await;
        "at your service"
    })
}

/// A server that has nothing but a tool by which it gets more, and one by which it loses it again.
fn garden() -> Result<Server, BuildError> {
    let grow = Tool::new("grow").run(async |_: NoArguments, context: Context| {
        context.server().change(|change| {
            change.add(tool("pick")).add(tool("hidden").visible_to(|_| false));
            change.add(Resource::new("garden:///rose").name("rose").read(async |_: Context| "red"));
            change.add(
                Template::new("garden:///beds/{id}")
                    .name("bed")
                    .read(async |values: Values, _: Context| values.get("id").map(str::to_owned)),
            );
            change.add(Prompt::new("water").get(async |_: Values, _: Context| "Water the garden!"));
        })
    });
    let wither = Tool::new("wither").run(async |_: NoArguments, context: Context| {
        context.server().change(|change| {
            change.remove_tool("pick").remove_tool("hidden").remove_resource("garden:///rose");
            change.remove_template("garden:///beds/{id}").remove_prompt("water");
        })
    });
    Server::builder("garden", "1.0.0")
        .dynamic([List::Resources, List::Prompts])
        .tool(grow)
        .tool(wither)
        .build()
}

const LISTS: [&str; 3] = [
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/tools/list_changed",
];

async fn changes(cell: &mut Cell) -> Result<Vec<String>, Lost> {
    let mut changes = Vec::new();
    for _ in LISTS {
        changes.push(cell.wire.change().await?["method"].as_str().unwrap().to_owned());
    }
    changes.sort_unstable();
    Ok(changes)
}

async fn names(cell: &mut Cell, method: &str, member: &str) -> Result<Vec<String>, Lost> {
    let list = cell.wire.call(method, json!({})).await?.outcome?;
    let names = list[member].as_array().unwrap().iter();
    Ok(names.map(|item| item["name"].as_str().unwrap().to_owned()).collect())
}

/// What a client sees of the garden, whose names begin with `prefix`.
async fn visit(cell: &mut Cell, prefix: &str) -> Result<(), Lost> {
    let name = |name: &str| format!("{prefix}{name}");
    let has = cell.wire.discover().await?["capabilities"].clone();
    assert!(has["resources"].is_object() && has["prompts"].is_object(), "{has}");
    assert!(cell.wire.listen(&[]).await?.is_empty());
    for _ in 0..2 {
        assert_eq!(names(cell, "tools/list", "tools").await?, [name("grow"), name("wither")]);
        assert!(cell.tool(&name("pick"), json!({})).await?.outcome.is_err());
        assert!(cell.tool(&name("grow"), json!({})).await?.outcome.is_ok());
        assert_eq!(changes(cell).await?, LISTS);
        assert_eq!(names(cell, "tools/list", "tools").await?, [name("grow"), name("wither"), name("pick")]);
        assert_eq!(names(cell, "resources/list", "resources").await?, ["rose"]);
        assert_eq!(names(cell, "resources/templates/list", "resourceTemplates").await?, ["bed"]);
        assert_eq!(names(cell, "prompts/list", "prompts").await?, [name("water")]);
        assert_eq!(cell.tool(&name("pick"), json!({})).await?.text(), "at your service");
        for uri in ["garden:///rose", "garden:///beds/4"] {
            assert!(cell.wire.call("resources/read", json!({ "uri": uri })).await?.outcome.is_ok());
        }
        assert!(cell.wire.call("prompts/get", json!({"name": name("water")})).await?.outcome.is_ok());
        let hidden = cell.tool(&name("hidden"), json!({})).await?.outcome.unwrap_err();
        assert_eq!(hidden.code, -32602);
        assert!(hidden.message.starts_with(&format!("unknown tool: {}", name("hidden"))), "{hidden:?}");
        let list = cell.wire.call("tools/list", json!({})).await?.outcome?;
        let scope = if cell.revision.is_stateless() { json!("private") } else { Value::Null };
        assert_eq!(list["cacheScope"], scope, "something in it is not for everybody");
        assert!(cell.tool(&name("wither"), json!({})).await?.outcome.is_ok());
        assert_eq!(changes(cell).await?, LISTS);
        let gone = cell.wire.call("resources/read", json!({"uri": "garden:///rose"})).await?;
        assert!(gone.outcome.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn what_a_server_offers_changes_while_clients_are_connected() {
    around(|_: &Probe| Ok(with_legacy_clients(garden()?)), capabilities, async |cell| visit(cell, "").await)
        .await;
}

#[tokio::test]
async fn a_mounted_server_changes_where_it_is_mounted() {
    let park = |_: &Probe| {
        let gate = Server::builder("gate", "1.0.0").mount("north", Mount::of(garden()?)).build()?;
        Ok(with_legacy_clients(Server::builder("park", "1.0.0").mount("", gate).build()?))
    };
    around(park, capabilities, async |cell| visit(cell, "north_").await).await;
}
