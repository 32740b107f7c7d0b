//! `#[tool]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::{
    arg,
    common::{self, Common},
    function::{Function, Kind},
    settings::{Known, Setting},
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
struct Tool {
    common: Common,
    /// Members of the annotations, and what they are.
    hints: Vec<(Ident, bool)>,
}

/// The function that makes the tool, with the function that it calls.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let tool = Tool::read(attribute);
    common::expand(item, (KIND, "Tool"), tool, |tool| &tool.common, |_, _| Ok(()), Tool::write)
}

impl Tool {
    fn read(attribute: TokenStream) -> syn::Result<Self> {
        let mut hints = Vec::new();
        let own = |_: &mut Common, setting: &Setting| {
            let hint = match &*setting.name {
                "read_only" => "read_only_hint",
                "destructive" => "destructive_hint",
                "idempotent" => "idempotent_hint",
                "open_world" => "open_world_hint",
                _ => return Ok(()),
            };
            hints.push((Ident::new(hint, Span::call_site()), setting.flag()?));
            Ok(())
        };
        let common = Common::read(attribute, &SETTINGS, own)?;
        Ok(Self { common, hints })
    }

    fn write(&self, function: &Function, names: &Names) -> TokenStream {
        let (name, described) = (self.common.name(function), self.common.described(function));
        let (members, hints): (Vec<_>, Vec<_>) = self.hints.iter().cloned().unzip();
        let annotations = (!members.is_empty()).then(|| {
            quote! {
                .annotations({
                    let mut annotations = __anyport::ToolAnnotations::default();
                    #(annotations.#members = ::core::option::Option::Some(#hints);)*
                    annotations
                })
            }
        });
        let parameters = write::parameters(function, names, true);
        let handler = write::handler(function, names, true, &output(function, names));
        quote! {
            #parameters
            __anyport::Tool::new(#name) #described #annotations .run(#handler)
        }
    }
}

/// Makes what the function returned a result.
fn output(function: &Function, names: &Names) -> TokenStream {
    let Names { support, value, .. } = names;
    let span = function.output_span();
    let layer = Ident::new("__anyport_layer", Span::mixed_site());
    let shape = quote_spanned!(span=> (&&&#layer.output()).shape().checked());
    let fault =
        quote_spanned!(function.error_span().unwrap_or(span)=> (&&#layer.fault()).telling().checked());
    quote! {
        #[allow(unused_imports)]
        use #support::{
            ProbeAsItIs as _, ProbeFallible as _, ProbeNoResult as _, ProbePlain as _, ProbeStructured as _,
            ProbeTold as _, ProbeUntold as _,
        };
        let #layer = (&&#support::Probe::of(&#value)).layer();
        #layer.finish(#value, #shape, #fault)
    }
}
