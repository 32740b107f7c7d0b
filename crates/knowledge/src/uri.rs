//! The URI of a document: `docs:///` and its path, percent-encoded (the template `docs:///{+path}`).
//!
//! The authority is empty, always: in `docs://a b.md` or `docs://[x]/y.md` the first segment would become an
//! authority, which URL parsers of clients refuse, and with it the whole list it stands in.

use std::{borrow::Cow, str::Utf8Error};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::path::{DocumentPath, PathError};

/// The prefix of every document's URI.
pub const PREFIX: &str = "docs:///";

/// The template (RFC 6570) that every document's URI matches; `{path}` would not match a `/`.
pub const TEMPLATE: &str = "docs:///{+path}";

/// All but RFC 3986 §2.3 "unreserved" and the slash between segments.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The URI of the document at `path`.
pub fn of(path: &DocumentPath) -> String {
    format!("{PREFIX}{}", utf8_percent_encode(path.as_str(), ENCODED))
}

/// The URI of a section of the document at `path`: its fragment is the heading's slug.
pub fn of_section(path: &DocumentPath, slug: &str) -> String {
    format!("{}#{}", of(path), utf8_percent_encode(slug, ENCODED))
}

/// The path and the fragment in a document's or section's URI, however much of it is percent-encoded. They need
/// not be those of anything that exists.
pub(crate) fn split(uri: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let rest = uri.strip_prefix(PREFIX)?;
    let decode = |text| percent_decode_str(text).decode_utf8().ok();
    match rest.split_once('#') {
        Some((path, fragment)) => Some((decode(path)?, Some(decode(fragment)?))),
        None => Some((decode(rest)?, None)),
    }
}

/// The path in a document's URI.
///
/// Characters that may stand in a path unencoded are taken as they are, so a client that encodes less than
/// [`of`] does is understood; what is no URI is refused, not repaired.
///
/// # Errors
/// The first thing that is wrong with the URI, or with the path in it.
pub fn path(uri: &str) -> Result<DocumentPath, UriError> {
    let encoded = uri.strip_prefix(PREFIX).ok_or(UriError::Prefix)?;
    check(encoded)?;
    let decoded = percent_decode_str(encoded).decode_utf8()?;
    Ok(DocumentPath::new(decoded)?)
}

/// Why a text is not the URI of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It is the URI of something else, or of nothing.
    #[error("the URI of a document begins with `{PREFIX}`")]
    Prefix,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("`%` at byte {0} of the path is not followed by two hexadecimal digits")]
    Escape(usize),
    /// `%2F`: no name has a slash in it, and two spellings of one path would pass different checks.
    #[error("the slash at byte {0} of the path is encoded; write `/`")]
    EncodedSlash(usize),
    /// A character that cannot stand in the path of a URI.
    #[error("{0:?} cannot stand in the path of a URI; percent-encode it")]
    Character(char),
    /// The decoded bytes are not UTF-8.
    #[error("the decoded path is not UTF-8: {0}")]
    NotUtf8(#[from] Utf8Error),
    /// The URI is well-formed, but its path is no document's.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Checks the path against RFC 3986 §3.3: `pchar = unreserved / pct-encoded / sub-delims / ":" / "@"`.
fn check(encoded: &str) -> Result<(), UriError> {
    for (at, character) in encoded.char_indices() {
        match character {
            '%' => match encoded.as_bytes().get(at + 1..at + 3) {
                Some([b'2', b'f' | b'F']) => return Err(UriError::EncodedSlash(at)),
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
                _ => return Err(UriError::Escape(at)),
            },
            'a'..='z' | 'A'..='Z' | '0'..='9' => {}
            _ if "-._~!$&'()*+,;=:@/".contains(character) => {}
            _ => return Err(UriError::Character(character)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(path: &str) -> String {
        of(&DocumentPath::new(path).unwrap())
    }

    #[test]
    fn all_but_unreserved_and_slash_is_encoded() {
        assert_eq!(uri("python/testing.md"), "docs:///python/testing.md");
        assert_eq!(uri("a b/[x]~c_d-e.md"), "docs:///a%20b/%5Bx%5D~c_d-e.md");
        assert_eq!(uri("50%?#.md"), "docs:///50%25%3F%23.md");
        assert_eq!(uri("é.md"), "docs:///%C3%A9.md");
    }

    #[test]
    fn sections_are_fragments() {
        let path = DocumentPath::new("50%#.md").unwrap();
        let uri = of_section(&path, "größe-2");
        assert_eq!(uri, "docs:///50%25%23.md#gr%C3%B6%C3%9Fe-2");
        assert_eq!(split(&uri), Some(("50%#.md".into(), Some("größe-2".into()))));
        assert_eq!(split("docs:///a b.md"), Some(("a b.md".into(), None)));
        assert_eq!((split("file:///a.md"), split("docs:///%ff")), (None, None));
    }

    #[test]
    fn other_spellings_of_a_path_are_understood() {
        assert_eq!(path("docs:///%70ython/a+b:c@d.md").unwrap().as_str(), "python/a+b:c@d.md");
        assert_eq!(path("docs:///%c3%a9.md").unwrap().as_str(), "é.md");
    }

    #[test]
    fn what_is_no_document_uri_is_refused() {
        for (uri, error) in [
            ("docs://python/a.md", UriError::Prefix),
            ("file:///a.md", UriError::Prefix),
            ("", UriError::Prefix),
            ("docs:///", UriError::Path(PathError::Empty)),
            ("docs:////etc/passwd", UriError::Path(PathError::Absolute)),
            ("docs:///a//b.md", UriError::Path(PathError::EmptySegment)),
            ("docs:///../a.md", UriError::Path(PathError::DotSegment)),
            ("docs:///a/%2e%2E/b.md", UriError::Path(PathError::DotSegment)),
            ("docs:///a%5Cb.md", UriError::Path(PathError::Backslash)),
            ("docs:///a%00.md", UriError::Path(PathError::Nul)),
            ("docs:///a%2Fb.md", UriError::EncodedSlash(1)),
            ("docs:///..%2fb.md", UriError::EncodedSlash(2)),
            ("docs:///a%2.md", UriError::Escape(1)),
            ("docs:///a%", UriError::Escape(1)),
            ("docs:///a b.md", UriError::Character(' ')),
            ("docs:///a\\b.md", UriError::Character('\\')),
            ("docs:///é.md", UriError::Character('é')),
            ("docs:///a.md?x", UriError::Character('?')),
            ("docs:///a.md#x", UriError::Character('#')),
        ] {
            assert_eq!(path(uri), Err(error), "{uri}");
        }
        assert!(matches!(path("docs:///%ff.md"), Err(UriError::NotUtf8(_))));
    }

    proptest! {
        #[test]
        fn every_path_comes_back(segments in prop::collection::vec("[^/\\\\\0]{1,12}", 1..5)) {
            let Ok(document) = DocumentPath::new(segments.join("/")) else { return Ok(()) };
            let uri = of(&document);
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(path(&uri), Ok(document));
        }

        #[test]
        fn every_accepted_uri_means_its_canonical_one(rest in "[a-z./%0-9A-F\\\\:é ]{0,24}") {
            if let Ok(document) = path(&format!("{PREFIX}{rest}")) {
                prop_assert_eq!(path(&of(&document)), Ok(document));
            }
        }
    }
}
