use anyport_protocol::{Error, types};

use super::{
    contents::{Contents, ReadTarget},
    definition::{Resource, ResourceHandler, Template, TemplateHandler},
    lister::{ListPage, Lister},
    template::UriTemplate,
    typed::{self, Variable},
};
use crate::{
    Context,
    ask::HandlerFuture,
    completer::{self, Completers},
    meta,
    scopes::RequiredScopes,
    values::{Fault, Unreadable},
    write::Freshness,
};

/// A resource as the server reads it.
pub(crate) struct ResourceEntry {
    mime_type: Option<String>,
    pub(crate) freshness: Freshness,
    pub(crate) scopes: RequiredScopes,
    handler: ResourceHandler,
}

/// A template as the server reads it.
pub(crate) struct TemplateEntry {
    text: String,
    template: UriTemplate,
    mime_type: Option<String>,
    pub(crate) freshness: Freshness,
    pub(crate) scopes: RequiredScopes,
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
        let Resource { definition, freshness, visible, scopes, handler, .. } = resource;
        if !has_scheme(&definition.uri) {
            return Err(vec!["a URI begins with a scheme, as in `notes:///today`".to_owned()]);
        }
        let problems = meta::problems(definition.meta.as_ref()).chain(scopes.problems());
        let problems: Vec<String> = problems.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mime_type = definition.mime_type.clone();
        let freshness = freshness.limited(visible.is_some() || !scopes.is_empty());
        Ok((definition, Self { mime_type, freshness, scopes, handler }))
    }

    /// Reads the resource at `uri`.
    pub(crate) fn begin(&self, uri: &str, context: Context) -> HandlerFuture<Contents> {
        (self.handler.0)(ReadTarget { uri: uri.to_owned(), mime_type: self.mime_type.clone() }, context)
    }
}

impl TemplateEntry {
    /// Compiles `template`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(template: Template) -> Result<(types::ResourceTemplate, Self), Vec<String>> {
        let Template { definition, freshness, completers: given, lister, visible, scopes, handler, .. } =
            template;
        let template =
            UriTemplate::parse(&definition.uri_template).map_err(|error| vec![error.to_string()])?;
        let mut completers: Completers =
            template.variables().map(|variable| (variable.name.to_owned(), None)).collect();
        let problems = meta::problems(definition.meta.as_ref()).chain(scopes.problems());
        let mut problems: Vec<String> = problems.collect();
        completer::assign(&mut completers, given, "variable", &mut problems);
        let variables: Vec<Variable<'_>> = template.variables().collect();
        typed::fit(handler.check, &variables, &mut completers, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (text, mime_type) = (definition.uri_template.clone(), definition.mime_type.clone());
        let freshness = freshness.limited(visible.is_some() || !scopes.is_empty());
        Ok((definition, Self { text, template, mime_type, freshness, scopes, completers, lister, handler }))
    }

    /// Lists its resources, if it does.
    pub(crate) fn lister(&self) -> Option<&Lister> {
        self.lister.as_ref()
    }

    /// Lists its resources page by page, if it does so.
    pub(crate) fn pages(&self) -> Option<&ListPage> {
        match self.lister.as_ref()? {
            Lister::Pages(function) => Some(function),
            Lister::Whole(_) => None,
        }
    }

    /// The type of its resources.
    pub(crate) fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }

    /// Whether the template could have made `uri`.
    pub(crate) fn makes(&self, uri: &str) -> bool {
        self.template.read(uri).is_some()
    }

    pub(crate) fn completers(&self) -> &Completers {
        &self.completers
    }

    /// The values of the variables in `uri`, if the template could have made it.
    pub(crate) fn values(&self, uri: &str) -> Option<Vec<(String, String)>> {
        self.template.read(uri)
    }

    /// Reads the resource at `uri` with the variables `values`.
    ///
    /// # Errors
    /// Variables that the function's type does not take.
    pub(crate) fn begin(
        &self,
        uri: &str,
        values: Vec<(String, String)>,
        context: Context,
    ) -> Result<HandlerFuture<Contents>, Error> {
        let target = ReadTarget { uri: uri.to_owned(), mime_type: self.mime_type.clone() };
        (self.handler.read)(values.into(), target, context).map_err(|error| self.unreadable(uri, &error))
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

/// RFC 3986 §3.1.
fn has_scheme(uri: &str) -> bool {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    uri.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_scheme)
    })
}
