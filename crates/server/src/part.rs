use crate::{Prompt, Resource, Template, Tool};

/// A tool, resource, template or prompt: what [`crate::Builder::add`] takes.
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "each is moved once, when the server is put together")]
pub enum Part {
    /// A function for models.
    Tool(Tool),
    /// Something to read.
    Resource(Resource),
    /// Many things to read, whose URIs are made from a template.
    Template(Template),
    /// Messages that a person picks.
    Prompt(Prompt),
}

/// What makes a part is as good as the part: a function under `#[tool]`, `#[resource]` or `#[prompt]` becomes one that
/// makes it, so that its name can be given to the builder.
impl<F: Fn() -> P, P: Into<Self>> From<F> for Part {
    fn from(make: F) -> Self {
        make().into()
    }
}

/// What makes it is as good as itself; see [`Part`].
macro_rules! made {
    ($($kind:ident)*) => { $(
        impl<F: Fn() -> Self> From<F> for $kind {
            fn from(make: F) -> Self {
                make()
            }
        }
    )* };
}

made! { Tool Resource Template Prompt }

impl From<Tool> for Part {
    fn from(tool: Tool) -> Self {
        Self::Tool(tool)
    }
}

impl From<Resource> for Part {
    fn from(resource: Resource) -> Self {
        Self::Resource(resource)
    }
}

impl From<Template> for Part {
    fn from(template: Template) -> Self {
        Self::Template(template)
    }
}

impl From<Prompt> for Part {
    fn from(prompt: Prompt) -> Self {
        Self::Prompt(prompt)
    }
}
