//! Resources that templates list.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{all, error, modern, result, start, value, with_meta};
use anyport_protocol::{Method, meta::LogLevel, types::Resource as Listed};
use anyport_seal::Key;
use anyport_server::{Builder, Context, List, PageQuery, Resource, ResourcePage, Server, Template, Values};
use serde_json::{Value, json};

type Notes = Arc<Mutex<Vec<String>>>;

fn notes(names: &[&str]) -> Notes {
    Arc::new(Mutex::new(names.iter().map(|name| (*name).to_owned()).collect()))
}

/// A template that lists `notes`.
fn template(notes: &Notes) -> Template {
    let notes = notes.clone();
    Template::new("notes:///{name}")
        .mime_type("text/plain")
        .list(move |_: Context| {
            let names = notes.lock().unwrap().clone();
            async move {
                tokio::task::yield_now().await;
                names.iter().map(|name| Listed::new(format!("notes:///{name}"), name)).collect::<Vec<_>>()
            }
        })
        .read(async |note: Values, _: Context| note.get("name").map(str::to_owned))
}

fn builder(notes: &Notes) -> Builder {
    let fixed = |uri: &str| Resource::new(uri).read(async |_: Context| "fixed");
    Server::builder("s", "1").resource(fixed("x:1")).resource(fixed("notes:///b")).template(template(notes))
}

async fn page(server: &Server, params: Value) -> (Vec<String>, Value) {
    let page = result(server, Method::ResourcesList, params, modern()).await;
    let uris = page["resources"].as_array().unwrap().iter();
    (uris.map(|listed| listed["uri"].as_str().unwrap().to_owned()).collect(), page)
}

#[tokio::test]
async fn what_templates_list_stands_behind_the_fixed_resources_once() {
    let notes = notes(&["a", "b", "c", "a"]);
    let server = builder(&notes).build().unwrap();
    let (uris, first) = page(&server, json!({})).await;
    assert_eq!(uris, ["x:1", "notes:///b", "notes:///a", "notes:///c"]);
    assert_eq!(first["resources"][2], json!({"uri": "notes:///a", "name": "a", "mimeType": "text/plain"}));
    assert_eq!((&first["cacheScope"], &first["ttlMs"]), (&json!("private"), &json!(0)));
    assert!(first.get("nextCursor").is_none());
    notes.lock().unwrap().push("d".into());
    assert_eq!(page(&server, json!({})).await.0.last().unwrap(), "notes:///d");
    let slow = builder(&notes).ttl(List::Resources, Duration::from_secs(5)).build().unwrap();
    assert_eq!(page(&slow, json!({})).await.1["ttlMs"], 5000);
    // Without such templates, the list is as it was.
    let plain = Server::builder("s", "1").resource(Resource::new("x:1").read(async |_: Context| "")).build();
    assert_eq!(page(&plain.unwrap(), json!({})).await.1["cacheScope"], "public");
}

#[tokio::test]
async fn a_cursor_goes_on_behind_its_resource_while_the_list_changes() {
    let notes = notes(&["n1", "n2", "n3", "n4", "n5"]);
    let key = || Key::from_bytes([3; 32]);
    let server = builder(&notes).page_size(3).state_key(key()).build().unwrap();
    let (uris, first) = page(&server, json!({})).await;
    assert_eq!(uris, ["x:1", "notes:///b", "notes:///n1"]);
    let cursor = || json!({"cursor": first["nextCursor"]});
    let (uris, second) = page(&server, cursor()).await;
    assert_eq!(uris, ["notes:///n2", "notes:///n3", "notes:///n4"]);
    assert_eq!((&second["cacheScope"], &first["cacheScope"]), (&json!("private"), &json!("private")));
    let (uris, third) = page(&server, json!({"cursor": second["nextCursor"]})).await;
    assert_eq!((&*uris, third.get("nextCursor")), (&["notes:///n5".to_owned()][..], None));
    // One more before it, and it goes on where it was; itself gone, and it goes on where it stood.
    notes.lock().unwrap().insert(0, "n0".into());
    assert_eq!(page(&server, cursor()).await.0[0], "notes:///n2");
    notes.lock().unwrap().retain(|name| name != "n1" && name != "n0");
    assert_eq!(page(&server, cursor()).await.0[0], "notes:///n3");
    let again = builder(&notes).page_size(3).state_key(key()).build().unwrap();
    assert_eq!(page(&again, cursor()).await.0[0], "notes:///n3");
    let wrong = error(&server, Method::ResourcesList, json!({"cursor": "x"}), modern()).await;
    assert_eq!(wrong.code, -32602);
}

#[tokio::test]
async fn a_list_that_fails_says_why_and_what_cannot_be_read_is_left_out() {
    let failing = Template::new("x:{id}")
        .list(async |_: Context| Err::<Vec<Listed>, _>("the database is away"))
        .read(async |_: Values, _: Context| "");
    let server = Server::builder("s", "1").template(failing).build().unwrap();
    let failed = error(&server, Method::ResourcesList, json!({}), modern()).await;
    assert_eq!((failed.code, &*failed.message), (-32603, "the database is away"));
    let other = Template::new("x:{id}")
        .list(async |_: Context| {
            vec![Listed::new("y:1", "other"), Listed::new("x:..", "up"), Listed::new("x:1", "")]
        })
        .read(async |_: Values, _: Context| "");
    let server = Server::builder("s", "1").template(other).build().unwrap();
    assert_eq!(page(&server, json!({})).await.0, ["x:1"]);
}

#[tokio::test]
async fn a_list_knows_its_caller_and_is_its_own() {
    let template = || {
        Template::new("mine:///{name}")
            .list(async |context: Context| {
                context.log(LogLevel::Info, None, "listing").await;
                let name = context.principal().name().unwrap_or("nobody").to_owned();
                vec![Listed::new(format!("mine:///{name}"), name)]
            })
            .read(async |_: Values, _: Context| "")
    };
    let inner = Server::builder("inner", "1").template(template()).build().unwrap();
    let outer = Server::builder("outer", "1").mount("in", inner).build().unwrap();
    let deep = Server::builder("deep", "1").mount("out", outer.clone()).build().unwrap();
    let own = Server::builder("own", "1").template(template()).build().unwrap();
    for server in [own, outer, deep] {
        let caller = with_meta(&json!({"io.modelcontextprotocol/logLevel": "debug"}));
        let name = caller.principal().name().unwrap_or("nobody").to_owned();
        let (told, end) = all(start(&server, Method::ResourcesList, &json!({}), caller)).await;
        let anyport_service::Outcome::Result(listed) = end else { panic!("{end:?}") };
        assert_eq!(value(&listed)["resources"][0]["uri"], format!("mine:///{name}"));
        assert_eq!(told.len(), 1, "what it tells is told, however deep it is mounted");
    }
}

#[tokio::test]
async fn a_hidden_template_lists_nothing() {
    let hidden = template(&notes(&["secret"])).visible_to(|_| false);
    let server = Server::builder("s", "1").template(hidden).build().unwrap();
    let (uris, page) = page(&server, json!({})).await;
    assert_eq!((uris.len(), &page["cacheScope"]), (0, &json!("private")));
}

/// `count` resources, page by page; `listed` counts those that were made.
fn numbers(count: usize, listed: &Arc<AtomicUsize>) -> Template {
    let listed = listed.clone();
    Template::new("numbers:///{number}")
        .mime_type("text/plain")
        .list_pages(move |page: PageQuery, _: Context| {
            let first: usize = page.cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let end = count.min(first + page.size);
            listed.fetch_add(end - first, Ordering::Relaxed);
            let number = |number| Listed::new(format!("numbers:///{number}"), format!("{number}"));
            let next = (end < count).then(|| end.to_string());
            let resources = (first..end).map(number).collect();
            async move { ResourcePage { resources, next } }
        })
        .read(async |number: Values, _: Context| number.get("number").map(str::to_owned))
}

/// The URIs of every page.
async fn every_page(server: &Server) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut params = json!({});
    loop {
        let (uris, page) = page(server, params).await;
        pages.push(uris);
        match page.get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return pages,
        }
    }
}

/// Invariant: A list of 100,000 resources makes each of them once, over all pages.
#[tokio::test]
async fn a_hundred_thousand_resources_are_made_once_each() {
    let listed = Arc::new(AtomicUsize::new(0));
    let server = Server::builder("s", "1").template(numbers(100_000, &listed)).build().unwrap();
    let pages = every_page(&server).await;
    assert_eq!((pages.len(), listed.load(Ordering::Relaxed)), (100, 100_000));
    let uris: Vec<String> = pages.concat();
    assert!(uris.iter().enumerate().all(|(number, uri)| *uri == format!("numbers:///{number}")));
}

#[tokio::test]
async fn pages_go_from_what_is_listed_as_a_whole_to_one_template_after_another() {
    let listed = Arc::new(AtomicUsize::new(0));
    let more = Template::new("more:///{name}")
        .list_pages(async |page: PageQuery, _: Context| {
            let of = |name: &str| vec![Listed::new(format!("more:///{name}"), name)];
            // It gives one at a time, and an empty page in between.
            let (resources, next) = match page.cursor.as_deref() {
                None => (of("a"), Some("none")),
                Some("none") => (Vec::new(), Some("a\nb")),
                Some("a\nb") => (of("b"), None),
                other => panic!("{other:?}"),
            };
            ResourcePage { resources, next: next.map(str::to_owned) }
        })
        .read(async |_: Values, _: Context| "");
    let server = builder(&notes(&["n1", "n2"]))
        .template(numbers(4, &listed))
        .template(more)
        .page_size(3)
        .build()
        .unwrap();
    let expected: [&[&str]; 5] = [
        &["x:1", "notes:///b", "notes:///n1"],
        &["notes:///n2", "numbers:///0", "numbers:///1"],
        &["numbers:///2", "numbers:///3", "more:///a"],
        &[],
        &["more:///b"],
    ];
    assert_eq!(every_page(&server).await, expected);
    // The same where it is mounted, one more time.
    let outer = Server::builder("outer", "1").mount("in", server).page_size(3).build().unwrap();
    assert_eq!(every_page(&outer).await, expected);
}

#[tokio::test]
async fn what_another_one_reads_is_left_out_of_pages() {
    let listed = Arc::new(AtomicUsize::new(0));
    let taken = Resource::new("numbers:///1").read(async |_: Context| "one");
    let earlier = Template::new("numbers:///2{rest}").read(async |_: Values, _: Context| "two");
    let later = Template::new("numbers:///{+all}").read(async |_: Values, _: Context| "all");
    let server = Server::builder("s", "1")
        .resource(taken)
        .template(earlier)
        .template(numbers(22, &listed))
        .template(later)
        .build()
        .unwrap();
    let uris = every_page(&server).await.concat();
    assert_eq!(uris.len(), 20, "all but 20 and 21: {uris:?}");
    assert_eq!(uris.iter().filter(|uri| *uri == "numbers:///1").count(), 1);
}

#[tokio::test]
async fn cursors_into_pages_are_good_where_they_are_from() {
    let listed = Arc::new(AtomicUsize::new(0));
    let key = || Key::from_bytes([3; 32]);
    let server = |template: Template| {
        Server::builder("s", "1").template(template).page_size(2).state_key(key()).build().unwrap()
    };
    let (_, first) = page(&server(numbers(5, &listed)), json!({})).await;
    let cursor = json!({"cursor": first["nextCursor"]});
    let again = page(&server(numbers(3, &listed)), cursor.clone()).await;
    assert_eq!((again.0, again.1.get("nextCursor")), (vec!["numbers:///2".to_owned()], None));
    for other in [numbers(5, &listed).visible_to(|_| false), template(&notes(&["a"]))] {
        assert_eq!(error(&server(other), Method::ResourcesList, cursor.clone(), modern()).await.code, -32602);
    }
    let altered = json!({"cursor": format!("{}x", first["nextCursor"].as_str().unwrap())});
    assert_eq!(
        error(&server(numbers(5, &listed)), Method::ResourcesList, altered, modern()).await.code,
        -32602
    );
}

#[tokio::test]
async fn a_page_that_fails_says_why() {
    let failing = Template::new("x:{id}")
        .list_pages(async |_: PageQuery, _: Context| Err::<ResourcePage, _>("the database is away"))
        .read(async |_: Values, _: Context| "");
    let server = Server::builder("s", "1").template(failing).build().unwrap();
    let failed = error(&server, Method::ResourcesList, json!({}), modern()).await;
    assert_eq!((failed.code, &*failed.message), (-32603, "the database is away"));
}
