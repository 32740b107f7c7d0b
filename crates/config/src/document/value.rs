//! What the value of a file says on the way to an entry.

use serde_json::{Map, Value};

use super::error::EditError;

/// Checks that every key of `section` leads to an object, or nowhere.
///
/// # Errors
/// The first key that leads elsewhere.
pub(super) fn check_shape(root: &Value, section: &[&str]) -> Result<(), EditError> {
    let mut value = root;
    for (depth, key) in std::iter::once("").chain(section.iter().copied()).enumerate() {
        if depth > 0 {
            match value.get(key) {
                Some(inner) => value = inner,
                None => return Ok(()),
            }
        }
        if !value.is_object() && !value.is_null() {
            let key = if depth == 0 { "the root".into() } else { section[..depth].join(".") };
            return Err(EditError::Shape { key, found: crate::value_kind::kind(value) });
        }
    }
    Ok(())
}

/// The entry `name` below the keys of `section`.
pub(crate) fn lookup<'a>(root: &'a Value, section: &[&str], name: &str) -> Option<&'a Value> {
    section.iter().chain([&name]).try_fold(root, |value, key| value.get(key))
}

/// `root` without the entry, and without objects on the way to it that are empty then.
pub(super) fn without(mut root: Value, section: &[&str], name: &str) -> Value {
    let path: Vec<&str> = section.iter().copied().chain([name]).collect();
    for depth in (0..path.len()).rev() {
        let parent = path[..depth].iter().try_fold(&mut root, |value, key| value.get_mut(key));
        let Some(Value::Object(parent)) = parent else { continue };
        let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if depth + 1 == path.len() || parent.get(path[depth]).is_some_and(is_empty) {
            parent.shift_remove(path[depth]);
        }
    }
    root
}

/// Whether two values say the same: an empty section says nothing.
pub(super) fn same(old: Value, new: Value) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    old == new || (empty(&old) && empty(&new))
}
