//! The client's steps in each scenario.

use anyport::{
    auth::LoginGrant,
    client::{CallResult, ElicitAnswer, Refused},
    types::Tool,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{Failure, Setting, sign_in::grant_of};

/// Plays the client's part of the scenario `name`.
///
/// # Errors
/// When there is no such scenario here, or something in it is not as it must be.
pub(crate) async fn run(name: &str, setting: &Setting) -> Result<(), Failure> {
    match name {
        "initialize" | "json-schema-ref-no-deref" => list(setting).await,
        "tools_call" => add_numbers(setting).await,
        "elicitation-sep1034-client-defaults" => accept_defaults(setting).await,
        "sse-retry" => wait_for_a_cut_answer(setting).await,
        "request-metadata" => declare_everything(setting).await,
        "sep-2322-client-request-state" => several_rounds(setting).await,
        "http-standard-headers" => one_of_each(setting).await,
        "http-custom-headers" => given_calls(setting).await,
        "http-invalid-tool-headers" => what_may_be_called(setting).await,
        "json-schema-2020-12-preservation" => schema_as_it_came(setting).await,
        "auth/resource-mismatch" => refused(setting, "it is about the resource").await,
        "auth/metadata-issuer-mismatch" => refused(setting, "it says that its issuer is").await,
        "auth/iss-supported-missing" => refused(setting, "does not name its issuer").await,
        "auth/iss-wrong-issuer" | "auth/iss-unexpected" | "auth/iss-normalized" => {
            refused(setting, "names another issuer").await
        }
        // The server refuses every token, and counts how often it is asked.
        "auth/scope-retry-limit" => refused(setting, "").await,
        _ if name.starts_with("auth/") => protected(setting, grant_of(name)).await,
        _ => Err(format!("this client knows no scenario `{name}`").into()),
    }
}

/// Connects, and asks what there is.
async fn list(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    client.tools().await?;
    Ok(())
}

async fn add_numbers(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    client.tools().await?;
    let sum = client.call("add_numbers", json!({"a": 5, "b": 3})).await?;
    says(&sum, "The sum of 5 and 3 is 8")
}

/// A user who sends the form as it is.
async fn accept_defaults(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().on_elicit(async |_| ElicitAnswer::accept(json!({}))).await?;
    client.tools().await?;
    let done = client.call("test_client_elicitation_defaults", ()).await?;
    says(&done, "Elicitation completed")
}

/// The server cuts the stream of this call before it has answered, and says when to come back.
async fn wait_for_a_cut_answer(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    client.tools().await?;
    let done = client.call("test_reconnection", ()).await?;
    says(&done, "Reconnection test completed successfully")
}

/// The server refuses the first requested revision, and names one that it supports.
async fn declare_everything(setting: &Setting) -> Result<(), Failure> {
    let client = setting
        .client()
        .on_elicit(async |_| ElicitAnswer::Cancel)
        .on_sampling(async |_| Err(Refused::new("there is no model here")))
        .roots(["file:///project"])
        .await?;
    client.tools().await?;
    Ok(())
}

/// Calls a tool with a server request, and another one while that request is open; then one without state, and one
/// without `resultType` in its result.
async fn several_rounds(setting: &Setting) -> Result<(), Failure> {
    // 0: no request yet; 1: request received; 2: the other call is done.
    let stage = watch::Sender::new(0);
    let user = stage.clone();
    let client = setting
        .client()
        .on_elicit(move |_| {
            user.send_modify(|stage| *stage = (*stage).max(1));
            let mut other_call = user.subscribe();
            async move {
                match other_call.wait_for(|stage| *stage == 2).await {
                    Ok(_) => ElicitAnswer::accept(json!({"confirmed": true})),
                    Err(_) => ElicitAnswer::Cancel,
                }
            }
        })
        .await?;
    client.tools().await?;
    let meanwhile = async {
        let asked = stage.subscribe().wait_for(|stage| *stage == 1).await.map(drop);
        asked.map_err(|error| error.to_string())?;
        let unrelated = client.call("test_mrtr_unrelated", ()).await.map_err(|error| error.to_string());
        stage.send_replace(2);
        unrelated
    };
    let (asking, unrelated) = tokio::join!(client.call("test_mrtr_echo_state", ()), meanwhile);
    says(&asking?, "echo-state-ok")?;
    says(&unrelated?, "unrelated-ok")?;
    says(&client.call("test_mrtr_no_state", ()).await?, "no-state-ok")?;
    says(&client.call("test_mrtr_no_result_type", ()).await?, "no-result-type-test-ok")
}

/// Lists all that a server can list, and uses every entry.
async fn one_of_each(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    for tool in client.tools().await? {
        client.call(tool.name, ()).await?;
    }
    for resource in client.resources().await? {
        client.read(resource.uri).await?;
    }
    for prompt in client.prompts().await? {
        client.prompt(prompt.name, ()).await?;
    }
    Ok(())
}

/// The suite's text for `http-custom-headers`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calls {
    tool_calls: Vec<GivenCall>,
}

#[derive(Deserialize)]
struct GivenCall {
    name: String,
    arguments: Value,
}

async fn given_calls(setting: &Setting) -> Result<(), Failure> {
    let context = setting.context.as_deref().ok_or("the suite gave no MCP_CONFORMANCE_CONTEXT")?;
    let Calls { tool_calls } = serde_json::from_str(context)?;
    let client = setting.client().await?;
    client.tools().await?;
    for GivenCall { name, arguments } in tool_calls {
        client.call(name, arguments).await?;
    }
    Ok(())
}

/// Calls every tool that the client lists: tools with invalid headers must be absent.
async fn what_may_be_called(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    let tools = client.tools().await?;
    for tool in &tools {
        client.call(&tool.name, json!({"region": "us-west1"})).await?;
    }
    let names: Vec<_> = tools.iter().map(|tool| &tool.name).collect();
    if names == ["valid_tool"] {
        Ok(())
    } else {
        Err(format!("only valid_tool may be listed: {names:?}").into())
    }
}

/// Sends a tool's schema back as the client knows it.
async fn schema_as_it_came(setting: &Setting) -> Result<(), Failure> {
    let client = setting.client().await?;
    let tools = client.tools().await?;
    let Tool { input_schema, .. } = tools
        .into_iter()
        .find(|tool| tool.name == "json_schema_2020_12_tool")
        .ok_or("json_schema_2020_12_tool is not listed")?;
    client.call("json_schema_echo", json!({ "schema": input_schema })).await?;
    Ok(())
}

/// Uses a server that requires a token.
async fn protected(setting: &Setting, grant: LoginGrant) -> Result<(), Failure> {
    let client = setting.signing_in(grant).await?.await?;
    client.tools().await?;
    client.call("test-tool", ()).await?;
    Ok(())
}

/// Uses a server whose login must fail, for the reason `expected`.
async fn refused(setting: &Setting, expected: &str) -> Result<(), Failure> {
    match protected(setting, LoginGrant::AuthorizationCode).await {
        Ok(()) => Err("the login must be refused".into()),
        Err(error) if error.to_string().contains(expected) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Holds a result against what it must say.
fn says(result: &CallResult, expected: &str) -> Result<(), Failure> {
    let text = result.text();
    if text.contains(expected) && !result.is_error() {
        Ok(())
    } else {
        Err(format!("the tool answered {text:?}, not {expected:?}").into())
    }
}
