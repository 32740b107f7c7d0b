use std::{fmt, sync::Arc};

/// Headers of a client's HTTP request that are for servers behind this one: keys that the client brings. Cheap to clone.
///
/// The values are secrets: they are compared and hashed, and are not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ClientHeaders(Arc<[(Box<str>, Box<str>)]>);

impl ClientHeaders {
    /// The headers with these names, in lower case, and values.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let headers =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase().into(), value.into()));
        let mut headers: Vec<(Box<str>, Box<str>)> = headers.collect();
        headers.sort();
        Self(headers.into())
    }

    /// The value of the header `name`, in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// Those of the headers whose names are among `names`, which are in lower case.
    #[must_use]
    pub fn only(&self, names: &[impl AsRef<str>]) -> Self {
        let is_among = |name: &str| names.iter().any(|known| known.as_ref() == name);
        self.0.iter().filter(|(name, _)| is_among(name)).cloned().collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Box<str>, Box<str>)> for ClientHeaders {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Box<str>)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl fmt::Debug for ClientHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_equal_by_value_and_show_no_value() {
        let headers = ClientHeaders::new([("X-Key", "s3cret"), ("a", "b")]);
        assert_eq!(headers, ClientHeaders::new([("A", "b"), ("x-key", "s3cret")]));
        assert_ne!(headers, ClientHeaders::new([("a", "b"), ("x-key", "other")]));
        assert_eq!(headers.get("x-key"), Some("s3cret"));
        assert_eq!(headers.only(&["a", "c"]), ClientHeaders::new([("a", "b")]));
        assert!(headers.only(&["c"]).is_empty());
        assert_eq!(format!("{headers:?}"), r#"{"a", "x-key"}"#);
    }
}
