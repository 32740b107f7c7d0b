//! The code that a function becomes, as far as tools, resources and prompts have it in common.
//!
//! `async fn add(..)` becomes
//! - `fn add() -> Tool`, which makes the tool. It is a function rather than a unit struct, since the name of a unit
//!   struct could not be given to any variable in its module;
//! - `enum add {}`, which has no values and no use but to carry `add::call`, the function as it was written.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::function::{Function, Parameter, Plain};

/// The names of generated code, with a prefix that avoids collisions.
pub(crate) struct Names {
    /// The path of what generated code calls.
    pub(crate) support: TokenStream,
    /// The type of the parameters.
    pub(crate) parameters: Ident,
    pub(crate) context: Ident,
    pub(crate) value: Ident,
}

impl Names {
    pub(crate) fn new(support: TokenStream) -> Self {
        let ident = |name| Ident::new(name, Span::mixed_site());
        Self {
            support,
            parameters: ident("__AnyportParameters"),
            context: ident("__anyport_context"),
            value: ident("__anyport_value"),
        }
    }
}

/// The items that stand for `function`, where `make` is the body of the function that makes a `kind`.
pub(crate) fn items(function: &Function, names: &Names, kind: &Ident, make: &TokenStream) -> TokenStream {
    let Function { cfgs, docs, attributes, visibility, signature, block, .. } = function;
    let support = &names.support;
    let name = &signature.ident;
    let mut call = signature.clone();
    call.ident = Ident::new("call", name.span());
    let about = format!("Carries [`{name}::call`]: what is behind [`{name}()`].");
    let carrier = quote_spanned! {name.span()=>
        #(#cfgs)*
        #[doc = #about]
        #[allow(dead_code, non_camel_case_types, clippy::empty_enums, reason = "it only carries a function")]
        #visibility enum #name {}
    };
    // An unused tool is reported once, under its own name.
    quote! {
        #carrier

        #(#cfgs)*
        #[allow(dead_code, reason = "unused is what makes it")]
        impl #name {
            /// The function as it was written.
            #(#attributes)*
            #visibility #call #block
        }

        #(#cfgs)*
        #(#docs)*
        #visibility fn #name() -> #support::#kind {
            #make
        }
    }
}

/// The type of the parameters: how they are read and, where `described`, what their schema says.
pub(crate) fn parameters(function: &Function, names: &Names, described: bool) -> TokenStream {
    let Names { support, parameters, .. } = names;
    let plain: Vec<&Plain> = function.plain().collect();
    let types: Vec<_> = plain.iter().map(|plain| &plain.ty).collect();
    let wire: Vec<_> = plain.iter().map(|plain| &plain.name).collect();
    let index: Vec<usize> = (0..plain.len()).collect();
    let slots: Vec<_> = (0..plain.len()).map(slot).collect();
    let reads = plain.iter().zip(&slots).map(|(plain, slot)| {
        let (ty, name) = (&plain.ty, &plain.name);
        let reader = quote_spanned!(ty.span()=> (&&#support::Probe::<#ty>::OF).reader().read(map)?);
        quote!(#support::keep(&mut self.#slot, #name, #reader))
    });
    let finished = plain.iter().zip(&slots).map(|(plain, slot)| finish(plain, slot, support));
    let described = described.then(|| describe(&plain, support));
    quote! {
        #[allow(unused_imports)]
        use #support::{
            ProbeNoRead as _, ProbeNoSchema as _, ProbeNothing as _, ProbeRead as _, ProbeSchema as _,
        };

        struct #parameters { #(#slots: ::core::option::Option<#types>,)* }

        impl #support::Parameters for #parameters {
            type Values = (#(#types,)*);

            const NAMES: &'static [&'static str] = &[#(#wire),*];

            fn empty() -> Self {
                Self { #(#slots: ::core::option::Option::None,)* }
            }

            #[allow(unused_variables, clippy::match_single_binding)]
            fn read<'de, M: #support::de::MapAccess<'de>>(
                &mut self,
                index: usize,
                map: &mut M,
            ) -> ::core::result::Result<(), M::Error> {
                match index {
                    #(#index => #reads,)*
                    _ => ::core::result::Result::Ok(()),
                }
            }

            #[allow(clippy::unused_unit)]
            fn finish<E: #support::de::Error>(self) -> ::core::result::Result<Self::Values, E> {
                ::core::result::Result::Ok((#(#finished,)*))
            }

            #described
        }
    }
}

fn slot(index: usize) -> Ident {
    format_ident!("slot_{index}")
}

fn finish(plain: &Plain, slot: &Ident, support: &TokenStream) -> TokenStream {
    let (ty, name) = (&plain.ty, &plain.name);
    match &plain.arg.default {
        Some(default) => quote! {
            match self.#slot {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => { let value: #ty = #default; value }
            }
        },
        None if plain.may_be_absent() => quote!(self.#slot.unwrap_or_default()),
        None => quote!(#support::required(self.#slot, #name)?),
    }
}

fn describe(plain: &[&Plain], support: &TokenStream) -> TokenStream {
    let properties = plain.iter().map(|plain| {
        let (ty, name, arg) = (&plain.ty, &plain.name, &plain.arg);
        let required = !plain.may_be_absent();
        let texts = [("title", &arg.title), ("description", &arg.description)];
        let texts = texts.into_iter().filter_map(|(keyword, text)| Some((keyword, text.clone()?)));
        let default = arg.default.as_ref().map(|default| {
            let value = quote_spanned!(ty.span()=> #support::default_of::<#ty>);
            ("default", quote!(#value(&{ let value: #ty = #default; value })))
        });
        let keywords = texts.chain(default).chain(arg.keywords.iter().cloned());
        let (keywords, values): (Vec<_>, Vec<_>) = keywords.unzip();
        let schema = quote_spanned!(ty.span()=> (&&&#support::Probe::<#ty>::OF).schema().checked());
        quote!(properties.add(#name, #schema, #required, #support::json!({ #(#keywords: #values),* }));)
    });
    quote! {
        #[allow(unused_variables)]
        fn describe(properties: &mut #support::Properties<'_>) {
            #(#properties)*
        }
    }
}

/// How the closure that calls a function is shaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It is given the parameters and a context, and returns a future.
    Sent,
    /// It is given a context, and returns a future.
    Unsent,
    /// It is given the parameters and a context, and blocks.
    Blocking,
}

/// The closure that calls the function with what it takes, and `output` behind it.
pub(crate) fn handler(function: &Function, names: &Names, shape: Shape, output: &TokenStream) -> TokenStream {
    let Names { support, parameters, context, value } = names;
    let callee = &function.callee;
    let locals: Vec<Ident> = (0..function.parameters.len())
        .map(|at| format_ident!("__anyport_{at}", span = Span::mixed_site()))
        .collect();
    let mut states = Vec::new();
    let mut taken = Vec::new();
    let mut given = Vec::new();
    for (parameter, local) in function.parameters.iter().zip(&locals) {
        given.push(match parameter {
            Parameter::Context { borrowed: true } => quote!(&#context),
            Parameter::Context { borrowed: false } => quote!(#context.clone()),
            Parameter::Principal { borrowed } => of_caller(context, "principal", *borrowed),
            Parameter::Authorization { borrowed } => of_caller(context, "authorization", *borrowed),
            Parameter::State { ty, borrowed } => {
                states.push(quote_spanned!(ty.span()=> let #local = #context.demand::<#ty>()?;));
                if *borrowed { quote!(&#local) } else { quote!(#local) }
            }
            Parameter::Plain(_) => {
                taken.push(local);
                quote!(#local)
            }
        });
    }
    let uses_context = function.parameters.iter().any(|one| !matches!(one, Parameter::Plain(_)));
    let context = if uses_context { quote!(#context) } else { quote!(_) };
    let awaited = function.signature.asyncness.map(|_| quote!(.await));
    let sent = (shape != Shape::Unsent)
        .then(|| quote!(#support::Arguments((#(#taken,)*)): #support::Arguments<#parameters>,));
    let is_async = (shape != Shape::Blocking).then(|| quote!(async move));
    quote! {
        |#sent #context: #support::Context| #is_async {
            #(#states)*
            let #value = #callee(#(#given),*) #awaited;
            ::core::result::Result::<_, #support::Failure>::Ok(#output)
        }
    }
}

/// What the context knows of the caller.
fn of_caller(context: &Ident, method: &str, borrowed: bool) -> TokenStream {
    let method = Ident::new(method, Span::mixed_site());
    match borrowed {
        true => quote!(#context.#method()),
        false => quote!(::core::clone::Clone::clone(#context.#method())),
    }
}

/// The state that the function needs, as calls of the builder.
pub(crate) fn needs(function: &Function) -> TokenStream {
    let types = function.parameters.iter().filter_map(|parameter| match parameter {
        Parameter::State { ty, .. } => Some(quote_spanned!(ty.span()=> .needs::<#ty>())),
        _ => None,
    });
    quote!(#(#types)*)
}

/// The replacement of a refused function: an item with its name, so that its uses compile.
pub(crate) fn refused(item: &TokenStream, support: &TokenStream, kind: &str) -> TokenStream {
    let kind = Ident::new(kind, Span::call_site());
    match syn::parse2::<syn::ItemFn>(item.clone()) {
        Ok(function) if function.sig.receiver().is_none() => {
            let (visibility, name) = (function.vis, function.sig.ident);
            quote! {
                #[allow(dead_code, non_camel_case_types)]
                #visibility enum #name {}
                #[allow(dead_code)]
                #visibility fn #name() -> #support::#kind {
                    ::core::unimplemented!()
                }
            }
        }
        _ => TokenStream::new(),
    }
}
