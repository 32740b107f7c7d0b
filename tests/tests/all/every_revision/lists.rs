//! What a server says of itself and lists.

use anyport::Revision::{self, *};
use anyport_testing::Lost;
use anyport_tests::matrix::{Cell, everywhere};
use serde_json::{Value, json};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

#[tokio::test]
async fn a_server_says_who_it_is_and_what_it_has() {
    everywhere(async |cell| {
        let said = cell.wire.discover().await?;
        let info =
            if cell.revision.is_stateless() { &said["_meta"][SERVER_INFO] } else { &said["serverInfo"] };
        assert_eq!(*info, json!({"name": "everything", "version": "1.2.3", "title": "Everything"}));
        assert_eq!(said["instructions"], "Has one of everything.");
        assert_eq!(
            said["capabilities"],
            json!({
                "tools": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "prompts": {"listChanged": true},
                "completions": {},
                "logging": {},
            })
        );
        if cell.revision.is_stateless() {
            let newest_first: Vec<&str> =
                Revision::ALL.iter().rev().map(|revision| revision.as_str()).collect();
            assert_eq!(said["supportedVersions"], json!(newest_first));
        } else {
            assert_eq!(said["protocolVersion"], cell.revision.as_str());
        }
        Ok(())
    })
    .await;
}

/// All pages of a list.
async fn all(cell: &mut Cell, method: &str, member: &str) -> Result<(Vec<Value>, usize), Lost> {
    let (mut items, mut pages, mut params) = (Vec::new(), 0, json!({}));
    loop {
        let page = cell.wire.call(method, params).await?.outcome?;
        items.extend(page[member].as_array().unwrap().iter().cloned());
        pages += 1;
        assert_eq!(page.get("ttlMs").is_some(), cell.revision.is_stateless(), "{page}");
        match page["nextCursor"].as_str() {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return Ok((items, pages)),
        }
    }
}

fn named<'a>(items: &'a [Value], name: &str) -> &'a Value {
    items.iter().find(|item| item["name"] == name).unwrap()
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    everywhere(async |cell| {
        for (method, member, names) in [
            ("tools/list", "tools", &["greet", "sum", "divisors", "content", "echo", "fail", "refuse"][..]),
            ("resources/list", "resources", &["text", "bytes", "broken", "asking", "number 0", "number 1"]),
            ("resources/templates/list", "resourceTemplates", &["note", "page"]),
            ("prompts/list", "prompts", &["review", "asking", "letter"]),
        ] {
            let (items, pages) = all(cell, method, member).await?;
            let listed: Vec<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
            assert_eq!(listed[..names.len()], *names, "{method}");
            assert_eq!(pages, items.len().div_ceil(5), "{method}");
            let mut once = listed.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), listed.len(), "{method}");
            let wrong = cell.wire.call(method, json!({"cursor": "no cursor"})).await?;
            assert_eq!(wrong.code(), Some(-32602), "{method}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_is_listed_in_the_words_of_the_revision() {
    everywhere(async |cell| {
        let (tools, _) = all(cell, "tools/list", "tools").await?;
        let greet = named(&tools, "greet");
        assert_eq!((&greet["title"], &greet["description"]), (&json!("Greeter"), &json!("Greets by name.")));
        let title = if cell.revision < V2025_06_18 { json!("Greeter") } else { Value::Null };
        assert_eq!(greet["annotations"]["title"], title);
        assert_eq!(greet["inputSchema"]["required"], json!(["name"]));
        assert_eq!(greet["inputSchema"]["properties"]["name"]["description"], "Who is greeted");
        assert_eq!(named(&tools, "sum")["outputSchema"]["type"], "object");
        // Only the newest revision has results that are no objects.
        let list = if cell.revision.is_stateless() { json!("array") } else { Value::Null };
        assert_eq!(named(&tools, "divisors")["outputSchema"]["type"], list);
        Ok(())
    })
    .await;
}
