//! Our own client.

use std::sync::Arc;

use anyport_client::{Command, ElicitAnswer, Target};
use anyport_protocol::{
    Revision,
    meta::LogLevel,
    types::{CreateMessageRequestParams, CreateMessageResult, Reference},
};
use anyport_transport::client::http::Endpoint;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Client, Heard};
use crate::{Era, Place};

pub(crate) struct Anyport {
    client: anyport_client::Client,
    heard: Arc<Heard>,
}

impl Anyport {
    pub(crate) async fn open(place: Place, era: Era) -> anyhow::Result<Self> {
        let target = match place {
            Place::Command(words) => {
                let (program, args) =
                    words.split_first().ok_or_else(|| anyhow::anyhow!("a command stands after `--`"))?;
                // A server that is told where its packages are is told so by the environment.
                Target::Command(Command::new(program).args(args))
            }
            Place::Url(url) => Target::Http(Endpoint::new(&url)?),
        };
        let heard = Arc::new(Heard::default());
        let (user, model, logs) = (heard.clone(), heard.clone(), heard.clone());
        let mut builder = anyport_client::Client::connect(target).info("interop", "1.0.0");
        // What a modern server speaks is found out; it is told to be older where that is what is tried.
        if era == Era::Legacy {
            builder = builder.revision(Revision::V2025_11_25);
        }
        let client = builder
            .on_elicit(move |form| {
                let answer = ElicitAnswer::accept(user.question(form.message()));
                async move { answer }
            })
            .on_sampling(move |question| {
                let said = model.prompt(&text(&question));
                let said = json!({"role": "assistant", "content": {"type": "text", "text": said}, "model": "parrot"});
                async move {
                    serde_json::from_value::<CreateMessageResult>(said)
                        .map_err(|error| anyport_client::Refused::new(error.to_string()))
                }
            })
            .on_log(LogLevel::Info, move |message| logs.log(&json!(message.level), &json!(message.data)))
            .await?;
        Ok(Self { client, heard })
    }
}

fn text(question: &CreateMessageRequestParams) -> String {
    question.messages.first().map(|message| message.content.text()).unwrap_or_default()
}

fn value(found: impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(found)?)
}

impl Client for Anyport {
    const CAN: &[&str] = &["list", "call", "read", "prompt", "complete", "ask", "sample", "progress", "log"];

    fn revision(&self) -> String {
        self.client.connection().map(|connection| connection.revision().to_string()).unwrap_or_default()
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }

    async fn tools(&self) -> anyhow::Result<Value> {
        value(self.client.tools().await?)
    }

    async fn call(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        let heard = self.heard.clone();
        let call = self.client.call(name, arguments);
        let result =
            call.progress(move |step| heard.step(step.progress, step.total, step.message.as_deref()));
        value(result.await?.into_inner())
    }

    async fn resources(&self) -> anyhow::Result<Value> {
        value(self.client.resources().await?)
    }

    async fn templates(&self) -> anyhow::Result<Value> {
        value(self.client.templates().await?)
    }

    async fn read(&self, uri: &str) -> anyhow::Result<Value> {
        value(self.client.read(uri).await?.contents)
    }

    async fn prompts(&self) -> anyhow::Result<Value> {
        value(self.client.prompts().await?)
    }

    async fn prompt(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        value(self.client.prompt(name, arguments).await?.messages)
    }

    async fn complete(&self, reference: Value, argument: &str, typed: &str) -> anyhow::Result<Value> {
        let reference: Reference = serde_json::from_value(reference)?;
        value(self.client.complete(reference, argument, typed).await?.completion.values)
    }

    async fn close(self) -> anyhow::Result<()> {
        Ok(())
    }
}
