//! `#[resource]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    LitStr, Token,
    parse::{ParseStream, Parser},
};

use crate::{
    arg,
    common::{self, Common},
    function::{Function, Kind},
    settings::{Known, Problems, Setting},
    template,
    write::{self, Names, Shape},
};

const KIND: Kind = Kind { attribute: "#[resource]", noun: "a resource", arg: &arg::OF_RESOURCE };

const OF_RESOURCE: Known = Known {
    attribute: "#[resource]",
    settings: &[
        "name",
        "title",
        "description",
        "mime_type",
        "mime",
        "ttl",
        "public",
        "size",
        "icon",
        "require",
        "meta",
        "crate",
    ],
    several: &["icon", "require"],
};

/// The settings of the attribute.
struct Resource {
    /// A URI, or a template of many.
    uri: LitStr,
    common: Common,
}

/// The function that makes the resource or the template, with the function that it calls.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let resource = Resource::read(attribute);
    let makes = match &resource {
        Ok(resource) if !resource.is_template() => "Resource",
        _ => "Template",
    };
    common::expand(
        item,
        (KIND, makes),
        resource,
        |resource| &resource.common,
        Resource::check,
        Resource::write,
    )
}

impl Resource {
    fn read(attribute: TokenStream) -> syn::Result<Self> {
        let (uri, settings) = split(attribute)?;
        let is_template = !template::variables(&uri.value()).is_empty();
        let own = |common: &mut Common, setting: &Setting| {
            match &*setting.name {
                "mime_type" | "mime" => common.call("mime_type", &setting.text()?),
                "ttl" => common.call("ttl", &setting.duration()?),
                "public" if setting.flag()? => common.call("public", &TokenStream::new()),
                "size" if is_template => {
                    return Err(syn::Error::new(
                        setting.span,
                        "resources of one template have sizes of their own",
                    ));
                }
                "size" => {
                    let size = setting.expression()?;
                    common.call("size", &quote!(#size));
                }
                _ => {}
            }
            Ok(())
        };
        Ok(Self { uri, common: Common::read(settings, &OF_RESOURCE, own)? })
    }

    fn is_template(&self) -> bool {
        !template::variables(&self.uri.value()).is_empty()
    }

    /// Refuses a parameter that the template does not have.
    fn check(&self, function: &Function) -> syn::Result<()> {
        let uri = self.uri.value();
        let variables = template::variables(&uri);
        let mut problems = Problems::default();
        for plain in function.plain() {
            let name = plain.name.value();
            if variables.iter().any(|(variable, _)| *variable == name) {
                continue;
            }
            let names: Vec<String> = variables.iter().map(|(variable, _)| format!("`{variable}`")).collect();
            let words = match names.is_empty() {
                true => format!(
                    "the URI {uri:?} has no variables, so nothing is called `{name}`; write `{{{name}}}` into it"
                ),
                false => format!(
                    "`{name}` is no variable of the template {uri:?}, which has {}; a parameter of another name is \
                     matched with `#[arg(name = \"..\")]`",
                    names.join(", ")
                ),
            };
            problems.push(plain.name.span(), words);
        }
        problems.finish()
    }

    fn write(&self, function: &Function, names: &Names) -> TokenStream {
        let (uri, common) = (&self.uri, &self.common);
        let (name, described) = (common.name(function), common.described(function));
        let support = &names.support;
        let value = &names.value;
        let output =
            quote_spanned!(function.return_span()=> (&&#support::Probe::of(&#value)).contents().checked());
        let output = quote!({
            use #support::{ProbeContents as _, ProbeNoContents as _};
            let shape = #output;
            #support::shaped(shape, #value)
        });
        if !self.is_template() {
            let handler = write::handler(function, names, Shape::Unsent, &output);
            return quote!(__anyport::Resource::new(#uri).name(#name) #described .read(#handler));
        }
        let parameters = write::parameters(function, names, false);
        let handler = write::handler(function, names, Shape::Sent, &output);
        let completions = common::completions(function.plain());
        quote! {
            #parameters
            __anyport::Template::new(#uri).name(#name) #described .read(#handler) #completions
        }
    }
}

/// The URI, and what is set behind it.
fn split(attribute: TokenStream) -> syn::Result<(LitStr, TokenStream)> {
    let parse = |input: ParseStream<'_>| {
        let uri = input.parse::<LitStr>().map_err(|_| {
            let span = if input.is_empty() { Span::call_site() } else { input.span() };
            syn::Error::new(
                span,
                "a resource begins with its URI or template: `#[resource(\"notes:///{id}\")]`",
            )
        })?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((uri, input.parse()?))
    };
    parse.parse2(attribute)
}
