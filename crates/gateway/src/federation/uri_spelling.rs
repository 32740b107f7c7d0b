//! The usual spelling of URIs: rules compare texts, and servers take several texts for one URI.

/// Whether a URI has the spelling to which RFC 3986 §6.2.2 and §6.2.3 normalize it, as far as that depends on no scheme but `file` and `http`: no
/// upper case in scheme and host, no `.`, `..` or empty segments, no `%XX` for what needs none or what divides segments, no user, no default
/// port; and nothing that only some servers accept: control characters, spaces, `\`.
///
/// What is upper or lower case in a path stays open: most servers tell it apart.
pub(super) fn is_usual(uri: &str) -> bool {
    if uri.chars().any(|char| char.is_control() || char.is_whitespace() || char == '\\') {
        return false;
    }
    let place = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = place.split_once(':') else { return has_usual_segments(place) };
    if scheme.chars().any(|char| char.is_ascii_uppercase()) || !has_usual_escapes(place) {
        return false;
    }
    match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_usual_authority(scheme, authority) && has_usual_segments(path)
        }
        // RFC 8089 §2: also `file:/path`, which is `file:///path`.
        None => scheme != "file" && has_usual_segments(rest),
    }
}

fn is_usual_authority(scheme: &str, authority: &str) -> bool {
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        // RFC 8089 §2: an empty host is the machine itself, which has other names.
        "file" => return authority.is_empty(),
        _ => "",
    };
    let has_default_port = !default_port.is_empty() && authority.ends_with(default_port);
    let has_upper_case = authority.chars().any(char::is_uppercase);
    !has_default_port && !has_upper_case && !authority.contains('@') && !authority.ends_with(['.', ':'])
}

fn has_usual_segments(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
            return false;
        }
    }
    true
}

/// Whether every `%XX` is of a byte that must be written so: no unreserved character, and none that servers may take for a divider.
fn has_usual_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| {
            let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            !is_unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_uri_are_known() {
        for usual in [
            "file:///srv/a.txt",
            "file:///srv/a%20b/%C3%A9/",
            "file:///",
            "file:///Plans",
            "note://x/y?a=../b#/../c",
            "note:x",
            "urn:isbn:0451450523",
            "https://example.com/a/b",
            "https://example.com:8443/",
            "docs/a",
            "file:///{+path}",
        ] {
            assert!(is_usual(usual), "{usual}");
        }
        for other in [
            "file:///./srv",
            "file:///pub/../srv",
            "file:///srv/..",
            "file:///pub/%2e%2e/srv",
            "file:////srv",
            "file:///srv//a",
            "file:///%73rv",
            "file:///srv%2Fa",
            "file:///srv%5ca",
            "file:///srv%252fa",
            "file:///srv%0a",
            "file:///srv%zz",
            "file:///srv\\a",
            "file:///sr\tv",
            "file:///srv ",
            "FILE:///srv",
            "file:/srv",
            "file://localhost/srv",
            "https://EXAMPLE.com/a",
            "https://user@example.com/a",
            "https://example.com:443/a",
            "https://example.com./a",
            "https://example.com:/a",
            "../a",
        ] {
            assert!(!is_usual(other), "{other}");
        }
    }
}
