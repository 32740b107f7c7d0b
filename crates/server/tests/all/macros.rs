//! Functions under `#[tool]`, `#[resource]` and `#[prompt]`: what is listed of them, and how they answer.
//!
//! Invariant: A server that lacks state of one of its functions cannot be built.

mod functions;
mod methods;
mod mistakes;

use crate::common::{call, error, modern, result, text};
use anyport_protocol::Method;
use anyport_server::{BuildError, CompletionRequest, Context, Server, State, Tool, prompt, resource, tool};
use serde_json::{Value, json};

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Celsius,
    Fahrenheit,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Weather {
    /// Degrees
    degrees: f64,
    unit: Unit,
}

/// What the weather will be.
///
/// - **Free** to ask.
#[tool(
    title = "Weather",
    read_only,
    destructive = false,
    idempotent,
    open_world = true,
    icon = "https://example.com/sun.png",
    meta(team = "sky", "dev.example/cost" = {"credits": [1, -2]}),
)]
async fn weather(
    /// Where
    ///
    /// A city or a village
    #[arg(length = 1..=40, pattern = "^[A-Z]", example = "Bern", header = "City")]
    city: String,
    /** In how many days */
    #[arg(default = 1, range = 0..=14)]
    days: u8,
    #[arg(title = "Unit of the degrees", default = Unit::Celsius)] unit: Unit,
    #[arg(one_of = ["short", "long"], description = "How much to say")] style: Option<String>,
    #[arg(name = "type", length = ..=2)] kinds: Option<Vec<String>>,
) -> Weather {
    let _ = (city, style, kinds);
    Weather { degrees: f64::from(days), unit }
}

async fn listed(server: &Server, method: Method, key: &str) -> Value {
    result(server, method, json!({}), modern()).await[key].take()
}

fn with(part: impl Into<anyport_server::Part>) -> Server {
    Server::builder("s", "1").add(part).build().unwrap()
}

#[tokio::test]
async fn a_tool_is_listed_as_its_function_is_written() {
    let tools = listed(&with(weather), Method::ToolsList, "tools").await;
    let unit = json!({"type": "string", "enum": ["celsius", "fahrenheit"]});
    let expected = json!([{
        "name": "weather",
        "title": "Weather",
        "description": "What the weather will be.\n\n- **Free** to ask.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "city": {
                    "type": "string",
                    "description": "Where\n\nA city or a village",
                    "minLength": 1,
                    "maxLength": 40,
                    "pattern": "^[A-Z]",
                    "x-mcp-header": "City",
                    "examples": ["Bern"],
                },
                "days": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 14,
                    "description": "In how many days",
                    "default": 1,
                },
                "unit": {
                    "$ref": "#/$defs/Unit",
                    "title": "Unit of the degrees",
                    "default": "celsius",
                },
                "style": {
                    "type": "string",
                    "description": "How much to say",
                    "enum": ["short", "long"],
                },
                "type": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            },
            "required": ["city"],
            "additionalProperties": false,
            "$defs": {"Unit": unit},
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "degrees": {"type": "number", "description": "Degrees"},
                "unit": {"$ref": "#/$defs/Unit"},
            },
            "required": ["degrees", "unit"],
            "$defs": {"Unit": unit},
        },
        "annotations": {
            "readOnlyHint": true,
            "destructiveHint": false,
            "idempotentHint": true,
            "openWorldHint": true,
        },
        "icons": [{"src": "https://example.com/sun.png"}],
        "_meta": {"team": "sky", "dev.example/cost": {"credits": [1, -2]}},
    }]);
    assert_eq!(tools, expected);
}

#[tokio::test]
async fn what_is_left_out_has_its_default_and_what_comes_out_is_structured() {
    let answer = call(&with(weather), "weather", json!({"city": "Bern"})).await;
    let structured = json!({"degrees": 1.0, "unit": "celsius"});
    assert_eq!(answer["structuredContent"], structured);
    assert_eq!(serde_json::from_str::<Value>(text(&answer)).unwrap(), structured);
    let answer =
        call(&with(weather), "weather", json!({"city": "Bern", "days": 3, "unit": "fahrenheit"})).await;
    assert_eq!(answer["structuredContent"], json!({"degrees": 3.0, "unit": "fahrenheit"}));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_name() {
    let server = with(weather);
    for (arguments, field) in [
        (json!({}), "city"),
        (json!({"city": ""}), "city"),
        (json!({"city": "bern"}), "city"),
        (json!({"city": "Bern", "days": 15}), "days"),
        (json!({"city": "Bern", "days": "2"}), "days"),
        (json!({"city": "Bern", "unit": "kelvin"}), "unit"),
        (json!({"city": "Bern", "style": "tiny"}), "style"),
        (json!({"city": "Bern", "type": ["a", "b", "c"]}), "type"),
        (json!({"city": "Bern", "colour": "blue"}), "colour"),
    ] {
        let answer = call(&server, "weather", arguments.clone()).await;
        assert_eq!(answer["isError"], true, "{arguments}");
        assert!(text(&answer).contains(field), "{arguments}: {}", text(&answer));
    }
    let null = call(&server, "weather", json!({"city": "Bern", "style": null})).await;
    assert_eq!(null.get("isError"), None, "what may be left out may be null");
}

/// A refusal in the words of its `Display`, as those of anyhow are.
#[derive(Debug)]
struct Refused(&'static str);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

struct Seats(u32);

#[tool]
async fn book(
    seats: State<Seats>,
    context: Context,
    wanted: u32,
    caller: &Context,
    again: &State<Seats>,
) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
    assert_eq!(context.revision(), caller.revision());
    context.progress(1.0, 1.0, "looked").await;
    let left = again.0.checked_sub(wanted).ok_or(Refused("there are not so many"))?;
    Ok(vec![seats.0, left])
}

#[tokio::test]
async fn state_and_context_are_given_by_the_server() {
    let server = Server::builder("s", "1").state(Seats(5)).add(book).build().unwrap();
    let answer = call(&server, "book", json!({"wanted": 2})).await;
    assert_eq!(answer["structuredContent"], json!([5, 3]));
    let tools = listed(&server, Method::ToolsList, "tools").await;
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["wanted"]));
    assert_eq!(tools[0]["outputSchema"]["type"], "array");
    let answer = call(&server, "book", json!({"wanted": 6})).await;
    assert_eq!((&answer["isError"], text(&answer)), (&json!(true), "refused: there are not so many"));
}

#[test]
fn a_server_without_the_state_that_a_function_takes_is_not_built() {
    let BuildError { problems, .. } = Server::builder("s", "1").add(book).build().unwrap_err();
    assert_eq!(problems.len(), 1);
    for part in ["tool \"book\"", "macros::Seats", ".state(..)"] {
        assert!(problems[0].contains(part), "{problems:?}");
    }
}

#[test]
fn two_functions_cannot_be_one_tool() {
    #[tool(name = "weather")]
    fn other() {}
    let BuildError { problems, .. } = Server::builder("s", "1").add(weather).add(other).build().unwrap_err();
    assert_eq!(problems, ["tool \"weather\": declared twice"]);
}

#[tool]
fn doubled(number: i64) -> i64 {
    number * 2
}

#[tokio::test]
async fn a_function_stays_one_and_its_tool_can_be_changed() {
    assert_eq!(doubled::call(4), 8);
    let tool = Tool::from(doubled).title("Twice as much");
    let (one, other) = (with(doubled), with(tool));
    for server in [&one, &other] {
        assert_eq!(call(server, "doubled", json!({"number": 4})).await["structuredContent"], 8);
    }
    assert_eq!(listed(&other, Method::ToolsList, "tools").await[0]["title"], "Twice as much");
}

#[tool(
    category = "numbers",
    version = "2.1.0",
    example = {"seats": 2},
    example = {"seats": -1},
    requires = "a hall",
    requires = "a curtain",
    coerce,
    timeout = "30s",
    meta(team = "hall")
)]
async fn hall(seats: i64) -> i64 {
    match seats {
        0 => std::future::pending().await,
        seats => seats,
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_registry_wants_to_know_is_listed_and_limits_hold() {
    let server = with(hall);
    assert_eq!(
        listed(&server, Method::ToolsList, "tools").await[0]["_meta"],
        json!({
            "team": "hall",
            "dev.anyport/category": "numbers",
            "dev.anyport/version": "2.1.0",
            "dev.anyport/examples": [{"seats": 2}, {"seats": -1}],
            "dev.anyport/requirements": ["a hall", "a curtain"],
        })
    );
    assert_eq!(call(&server, "hall", json!({"seats": " 7 "})).await["structuredContent"], 7);
    let late = call(&server, "hall", json!({"seats": 0})).await;
    assert!(text(&late).contains("30 s"), "{}", text(&late));
}

#[tool]
fn lenient_in_part(#[arg(coerce)] a: i64, b: Option<i64>) -> i64 {
    a + b.unwrap_or_default()
}

#[tool(blocking, timeout = 5)]
fn slow(seats: State<Seats>, wanted: u32, context: &Context) -> Result<u32, Refused> {
    let on_its_own = context.block_on(async {}).is_ok();
    if on_its_own { Ok(seats.0 + wanted) } else { Err(Refused("it is not a thread of its own")) }
}

#[tokio::test]
async fn an_argument_can_be_lenient_alone_and_a_function_may_block() {
    let server = Server::builder("s", "1").state(Seats(1)).add(lenient_in_part).add(slow).build().unwrap();
    let taken = call(&server, "lenient_in_part", json!({"a": "4"})).await;
    assert_eq!(taken["structuredContent"], 4);
    let refused = call(&server, "lenient_in_part", json!({"a": "4", "b": "5"})).await;
    assert!(text(&refused).contains('b'), "{}", text(&refused));
    assert_eq!(call(&server, "slow", json!({"wanted": 2})).await["structuredContent"], 3);
}

/// The message of the day
#[resource(
    "notes:///motd",
    title = "Today",
    mime = "text/plain",
    ttl = "90s",
    public,
    size = 8,
    icon = "data:,x"
)]
async fn motd(seats: State<Seats>) -> String {
    format!("{} seats", seats.0)
}

/// A note
#[resource("notes:///{book}/{id}{?limit}", name = "page", mime_type = "text/markdown", ttl = 60)]
async fn note(
    id: u32,
    context: Context,
    limit: Option<usize>,
    #[arg(complete = books)] book: Unit,
) -> Option<String> {
    let _ = context;
    (id < 9).then(|| format!("{id} of {book:?}, {limit:?}"))
}

async fn books(partial: CompletionRequest, _: Context) -> Vec<String> {
    vec![format!("{}elsius", partial.value)]
}

async fn read(server: &Server, uri: &str) -> Value {
    result(server, Method::ResourcesRead, json!({"uri": uri}), modern()).await
}

#[tokio::test]
async fn a_resource_is_listed_and_read_as_its_function_is_written() {
    let server = Server::builder("s", "1").state(Seats(3)).add(motd).resource(motd().name("again")).build();
    assert!(server.unwrap_err().problems[0].contains("declared twice"));
    let server = Server::builder("s", "1").state(Seats(3)).add(motd).build().unwrap();
    assert_eq!(
        listed(&server, Method::ResourcesList, "resources").await,
        json!([{
            "name": "motd",
            "title": "Today",
            "uri": "notes:///motd",
            "description": "The message of the day",
            "mimeType": "text/plain",
            "size": 8,
            "icons": [{"src": "data:,x"}],
        }])
    );
    let answer = read(&server, "notes:///motd").await;
    assert_eq!(
        answer["contents"],
        json!([{"uri": "notes:///motd", "mimeType": "text/plain", "text": "3 seats"}])
    );
    assert_eq!((&answer["ttlMs"], &answer["cacheScope"]), (&json!(90_000), &json!("public")));
}

#[tokio::test]
async fn a_template_gives_its_variables_to_parameters_of_their_names() {
    let server = with(note);
    assert_eq!(
        listed(&server, Method::TemplatesList, "resourceTemplates").await,
        json!([{
            "name": "page",
            "uriTemplate": "notes:///{book}/{id}{?limit}",
            "description": "A note",
            "mimeType": "text/markdown",
        }])
    );
    let answer = read(&server, "notes:///celsius/7?limit=3").await;
    assert_eq!(answer["contents"][0]["text"], "7 of Celsius, Some(3)");
    assert_eq!(answer["ttlMs"], 60_000);
    let answer = read(&server, "notes:///fahrenheit/7").await;
    assert_eq!(answer["contents"][0]["text"], "7 of Fahrenheit, None");
    for missing in ["notes:///celsius/9", "notes:///celsius/seven", "notes:///kelvin/7"] {
        let error = error(&server, Method::ResourcesRead, json!({"uri": missing}), modern()).await;
        assert_eq!(error.code, -32602, "{missing}: {error:?}");
    }
    let reference = json!({"type": "ref/resource", "uri": "notes:///{book}/{id}{?limit}"});
    let params = json!({"ref": reference, "argument": {"name": "book", "value": "c"}});
    let answer = result(&server, Method::Complete, params, modern()).await;
    assert_eq!(answer["completion"]["values"], json!(["celsius"]));
}

/// Reviews code
#[prompt(title = "Review", meta(kind = "code"))]
async fn review(
    seats: State<Seats>,
    /// The code
    #[arg(title = "Code")]
    code: String,
    #[arg(description = "How hard", complete = hardness)] level: Option<u8>,
    #[arg(default = "nobody", name = "for")] whom: String,
) -> String {
    format!("{code} at {level:?} for {whom} on {}", seats.0)
}

async fn hardness(_: CompletionRequest, _: Context) -> Vec<&'static str> {
    vec!["1", "2"]
}

#[tokio::test]
async fn a_prompt_is_listed_and_written_as_its_function_is_written() {
    let server = Server::builder("s", "1").state(Seats(1)).add(review).build().unwrap();
    assert_eq!(
        listed(&server, Method::PromptsList, "prompts").await,
        json!([{
            "name": "review",
            "title": "Review",
            "description": "Reviews code",
            "arguments": [
                {"name": "code", "title": "Code", "description": "The code", "required": true},
                {"name": "level", "description": "How hard"},
                {"name": "for"},
            ],
            "_meta": {"kind": "code"},
        }])
    );
    let get = |arguments: Value| json!({"name": "review", "arguments": arguments});
    let answer = result(&server, Method::PromptsGet, get(json!({"code": "x", "level": "3"})), modern()).await;
    assert_eq!(answer["messages"][0]["content"]["text"], "x at Some(3) for nobody on 1");
    let refused =
        error(&server, Method::PromptsGet, get(json!({"code": "x", "level": "hard"})), modern()).await;
    assert_eq!(refused.code, -32602);
    assert!(refused.message.contains("level"), "{}", refused.message);
    let missing = error(&server, Method::PromptsGet, get(json!({})), modern()).await;
    assert!(missing.message.contains("code"), "{}", missing.message);
    let params =
        json!({"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "level", "value": ""}});
    let answer = result(&server, Method::Complete, params, modern()).await;
    assert_eq!(answer["completion"]["values"], json!(["1", "2"]));
}
