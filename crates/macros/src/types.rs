//! Properties of a type that its syntax shows.

use syn::{GenericArgument, Path, PathArguments, PathSegment, Type, TypePath};

/// Types of numbers.
pub(crate) const NUMBERS: &[&str] =
    &["i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f32", "f64"];

/// Types of text.
pub(crate) const TEXTS: &[&str] = &["String", "char", "PathBuf"];

/// The last name of a type's path, with its arguments.
pub(crate) fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(TypePath { qself: None, path: Path { segments, .. } }) => segments.last(),
        Type::Paren(inside) => last(&inside.elem),
        // What a macro by example passes on.
        Type::Group(inside) => last(&inside.elem),
        _ => None,
    }
}

/// Whether the type's last name is `name`.
pub(crate) fn is(ty: &Type, name: &str) -> bool {
    last(ty).is_some_and(|segment| segment.ident == name)
}

/// Whether the type, or what is optional of it, has one of these last names.
pub(crate) fn is_one_of(ty: &Type, names: &[&str]) -> bool {
    match argument(ty).filter(|_| is_optional(ty)) {
        Some(inside) => is_one_of(inside, names),
        None => names.iter().any(|name| is(ty, name)),
    }
}

/// Whether it is an `Option<..>`.
pub(crate) fn is_optional(ty: &Type) -> bool {
    is(ty, "Option") && argument(ty).is_some()
}

/// `T` of `Name<T>`.
pub(crate) fn argument(ty: &Type) -> Option<&Type> {
    match &last(ty)?.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => {
            match arguments.args.first()? {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            }
        }
        _ => None,
    }
}
