//! Containment of URIs: whether a resource is another one, or a part of it.

/// Whether `uri` is `whole` or lies within it: below it as a path, or with a query or fragment of it.
///
/// 2026-07-28, schema ResourceUpdatedNotificationParams: the URI "might be a sub-resource of the one that the client
/// actually subscribed to". The specification does not say what a sub-resource is; this is how URIs nest.
pub fn contains(whole: &str, uri: &str) -> bool {
    uri.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_belongs_to_its_whole() {
        assert!(contains("a:/b", "a:/b") && contains("a:/b", "a:/b/c") && contains("a:/b/", "a:/b/c"));
        assert!(contains("a:/b", "a:/b?c") && contains("a:/b", "a:/b#c"));
        assert!(!contains("a:/b", "a:/bc") && !contains("a:/b/c", "a:/b"));
    }
}
