//! `#[tool]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::{
    arg,
    common::{self, Common},
    function::{Function, Kind},
    settings::{Known, Setting},
    write::{self, Names, Shape},
};

pub(crate) const KIND: Kind = Kind { attribute: "#[tool]", noun: "a tool", arg: &arg::OF_TOOL };

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
        "coerce",
        "blocking",
        "timeout",
        "icon",
        "category",
        "version",
        "example",
        "requires",
        "require",
        "asks",
        "meta",
        "crate",
    ],
    several: &["asks", "icon", "example", "require", "requires"],
};

/// The settings of the attribute.
pub(crate) struct Tool {
    common: Common,
    /// Members of the annotations, and what they are.
    hints: Vec<(Ident, bool)>,
    /// Where it says that the function blocks its thread.
    blocking: Option<Span>,
}

/// The function that makes the tool, with the function that it calls.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let tool = Tool::read(attribute);
    common::expand(item, (KIND, "Tool"), tool, |tool| &tool.common, Tool::check, Tool::write)
}

impl Tool {
    pub(crate) fn read(attribute: TokenStream) -> syn::Result<Self> {
        let (mut hints, mut blocking) = (Vec::new(), None);
        let mut hint = |member: &str, setting: &Setting| -> syn::Result<()> {
            hints.push((Ident::new(member, Span::call_site()), setting.flag()?));
            Ok(())
        };
        let own = |common: &mut Common, setting: &Setting| {
            match &*setting.name {
                "read_only" => hint("read_only_hint", setting)?,
                "destructive" => hint("destructive_hint", setting)?,
                "idempotent" => hint("idempotent_hint", setting)?,
                "open_world" => hint("open_world_hint", setting)?,
                "blocking" => blocking = setting.flag()?.then_some(setting.span),
                "coerce" if setting.flag()? => common.call("coerce", &TokenStream::new()),
                "timeout" => common.call("timeout", &setting.duration()?),
                text @ ("category" | "version" | "requires") => common.call(text, &setting.text()?),
                "asks" => {
                    let form = setting.tokens()?;
                    common.call("asks", &quote!(__anyport::form::<#form>()));
                }
                "example" => {
                    let example = setting.tokens()?;
                    common.call("example", &quote!(__anyport::json!(#example)));
                }
                _ => {}
            }
            Ok(())
        };
        let common = Common::read(attribute, &SETTINGS, own)?;
        Ok(Self { common, hints, blocking })
    }

    pub(crate) fn check(&self, function: &Function) -> syn::Result<()> {
        match self.blocking {
            Some(span) if function.signature.asyncness.is_some() => {
                let words =
                    "what blocks its thread is a plain `fn`; an `async fn` waits without a thread of its own";
                Err(syn::Error::new(span, words))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn write(&self, function: &Function, names: &Names) -> TokenStream {
        let (name, described) = (self.common.name(function), self.common.described(function));
        let parameters = write::parameters(function, names, true);
        let (run, shape) = match self.blocking {
            Some(_) => (quote!(run_blocking), Shape::Blocking),
            None => (quote!(run), Shape::Sent),
        };
        let (annotations, coerce) = (self.annotations(), coerce(function));
        let (setup, output) = output(function, names);
        let handler = write::handler(function, names, shape, &output);
        quote! {
            #setup
            #parameters
            __anyport::Tool::new(#name) #described #annotations #coerce.#run(#handler)
        }
    }

    fn annotations(&self) -> Option<TokenStream> {
        let (members, hints): (Vec<_>, Vec<_>) = self.hints.iter().cloned().unzip();
        (!members.is_empty()).then(|| {
            quote! {
                .annotations({
                    let mut annotations = __anyport::ToolAnnotations::default();
                    #(annotations.#members = ::core::option::Option::Some(#hints);)*
                    annotations
                })
            }
        })
    }
}

/// The call that names the coerce parameters.
fn coerce(function: &Function) -> Option<TokenStream> {
    let names: Vec<_> = function.plain().filter(|plain| plain.arg.coerce).map(|plain| &plain.name).collect();
    (!names.is_empty()).then(|| quote!(.coerce_fields([#(#names),*])))
}

/// The imports that convert the function's value to a result, and the conversion.
fn output(function: &Function, names: &Names) -> (TokenStream, TokenStream) {
    let Names { support, value, .. } = names;
    let span = function.output_span();
    let layer = Ident::new("__anyport_layer", Span::mixed_site());
    let shape = quote_spanned!(span=> (&&&#layer.output()).shape().checked());
    let fault =
        quote_spanned!(function.error_span().unwrap_or(span)=> (&&#layer.fault()).telling().checked());
    let setup = quote! {
        #[allow(unused_imports)]
        use #support::{
            ProbeAsItIs as _, ProbeFallible as _, ProbeNoResult as _, ProbePlain as _, ProbeStructured as _,
            ProbeReported as _, ProbeUnreported as _,
        };
    };
    let output = quote!({
        let #layer = (&&#support::Probe::of(&#value)).layer();
        #layer.finish(#value, #shape, #fault)
    });
    (setup, output)
}
