//! `#[tools]`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Meta, Path, Receiver, Type, parse_quote};

use crate::{
    common::crate_path,
    function::Function,
    settings::{self, Known, Problems},
    support, tool,
    write::Names,
};

const SETTINGS: Known = Known { attribute: "#[tools]", settings: &["crate"], several: &[] };

/// The `impl` as it was written, and a function `tools` that makes the tools of its methods.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let given = problems.take(read(attribute)).flatten();
    let support = support::path(given.as_ref())?;
    let mut item: ItemImpl = syn::parse2(item.clone()).map_err(|_| {
        syn::Error::new(
            Span::call_site(),
            "`#[tools]` makes tools of the methods of a type: put it on its `impl`",
        )
    })?;
    refuse(&item, &mut problems);
    let mut tools = Vec::new();
    let mut found = false;
    for member in &mut item.items {
        let ImplItem::Fn(method) = member else { continue };
        let Some(attribute) = take_attribute(method) else { continue };
        found = true;
        tools.extend(problems.take(tool_of(method, &attribute, &item.self_ty, &support)));
    }
    if !found {
        let words = "none of these methods is a tool: put `#[tool]` on those that are";
        problems.add(syn::Error::new_spanned(&item.self_ty, words));
    }
    let (body, errors) = match problems.finish() {
        Ok(()) => (quote!(let mut tools = ::std::vec::Vec::new(); #(#tools)* tools), None),
        // Its uses are not refused as well.
        Err(errors) => (quote!(::core::unimplemented!()), Some(errors.into_compile_error())),
    };
    if item.trait_.is_some() {
        return Ok(quote!(#item #errors));
    }
    let cfgs = item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let (generics, ty, clause) = (&item.generics, &item.self_ty, &item.generics.where_clause);
    Ok(quote! {
        #item

        #errors

        #(#cfgs)*
        impl #generics #ty #clause {
            /// Makes the tools of the methods under `#[tool]`, in their order. The server needs a state of this type.
            #[allow(dead_code, unreachable_pub, reason = "who may use it is decided by the type")]
            pub fn tools() -> ::std::vec::Vec<#support::Tool> {
                #body
            }
        }
    })
}

/// The path of the crate, if the attribute says one.
fn read(attribute: TokenStream) -> syn::Result<Option<Path>> {
    let settings = settings::read(attribute, &SETTINGS)?;
    settings.first().map(crate_path).transpose()
}

/// Refuses an `impl` with methods that cannot be tools.
fn refuse(item: &ItemImpl, problems: &mut Problems) {
    if let Some((_, path, _)) = &item.trait_ {
        let words =
            "the tools of a server are methods of a type, not of a trait: call these from such methods";
        problems.add(syn::Error::new_spanned(path, words));
    }
    if !item.generics.params.is_empty() {
        let words = "clients are told of tools with one schema, and a server has one value of a type: write the \
                     `impl` for one type, without parameters";
        problems.add(syn::Error::new_spanned(&item.generics.params, words));
    }
}

/// The attribute that makes a tool of `method`, which loses it.
fn take_attribute(method: &mut ImplItemFn) -> Option<Attribute> {
    let is_tool = |attribute: &Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == "tool")
    };
    let place = method.attrs.iter().position(is_tool)?;
    Some(method.attrs.remove(place))
}

/// The statement that makes the tool of `method`, which loses what is ours among the attributes of its parameters.
fn tool_of(
    method: &mut ImplItemFn,
    attribute: &Attribute,
    ty: &Type,
    support: &TokenStream,
) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let settings = match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(_) => {
            return Err(syn::Error::new_spanned(attribute, "write `#[tool]` or `#[tool(..)]`"));
        }
    };
    let mut signature = method.sig.clone();
    let receiver = match signature.inputs.first_mut() {
        Some(input @ FnArg::Receiver(_)) => {
            Some(std::mem::replace(input, parse_quote!(__anyport_self: &State<#ty>)))
        }
        _ => None,
    };
    if let Some(FnArg::Receiver(receiver)) = &receiver {
        shared(receiver, &mut problems);
    }
    for input in signature.inputs.iter().skip(usize::from(receiver.is_some())) {
        if let FnArg::Typed(input) = input
            && says_self(input.ty.to_token_stream())
        {
            let words =
                "the tool is made outside of the `impl`, where there is no `Self`: write the type's name";
            problems.add(syn::Error::new_spanned(&input.ty, words));
        }
    }
    let (attributes, visibility, block) = (&method.attrs, &method.vis, &method.block);
    let function = Function::read(quote!(#(#attributes)* #visibility #signature #block), tool::KIND);
    let function = problems.take(function);
    let tool = problems.take(tool::Tool::read(settings));
    if let (Some(tool), Some(function)) = (&tool, &function) {
        problems.take(tool.check(function));
    }
    problems.finish()?;
    let (Some(tool), Some(mut function)) = (tool, function) else { return Ok(TokenStream::new()) };
    let name = &method.sig.ident;
    function.callee = quote!(<#ty>::#name);
    method.sig.inputs.clone_from(&function.signature.inputs);
    if let (Some(first), Some(receiver)) = (method.sig.inputs.first_mut(), receiver) {
        *first = receiver;
    }
    let make = tool.write(&function, &Names::new(support.clone()));
    let cfgs = &function.cfgs;
    Ok(quote! {
        #(#cfgs)*
        tools.push({
            use #support as __anyport;
            #make
        });
    })
}

/// Refuses a receiver other than `&self`.
fn shared(receiver: &Receiver, problems: &mut Problems) {
    let is_shared =
        receiver.reference.is_some() && receiver.mutability.is_none() && receiver.colon_token.is_none();
    if !is_shared {
        let words = "a tool takes `&self`: calls run at the same time and share the value; what changes stands in a \
                     `Mutex` or an atomic";
        problems.add(syn::Error::new_spanned(receiver, words));
    }
}

/// Whether `Self` stands in `tokens`.
fn says_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => says_self(group.stream()),
        _ => false,
    })
}
