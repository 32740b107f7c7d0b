//! A server that has one of everything, for clients of every revision.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport::{
    BuildError, CompletionRequest, Context, Json, Messages, Prompt, Resource, Server, Template, Tool,
    ToolError, ToolResult,
    ask::{Elicited, Form},
    error::{BlockOnError, CallError, InternalError, InvalidParams, NotFound, PermissionDenied, RateLimited},
    protocol::{Error, LogLevel, Raw},
    server::{Argument, Builder, Failure, NoArguments, Values},
    types::{
        self, ContentBlock, CreateMessageRequest, CreateMessageResult, ElicitAction, ElicitRequest,
        ListRootsRequest, ResourceContents, Role, SamplingMessage, SamplingMessageContentBlock,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// What a test sees of the server from inside.
#[derive(Clone, Debug)]
pub struct Probe(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    begun: Semaphore,
    dropped: Semaphore,
    once: AtomicUsize,
    runs: AtomicUsize,
}

impl Default for Probe {
    fn default() -> Self {
        let (begun, dropped) = (Semaphore::new(0), Semaphore::new(0));
        Self(Arc::new(Inside { begun, dropped, once: AtomicUsize::new(0), runs: AtomicUsize::new(0) }))
    }
}

impl Probe {
    /// Waits until a call of the tool `wait` has begun.
    pub async fn begun(&self) {
        taken(&self.0.begun).await;
    }

    /// Waits until a call of the tool `wait` was dropped.
    pub async fn dropped(&self) {
        taken(&self.0.dropped).await;
    }

    /// How often the tool `order` did what it does once, and how often it ran.
    pub fn orders(&self) -> (usize, usize) {
        (self.0.once.load(Ordering::SeqCst), self.0.runs.load(Ordering::SeqCst))
    }
}

async fn taken(semaphore: &Semaphore) {
    if let Ok(permit) = semaphore.acquire().await {
        permit.forget();
    }
}

/// Tells the probe that the handler is gone, however it went.
struct Guard(Probe);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.dropped.add_permits(1);
    }
}

#[derive(Deserialize, JsonSchema)]
struct Greeting {
    /// Who is greeted
    name: String,
    /// How often
    #[schemars(range(min = 1, max = 3))]
    times: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct Summands {
    a: i64,
    b: i64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    value: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Id {
    /// Which note
    id: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Port {
    port: String,
    of: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Maybe {
    some: bool,
}

#[derive(Serialize, JsonSchema)]
enum Shape {
    Nothing,
    Circle { radius: f64 },
}

#[derive(Deserialize, JsonSchema)]
struct Steps {
    steps: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Changed {
    /// URIs of resources, or `tools`, `prompts` and `resources` for the lists
    what: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    /// Your name
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Toppings {
    toppings: Vec<Topping>,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Topping {
    /// Ham and cheese
    Ham,
    Olives,
    Basil,
}

#[derive(Deserialize)]
struct Page {
    book: String,
    number: Option<u32>,
    tone: Option<Tone>,
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Strict,
}

#[derive(Deserialize, JsonSchema)]
struct Letter {
    /// Who gets it
    to: String,
    tone: Tone,
    /// How many
    copies: Option<u8>,
}

/// Builds it. Pages are short, so that every list has several.
///
/// # Errors
/// When it does not hold together.
pub fn server(probe: &Probe) -> Result<Server, BuildError> {
    let builder = Server::builder("everything", "1.2.3")
        .title("Everything")
        .instructions("Has one of everything.")
        .page_size(5);
    let builder = running(rounds(asking(telling(answering(builder)), probe)));
    results(failing(prompts(resources(builder)))).build()
}

/// Errors that say more than words.
fn failing(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("find").description("Finds nothing.").run(async |Id { id }: Id, _: Context| find(id)))
        .tool(Tool::new("port").description("Reads a number.").coerce().run(
            async |Port { port, of }: Port, _: Context| -> Result<String, ToolError> {
                let read: u16 = port.parse()?;
                Ok(format!("{read} of {of}"))
            },
        ))
        .tool(Tool::new("hurry").description("Is called too often.").run(
            async |_: NoArguments, _: Context| Err::<(), _>(RateLimited::after(Duration::from_secs(30))),
        ))
        .tool(Tool::new("travel").description("Travels in time.").run(async |_: NoArguments, _: Context| {
            Err::<(), _>(InvalidParams::new("day", "a day to come").got("2020-01-01"))
        }))
        .tool(
            Tool::new("inside").description("Fails, and keeps why to itself.").run(
                async |_: NoArguments, _: Context| Err::<(), _>(InternalError::hiding("/var/db is gone")),
            ),
        )
        .resource(Resource::new("test:///gone").name("gone").read(async |_: Context| find(7)))
        .resource(
            Resource::new("test:///private")
                .name("private")
                .read(async |_: Context| Err::<String, _>(PermissionDenied::new("ask its owner"))),
        )
        .prompt(Prompt::new("gone").get(async |_: Values, _: Context| find(7)))
}

fn find(id: u32) -> Result<String, NotFound> {
    Err(NotFound::new(format!("note {id}")))
}

/// Results of every shape, of which older revisions know some.
fn results(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("number").run(async |_: NoArguments, _: Context| Json(5)))
        .tool(
            Tool::new("maybe")
                .run(async |Maybe { some }: Maybe, _: Context| Json(some.then_some(Sum { value: 5 }))),
        )
        .tool(Tool::new("shape").run(async |Maybe { some }: Maybe, _: Context| {
            Json(if some { Shape::Circle { radius: 1.5 } } else { Shape::Nothing })
        }))
        .tool(Tool::new("picture").run(async |_: NoArguments, _: Context| {
            let picture = ContentBlock::image(b"image", "image/png");
            (Json(Sum { value: 5 }), picture.for_audience([Role::User]).with_priority(0.5))
        }))
        .tool(
            Tool::new("described")
                .category("mathematics")
                .version("1.0")
                .example(json!({"a": 1, "b": 2}))
                .example(json!({"a": 2, "b": 2}))
                .requires("patience")
                .run(async |Summands { a, b }: Summands, _: Context| Json(Sum { value: a + b })),
        )
}

fn answering(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("greet").title("Greeter").description("Greets by name.").run(
            async |Greeting { name, times }: Greeting, _: Context| {
                vec![format!("Hello, {name}!"); times.unwrap_or(1) as usize].join(" ")
            },
        ))
        .tool(
            Tool::new("sum")
                .description("Adds.")
                .run(async |Summands { a, b }: Summands, _: Context| Json(Sum { value: a + b })),
        )
        .tool(Tool::new("divisors").description("Answers with a list.").run(
            async |Summands { a, b }: Summands, _: Context| {
                Json((1..=b).filter(|divisor| a % divisor == 0).collect::<Vec<_>>())
            },
        ))
        .tool(Tool::new("content").description("Answers with every kind of content.").run(
            async |_: NoArguments, _: Context| {
                let mut link = types::Resource::new("test:///text", "text");
                link.description = Some("A text.".to_owned());
                vec![
                    ContentBlock::text("words"),
                    ContentBlock::image(b"image", "image/png"),
                    ContentBlock::audio(b"audio", "audio/wav"),
                    ContentBlock::resource_link(link),
                    ContentBlock::embedded(ResourceContents::text("test:///inner", "inside")),
                ]
            },
        ))
        .tool(
            Tool::new("echo")
                .description("Answers with its arguments.")
                .input_schema(json!({"type": "object"}))
                .run_raw(async |arguments: Raw, _: Context| ToolResult::structured(&arguments)),
        )
        .tool(
            Tool::new("fail")
                .description("Fails, in words for the model.")
                .run(async |_: NoArguments, _: Context| Err::<String, _>("there is no ink left".to_owned())),
        )
        .tool(Tool::new("refuse").description("Fails, in words for the program.").run(
            async |_: NoArguments, _: Context| {
                Err::<String, _>(Failure(
                    Error::new(4711, "not today").with_data(json!({"until": "noon"}).into()),
                ))
            },
        ))
}

fn telling(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("progress").description("Tells how far it has come.").run(
            async |Steps { steps }: Steps, context: Context| {
                for step in 1..=steps {
                    context.progress(f64::from(step), f64::from(steps), "one more").await;
                    // What does not increase is not told.
                    context.progress(0.5, None, None).await;
                    tokio::task::yield_now().await;
                }
                "done"
            },
        ))
        .tool(Tool::new("log").description("Logs, a message of each severity.").run(
            async |_: NoArguments, context: Context| {
                for name in LogLevel::NAMES {
                    if let Ok(level) = name.parse() {
                        context.log(level, "everything", json!({"said": name})).await;
                    }
                }
                "logged"
            },
        ))
        .tool(Tool::new("change").description("Says that something has changed.").run(
            async |Changed { what }: Changed, context: Context| {
                for what in what {
                    match what.as_str() {
                        "tools" => context.events().tools_changed(),
                        "prompts" => context.events().prompts_changed(),
                        "resources" => context.events().resources_changed(),
                        uri => context.events().resource_updated(uri),
                    }
                }
                "told"
            },
        ))
}

fn asking(builder: Builder, probe: &Probe) -> Builder {
    let (waiting, ordering) = (probe.clone(), probe.clone());
    builder
        .tool(Tool::new("ask").description("Asks the user for a name.").run(
            async |_: NoArguments, context: Context| {
                match context.ask("name", Form::<Name>::new("Who are you?")).await {
                    Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
                    Elicited::Declined => "declined".to_owned(),
                    Elicited::Cancelled => "cancelled".to_owned(),
                }
            },
        ))
        .tool(Tool::new("choose").description("Lets the user choose several things.").run(
            async |_: NoArguments, context: Context| {
                match context.ask("toppings", Form::<Toppings>::new("Which?")).await {
                    Elicited::Accepted(Toppings { toppings }) => format!("{toppings:?}"),
                    Elicited::Declined | Elicited::Cancelled => "nothing".to_owned(),
                }
            },
        ))
        .tool(Tool::new("sample").description("Asks the client's model.").run(
            async |_: NoArguments, context: Context| words(&context.ask("haiku", sampling("A haiku!")).await),
        ))
        .tool(Tool::new("together").description("Asks two things at once.").run(
            async |_: NoArguments, context: Context| {
                let (model, roots) = tokio::join!(
                    context.ask("model", sampling("One word!")),
                    context.ask("roots", ListRootsRequest::default()),
                );
                let roots: Vec<&str> = roots.roots.iter().map(|root| root.uri.as_str()).collect();
                format!("{} in {}", words(&model), roots.join(" "))
            },
        ))
        .tool(Tool::new("order").description("Asks twice, and orders once.").run(
            move |_: NoArguments, context: Context| {
                let probe = ordering.clone();
                async move {
                    probe.0.runs.fetch_add(1, Ordering::SeqCst);
                    let first = words(&context.ask("first", sampling("first")).await);
                    let number = context
                        .once("order", async { probe.0.once.fetch_add(1, Ordering::SeqCst) + 1 })
                        .await;
                    let second = words(&context.ask("second", sampling("second")).await);
                    format!("{first} and {second}: order {number}")
                }
            },
        ))
        .tool(Tool::new("wait").description("Never answers.").run(move |_: NoArguments, _: Context| {
            let guard = Guard(waiting.clone());
            async move {
                guard.0.0.begun.add_permits(1);
                std::future::pending::<()>().await;
                drop(guard);
            }
        }))
}

/// Tools for what only shows across rounds.
fn rounds(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("steps").description("Tells how far it has come, before and after it asks.").run(
            async |_: NoArguments, context: Context| {
                context.progress(1.0, 2.0, None).await;
                let said = words(&context.ask("go", sampling("Shall I go on?")).await);
                context.progress(2.0, 2.0, None).await;
                said
            },
        ))
        .tool(Tool::new("race").description("Asks two things at once.").run(
            async |_: NoArguments, context: Context| {
                let (one, two) =
                    tokio::join!(context.ask("one", sampling("one")), context.ask("two", sampling("two")),);
                format!("{} {}", words(&one), words(&two))
            },
        ))
        .tool(Tool::new("visit").description("Sends the user to a page.").run(
            async |_: NoArguments, context: Context| {
                match context.ask("page", ElicitRequest::url("Look!", "https://example.com/")).await.action {
                    ElicitAction::Accept => "visited",
                    _ => "not visited",
                }
            },
        ))
}

/// Tools that run on threads, for a limited time, and through each other; and one whose work outlives its call.
fn running(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("thread").description("Tells and asks from a thread of its own.").run_blocking(
            |_: NoArguments, context: Context| {
                context.block_on(context.progress(1.0, 1.0, None))?;
                let said = context.block_on(context.ask("thread", sampling("Still there?")))?;
                Ok::<_, BlockOnError>(words(&said))
            },
        ))
        .tool(
            Tool::new("hang")
                .description("Takes longer than it may.")
                .timeout(Duration::from_millis(20))
                .run(async |_: NoArguments, _: Context| std::future::pending::<()>().await),
        )
        .tool(Tool::new("delegate").description("Lets other tools do it, and asks first.").run(
            async |Summands { a, b }: Summands, context: Context| {
                let first = context.call("sample", &json!({})).await?;
                let second = context.call("sample", &json!({})).await?;
                let sum: Value = context.call_as("sum", &json!({"a": a, "b": b})).await?;
                Ok::<_, CallError>(format!("{} {} {}", first.words(), second.words(), sum["value"]))
            },
        ))
        .tool(Tool::new("leave").description("Goes on after its answer.").run(
            async |_: NoArguments, context: Context| {
                let events = context.events().clone();
                let later = async move {
                    tokio::task::yield_now().await;
                    events.tools_changed();
                };
                context.spawn_background(later).map(|()| "left")
            },
        ))
}

fn sampling(text: &str) -> CreateMessageRequest {
    CreateMessageRequest::new(vec![SamplingMessage::user(text)], 100)
}

/// The words of a model.
fn words(result: &CreateMessageResult) -> String {
    let words = result.content.blocks().iter().filter_map(|block| match block {
        SamplingMessageContentBlock::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn resources(builder: Builder) -> Builder {
    let builder = builder
        .resource(
            Resource::new("test:///text")
                .name("text")
                .title("Text")
                .mime_type("text/plain")
                .read(async |_: Context| "some text"),
        )
        .resource(
            Resource::new("test:///bytes")
                .name("bytes")
                .mime_type("application/octet-stream")
                .read(async |_: Context| vec![0_u8, 255]),
        )
        .resource(
            Resource::new("test:///broken")
                .name("broken")
                .read(async |_: Context| Err::<String, _>("the disk is gone")),
        )
        .resource(
            Resource::new("test:///asking")
                .name("asking")
                .read(async |context: Context| words(&context.ask("text", sampling("Write it!")).await)),
        )
        .template(
            Template::new("test:///notes/{name}")
                .name("note")
                .mime_type("text/plain")
                .complete("name", async |partial: CompletionRequest, _: Context| {
                    let names = ["monday", "tuesday", "thursday"];
                    let fits = |name: &&str| name.starts_with(&partial.value);
                    names.into_iter().filter(fits).map(str::to_owned).collect::<Vec<_>>()
                })
                .read(async |values: Values, _: Context| {
                    let name = values.get("name").filter(|name| name.ends_with("day"))?;
                    Some(format!("the note of {name}"))
                }),
        )
        .template(
            Template::new("test:///books/{book}{/number}{?tone,tag*}")
                .name("page")
                .mime_type("text/plain")
                .choices("book", ["Alice", "Alma", "Bambi"])
                .list(async |_: Context| {
                    let numbers = 1..=4;
                    let page = |number| {
                        types::Resource::new(format!("test:///books/Alma/{number}"), format!("page {number}"))
                    };
                    numbers.map(page).collect::<Vec<_>>()
                })
                .read(async |Page { book, number, tone, tag }: Page, context: Context| {
                    let uri = context.uri().unwrap_or_default();
                    format!("page {number:?} of {book} in {tone:?} with {tag:?} at {uri}")
                }),
        );
    (0..4).fold(builder, |builder, number| {
        let resource = Resource::new(format!("test:///numbers/{number}")).name(format!("number {number}"));
        builder.resource(resource.read(async |_: Context| "a number"))
    })
}

fn prompts(builder: Builder) -> Builder {
    builder
        .prompt(
            Prompt::new("review")
                .title("Review")
                .description("Reviews code.")
                .argument(Argument::new("code").description("The code").required())
                .argument(Argument::new("language").complete(
                    async |partial: CompletionRequest, _: Context| {
                        let of = partial.arguments.get("code").unwrap_or("no code").to_owned();
                        vec![format!("rust for {of}"), format!("ruby after {}", partial.value)]
                    },
                ))
                .get(async |values: Values, _: Context| {
                    let language = values.get("language").unwrap_or("any language");
                    format!("Review {} in {language}", values.get("code").unwrap_or_default())
                }),
        )
        .prompt(Prompt::new("asking").get(async |_: Values, context: Context| {
            words(&context.ask("topic", sampling("About what?")).await)
        }))
        .prompt(Prompt::new("letter").description("Writes a letter.").arguments::<Letter>().get(
            async |Letter { to, tone, copies }: Letter, _: Context| {
                let copies = copies.map_or(String::new(), |copies| format!(", {copies} times"));
                Messages::new()
                    .assistant("To whom?")
                    .user(format!("To {to}, {tone:?}{copies}."))
                    .user(ResourceContents::text("test:///paper", "white"))
            },
        ))
}
