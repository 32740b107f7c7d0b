//! Templates and prompts whose values have types, and what completes them.

use anyport_testing::{Answer, Lost};
use anyport_tests::matrix::{Cell, everywhere};
use serde_json::{Value, json};

async fn read(cell: &mut Cell, uri: &str) -> Result<Answer, Lost> {
    cell.wire.call("resources/read", json!({"uri": uri})).await
}

#[tokio::test]
async fn variables_of_a_uri_are_read_as_their_types() {
    everywhere(async |cell| {
        for (uri, page) in [
            ("test:///books/Alma/12", "page Some(12) of Alma in None with []"),
            ("test:///books/A%20b", "page None of A b in None with []"),
            (
                "test:///books/Alma/1?tag=x&tone=kind&tag=y%26",
                r#"page Some(1) of Alma in Some(Kind) with ["x", "y&"]"#,
            ),
        ] {
            let result = read(cell, uri).await?.outcome?;
            let contents =
                json!([{"uri": uri, "mimeType": "text/plain", "text": format!("{page} at {uri}")}]);
            assert_eq!(result["contents"], contents);
        }
        let not_found = if cell.revision.is_stateless() { -32602 } else { -32002 };
        for missing in [
            "test:///books/Alma/twelve",
            "test:///books/Alma/1?tone=loud",
            "test:///books/Alma/1?tone=kind&tone=kind",
            "test:///books/Alma/1?unknown=1",
            "test:///books/..%2f..%2fetc/1",
            "test:///books/../1",
            "test:///books/Alma%00/1",
            "test:///books//1",
        ] {
            let refused = read(cell, missing).await?.outcome.unwrap_err();
            assert_eq!(refused.code, not_found, "{missing}");
            assert_eq!(refused.data["uri"], missing);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_template_lists_can_be_read() {
    everywhere(async |cell| {
        let (mut uris, mut params) = (Vec::new(), json!({}));
        loop {
            let page = cell.wire.call("resources/list", params).await?.outcome?;
            if cell.revision.is_stateless() {
                assert_eq!((&page["cacheScope"], &page["ttlMs"]), (&json!("private"), &json!(0)));
            }
            let listed = page["resources"].as_array().unwrap().iter();
            uris.extend(listed.map(|listed| listed["uri"].as_str().unwrap().to_owned()));
            match page["nextCursor"].as_str() {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        let pages: Vec<&String> = uris.iter().filter(|uri| uri.starts_with("test:///books/")).collect();
        assert_eq!(pages.len(), 4, "{uris:?}");
        assert_eq!(uris[uris.len() - 4..].iter().collect::<Vec<_>>(), pages, "behind the fixed ones");
        for uri in pages {
            assert!(read(cell, uri).await?.outcome.is_ok());
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_resource_of_a_template_can_be_subscribed_to_whether_it_exists_or_not() {
    everywhere(async |cell| {
        let watched = ["elsewhere:///9", "test:///books/Alma/1", "test:///books/Nobody/7"];
        assert_eq!(cell.wire.listen(&watched).await?, watched);
        for uri in watched {
            cell.tool("change", json!({ "what": [uri] })).await?;
            let change = cell.wire.change().await?;
            assert_eq!(change["method"], "notifications/resources/updated");
            assert_eq!(change["params"]["uri"], uri);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_prompt_declares_its_fields_and_reads_them_as_their_types() {
    everywhere(async |cell| {
        let listed = cell.wire.call("prompts/list", json!({})).await?.outcome?;
        let letter = listed["prompts"].as_array().unwrap().iter().find(|prompt| prompt["name"] == "letter");
        assert_eq!(
            letter.unwrap()["arguments"],
            json!([
                {"name": "to", "description": "Who gets it", "required": true},
                {"name": "tone", "required": true},
                {"name": "copies", "description": "How many"},
            ])
        );
        let get = |arguments: Value| json!({"name": "letter", "arguments": arguments});
        let arguments = json!({"to": "Ida", "tone": "kind", "copies": "3", "unknown": "ignored"});
        let got = cell.wire.call("prompts/get", get(arguments)).await?.outcome?;
        let text = |role: &str, text: &str| json!({"role": role, "content": {"type": "text", "text": text}});
        let paper = json!({"type": "resource", "resource": {"uri": "test:///paper", "text": "white"}});
        assert_eq!(
            got["messages"],
            json!([
                text("assistant", "To whom?"),
                text("user", "To Ida, Kind, 3 times."),
                {"role": "user", "content": paper},
            ])
        );
        for (arguments, words) in [
            (json!({"to": "Ida"}), "missing required arguments: tone"),
            (json!({"to": "Ida", "tone": "loud"}), "tone: expected one of kind, strict, got \"loud\""),
            (
                json!({"to": "Ida", "tone": "kind", "copies": "x"}),
                "copies: expected a whole number from 0 to 255",
            ),
        ] {
            let refused = cell.wire.call("prompts/get", get(arguments)).await?.outcome.unwrap_err();
            assert!(refused.code == -32602 && refused.message.contains(words), "{refused:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn enums_and_lists_complete_what_is_typed() {
    everywhere(async |cell| {
        let template = json!({"type": "ref/resource", "uri": "test:///books/{book}{/number}{?tone,tag*}"});
        let prompt = json!({"type": "ref/prompt", "name": "letter"});
        for (reference, name, typed, values) in [
            (&template, "book", "al", &["Alice", "Alma"][..]),
            (&template, "book", "x", &[]),
            (&template, "tone", "", &["kind", "strict"]),
            (&template, "number", "1", &[]),
            (&prompt, "tone", "S", &["strict"]),
            (&prompt, "to", "", &[]),
        ] {
            let params = json!({"ref": reference, "argument": {"name": name, "value": typed}});
            let completed = cell.wire.call("completion/complete", params).await?.outcome?;
            assert_eq!(completed["completion"]["values"], json!(values), "{name} {typed}");
            assert_eq!(completed["completion"]["hasMore"], false);
        }
        Ok(())
    })
    .await;
}
