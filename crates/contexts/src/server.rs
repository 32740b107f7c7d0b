//! Conversations as tools and resources of an MCP server.

use std::collections::{BTreeSet, HashMap};

use anyport_protocol::types::{self, ToolAnnotations};
use anyport_server::{BuildError, Context, Events, Json, NotFound, Server, Template, Tool, ToolError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Conversation, May,
    answers::{Answer, Listed, Page, told},
    contexts::{Beginning, Contexts, ContextsError},
};

#[derive(Deserialize, JsonSchema)]
struct Get {
    /// Its id, or OWNER/ID of one that somebody else shares with you
    id: String,
    /// The number of a version, of the last 32. Default: the newest
    version: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
struct Update {
    /// Its id, or OWNER/ID of one that somebody else shares with you. One that is not there is begun
    id: String,
    /// The version that it must have, as you have read it; 0: it must not be there. Default: whatever it is
    version: Option<u64>,
    /// A JSON Merge Patch (RFC 7396) with the members variables, preferences and capabilities: null removes a member
    patch: Map<String, Value>,
    #[serde(flatten)]
    beginning: Begin,
}

#[derive(Deserialize, JsonSchema)]
struct Append {
    /// Its id, or OWNER/ID of one that somebody else shares with you. One that is not there is begun
    id: String,
    /// The entries, the oldest first
    entries: Vec<Map<String, Value>>,
    #[serde(flatten)]
    beginning: Begin,
}

#[derive(Deserialize, JsonSchema)]
struct Begin {
    /// Of one that is begun: what it is part of. Default: its id
    conversation_id: Option<String>,
    /// Of one that is begun: the user whom it is about
    user_id: Option<String>,
    /// Of one that is begun: the agent that begins it. Default: the name of the client
    agent_id: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct List {
    /// Where the page begins: the `next` of the page before
    after: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Share {
    /// Its id, or OWNER/ID of one that somebody else shares with you
    id: String,
    /// With whom, by the id of a principal: name:ci
    to: String,
    /// What they may do
    may: Option<Shared>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Shared {
    /// Read it
    Read,
    /// Change it
    Write,
    /// Share it with others
    Share,
    /// Nothing any more
    Nothing,
}

#[derive(Deserialize)]
struct Address {
    id: String,
    version: Option<u64>,
}

/// The conversations of a page.
const PAGE: usize = 50;
/// The conversations that `resources/list` has of each caller.
const LISTED: usize = 200;

/// A server of the tools `context_get`, `context_update`, `context_append`, `context_list` and `context_share`, and of the resources
/// `context://{id}`. Listeners of a resource hear of changes by any process that shares the store.
///
/// Must be called within a tokio runtime, whose task tells of changes.
///
/// # Errors
/// Never, as long as the definitions are valid.
pub fn server(contexts: &Contexts) -> Result<Server, BuildError> {
    let builder = Server::builder("contexts", env!("CARGO_PKG_VERSION"))
        .tool(get(contexts.clone()))
        .tool(update(contexts.clone()))
        .tool(append(contexts.clone()))
        .tool(list(contexts.clone()))
        .tool(share(contexts.clone()))
        .template(resources(contexts.clone()));
    let server = builder.build()?;
    let (mut notifier, contexts) = (Notifier::new(server.events()), contexts.clone());
    tokio::spawn(async move { contexts.watch(|changed| notifier.tell(changed)).await });
    Ok(server)
}

/// Tells listeners of changes.
struct Notifier {
    events: Events,
    /// Who had each conversation in their lists, as far as it is known.
    had: HashMap<String, BTreeSet<String>>,
}

/// The conversations of which it is known who had them.
const KNOWN: usize = 10_000;

impl Notifier {
    fn new(events: &Events) -> Self {
        Self { events: events.clone(), had: HashMap::new() }
    }

    fn tell(&mut self, changed: &Conversation) {
        let id = &changed.session_id;
        let full = format!("{}/{id}", changed.owner);
        for uri in [uri(id), uri(&full)] {
            self.events.resource_updated_for(&uri, |caller| changed.may(&caller.to_string()).is_some());
        }
        let grants = changed.grants.iter().map(|grant| grant.to.clone());
        let have: BTreeSet<String> = grants.chain([changed.owner.clone()]).collect();
        if self.had.len() >= KNOWN {
            self.had.clear();
        }
        let had = self.had.insert(full, have.clone());
        // Whose list is another one now. Of a conversation that was there before this process nothing is known.
        let differs: BTreeSet<String> = match had {
            Some(had) => had.symmetric_difference(&have).cloned().collect(),
            None => have,
        };
        if !differs.is_empty() {
            self.events.resources_changed_for(move |caller| differs.contains(&caller.to_string()));
        }
    }
}

fn caller(context: &Context) -> String {
    context.principal().to_string()
}

fn hints(reads: bool, repeats: bool) -> ToolAnnotations {
    ToolAnnotations {
        read_only_hint: Some(reads),
        destructive_hint: Some(false),
        idempotent_hint: Some(repeats),
        open_world_hint: Some(false),
        ..ToolAnnotations::default()
    }
}

impl Begin {
    /// An agent that says nothing is its program.
    fn of(self, context: &Context) -> Beginning {
        let Self { conversation_id, user_id, agent_id } = self;
        let client = || {
            let name = context.client_info()?.member("name")?.as_string()?;
            Some(name.to_string())
        };
        Beginning { conversation_id, user_id, agent_id: agent_id.or_else(client) }
    }
}

fn get(contexts: Contexts) -> Tool {
    Tool::new("context_get")
        .title("Read a conversation")
        .description("Read what is known of a conversation: variables, history, preferences, capabilities and its version.")
        .annotations(hints(true, true))
        .uncached()
        .run(move |Get { id, version }: Get, context: Context| {
            let contexts = contexts.clone();
            async move { Answer(contexts.get(&caller(&context), &id, version).await) }
        })
}

fn update(contexts: Contexts) -> Tool {
    Tool::new("context_update")
        .title("Change a conversation")
        .description(
            "Change variables, preferences and capabilities of a conversation by a JSON Merge Patch, or begin one. With `version`, nothing is \
             changed if somebody else was faster: the answer then has the current version.",
        )
        .annotations(hints(false, true))
        .run(move |Update { id, version, patch, beginning }: Update, context: Context| {
            let contexts = contexts.clone();
            async move {
                let beginning = beginning.of(&context);
                Answer(contexts.update(&caller(&context), &id, version, &patch, beginning).await)
            }
        })
}

fn append(contexts: Contexts) -> Tool {
    Tool::new("context_append")
        .title("Append to a conversation's history")
        .description("Append entries to the history of a conversation, or begin one. The oldest entries fall off where there is no room.")
        .annotations(hints(false, false))
        .run(move |Append { id, entries, beginning }: Append, context: Context| {
            let contexts = contexts.clone();
            async move {
                let beginning = beginning.of(&context);
                Answer(contexts.append(&caller(&context), &id, entries, beginning).await)
            }
        })
}

fn list(contexts: Contexts) -> Tool {
    Tool::new("context_list")
        .title("List conversations")
        .description("List your conversations and those that others share with you.")
        .annotations(hints(true, true))
        .uncached()
        .run(move |List { after }: List, context: Context| {
            let contexts = contexts.clone();
            async move { page(&contexts, &caller(&context), after.as_deref()).await }
        })
}

async fn page(contexts: &Contexts, caller: &str, after: Option<&str>) -> Result<Json<Page>, ToolError> {
    let (all, next) = contexts.list(caller, after, PAGE).await.map_err(told)?;
    let listed = |one: Conversation| Listed {
        name: name_for(&one, caller),
        may: one.may(caller).unwrap_or(May::Read),
        version: one.version,
        timestamp: one.timestamp,
        conversation_id: one.conversation_id,
        agent_id: one.agent_id,
    };
    Ok(Json(Page { contexts: all.into_iter().map(listed).collect(), next }))
}

fn share(contexts: Contexts) -> Tool {
    Tool::new("context_share")
        .title("Share a conversation")
        .description("Let somebody else read, change or share a conversation, or no more.")
        .annotations(hints(false, true))
        .run(move |Share { id, to, may }: Share, context: Context| {
            let contexts = contexts.clone();
            let may = match may.unwrap_or(Shared::Read) {
                Shared::Read => Some(May::Read),
                Shared::Write => Some(May::Write),
                Shared::Share => Some(May::Share),
                Shared::Nothing => None,
            };
            async move { Answer(contexts.share(&caller(&context), &id, &to, may).await) }
        })
}

fn resources(contexts: Contexts) -> Template {
    let lister = contexts.clone();
    Template::new("context://{+id}{?version}")
        .name("context")
        .title("A conversation")
        .description("What is known of a conversation, by its id or OWNER/ID; `version` reads one of its last 32 versions.")
        .mime_type("application/json")
        .list(move |context: Context| {
            let contexts = lister.clone();
            async move {
                let caller = caller(&context);
                let (all, _) = contexts.list(&caller, None, LISTED).await.map_err(told)?;
                let resource = |one: Conversation| {
                    let name = name_for(&one, &caller);
                    types::Resource::new(uri(&name), name)
                };
                Ok::<_, ToolError>(all.into_iter().map(resource).collect::<Vec<_>>())
            }
        })
        .read(move |Address { id, version }: Address, context: Context| {
            let contexts = contexts.clone();
            async move {
                let found = contexts.get(&caller(&context), &id, version).await;
                let found = match found {
                    Err(ContextsError::NotThere(_) | ContextsError::NoName(_) | ContextsError::NoVersion(..)) => {
                        Err(ToolError::from(NotFound::new(format!("conversation {id}"))))
                    }
                    found => found.map_err(told),
                }?;
                let json = serde_json::to_string(&found.shown());
                json.map_err(ToolError::from)
            }
        })
}

/// The name under which `caller` finds a conversation.
fn name_for(conversation: &Conversation, caller: &str) -> String {
    match conversation.owner == caller {
        true => conversation.session_id.clone(),
        false => format!("{}/{}", conversation.owner, conversation.session_id),
    }
}

/// What stays as it is in `{+id}`: unreserved and reserved characters (RFC 6570 §3.2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'@');

fn uri(name: &str) -> String {
    format!("context://{}", utf8_percent_encode(name, RESERVED))
}
