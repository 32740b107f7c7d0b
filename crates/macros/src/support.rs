//! Where the code that the macros write finds what it calls.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Path;

/// The path of the hidden module that generated code calls, in the crate at `given` or in whichever of ours the user
/// depends on, under whatever name.
pub(crate) fn path(given: Option<&Path>) -> syn::Result<TokenStream> {
    if let Some(given) = given {
        return Ok(quote!(#given::macros));
    }
    let found = ["anyport", "anyport-server"]
        .into_iter()
        .find_map(|package| crate_name(package).ok().map(|found| (package, found)));
    let Some((package, found)) = found else {
        return Err(syn::Error::new(
            Span::call_site(),
            "neither `anyport` nor `anyport-server` is a dependency of this package: add one of them, or say where \
             it is with `crate = path`",
        ));
    };
    let name = match found {
        // Its own tests, examples and documentation know it by its name, and so does it itself (`extern crate self`).
        FoundCrate::Itself => package.replace('-', "_"),
        FoundCrate::Name(name) => name,
    };
    let name = Ident::new(&name, Span::call_site());
    Ok(quote!(::#name::macros))
}
