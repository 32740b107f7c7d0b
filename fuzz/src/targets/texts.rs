//! Texts: messages, their parts in every revision, documents, URIs.

use anyport_knowledge::{
    Document, FileTimes,
    path::DocumentPath,
    section::{outline, section},
};
use anyport_protocol::{
    Method, Raw, Revision,
    json::{Limits, Splice, canonical, scan},
    jsonrpc::{Incoming, Message, read},
    revision::{Part, lift, lower},
    uri::contains,
};
use bytes::Bytes;

/// What is admitted is JSON for every other reader too, and its parts are.
pub(super) fn message(input: &[u8]) {
    let text = Bytes::copy_from_slice(input);
    if scan(input, &Limits::default()).is_ok() {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(input);
        match value {
            Ok(value) => assert!(is_json(&canonical(&value)), "no JSON any more"),
            // Numbers beyond the range of a double are JSON, and not values of this reader.
            Err(error) => assert!(error.to_string().contains("number out of range"), "{error}"),
        }
    }
    let messages = match read(text, &Limits::default()) {
        Ok(Incoming::One(message)) => vec![message],
        Ok(Incoming::Batch(messages)) => messages.into_iter().flatten().collect(),
        Err(_) => return,
    };
    for message in messages {
        if let Message::Request(request) = message
            && let Some(params) = &request.params
        {
            let without =
                Splice::retain(params.raw(), |name| name != "_meta").with("added", &Raw::EMPTY_OBJECT);
            assert!(is_json(without.finish().as_str().as_bytes()), "no JSON any more");
        }
    }
}

/// What a revision has words for is JSON in those, and again on its way back.
pub(super) fn revisions(input: &[u8]) {
    let [first, second, text @ ..] = input else { return };
    let Ok(raw) = Raw::parse(Bytes::copy_from_slice(text), &Limits::default()) else { return };
    if !raw.is_object() {
        return;
    }
    let revision = Revision::ALL[usize::from(*first) % Revision::ALL.len()];
    let method = METHODS[usize::from(*second >> 3) % METHODS.len()];
    let part = match second % 7 {
        0 => Part::Params(method),
        1 => Part::Result(method),
        2 => Part::ServerRequest(method),
        3 => Part::Answer(method),
        4 => Part::Notification(method),
        5 => Part::ServerCapabilities,
        _ => Part::ClientCapabilities,
    };
    if let Ok(lowered) = lower(part, revision, raw.clone()) {
        assert!(is_json(lowered.as_str().as_bytes()), "{part:?} in {revision}: {lowered}");
        if let Ok(lifted) = lift(part, revision, lowered) {
            assert!(is_json(lifted.as_str().as_bytes()), "{part:?} from {revision}: {lifted}");
        }
    }
    if let Ok(lifted) = lift(part, revision, raw) {
        assert!(is_json(lifted.as_str().as_bytes()), "{part:?} from {revision}: {lifted}");
    }
}

const METHODS: &[Method] = &[
    Method::Initialize,
    Method::Discover,
    Method::ToolsList,
    Method::ToolsCall,
    Method::ResourcesRead,
    Method::PromptsGet,
    Method::Elicit,
    Method::CreateMessage,
    Method::ListRoots,
    Method::Progress,
    Method::LogMessage,
];

/// Every heading of a document leads to a section of it.
pub(super) fn document(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(path) = DocumentPath::new("a/b.md") else { return };
    let (document, _) = Document::parse(path, &text, FileTimes::default());
    assert!(document.uri().is_ascii());
    // One of signs alone cannot be named.
    for heading in outline(&text).iter().filter(|heading| !heading.slug.is_empty()) {
        let found = section(&text, &heading.slug);
        assert!(found.is_some_and(|found| text.contains(found)), "no section {:?}", heading.slug);
    }
}

/// A URI contains itself, whatever it is.
pub(super) fn uri(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (whole, uri) = text.split_once('\n').unwrap_or((&text, &text));
    contains(whole, uri);
    contains(uri, whole);
}

/// Whether this is JSON for our scanner, or for another reader.
pub(super) fn is_json(text: &[u8]) -> bool {
    scan(text, &Limits::default()).is_ok() || serde_json::from_slice::<serde_json::Value>(text).is_ok()
}
