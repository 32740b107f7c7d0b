//! `#[prompt]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::{
    arg,
    common::{self, Common},
    function::{Function, Kind, Plain},
    settings::Known,
    write::{self, Names, Shape},
};

const KIND: Kind = Kind { attribute: "#[prompt]", noun: "a prompt", arg: &arg::OF_PROMPT };

const SETTINGS: Known = Known {
    attribute: "#[prompt]",
    settings: &["name", "title", "description", "icon", "require", "meta", "crate"],
    several: &["icon", "require"],
};

/// The function that makes the prompt, with the function that it calls.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let prompt = Common::read(attribute, &SETTINGS, |_, _| Ok(()));
    common::expand(item, (KIND, "Prompt"), prompt, |prompt| prompt, |_, _| Ok(()), write)
}

fn write(prompt: &Common, function: &Function, names: &Names) -> TokenStream {
    let (name, described) = (prompt.name(function), prompt.described(function));
    let (support, value) = (&names.support, &names.value);
    let arguments = function.plain().map(argument);
    let parameters = write::parameters(function, names, false);
    let output =
        quote_spanned!(function.return_span()=> (&&#support::Probe::of(&#value)).messages().checked());
    let output = quote!({
        use #support::{ProbeMessages as _, ProbeNoMessages as _};
        let shape = #output;
        #support::shaped(shape, #value)
    });
    let handler = write::handler(function, names, Shape::Sent, &output);
    let completions = common::completions(function.plain());
    quote! {
        #parameters
        __anyport::Prompt::new(#name) #described #(#arguments)* .get(#handler) #completions
    }
}

/// The listed argument.
fn argument(plain: &Plain) -> TokenStream {
    let (name, arg) = (&plain.name, &plain.arg);
    let required = (!plain.may_be_absent()).then(|| quote!(.required()));
    let title = arg.title.as_ref().map(|title| quote!(.title(#title)));
    let description = arg.description.as_ref().map(|text| quote!(.description(#text)));
    quote!(.argument(__anyport::Argument::new(#name) #title #description #required))
}
