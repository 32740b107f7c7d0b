//! Settings that tools, resources and prompts have in common.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Path;

use crate::{
    docs,
    function::{Function, Kind, Plain},
    settings::{self, Known, Problems, Setting},
    support,
    write::{self, Names},
};

/// The settings that all attributes share. Generated code refers to the hidden module as `__anyport`.
#[derive(Default)]
pub(crate) struct Common {
    name: Option<TokenStream>,
    description: Option<TokenStream>,
    /// Calls of the builder, in the order of the settings.
    calls: Vec<TokenStream>,
    support: Option<Path>,
}

impl Common {
    /// Reads settings; those that not every kind has, with `own`.
    ///
    /// # Errors
    /// All that is wrong.
    pub(crate) fn read(
        attribute: TokenStream,
        known: &Known,
        mut own: impl FnMut(&mut Self, &Setting) -> syn::Result<()>,
    ) -> syn::Result<Self> {
        let mut common = Self::default();
        let mut problems = Problems::default();
        for setting in settings::read(attribute, known)? {
            problems.take(common.set(&setting, &mut own));
        }
        problems.finish().map(|()| common)
    }

    fn set(
        &mut self,
        setting: &Setting,
        own: &mut impl FnMut(&mut Self, &Setting) -> syn::Result<()>,
    ) -> syn::Result<()> {
        match &*setting.name {
            "name" => self.name = Some(setting.text()?),
            "description" => self.description = Some(setting.text()?),
            "title" => self.call("title", &setting.text()?),
            "require" => self.call("require", &setting.text()?),
            "crate" => self.support = Some(crate_path(setting)?),
            "icon" => {
                let source = setting.text()?;
                self.call("icon", &quote!(__anyport::Icon::new(#source)));
            }
            "meta" => {
                let (keys, values): (Vec<_>, Vec<_>) = setting.members()?.into_iter().unzip();
                self.call(
                    "meta",
                    &quote! {
                        [#((::std::string::String::from(#keys), __anyport::json!(#values))),*].into_iter().collect()
                    },
                );
            }
            _ => own(self, setting)?,
        }
        Ok(())
    }

    /// Calls `method` of the builder with `value`.
    pub(crate) fn call(&mut self, method: &str, value: &TokenStream) {
        let method = Ident::new(method, Span::call_site());
        self.calls.push(quote!(.#method(#value)));
    }

    /// The listed name: the function's, unless another is set.
    pub(crate) fn name(&self, function: &Function) -> TokenStream {
        self.name.clone().unwrap_or_else(|| {
            let name = function.name();
            quote!(#name)
        })
    }

    /// The calls that describe it.
    pub(crate) fn described(&self, function: &Function) -> TokenStream {
        let description = self.description.clone().or_else(|| docs::description(&function.docs));
        let description = description.map(|text| quote!(.description(#text)));
        let (calls, needs) = (&self.calls, write::needs(function));
        quote!(#description #(#calls)* #needs)
    }
}

/// Reads an attribute and the function under it, and writes what they become. What is refused leaves something of its
/// name, so that its uses are not refused as well.
pub(crate) fn expand<T>(
    item: &TokenStream,
    (kind, makes): (Kind, &str),
    read: syn::Result<T>,
    common: impl Fn(&T) -> &Common,
    check: impl Fn(&T, &Function) -> syn::Result<()>,
    write: impl Fn(&T, &Function, &Names) -> TokenStream,
) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let read = problems.take(read);
    let function = problems.take(Function::read(item.clone(), kind));
    let support = support::path(read.as_ref().and_then(|read| common(read).support.as_ref()))?;
    if let (Some(read), Some(function)) = (&read, &function) {
        problems.take(check(read, function));
    }
    match (read, function, problems.finish()) {
        (Some(read), Some(function), Ok(())) => {
            let names = Names::new(support.clone());
            let make = write(&read, &function, &names);
            let make = quote! {
                use #support as __anyport;
                #make
            };
            Ok(write::items(&function, &names, &Ident::new(makes, Span::call_site()), &make))
        }
        (_, _, problems) => {
            let problems = problems.err().map(|problems| problems.into_compile_error());
            let refused = write::refused(item, &support, makes);
            Ok(quote!(#problems #refused))
        }
    }
}

/// `crate = path`.
pub(crate) fn crate_path(setting: &Setting) -> syn::Result<Path> {
    syn::parse2(setting.tokens()?.clone()).map_err(|_| setting.expects("a path: `crate = ::anyport`"))
}

/// Calls that complete those parameters that have a function for it, with the builder's method.
pub(crate) fn completions<'a>(plain: impl Iterator<Item = &'a Plain>) -> TokenStream {
    let calls = plain.filter_map(|plain| {
        let (name, function) = (&plain.name, plain.arg.complete.as_ref()?);
        Some(quote!(.complete(#name, #function)))
    });
    quote!(#(#calls)*)
}
