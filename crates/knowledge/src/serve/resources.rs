//! Every document and section by its URI.

use std::sync::Arc;

use anyport_protocol::types::{Resource, ResourceContents};
use anyport_server::{CompletionRequest, Context, PageQuery, ResourcePage, Template, Values};

use super::complete;
use crate::{
    Document, Knowledge, Unreadable,
    answers::{
        MARKDOWN,
        listing::{after, cursor},
    },
    section, uri,
};

/// All documents, as one template: so many would be slow to build as resources of their own, and slow to change.
pub(super) fn template(knowledge: &Knowledge) -> Template {
    let (listed, read, completed) = (knowledge.clone(), knowledge.clone(), knowledge.clone());
    Template::new(uri::TEMPLATE)
        .name("document")
        .title("Document")
        .description("A document by its path; a fragment names a section.")
        .mime_type(MARKDOWN)
        .complete("path", move |partial: CompletionRequest, _: Context| {
            let completion = complete::paths(&completed.library(), &partial.value);
            async move { completion }
        })
        .list_pages(move |query: PageQuery, _: Context| {
            let page = page(&listed, &query);
            async move { page }
        })
        .read(move |_: Values, context: Context| {
            let knowledge = read.clone();
            async move { contents(&knowledge, &context.uri().unwrap_or_default()).await }
        })
}

fn page(knowledge: &Knowledge, query: &PageQuery) -> ResourcePage {
    let library = knowledge.library();
    let all = library.iter().as_slice();
    let start = query.cursor.as_deref().and_then(|cursor| after(all, cursor)).unwrap_or(0);
    let end = all.len().min(start.saturating_add(query.size));
    let last = all.get(..end).and_then(<[_]>::last).filter(|_| end < all.len());
    ResourcePage {
        resources: all.get(start..end).unwrap_or_default().iter().map(resource).collect(),
        next: last.map(|document| cursor(end - 1, document)),
    }
}

fn resource(document: &Arc<Document>) -> Resource {
    let mut resource = Resource::new(document.uri(), document.path.as_str());
    resource.title = Some(document.title.clone());
    resource.description = Some(document.description.clone()).filter(|description| !description.is_empty());
    resource.size = Some(document.text.bytes());
    resource
}

/// The document or section at `uri`.
async fn contents(knowledge: &Knowledge, uri: &str) -> Result<Option<ResourceContents>, Unreadable> {
    let Some((path, fragment)) = uri::split(uri) else { return Ok(None) };
    let Some(document) = knowledge.library().get(&path).cloned() else { return Ok(None) };
    let text = match document.read().await {
        // It will be gone from the list in a moment.
        Err(error) if error.is_gone() => return Ok(None),
        text => text?,
    };
    let text = match fragment {
        None => Some(&*text),
        Some(fragment) => section::section(&text, &fragment),
    };
    // Under the URI that the client knows, however it encoded it.
    Ok(text.map(|text| ResourceContents::text(uri, text).with_mime_type(MARKDOWN)))
}
