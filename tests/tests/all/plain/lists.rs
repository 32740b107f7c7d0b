//! `GET /mcp/tools`, and who sees what.

use anyport::{Context, Principal, Server, Tool, http, server::NoArguments, with_legacy_clients};
use anyport_testing::Wire;
use anyport_tests::{
    everything::{Probe, server},
    plain::Plain,
    site::{Site, Way},
};
use serde_json::{Value, json};

use super::{config, sites};

fn names(list: &Value) -> Vec<&str> {
    list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_pages_stand_together_with_what_mcp_says_of_each_tool() {
    for (site, plain) in sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config()).await {
        let answer = plain.ask("GET", "/mcp/tools", "").await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let list = answer.json();
        assert_eq!(list.as_object().unwrap().len(), 1);
        let mut wire = Wire::over(site.link(Way::Http, &site.remote()).await.unwrap());
        wire.open(anyport::Revision::NEWEST).await.unwrap();
        let mut told = Vec::new();
        let mut params = json!({});
        loop {
            let page = wire.call("tools/list", params).await.unwrap().outcome.unwrap();
            told.extend(page["tools"].as_array().unwrap().iter().cloned());
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        assert!(told.len() > 20, "several pages");
        for (tool, told) in list["tools"].as_array().unwrap().iter().zip(&told) {
            let mut tool = tool.clone();
            let own = tool.as_object_mut().unwrap();
            assert_eq!(own.remove("parameters").as_ref(), Some(&told["inputSchema"]));
            assert_eq!(own.remove("category").unwrap_or_default(), told["_meta"]["dev.anyport/category"]);
            assert_eq!(tool, *told);
        }
        assert_eq!(list["tools"].as_array().unwrap().len(), told.len());
        let head = plain.ask("HEAD", "/mcp/tools", "").await.unwrap();
        let length = answer.body.len().to_string();
        assert_eq!((head.status, head.header("content-length"), &*head.body), (200, Some(&*length), ""));
    }
}

#[tokio::test]
async fn a_category_is_asked_for_by_name() {
    for (_site, plain) in sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config()).await {
        let list = async |query: &str| plain.ask("GET", &format!("/mcp/tools{query}"), "").await.unwrap();
        let mathematics = list("?category=mathematics").await.json();
        assert_eq!(names(&mathematics), ["described"]);
        assert_eq!(mathematics["tools"][0]["category"], "mathematics");
        assert_eq!(list("?category=math").await.body, r#"{"tools":[],"categories":["mathematics"]}"#);
        assert_eq!(list("?category=").await.body, list("").await.body);
        let told = list("?kategorie=x").await;
        assert_eq!((told.status, told.code()), (400, Some(-32600)));
        assert!(told.body.contains("kategorie") && told.body.contains("category"), "{}", told.body);
    }
}

#[tokio::test]
async fn a_list_is_bounded_and_says_so() {
    let limits = http::Limits::default().max_tools_listed(7);
    let config = config().limits(limits);
    for (_site, plain) in
        sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config.clone()).await
    {
        let list = plain.ask("GET", "/mcp/tools", "").await.unwrap().json();
        assert_eq!((list["tools"].as_array().unwrap().len(), &list["truncated"]), (7, &json!(true)));
    }
}

fn secretive() -> Server {
    let tool = |name: &str| Tool::new(name).run(async |_: NoArguments, _: Context| "done");
    let hers = |caller: &Principal| caller.name() == Some("ada");
    let hidden = tool("erase_all").category("hidden").visible_to(hers);
    Server::builder("secretive", "1").tool(tool("open")).tool(hidden).build().unwrap()
}

#[tokio::test]
async fn what_a_caller_may_not_see_does_not_exist_for_it() {
    let tokens = vec![http::Token::new("ada", "hers"), http::Token::new("bob", "his")];
    let config = config().authentication(http::Authentication::Tokens(tokens));
    for (_site, plain) in sites(secretive, config.clone()).await {
        let (ada, bob): (Plain, Plain) = (plain.clone().bearer("hers"), plain.bearer("his"));
        let list = async |plain: &Plain, query: &str| {
            plain.ask("GET", &format!("/mcp/tools{query}"), "").await.unwrap().json()
        };
        assert_eq!(names(&list(&ada, "").await), ["open", "erase_all"]);
        assert_eq!(names(&list(&bob, "").await), ["open"]);
        assert_eq!(list(&bob, "?category=hidden").await, json!({"tools": [], "categories": []}));
        assert_eq!(ada.tool("erase_all", &json!({})).await.unwrap().json()["result"], "done");
        let refused = async |name: &str| {
            let body = bob.post(&format!(r#"{{"method":"{name}"}}"#)).await.unwrap().body;
            body.replace(name, "NAME")
        };
        assert_eq!(refused("erase_all").await, refused("erase_any").await);
    }
}

#[tokio::test]
async fn a_list_is_the_callers_however_it_comes() {
    let tokens = vec![http::Token::new("ada", "hers")];
    let config = config().authentication(http::Authentication::Tokens(tokens));
    let site = Site::listen(secretive(), config).await.unwrap();
    let nobody = Plain::of(&site);
    for path in ["/mcp/tools", "/mcp/tools?category=hidden", "/mcp/tools?token=hers"] {
        let answer = nobody.ask("GET", path, "").await.unwrap();
        assert_eq!(answer.status, 401);
        assert!(!answer.body.contains("erase"), "{}", answer.body);
    }
}
