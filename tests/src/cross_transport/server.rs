use std::{future::pending, sync::Arc};

use anyport::{
    BuildError, Context, Messages, Prompt, Resource, Server, Tool,
    ask::{Elicited, Form},
    server::{List, NoArguments, Values},
    types::{CreateMessageRequest, ListRootsRequest, SamplingMessage},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::watch;

/// How often `wait` has begun, and how often it was dropped.
#[derive(Clone, Copy, Debug, Default)]
struct Waited {
    begun: usize,
    dropped: usize,
}

/// Counts a call of `wait` as dropped, however it ends.
struct Waiting(Arc<watch::Sender<Waited>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waited| waited.dropped += 1);
    }
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Enough {
    /// How many calls of `wait` must have begun
    begun: usize,
    /// How many of them must be gone
    dropped: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Changed {
    /// The URI of a resource
    uri: String,
}

/// A server that asks everything, tells how far it is and of changes, and can be asked what has happened to its calls: so
/// that it may as well be in another process.
///
/// # Errors
/// When it does not hold together.
pub fn server() -> Result<Server, BuildError> {
    let waited = Arc::new(watch::Sender::new(Waited::default()));
    let (waits, counts) = (waited.clone(), waited);
    Server::builder("cross_transport", "1")
        .instructions("Cross.")
        .tool(Tool::new("greet").run(async |_: NoArguments, context: Context| {
            match context.ask("name", Form::<Name>::new("Who are you?")).await {
                Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
                _ => "As you wish.".to_owned(),
            }
        }))
        .tool(Tool::new("sample").run(async |_: NoArguments, context: Context| {
            let question = CreateMessageRequest::new(vec![SamplingMessage::user("A word!")], 10);
            context.ask("word", question).await.content.text()
        }))
        .tool(Tool::new("roots").run(async |_: NoArguments, context: Context| {
            let roots = context.ask("roots", ListRootsRequest::default()).await.roots;
            roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join(" ")
        }))
        .tool(Tool::new("count").run(async |_: NoArguments, context: Context| {
            for step in 1..=3 {
                context.progress(f64::from(step), 3.0, None).await;
            }
            "counted"
        }))
        .tool(Tool::new("wait").description("Never answers.").run(move |_: NoArguments, _: Context| {
            let waits = waits.clone();
            async move {
                waits.send_modify(|waited| waited.begun += 1);
                let _waiting = Waiting(waits);
                pending::<()>().await;
            }
        }))
        .tool(
            Tool::new("until").description("Answers when so many calls of `wait` have begun and gone.").run(
                move |Enough { begun, dropped }: Enough, _: Context| {
                    let mut counts = counts.subscribe();
                    async move {
                        let enough = |waited: &Waited| waited.begun >= begun && waited.dropped >= dropped;
                        match counts.wait_for(enough).await {
                            Ok(waited) => format!("{} begun, {} dropped", waited.begun, waited.dropped),
                            Err(_) => "the server is gone".to_owned(),
                        }
                    }
                },
            ),
        )
        .tool(Tool::new("change").description("Changes a resource and the list of tools.").run(
            async |Changed { uri }: Changed, context: Context| {
                context.events().resource_updated(&uri);
                let server = context.server();
                // A list is told to have changed where another one would be shown: each call makes it another one.
                if !server.remove_tool("extra") {
                    let extra = Tool::new("extra").run(async |_: NoArguments, _: Context| "extra");
                    server.add(extra).map_err(|error| error.to_string())?;
                }
                Ok::<_, String>("changed")
            },
        ))
        .resource(Resource::new("test:///note").name("note").read(async |_: Context| "a note"))
        .prompt(Prompt::new("hello").get(async |_: Values, _: Context| Messages::new().user("Say hello.")))
        .dynamic([List::Tools])
        .build()
}
