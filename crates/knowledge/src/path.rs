//! The name of a document: its path below the folder, with `/` on every system.

use std::{borrow::Borrow, fmt, sync::Arc};

/// A relative path of plain segments joined by `/`.
///
/// It never leads upwards, starts at a root or has an empty segment, so it names the same document wherever it
/// is written: in a library, in a URI, in a message to a person. A clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentPath(Arc<str>);

impl DocumentPath {
    /// Takes a path as the name of a document.
    ///
    /// # Errors
    /// The first rule that the path breaks.
    pub fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute);
        }
        for (index, segment) in path.split('/').enumerate() {
            check_segment(segment)?;
            if index == 0 && is_drive(segment) {
                return Err(PathError::Absolute);
            }
        }
        Ok(Self(path.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without the last segment's extension.
    pub fn without_extension(&self) -> &str {
        let name = self.0.rfind('/').map_or(0, |slash| slash + 1);
        // A leading dot begins a hidden name, not an extension.
        match self.0[name..].rfind('.') {
            Some(dot) if dot > 0 => &self.0[..name + dot],
            _ => &self.0,
        }
    }

    /// The names that say what the document is, from the outermost folder to the file: folders, and the file without its
    /// extensions. A `README` or `index` below a folder has no name of its own.
    pub(crate) fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        let path = self.without_extension();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let own = name.split_once('.').map_or(name, |(name, _)| if name.is_empty() { path } else { name });
        let says_nothing = !folders.is_empty() && ["readme", "index"].contains(&own.to_lowercase().as_str());
        folders.split('/').filter(|name| !name.is_empty()).chain((!says_nothing).then_some(name))
    }

    /// The language and the domain that the path speaks of.
    ///
    /// `python/testing.md`, `python-testing.md` and `python_testing.md` all speak of testing in Python. Of a
    /// longer path the folder that holds the file counts (`standards/python/testing.md`). A `README` or `index`
    /// in a folder has the folder's language and no domain.
    pub fn topic(&self) -> (Option<&str>, Option<&str>) {
        let path = self.without_extension();
        let Some((folders, name)) = path.rsplit_once('/') else {
            let halves = path.split_once(['-', '_']).filter(|(language, domain)| {
                language.starts_with(char::is_alphabetic) && domain.starts_with(char::is_alphanumeric)
            });
            return halves.map_or((None, None), |(language, domain)| (Some(language), Some(domain)));
        };
        let language = folders.rsplit('/').next();
        let names_the_folder = ["readme", "index"].contains(&name.to_lowercase().as_str());
        (language, (!names_the_folder).then_some(name))
    }
}

impl Borrow<str> for DocumentPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not the path of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is nothing in it.
    #[error("the path is empty")]
    Empty,
    /// It starts at a root or a drive.
    #[error("the path is absolute; name the document relative to its folder")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the path has a segment `.` or `..`")]
    DotSegment,
    /// A backslash, which separates folders on some systems and is a letter on others.
    #[error("the path has a backslash; separate folders with `/`")]
    Backslash,
    /// A NUL character, which ends a path on most systems.
    #[error("the path has a NUL character")]
    Nul,
}

/// Checks one segment of a path.
pub(crate) fn check_segment(segment: &str) -> Result<(), PathError> {
    match segment {
        "" => Err(PathError::EmptySegment),
        "." | ".." => Err(PathError::DotSegment),
        _ if segment.contains('\\') => Err(PathError::Backslash),
        _ if segment.contains('\0') => Err(PathError::Nul),
        _ => Ok(()),
    }
}

/// Whether a segment is `C:`, which makes what follows absolute on Windows.
fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(path: &str) -> (Option<String>, Option<String>) {
        let path = DocumentPath::new(path).unwrap();
        let (language, domain) = path.topic();
        (language.map(str::to_owned), domain.map(str::to_owned))
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (path, error) in [
            ("", PathError::Empty),
            ("/a.md", PathError::Absolute),
            ("C:/a.md", PathError::Absolute),
            ("a//b.md", PathError::EmptySegment),
            ("a/", PathError::EmptySegment),
            ("../a.md", PathError::DotSegment),
            ("a/../b.md", PathError::DotSegment),
            ("./a.md", PathError::DotSegment),
            ("a\\..\\b.md", PathError::Backslash),
            ("a\0.md", PathError::Nul),
        ] {
            assert_eq!(DocumentPath::new(path), Err(error), "{path:?}");
        }
        for path in ["a.md", "a b/c.md", "..a/b..md", "...", "é/ü.md", "a:b.md", ".a"] {
            assert_eq!(DocumentPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn the_topic_is_read_from_folder_or_name() {
        let python_testing = (Some("python".to_owned()), Some("testing".to_owned()));
        for path in [
            "python/testing.md",
            "python-testing.md",
            "python_testing.markdown",
            "standards/python/testing.md",
        ] {
            assert_eq!(topic(path), python_testing, "{path}");
        }
        assert_eq!(topic("go/error-handling.md").1.unwrap(), "error-handling");
        assert_eq!(topic("go-error-handling.md").1.unwrap(), "error-handling");
        assert_eq!(topic("python/README.md"), (Some("python".into()), None));
        for path in ["readme.md", "001_412a1ce0.txt", "-a.md", "python-.md", "notes"] {
            assert_eq!(topic(path), (None, None), "{path}");
        }
    }

    #[test]
    fn a_readme_has_the_names_of_its_folders() {
        for (path, expected) in [
            ("a/b-c/d.e.md", &["a", "b-c", "d.e"][..]),
            ("a/b/README.md", &["a", "b"]),
            ("a/b/Readme.zh-CN.md", &["a", "b"]),
            ("index.md", &["index"]),
            (".hidden", &[".hidden"]),
        ] {
            assert_eq!(DocumentPath::new(path).unwrap().names().collect::<Vec<_>>(), expected, "{path}");
        }
    }

    #[test]
    fn only_the_last_extension_of_the_last_segment_goes() {
        for (path, rest) in
            [("a.b/c", "a.b/c"), ("a.b/c.d.md", "a.b/c.d"), (".hidden", ".hidden"), ("é.md", "é")]
        {
            assert_eq!(DocumentPath::new(path).unwrap().without_extension(), rest);
        }
    }
}
