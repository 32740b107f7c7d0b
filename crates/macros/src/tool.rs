//! `#[tool]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;

use crate::{
    arg, docs,
    function::{Function, Kind},
    settings::{self, Known, Problems, Setting},
    support,
    write::{self, Names},
};

const KIND: Kind = Kind { attribute: "#[tool]", noun: "a tool", arg: &arg::OF_TOOL };

const SETTINGS: Known = Known {
    attribute: "#[tool]",
    settings: &[
        "name",
        "title",
        "description",
        "read_only",
        "destructive",
        "idempotent",
        "open_world",
        "icon",
        "meta",
        "crate",
    ],
    several: &["icon"],
};

/// What the attribute says.
#[derive(Default)]
struct Tool {
    name: Option<TokenStream>,
    description: Option<TokenStream>,
    /// Calls of the builder, in the order of the settings.
    calls: Vec<TokenStream>,
    /// Members of the annotations.
    hints: Vec<TokenStream>,
    support: Option<Path>,
}

/// The function that makes the tool, with the function that it calls.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let tool = problems.take(Tool::read(attribute));
    let function = problems.take(Function::read(item.clone(), KIND));
    let given = tool.as_ref().and_then(|tool| tool.support.as_ref());
    let support = support::path(given)?;
    match (tool, function, problems.finish()) {
        (Some(tool), Some(function), Ok(())) => Ok(tool.write(&function, &Names::new(support))),
        (_, _, problems) => {
            let problems = problems.err().map(|problems| problems.into_compile_error());
            let refused = write::refused(&item, &support, "Tool");
            Ok(quote!(#problems #refused))
        }
    }
}

impl Tool {
    fn read(attribute: TokenStream) -> syn::Result<Self> {
        let mut tool = Self::default();
        let mut problems = Problems::default();
        for setting in settings::read(attribute, &SETTINGS)? {
            problems.take(tool.set(&setting));
        }
        problems.finish().map(|()| tool)
    }

    fn set(&mut self, setting: &Setting) -> syn::Result<()> {
        match &*setting.name {
            "name" => self.name = Some(setting.text()?),
            "description" => self.description = Some(setting.text()?),
            "title" => self.call("title", setting.text()?),
            "read_only" => self.hint("read_only_hint", setting.flag()?),
            "destructive" => self.hint("destructive_hint", setting.flag()?),
            "idempotent" => self.hint("idempotent_hint", setting.flag()?),
            "open_world" => self.hint("open_world_hint", setting.flag()?),
            "crate" => self.support = Some(crate_path(setting)?),
            "icon" => self.calls.push(icon(setting)?),
            "meta" => self.calls.push(meta(setting)?),
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, method: &str, value: TokenStream) {
        let method = Ident::new(method, Span::call_site());
        self.calls.push(quote!(.#method(#value)));
    }

    fn hint(&mut self, member: &str, value: bool) {
        let member = Ident::new(member, Span::call_site());
        self.hints.push(quote!(annotations.#member = ::core::option::Option::Some(#value);));
    }

    fn write(self, function: &Function, names: &Names) -> TokenStream {
        let support = &names.support;
        let name = self.name.unwrap_or_else(|| {
            let name = function.name();
            quote!(#name)
        });
        let description = self.description.or_else(|| docs::description(&function.docs));
        let description = description.map(|text| quote!(.description(#text)));
        let annotations = (!self.hints.is_empty()).then(|| {
            let hints = &self.hints;
            quote! {
                .annotations({
                    let mut annotations = #support::ToolAnnotations::default();
                    #(#hints)*
                    annotations
                })
            }
        });
        let calls = self.calls;
        let needs = write::needs(function);
        let parameters = write::parameters(function, names, true);
        let handler = write::handler(function, names, &output(function, names));
        let make = quote! {
            use #support as __anyport;
            #parameters
            __anyport::Tool::new(#name) #description #annotations #(#calls)* #needs .run(#handler)
        };
        write::items(function, names, &Ident::new("Tool", Span::call_site()), &make)
    }
}

/// Makes what the function returned a result.
fn output(function: &Function, names: &Names) -> TokenStream {
    let Names { support, value, .. } = names;
    let span = function.output_span();
    let layer = Ident::new("__anyport_layer", Span::mixed_site());
    let probe = quote_spanned!(span=> (&&#support::Probe::of(&#value)).layer());
    let shape = quote_spanned!(span=> (&&&#layer.output()).shape().checked());
    let fault = function.error_span().unwrap_or(span);
    let fault = quote_spanned!(fault=> (&&#layer.fault()).telling().checked());
    quote! {
        #[allow(unused_imports)]
        use #support::{
            ProbeAsItIs as _, ProbeFallible as _, ProbeNoResult as _, ProbePlain as _, ProbeStructured as _,
            ProbeTold as _, ProbeUntold as _,
        };
        let #layer = #probe;
        #layer.finish(#value, #shape, #fault)
    }
}

/// `crate = path`.
pub(crate) fn crate_path(setting: &Setting) -> syn::Result<Path> {
    syn::parse2(setting.tokens()?.clone()).map_err(|_| setting.expects("a path: `crate = ::anyport`"))
}

/// `icon = ".."`.
pub(crate) fn icon(setting: &Setting) -> syn::Result<TokenStream> {
    let source = setting.text()?;
    Ok(quote!(.icon(__anyport::Icon::new(#source))))
}

/// `meta(key = json, ..)`.
pub(crate) fn meta(setting: &Setting) -> syn::Result<TokenStream> {
    let (keys, values): (Vec<_>, Vec<_>) = setting.members()?.into_iter().unzip();
    Ok(quote! {
        .meta([#((::std::string::String::from(#keys), __anyport::json!(#values))),*].into_iter().collect())
    })
}
