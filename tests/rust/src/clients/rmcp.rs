//! The client of the official SDK.

// Sampling is deprecated in the newest revision, and tried all the same.
#![allow(deprecated)]

use std::{process::Stdio, sync::Arc};

use anyhow::Context as _;
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, CompleteRequestParams,
        CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        GetPromptRequestParams, Implementation, ProgressNotificationParam, ProtocolVersion,
        ReadResourceRequestParams,
    },
    service::{
        ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext, RunningService,
    },
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Client, Heard};
use crate::{Era, Place};

pub(crate) struct Rmcp {
    client: RunningService<RoleClient, Person>,
    heard: Arc<Heard>,
}

impl Rmcp {
    pub(crate) async fn open(place: Place, era: Era) -> anyhow::Result<Self> {
        let heard = Arc::new(Heard::default());
        let person = Person(heard.clone());
        let mode = match era {
            Era::Modern => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
            Era::Legacy => ClientLifecycleMode::Initialize,
        };
        let client = match place {
            Place::Command(words) => {
                let (program, args) = words.split_first().context("a command stands after `--`")?;
                let mut command = tokio::process::Command::new(program);
                command.args(args);
                let (child, _) = TokioChildProcess::builder(command).stderr(Stdio::inherit()).spawn()?;
                person.serve_with_lifecycle(child, mode).await?
            }
            Place::Url(url) => {
                person.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url), mode).await?
            }
        };
        Ok(Self { client, heard })
    }
}

/// Who answers what the server asks.
struct Person(Arc<Heard>);

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::builder().enable_elicitation().build();
        capabilities.sampling = Some(rmcp::model::SamplingCapability::default());
        ClientConfig::new(capabilities, Implementation::new("interop", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = question else {
            return Err(ErrorData::invalid_params("only forms are filled in here", None));
        };
        typed(json!({"action": "accept", "content": self.0.question(&message)})).map_err(internal)
    }

    async fn create_message(
        &self,
        question: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let question = wire(&question.messages).map_err(internal)?;
        let said = self.0.prompt(question[0]["content"]["text"].as_str().unwrap_or_default());
        let content = json!({"type": "text", "text": said});
        typed(json!({"role": "assistant", "content": content, "model": "parrot"})).map_err(internal)
    }

    async fn on_progress(&self, step: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.step(step.progress, step.total, step.message.as_deref());
    }
}

fn internal(error: anyhow::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn typed<T: DeserializeOwned>(found: Value) -> anyhow::Result<T> {
    Ok(serde_json::from_value(found)?)
}

fn wire(found: impl Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(found)?)
}

impl Client for Rmcp {
    const CAN: &[&str] = &["list", "call", "read", "prompt", "complete", "ask", "sample", "progress"];

    fn revision(&self) -> String {
        self.client.peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default()
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }

    async fn tools(&self) -> anyhow::Result<Value> {
        wire(self.client.list_all_tools().await?)
    }

    async fn call(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        let call: CallToolRequestParams = typed(json!({"name": name, "arguments": arguments}))?;
        wire(self.client.call_tool(call).await?)
    }

    async fn resources(&self) -> anyhow::Result<Value> {
        wire(self.client.list_all_resources().await?)
    }

    async fn templates(&self) -> anyhow::Result<Value> {
        wire(self.client.list_all_resource_templates().await?)
    }

    async fn read(&self, uri: &str) -> anyhow::Result<Value> {
        wire(self.client.read_resource(ReadResourceRequestParams::new(uri)).await?.contents)
    }

    async fn prompts(&self) -> anyhow::Result<Value> {
        wire(self.client.list_all_prompts().await?)
    }

    async fn prompt(&self, name: &str, arguments: Value) -> anyhow::Result<Value> {
        let prompt: GetPromptRequestParams = typed(json!({"name": name, "arguments": arguments}))?;
        wire(self.client.get_prompt(prompt).await?.messages)
    }

    async fn complete(&self, reference: Value, argument: &str, value: &str) -> anyhow::Result<Value> {
        let argument = json!({"name": argument, "value": value});
        let params: CompleteRequestParams = typed(json!({"ref": reference, "argument": argument}))?;
        wire(self.client.complete(params).await?.completion.values)
    }

    async fn close(self) -> anyhow::Result<()> {
        self.client.cancel().await?;
        Ok(())
    }
}
