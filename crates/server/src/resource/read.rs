use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, jsonrpc, types};
use anyport_service::Reply;

use super::{
    Contents, Resource, ResourceHandler, Template, TemplateHandler,
    contents::Place,
    listing::Lister,
    paged::ListPage,
    template::UriTemplate,
    typed::{self, Variable},
};
use crate::{
    Context,
    ask::{self, Dialogue, DialogueStart},
    complete::{self, Completers},
    params::Params,
    registry::{MountContext, Target},
    server::Served,
    values::{Fault, Unreadable},
    write::{Freshness, ResultWriter},
};

/// A resource as the server reads it.
pub(crate) struct ResourceEntry {
    mime_type: Option<String>,
    freshness: Freshness,
    handler: ResourceHandler,
}

/// A template as the server reads it.
pub(crate) struct TemplateEntry {
    text: String,
    template: UriTemplate,
    mime_type: Option<String>,
    freshness: Freshness,
    completers: Completers,
    lister: Option<Lister>,
    handler: TemplateHandler,
}

impl ResourceEntry {
    /// Compiles `resource`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(resource: Resource) -> Result<(types::Resource, Self), Vec<String>> {
        let Resource { definition, freshness, visible, handler, .. } = resource;
        if !has_scheme(&definition.uri) {
            return Err(vec!["a URI begins with a scheme, as in `notes:///today`".to_owned()]);
        }
        let mime_type = definition.mime_type.clone();
        let freshness = freshness.limited(visible.is_some());
        Ok((definition, Self { mime_type, freshness, handler }))
    }
}

impl TemplateEntry {
    /// Compiles `template`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(template: Template) -> Result<(types::ResourceTemplate, Self), Vec<String>> {
        let Template { definition, freshness, completers: given, lister, visible, handler, .. } = template;
        let template =
            UriTemplate::parse(&definition.uri_template).map_err(|error| vec![error.to_string()])?;
        let mut completers: Completers =
            template.variables().map(|variable| (variable.name.to_owned(), None)).collect();
        let mut problems = Vec::new();
        complete::assign(&mut completers, given, "variable", &mut problems);
        let variables: Vec<Variable<'_>> = template.variables().collect();
        typed::fit(handler.check, &variables, &mut completers, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (text, mime_type) = (definition.uri_template.clone(), definition.mime_type.clone());
        let freshness = freshness.limited(visible.is_some());
        Ok((definition, Self { text, template, mime_type, freshness, completers, lister, handler }))
    }

    /// Lists its resources, if it does.
    pub(super) fn lister(&self) -> Option<&Lister> {
        self.lister.as_ref()
    }

    /// Lists its resources page by page, if it does so.
    pub(super) fn pages(&self) -> Option<&ListPage> {
        match self.lister.as_ref()? {
            Lister::Pages(function) => Some(function),
            Lister::Whole(_) => None,
        }
    }

    /// The type of its resources.
    pub(super) fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }

    /// Whether the template could have made `uri`.
    pub(crate) fn makes(&self, uri: &str) -> bool {
        self.template.read(uri).is_some()
    }

    pub(crate) fn completers(&self) -> &Completers {
        &self.completers
    }

    /// What the caller hears when the variables in `uri` are not what the function takes: a number that is none names
    /// nothing that exists.
    fn unreadable(&self, uri: &str, error: &Unreadable) -> Error {
        let template = &*self.text;
        match &error.fault {
            // Some types do not tell which fields they have, so that this shows at the first read.
            Fault::Missing(field) if !self.template.variables().any(|variable| variable.name == field) => {
                tracing::error!(template, field, "a template's function takes what it does not have");
                Error::internal(format!(
                    "the template {template} has no variable {field:?}, and its function needs one"
                ))
            }
            _ => {
                tracing::debug!(template, %error, "the variables of a URI cannot be read");
                Error::resource_not_found(uri)
            }
        }
    }
}

/// Answers `resources/read`: the resource of this very URI, else the first template that could have made it.
///
/// # Errors
/// What ends the read before its handler is reached.
pub(crate) fn read(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::ResourcesRead, &params)?;
    let uri = &*read.name;
    let registry = server.registry.load();
    let resource = registry.resources.find(uri, service.principal());
    let template = match resource {
        Some(_) => None,
        None => {
            let mut seen = registry.templates.seen(service.principal());
            seen.find_map(|item| Some((item, item.entry().template.read(uri)?)))
        }
    };
    // URIs are the same on the inside of a mount.
    let place = match (resource.map(|item| &item.target), template.as_ref().map(|(item, _)| &item.target)) {
        (Some(Target::Mounted(place, _)), _) | (None, Some(Target::Mounted(place, _))) => Some(*place),
        (None, None) => return Err(Error::resource_not_found(uri)),
        _ => None,
    };
    if let Some(place) = place {
        drop(read);
        return Ok(server.pass(place, Method::ResourcesRead, params, service));
    }
    let resource = resource.map(|item| item.entry());
    let template = template.map(|(item, values)| (item.entry(), values));
    let (dialogue, running) = match Dialogue::open(server, Method::ResourcesRead, &service, &read, &params)? {
        DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
        DialogueStart::Open(dialogue, running) => (dialogue, running),
    };
    let context = Context::new(server.clone(), service, (Method::ResourcesRead, params.clone()), dialogue);
    let place = |mime_type: &Option<String>| Place { uri: uri.to_owned(), mime_type: mime_type.clone() };
    let (handling, freshness) = match (resource, template) {
        (Some(entry), _) => ((entry.handler.0)(place(&entry.mime_type), context.clone()), entry.freshness),
        (None, Some((entry, values))) => {
            let place = place(&entry.mime_type);
            match (entry.handler.read)(values.into(), place, context.clone()) {
                Ok(handling) => (handling, entry.freshness),
                Err(error) => return Err(entry.unreadable(uri, &error)),
            }
        }
        (None, None) => return Err(Error::resource_not_found(uri)),
    };
    // 2026-07-28, caching §Cache Key: results of requests "carrying `inputResponses` or `requestState` MUST NOT be
    // cached".
    let freshness = if read.is_retry() { Freshness::NONE } else { freshness };
    let freshness = freshness.limited(server.mount.as_ref().is_some_and(MountContext::is_private));
    let uri = uri.to_owned();
    Ok(ask::run(context, handling, running, move |context, contents| {
        write(context.inner(), &uri, contents, freshness).into()
    }))
}

fn write(server: &Served, uri: &str, contents: Contents, freshness: Freshness) -> Result<Raw, Error> {
    let contents = match contents {
        // 2026-07-28, resources §Error Handling: "Servers MUST NOT return an empty `contents` array for a
        // non-existent resource."
        Contents::Missing => return Err(Error::resource_not_found(uri)),
        Contents::Failed(error) => return Err(error),
        Contents::Found(contents) => contents,
    };
    let mut result = ResultWriter::complete(1024);
    result.value("contents", &contents)?;
    result.freshness(freshness);
    result.finish(&server.identity, None)
}

/// RFC 3986 §3.1.
fn has_scheme(uri: &str) -> bool {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_scheme)
    })
}
