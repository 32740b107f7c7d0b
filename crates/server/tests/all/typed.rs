//! Variables of templates and arguments of prompts as types.

use crate::common::{error, legacy, modern, result, value};
use anyport_protocol::{
    Method, Raw, Revision,
    types::{ContentBlock, PromptMessage, ResourceContents, Role},
};
use anyport_server::{
    Argument, BuildError, Builder, Completion, CompletionRequest, Context, Messages, Prompt, Resource,
    Server, State, Template, Tool, Values,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Strict,
}

#[derive(Deserialize)]
struct Page {
    book: String,
    number: u32,
}

#[derive(Deserialize)]
struct Draft {
    tone: Tone,
    #[serde(alias = "is_final")]
    done: bool,
}

/// Asks for a review.
#[derive(Deserialize, JsonSchema)]
struct Review {
    /// The code
    code: String,
    /// How
    #[schemars(title = "Tone")]
    tone: Tone,
    /// How many remarks at most
    remarks: Option<u8>,
    #[serde(default)]
    tags: Vec<String>,
}

fn builder() -> Builder {
    Server::builder("typed", "1")
        .template(
            Template::new("books:///{book}/{number}")
                .choices("book", ["Alice", "Alma", "Bambi"])
                .read(async |Page { book, number }: Page, _: Context| format!("page {number} of {book}")),
        )
        .template(
            Template::new("drafts:///{tone}/{done}")
                .read(async |Draft { tone, done }: Draft, _: Context| format!("{tone:?} {done}")),
        )
        .prompt(Prompt::new("review").arguments::<Review>().get(async |review: Review, _: Context| {
            let Review { code, tone, remarks, tags } = review;
            format!("{code} {tone:?} {remarks:?} {tags:?}")
        }))
}

fn server() -> Server {
    builder().build().unwrap()
}

async fn read(uri: &str) -> Value {
    result(&server(), Method::ResourcesRead, json!({"uri": uri}), modern()).await["contents"][0]["text"]
        .clone()
}

#[tokio::test]
async fn variables_are_read_as_their_types() {
    assert_eq!(read("books:///Alma/12").await, "page 12 of Alma");
    assert_eq!(read("drafts:///kind/true").await, "Kind true");
}

#[tokio::test]
async fn a_variable_that_its_type_cannot_be_read_from_names_no_resource() {
    for uri in ["books:///Alma/twelve", "books:///Alma/-1", "books:///Alma/4294967296", "drafts:///loud/true"]
    {
        let missing = error(&server(), Method::ResourcesRead, json!({"uri": uri}), modern()).await;
        assert_eq!((missing.code, &value(&missing.data.unwrap())["uri"]), (-32602, &json!(uri)));
    }
}

fn problems(built: Result<Server, BuildError>) -> String {
    built.unwrap_err().problems.join("\n")
}

/// 2026-07-28, basic §_meta: "valid `_meta` key names have two segments: an optional prefix, and a name".
#[test]
fn metadata_has_names_that_the_specification_allows() {
    let meta = |name: &str| json!({(name): 1}).as_object().unwrap().clone();
    let read = async |_: Context| "";
    let build = |name: &str| {
        [
            Server::builder("s", "1")
                .tool(Tool::new("t").meta(meta(name)).run_raw(async |_: Raw, _: Context| "")),
            Server::builder("s", "1").resource(Resource::new("x:y").meta(meta(name)).read(read)),
            Server::builder("s", "1")
                .template(Template::new("x:{a}").meta(meta(name)).read(async |_: Values, _: Context| "")),
            Server::builder("s", "1")
                .prompt(Prompt::new("p").meta(meta(name)).get(async |_: Values, _: Context| "")),
        ]
        .map(Builder::build)
    };
    for name in ["a", "com.example/a.b_c-d", "com.example/", "io.modelcontextprotocol/ui"] {
        assert!(build(name).iter().all(Result::is_ok), "{name}");
    }
    for name in ["", "_a", "a b", "com.example./a", "com.example/a/b"] {
        for built in build(name) {
            let problems = problems(built);
            assert!(problems.contains("is no name of metadata: write it as"), "{name}: {problems}");
        }
    }
}

/// Invariant: A handler's type that its template or prompt cannot fill is found when the server is built.
#[test]
fn a_type_that_does_not_fit_is_found_when_the_server_is_built() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "it is never read")]
    struct Closed {
        a: String,
        colour: String,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Deep {
        a: Vec<String>,
        b: std::collections::HashMap<String, String>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Aliased {
        #[serde(alias = "b")]
        a: u32,
    }
    let template = |text: &str| Template::new(text.to_owned());
    let build = |template: Template| Server::builder("s", "1").template(template).build();
    for (built, expected) in [
        (
            build(template("x:{a}/{color}").read(async |_: Closed, _: Context| "")),
            &["has the field \"colour\"", "is \"color\" meant?", "no field for {color}"][..],
        ),
        (
            build(template("x:{a}/{b}").read(async |_: Deep, _: Context| "")),
            &["takes {a} as a list", "write {a*}", "takes {b} as an object"],
        ),
        (
            build(template("x:{a}").read(async |_: u32, _: Context| "")),
            &["read with a `u32`", "the fields a"],
        ),
        (
            build(template("x:{a}").choices("b", ["c"]).read(async |_: (), _: Context| "")),
            &["no variable \"b\""],
        ),
    ] {
        let problems = problems(built);
        assert!(expected.iter().all(|part| problems.contains(part)), "{problems}");
    }
    assert!(build(template("x:{b}").read(async |_: Aliased, _: Context| "")).is_ok());
    let prompt =
        Prompt::new("p").argument(Argument::new("cod")).complete("x", async |_, _: Context| vec!["y"]);
    let prompt = prompt.get(async |_: Review, _: Context| "");
    let problems = problems(Server::builder("s", "1").prompt(prompt).build());
    for part in ["prompt \"p\"", "`Review` has the field \"code\"", "is \"cod\" meant?", "no argument \"x\""]
    {
        assert!(problems.contains(part), "{part} in {problems}");
    }
}

#[tokio::test]
async fn what_a_type_keeps_to_itself_shows_at_the_first_read_in_words() {
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Inner {
        number: String,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is never read")]
    struct Outer {
        #[serde(flatten)]
        inner: Inner,
    }
    let server = Server::builder("s", "1")
        .template(Template::new("x:{id}").read(async |_: Outer, _: Context| ""))
        .prompt(Prompt::new("p").get(async |_: Outer, _: Context| ""))
        .build()
        .unwrap();
    let read = error(&server, Method::ResourcesRead, json!({"uri": "x:1"}), modern()).await;
    assert!(read.code == -32603 && read.message.contains("no variable \"number\""), "{read}");
    let got = error(&server, Method::PromptsGet, json!({"name": "p"}), modern()).await;
    assert!(got.code == -32603 && got.message.contains("no argument \"number\""), "{got}");
}

#[tokio::test]
async fn a_prompt_declares_the_fields_of_its_type() {
    let listed = result(&server(), Method::PromptsList, json!({}), modern()).await;
    assert_eq!(
        listed["prompts"][0]["arguments"],
        json!([
            {"name": "code", "description": "The code", "required": true},
            {"name": "tone", "title": "Tone", "description": "How", "required": true},
            {"name": "remarks", "description": "How many remarks at most"},
            {"name": "tags"},
        ])
    );
    let nothing = Prompt::new("p").arguments::<Vec<String>>().get(async |_: (), _: Context| "");
    assert!(problems(Server::builder("s", "1").prompt(nothing).build()).contains("no struct"));
}

#[tokio::test]
async fn arguments_are_read_as_their_types() {
    let get = |arguments: Value| json!({"name": "review", "arguments": arguments});
    let said = async |arguments| {
        let got = result(&server(), Method::PromptsGet, get(arguments), modern()).await;
        got["messages"][0]["content"]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(json!({"code": "x", "tone": "kind"})).await, "x Kind None []");
    let all = json!({"code": "", "tone": "strict", "remarks": "3", "tags": "[\"a\"]", "other": "ignored"});
    assert_eq!(said(all).await, " Strict Some(3) [\"a\"]");
    assert_eq!(said(json!({"code": "x", "tone": "kind", "remarks": ""})).await, "x Kind None []");
    for (arguments, parts) in [
        (
            json!({"code": "x", "tone": "loud"}),
            &["tone: expected ", "one of kind, strict", "got \"loud\""][..],
        ),
        (
            json!({"code": "x", "tone": "kind", "remarks": "300"}),
            &["remarks: expected ", "from 0 to 255", "got \"300\""],
        ),
        (
            json!({"code": "x", "tone": "kind", "tags": "a, b"}),
            &["tags: expected ", "a list as JSON", "got \"a, b\""],
        ),
        (json!({}), &["missing required arguments: code, tone"]),
    ] {
        for caller in [modern(), legacy(Revision::V2024_11_05)] {
            let refused = error(&server(), Method::PromptsGet, get(arguments.clone()), caller).await;
            assert_eq!(refused.code, -32602);
            assert!(parts.iter().all(|part| refused.message.contains(part)), "{refused}");
        }
    }
}

#[tokio::test]
async fn values_of_which_all_are_known_complete_themselves() {
    let server = server();
    let complete = async |reference: Value, name: &str, typed: &str| {
        let params = json!({"ref": reference, "argument": {"name": name, "value": typed}});
        result(&server, Method::Complete, params, modern()).await["completion"].clone()
    };
    let prompt = json!({"type": "ref/prompt", "name": "review"});
    let found = |values: Value| json!({"values": values, "total": values.as_array().unwrap().len(), "hasMore": false});
    assert_eq!(complete(prompt.clone(), "tone", "S").await, found(json!(["strict"])));
    assert_eq!(complete(prompt, "code", "").await["values"], json!([]));
    let drafts = json!({"type": "ref/resource", "uri": "drafts:///{tone}/{done}"});
    assert_eq!(complete(drafts.clone(), "done", "").await, found(json!(["true", "false"])));
    assert_eq!(complete(drafts, "tone", "k").await, found(json!(["kind"])));
    let books = json!({"type": "ref/resource", "uri": "books:///{book}/{number}"});
    assert_eq!(complete(books, "book", "aL").await, found(json!(["Alice", "Alma"])));
    // "uri" may be a URI as well: then the template is the one that reads it.
    let page = json!({"type": "ref/resource", "uri": "books:///Alma/1"});
    assert_eq!(complete(page, "book", "b").await, found(json!(["Bambi"])));
}

#[test]
fn suggestions_are_ordered_counted_and_cut() {
    let names = ["Zebra finch", "finch", "Goldfinch", "robin", "Finchley"];
    let found = Completion::matching("FINCH", names);
    assert_eq!(found.values, ["finch", "Finchley", "Zebra finch", "Goldfinch"]);
    assert_eq!((found.total, found.has_more), (Some(4), false));
    let many = Completion::starting_with("1", (0..100_000).map(|number| number.to_string()));
    assert_eq!((many.values.len(), many.total, many.has_more), (100, Some(11_111), true));
    assert_eq!(Completion::starting_with("straße", ["STRASSE", "Straße 1"]).values, ["Straße 1"]);
}

#[tokio::test]
async fn a_completer_that_fails_says_why_and_one_given_by_hand_comes_first() {
    let server = Server::builder("s", "1")
        .prompt(
            Prompt::new("p")
                .arguments::<Review>()
                .complete("tone", async |typed: CompletionRequest, _: Context| {
                    match typed.arguments.get("code") {
                        Some(code) => Ok(vec![format!("{} for {code}", typed.value)]),
                        None => Err("no code yet"),
                    }
                })
                .get(async |_: Values, _: Context| ""),
        )
        .build()
        .unwrap();
    let mut params =
        json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "tone", "value": "k"}});
    let failed = error(&server, Method::Complete, params.clone(), modern()).await;
    assert_eq!((failed.code, &*failed.message), (-32603, "no code yet"));
    params["context"] = json!({"arguments": {"code": "x"}});
    assert_eq!(
        result(&server, Method::Complete, params, modern()).await["completion"]["values"],
        json!(["k for x"])
    );
}

struct Tones(Vec<&'static str>);

#[tokio::test]
async fn a_completer_takes_the_state_of_its_server_which_is_not_built_without_it() {
    async fn tone(typed: CompletionRequest, tones: State<Tones>) -> Completion {
        Completion::starting_with(&typed.value, tones.0.iter().copied())
    }
    let builder = || {
        let code = Argument::new("code").complete(async |_, (tones, context): (State<Tones>, Context)| {
            vec![format!("{} for {}", tones.0.len(), context.principal())]
        });
        let prompt = Prompt::new("p").argument(code).argument(Argument::new("tone"));
        Server::builder("s", "1").prompt(prompt.complete("tone", tone).get(async |_: Values, _: Context| ""))
    };
    let lacking = builder().build().unwrap_err().to_string();
    assert!(lacking.contains("prompt \"p\": it needs the state") && lacking.contains("Tones"), "{lacking}");
    let server = builder().state(Tones(vec!["kind", "curt"])).build().unwrap();
    let completed = async |name: &str, value: &str| {
        let argument = json!({"name": name, "value": value});
        let params = json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": argument});
        result(&server, Method::Complete, params, modern()).await["completion"]["values"].clone()
    };
    assert_eq!(completed("tone", "k").await, json!(["kind"]));
    assert_eq!(completed("code", "").await, json!(["2 for local"]));
}

#[tokio::test]
async fn messages_are_written_in_few_words() {
    let server = Server::builder("s", "1")
        .prompt(
            Prompt::new("pairs").get(async |_: (), _: Context| [(Role::User, "a"), (Role::Assistant, "b")]),
        )
        .prompt(Prompt::new("one").get(async |_: (), _: Context| ContentBlock::image(b"i", "image/png")))
        .prompt(Prompt::new("array").get(async |_: (), _: Context| [PromptMessage::user("a")]))
        .prompt(Prompt::new("all").get(async |_: (), _: Context| {
            Messages::new().description("d").user("a").assistant(ResourceContents::text("x:y", "z"))
        }))
        .build()
        .unwrap();
    let get = async |name: &str| result(&server, Method::PromptsGet, json!({"name": name}), modern()).await;
    let text = |role: &str, text: &str| json!({"role": role, "content": {"type": "text", "text": text}});
    assert_eq!(get("pairs").await["messages"], json!([text("user", "a"), text("assistant", "b")]));
    let image = json!({"type": "image", "data": "aQ==", "mimeType": "image/png"});
    assert_eq!(get("one").await["messages"], json!([{"role": "user", "content": image}]));
    assert_eq!(get("array").await["messages"], json!([text("user", "a")]));
    let all = get("all").await;
    let embedded = json!({"type": "resource", "resource": {"uri": "x:y", "text": "z"}});
    assert_eq!(all["messages"], json!([text("user", "a"), {"role": "assistant", "content": embedded}]));
    assert_eq!(all["description"], "d");
}
