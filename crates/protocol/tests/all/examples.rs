//! Every example that the specification publishes is read as its type and written back unchanged.
//!
//! Invariant: Every published example of 2026-07-28 passes through the types without loss.

use std::{collections::BTreeSet, fmt::Debug, fs, path::PathBuf};

use anyport_protocol::{
    Limits, Message, Method, Raw, json,
    jsonrpc::{self, Incoming, Notification, Request, Response},
    types::*,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Reads an example and writes it again.
type Check = fn(&str) -> Value;

/// One line for each folder of the examples: the definition, and how it is read and written.
const CHECKS: &[(&str, Check)] = &[
    ("AudioContent", value::<AudioContent>),
    ("BlobResourceContents", value::<BlobResourceContents>),
    ("BooleanSchema", value::<BooleanSchema>),
    ("CallToolRequest", request::<CallToolRequestParams>),
    ("CallToolRequestParams", value::<CallToolRequestParams>),
    ("CallToolResult", value::<CallToolResult>),
    ("CallToolResultResponse", response::<Answer<CallToolResult>>),
    ("CancelledNotification", notification::<CancelledNotificationParams>),
    ("CancelledNotificationParams", value::<CancelledNotificationParams>),
    ("ClientCapabilities", value::<ClientCapabilities>),
    ("CompleteRequest", request::<CompleteRequestParams>),
    ("CompleteRequestParams", value::<CompleteRequestParams>),
    ("CompleteResult", value::<CompleteResult>),
    ("CompleteResultResponse", response::<CompleteResult>),
    ("CreateMessageRequest", value::<CreateMessageRequest>),
    ("CreateMessageRequestParams", value::<CreateMessageRequestParams>),
    ("CreateMessageResult", value::<CreateMessageResult>),
    ("DiscoverRequest", request::<RequestParams>),
    ("DiscoverResult", value::<DiscoverResult>),
    ("DiscoverResultResponse", response::<DiscoverResult>),
    ("ElicitRequest", value::<ElicitRequest>),
    ("ElicitRequestFormParams", value::<ElicitRequestFormParams>),
    ("ElicitRequestURLParams", value::<ElicitRequestUrlParams>),
    ("ElicitResult", value::<ElicitResult>),
    ("EmbeddedResource", value::<EmbeddedResource>),
    ("GetPromptRequest", request::<GetPromptRequestParams>),
    ("GetPromptRequestParams", value::<GetPromptRequestParams>),
    ("GetPromptResult", value::<GetPromptResult>),
    ("GetPromptResultResponse", response::<Answer<GetPromptResult>>),
    ("HeaderMismatchError", failure::<Value>),
    ("ImageContent", value::<ImageContent>),
    ("InputRequests", value::<InputRequests>),
    ("InputRequiredResult", value::<InputRequiredResult>),
    ("InputResponses", input_responses),
    ("InternalError", error),
    ("InvalidParamsError", error),
    ("ListPromptsRequest", request::<PaginatedRequestParams>),
    ("ListPromptsResult", value::<ListPromptsResult>),
    ("ListPromptsResultResponse", response::<ListPromptsResult>),
    ("ListResourceTemplatesRequest", request::<PaginatedRequestParams>),
    ("ListResourceTemplatesResult", value::<ListResourceTemplatesResult>),
    ("ListResourceTemplatesResultResponse", response::<ListResourceTemplatesResult>),
    ("ListResourcesRequest", request::<PaginatedRequestParams>),
    ("ListResourcesResult", value::<ListResourcesResult>),
    ("ListResourcesResultResponse", response::<ListResourcesResult>),
    ("ListRootsRequest", list_roots::<ListRootsRequest>),
    ("ListRootsResult", value::<ListRootsResult>),
    ("ListToolsRequest", request::<PaginatedRequestParams>),
    ("ListToolsResult", value::<ListToolsResult>),
    ("ListToolsResultResponse", response::<ListToolsResult>),
    ("LoggingMessageNotification", notification::<LoggingMessageNotificationParams>),
    ("LoggingMessageNotificationParams", value::<LoggingMessageNotificationParams>),
    ("MethodNotFoundError", error),
    ("MissingRequiredClientCapabilityError", failure::<MissingRequiredClientCapabilityData>),
    ("ModelPreferences", value::<ModelPreferences>),
    ("NumberSchema", value::<NumberSchema>),
    ("PaginatedRequestParams", value::<PaginatedRequestParams>),
    ("ParseError", error),
    ("ProgressNotification", notification::<ProgressNotificationParams>),
    ("ProgressNotificationParams", value::<ProgressNotificationParams>),
    ("PromptListChangedNotification", notification::<NotificationParams>),
    ("ReadResourceRequest", request::<ReadResourceRequestParams>),
    ("ReadResourceResult", value::<ReadResourceResult>),
    ("ReadResourceResultResponse", response::<Answer<ReadResourceResult>>),
    ("Resource", value::<Resource>),
    ("ResourceLink", value::<ResourceLink>),
    ("ResourceListChangedNotification", notification::<NotificationParams>),
    ("ResourceUpdatedNotification", notification::<ResourceUpdatedNotificationParams>),
    ("ResourceUpdatedNotificationParams", value::<ResourceUpdatedNotificationParams>),
    ("Root", value::<Root>),
    ("SamplingMessage", value::<SamplingMessage>),
    ("ServerCapabilities", value::<ServerCapabilities>),
    ("StringSchema", value::<StringSchema>),
    ("SubscriptionsAcknowledgedNotification", notification::<SubscriptionsAcknowledgedNotificationParams>),
    ("SubscriptionsListenRequest", request::<SubscriptionsListenRequestParams>),
    ("SubscriptionsListenResult", value::<SubscriptionsListenResult>),
    ("SubscriptionsListenResultResponse", response::<SubscriptionsListenResult>),
    ("TextContent", value::<TextContent>),
    ("TextResourceContents", value::<TextResourceContents>),
    ("TitledMultiSelectEnumSchema", value::<TitledMultiSelectEnumSchema>),
    ("TitledSingleSelectEnumSchema", value::<TitledSingleSelectEnumSchema>),
    ("Tool", value::<Tool>),
    ("ToolListChangedNotification", notification::<NotificationParams>),
    ("ToolResultContent", value::<ToolResultContent>),
    ("ToolUseContent", value::<ToolUseContent>),
    ("UnsupportedProtocolVersionError", failure::<UnsupportedProtocolVersionData>),
    ("UntitledMultiSelectEnumSchema", value::<UntitledMultiSelectEnumSchema>),
    ("UntitledSingleSelectEnumSchema", value::<UntitledSingleSelectEnumSchema>),
];

/// The definitions that stand in a union: their examples are also read as that.
const UNIONS: &[(&str, Check)] = &[
    ("AudioContent", value::<ContentBlock>),
    ("AudioContent", value::<SamplingMessageContentBlock>),
    ("BlobResourceContents", value::<ResourceContents>),
    ("BooleanSchema", value::<PrimitiveSchemaDefinition>),
    ("CreateMessageRequest", value::<InputRequest>),
    ("ElicitRequest", value::<InputRequest>),
    ("ElicitRequestFormParams", value::<ElicitRequestParams>),
    ("ElicitRequestURLParams", value::<ElicitRequestParams>),
    ("EmbeddedResource", value::<ContentBlock>),
    ("ImageContent", value::<ContentBlock>),
    ("ImageContent", value::<SamplingMessageContentBlock>),
    ("InputRequiredResult", value::<Answer<CallToolResult>>),
    ("ListRootsRequest", list_roots::<InputRequest>),
    ("NumberSchema", value::<PrimitiveSchemaDefinition>),
    ("ResourceLink", value::<ContentBlock>),
    ("StringSchema", value::<PrimitiveSchemaDefinition>),
    ("TextContent", value::<ContentBlock>),
    ("TextContent", value::<SamplingMessageContentBlock>),
    ("TextResourceContents", value::<ResourceContents>),
    ("TitledMultiSelectEnumSchema", value::<PrimitiveSchemaDefinition>),
    ("TitledSingleSelectEnumSchema", value::<PrimitiveSchemaDefinition>),
    ("ToolResultContent", value::<SamplingMessageContentBlock>),
    ("ToolUseContent", value::<SamplingMessageContentBlock>),
    ("UntitledMultiSelectEnumSchema", value::<PrimitiveSchemaDefinition>),
    ("UntitledSingleSelectEnumSchema", value::<PrimitiveSchemaDefinition>),
];

#[test]
fn every_folder_of_examples_has_its_type() {
    let folders: BTreeSet<String> = entries(&folder())
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let checked: BTreeSet<String> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, checked);
    assert_eq!(checked.len(), CHECKS.len(), "a folder is checked twice");
}

#[test]
fn every_example_is_written_as_it_was_read() {
    let mut examples = 0;
    for (name, check) in CHECKS {
        examples += each(name, |text| (check(text), serde_json::from_str(text).unwrap()));
    }
    assert!(examples > 120, "only {examples} examples were found");
}

#[test]
fn every_example_is_recognised_by_its_union() {
    for (name, check) in UNIONS {
        each(name, |text| (check(text), serde_json::from_str(text).unwrap()));
    }
}

#[test]
fn every_example_passes_the_scan() {
    for (name, _) in CHECKS {
        each(name, |text| {
            let scanned = json::scan(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string());
            (json!(scanned), json!({ "Ok": text }))
        });
    }
}

#[test]
fn every_golden_message_of_this_revision_is_written_as_it_was_read() {
    for file in entries(&data(&["golden", "2026-07-28"])) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let (_, definition) = name.split_once('-').unwrap();
        let definition = definition.split('.').next().unwrap();
        let check: Check = match definition {
            "JSONRPCErrorResponse" => failure::<Value>,
            // It answers several requests; a `tools/call` is one of them.
            "InputRequiredResult" => response::<Answer<CallToolResult>>,
            _ => check_for(&definition.replace("Result", "ResultResponse")),
        };
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(check(&text), serde_json::from_str::<Value>(&text).unwrap(), "{}", file.display());
    }
}

fn check_for(name: &str) -> Check {
    CHECKS.iter().find(|(folder, _)| *folder == name).unwrap_or_else(|| panic!("no check for {name}")).1
}

/// Applies `check` to the text of each example of `name`, compares, and counts them.
fn each(name: &str, check: impl Fn(&str) -> (Value, Value)) -> usize {
    let files = entries(&folder().join(name));
    for file in &files {
        let (is, should) = check(&fs::read_to_string(file).unwrap());
        assert_eq!(is, should, "{}", file.display());
    }
    files.len()
}

fn folder() -> PathBuf {
    data(&["spec", "2026-07-28", "examples"])
}

fn data(path: &[&str]) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data"].iter().chain(path).collect()
}

fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths
}

fn read(text: &str) -> Message {
    match jsonrpc::read(text.to_owned().into(), &Limits::default()) {
        Ok(Incoming::One(message)) => message,
        other => panic!("not one message: {other:?}"),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap()
}

/// A part of a message.
fn value<T: Wire>(text: &str) -> Value {
    let typed: T = serde_json::from_str(text).unwrap();
    assert_understood(&typed);
    rewritten(text, &typed)
}

/// The example has an `id`, which a request inside `input_required` does not: it must be kept, not understood.
fn list_roots<T: Wire>(text: &str) -> Value {
    rewritten::<T>(text, &serde_json::from_str(text).unwrap())
}

fn rewritten<T: Wire>(text: &str, typed: &T) -> Value {
    let from_tree: T = serde_json::from_str::<Value>(text).and_then(serde_json::from_value).unwrap();
    assert_eq!(&from_tree, typed, "text and tree are read differently");
    serde_json::from_str(&serde_json::to_string(typed).unwrap()).unwrap()
}

fn round_trip<T: Wire>(raw: &Raw) -> Raw {
    let typed: T = raw.decode().unwrap();
    assert_understood(&typed);
    Raw::of(&typed).unwrap()
}

/// What a type keeps without understanding it makes every round trip succeed; so nothing may be kept that way.
fn assert_understood(typed: &impl Debug) {
    let shown = format!("{typed:?}");
    assert!(!shown.contains("Unknown("), "a union does not know its kind: {shown}");
    assert!(!shown.contains("extra: {\""), "a type does not know a member: {shown}");
}

/// A type of the wire.
trait Wire: Serialize + DeserializeOwned + Debug + PartialEq {}
impl<T: Serialize + DeserializeOwned + Debug + PartialEq> Wire for T {}

fn request<T: Wire>(text: &str) -> Value {
    let Message::Request(Request { id, method, params, .. }) = read(text) else {
        panic!("no request: {text}")
    };
    let method = Method::named(&method).unwrap();
    let params = params.as_ref().map(|params| params.raw()).map(round_trip::<T>);
    written(|out| jsonrpc::write_request(out, &id, method.as_str(), params.as_ref()))
}

fn notification<T: Wire>(text: &str) -> Value {
    let Message::Notification(Notification { method, params }) = read(text) else {
        panic!("no notification: {text}")
    };
    let method = Method::named(&method).unwrap();
    let params = params.as_ref().map(round_trip::<T>);
    written(|out| jsonrpc::write_notification(out, method.as_str(), params.as_ref()))
}

fn response<T: Wire>(text: &str) -> Value {
    let Message::Response(Response { id: Some(id), outcome: Ok(result) }) = read(text) else {
        panic!("no result: {text}")
    };
    written(|out| jsonrpc::write_result(out, &id, &round_trip::<T>(&result)))
}

/// A response that carries an error whose data is a `T`.
fn failure<T: Wire>(text: &str) -> Value {
    let Message::Response(Response { id, outcome: Err(mut error) }) = read(text) else {
        panic!("no error: {text}")
    };
    error.data = error.data.as_ref().map(round_trip::<T>);
    written(|out| jsonrpc::write_error(out, id.as_ref(), &error, false))
}

/// An error without its response.
fn error(text: &str) -> Value {
    let response = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{text}}}"#);
    failure::<Value>(&response)["error"].take()
}

/// Answers do not say what they answer: each is read as what its key was asked for.
fn input_responses(text: &str) -> Value {
    let responses: InputResponses = serde_json::from_str(text).unwrap();
    let read = |(key, raw): (&str, &Raw)| match key {
        "github_login" => (key.to_owned(), round_trip::<ElicitResult>(raw)),
        "capital_of_france" => (key.to_owned(), round_trip::<CreateMessageResult>(raw)),
        _ => panic!("nobody asked {key}"),
    };
    serde_json::to_value(responses.iter().map(read).collect::<InputResponses>()).unwrap()
}
