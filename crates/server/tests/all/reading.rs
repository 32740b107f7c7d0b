//! What resources hold, and reads while they change.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use crate::common::{call, error, modern, result, start, value};
use anyport_protocol::{Method, types::ResourceContents};
use anyport_server::{
    Contents, Context, IntoContents, Json, NoArguments, Prompt, Resource, Server, Template, Tool, Values,
};
use anyport_service::Event;
use bytes::Bytes;
use serde_json::{Value, json};

async fn contents(server: &Server, uri: &str) -> Value {
    result(server, Method::ResourcesRead, json!({"uri": uri}), modern()).await["contents"].clone()
}

/// What `contents` are in a resource at `x:y` of the type `a/b`, and in one without a type.
fn read(contents: impl Fn() -> Contents) -> (Value, Value) {
    let of = |contents| match contents {
        Contents::Found(found) => serde_json::to_value(found).unwrap(),
        other => panic!("{other:?}"),
    };
    (of(contents().into_contents("x:y", Some("a/b"))), of(contents().into_contents("x:y", None)))
}

fn whole<T: IntoContents>(contents: impl Fn() -> T) -> (Value, Value) {
    let of = |mime_type| match contents().into_contents("x:y", mime_type) {
        Contents::Found(found) => serde_json::to_value(found).unwrap(),
        other => panic!("{other:?}"),
    };
    (of(Some("a/b")), of(None))
}

#[test]
fn texts_bytes_and_json_are_contents() {
    let text =
        (json!([{"uri": "x:y", "mimeType": "a/b", "text": "hi"}]), json!([{"uri": "x:y", "text": "hi"}]));
    assert_eq!(whole(|| "hi"), text);
    assert_eq!(whole(|| "hi".to_owned()), text);
    assert_eq!(whole(|| Cow::Borrowed("hi")), text);
    assert_eq!(whole(|| Arc::<str>::from("hi")), text);
    let blob =
        (json!([{"uri": "x:y", "mimeType": "a/b", "blob": "aGk="}]), json!([{"uri": "x:y", "blob": "aGk="}]));
    assert_eq!(whole(|| b"hi".to_vec()), blob);
    assert_eq!(whole(|| &b"hi"[..]), blob);
    assert_eq!(whole(|| Bytes::from_static(b"hi")), blob);
    let data = whole(|| Json(json!({"a": 1})));
    assert_eq!(data.1, json!([{"uri": "x:y", "mimeType": "application/json", "text": "{\"a\":1}"}]));
    assert_eq!(data.0[0]["mimeType"], "a/b");
}

#[test]
fn a_read_may_name_its_own_type_and_parts_their_own_places() {
    let page = read(|| Contents::text("hi").mime_type("text/html"));
    let html = json!([{"uri": "x:y", "mimeType": "text/html", "text": "hi"}]);
    assert_eq!(page, (html.clone(), html));
    let parts = read(|| {
        Contents::Found(vec![
            ResourceContents::text("x:y/1", "one"),
            ResourceContents::blob("x:y/2", b"hi").with_mime_type("image/png"),
            ResourceContents::text("", "itself"),
        ])
    });
    let expected = json!([
        {"uri": "x:y/1", "text": "one"},
        {"uri": "x:y/2", "mimeType": "image/png", "blob": "aGk="},
        {"uri": "x:y", "mimeType": "a/b", "text": "itself"},
    ]);
    assert_eq!(parts.0, expected);
    assert_eq!(Contents::Missing.mime_type("a/b"), Contents::Missing);
}

#[tokio::test]
async fn a_reader_is_told_the_uri_as_it_was_written() {
    let server = Server::builder("s", "1")
        .resource(Resource::new("x:fixed").read(async |context: Context| context.uri()))
        .template(Template::new("x:by/{name}").read(async |_: Values, context: Context| context.uri()))
        .tool(Tool::new("t").run(async |_: NoArguments, context: Context| format!("{:?}", context.uri())))
        .build()
        .unwrap();
    assert_eq!(contents(&server, "x:fixed").await[0]["text"], "x:fixed");
    assert_eq!(contents(&server, "x:by/%C3%a9").await[0]["text"], "x:by/%C3%a9");
    assert_eq!(crate::common::text(&call(&server, "t", json!({})).await), "None");
}

#[tokio::test]
async fn a_template_says_which_uris_it_has() {
    let server = Server::builder("s", "1")
        .template(Template::new("x:{area}{/path*}{?q,tag*}{#part}").read(
            async |values: Values, _: Context| {
                values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            },
        ))
        .build()
        .unwrap();
    let all = contents(&server, "x:a/b/c%20d?tag=1&q=%26&tag=2#e").await;
    assert_eq!(all[0]["text"], "area=a path=b path=c d q=& tag=1 tag=2 part=e");
    for missing in ["x:a?unknown=1", "x:a/../b", "x:a?q=1&q=2", "x:", "x:a/b/%2e%2e"] {
        let refused = error(&server, Method::ResourcesRead, json!({"uri": missing}), modern()).await;
        assert_eq!((refused.code, value(&refused.data.unwrap())), (-32602, json!({"uri": missing})));
    }
}

#[tokio::test]
async fn a_read_sees_one_state_of_what_changes_and_the_next_read_the_next() {
    let note = Arc::new(Mutex::new((0, 0)));
    let (read, written) = (note.clone(), note);
    let server = Server::builder("s", "1")
        .template(Template::new("notes:///{id}").read(move |_: Values, _: Context| {
            let (one, two) = *read.lock().unwrap();
            async move {
                tokio::task::yield_now().await;
                format!("{one} {two}")
            }
        }))
        .build()
        .unwrap();
    let filter = json!({"notifications": {"resourceSubscriptions": ["notes:///1", "notes:///nobody-knows"]}});
    let mut changes = start(&server, Method::Listen, &filter, modern());
    let Event::Notification(first) = changes.next().await else { panic!() };
    // A resource that is not there may come: it is subscribed to like any other, and nothing tells who may see it.
    assert_eq!(value(&first.params), filter);
    for number in 1..100 {
        let before = start(&server, Method::ResourcesRead, &json!({"uri": "notes:///1"}), modern());
        *written.lock().unwrap() = (number, number);
        server.events().resource_updated("notes:///1");
        let before = value(&match before.outcome().await {
            anyport_service::Outcome::Result(result) => result,
            outcome => panic!("{outcome:?}"),
        });
        assert_eq!(before["contents"][0]["text"], format!("{0} {0}", number - 1));
        let Event::Notification(change) = changes.next().await else { panic!() };
        assert_eq!(value(&change.params)["uri"], "notes:///1");
        assert_eq!(contents(&server, "notes:///1").await[0]["text"], format!("{number} {number}"));
    }
    server.events().resource_updated("notes:///nobody-knows");
    let Event::Notification(change) = changes.next().await else { panic!() };
    assert_eq!(value(&change.params)["uri"], "notes:///nobody-knows");
}

#[tokio::test]
async fn metadata_of_everything_is_added_to_and_replaced_by_key() {
    let meta = |value: Value| value.as_object().unwrap().clone();
    let (first, second) = (json!({"a": 1, "b": 1}), json!({"b": 2, "c": 2}));
    macro_rules! with_both {
        ($part:expr) => {
            $part.meta(meta(first.clone())).meta(meta(second.clone()))
        };
    }
    let server = Server::builder("s", "1")
        .add(with_both!(Tool::new("t")).run(async |_: NoArguments, _: Context| ()))
        .add(with_both!(Resource::new("x:1")).read(async |_: Context| ""))
        .add(with_both!(Template::new("x:/{a}")).read(async |(): (), _: Context| ""))
        .add(with_both!(Prompt::new("p")).get(async |(): (), _: Context| ""))
        .build()
        .unwrap();
    for (method, member) in [
        (Method::ToolsList, "tools"),
        (Method::ResourcesList, "resources"),
        (Method::TemplatesList, "resourceTemplates"),
        (Method::PromptsList, "prompts"),
    ] {
        let list = result(&server, method, json!({}), modern()).await;
        assert_eq!(list[member][0]["_meta"], json!({"a": 1, "b": 2, "c": 2}), "{member}");
    }
}
