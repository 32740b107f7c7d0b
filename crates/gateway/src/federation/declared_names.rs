//! The names of arguments that a tool declares, at every depth.

use std::collections::{BTreeMap, BTreeSet};

use anyport_protocol::{
    Raw,
    json::{Elements, Members, string::folded},
};
use bytestring::ByteString;

/// The names that the schema of a tool declares: those of its arguments, and of the members of their objects. Of several schemas for one value
/// (`anyOf`, `$ref`) it has the names of all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeclaredNames {
    /// Each name.
    names: BTreeSet<ByteString>,
    /// One of the names for each that is alike.
    by_likeness: BTreeMap<String, ByteString>,
    /// The names inside of the values, by their own names.
    inside: BTreeMap<ByteString, Self>,
    /// The names inside of the elements of a list.
    of_elements: Option<Box<Self>>,
}

/// A member that may be taken for another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LookAlike {
    /// As it is written.
    pub(super) given: String,
    /// As it is declared.
    pub(super) meant: ByteString,
}

/// How deep schemas are read. Those of types that contain themselves have no end.
const DEPTH: usize = 12;
/// How many names of a schema are read.
const SCHEMAS: usize = 4_096;

impl DeclaredNames {
    /// Those of the tool that is listed as `listed`.
    pub(super) fn of(listed: &Raw) -> Self {
        let schema = listed.member("inputSchema").unwrap_or(Raw::EMPTY_OBJECT);
        let mut declared = Self::default();
        let mut reader = Reader { root: schema.as_str(), left: SCHEMAS };
        reader.read(schema.as_str(), DEPTH, &mut declared);
        declared
    }

    /// The first member of `value`, at any depth, that may be taken for a declared one.
    pub(super) fn look_alike(&self, value: &str) -> Option<LookAlike> {
        match value.as_bytes().first() {
            Some(b'{') if !self.names.is_empty() => {
                Members::of(value).find_map(|member| self.of_member(&member.key(), member.value))
            }
            Some(b'[') => {
                let declared = self.of_elements.as_ref()?;
                Elements::of(value).find_map(|element| declared.look_alike(element))
            }
            _ => None,
        }
    }

    fn of_member(&self, name: &str, value: &str) -> Option<LookAlike> {
        if self.names.contains(name) {
            return self.inside.get(name)?.look_alike(value);
        }
        let meant = self.by_likeness.get(&folded(name))?.clone();
        Some(LookAlike { given: name.to_owned(), meant })
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.of_elements.is_none()
    }
}

/// Reads the schemas of one tool.
struct Reader<'a> {
    root: &'a str,
    /// The number of schemas that may still be read: 2026-07-28, basic §Composition-Keyword Resource Use, asks for "a cap on the total
    /// number of subschemas".
    left: usize,
}

impl Reader<'_> {
    /// Adds what `schema` declares to `declared`.
    fn read(&mut self, schema: &str, depth: usize, declared: &mut DeclaredNames) {
        let Some(depth) = depth.checked_sub(1).filter(|_| schema.starts_with('{')) else { return };
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        for keyword in Members::of(schema) {
            match &*keyword.key() {
                "properties" => self.properties(keyword.value, depth, declared),
                "items" | "additionalItems" | "unevaluatedItems" => {
                    self.elements(keyword.value, depth, declared);
                }
                "prefixItems" => {
                    Elements::of(keyword.value).for_each(|item| self.elements(item, depth, declared));
                }
                "anyOf" | "oneOf" | "allOf" if keyword.value.starts_with('[') => {
                    Elements::of(keyword.value).for_each(|schema| self.read(schema, depth, declared));
                }
                "if" | "then" | "else" => self.read(keyword.value, depth, declared),
                "$ref" => {
                    if let Some(schema) = self.referenced(keyword.value) {
                        self.read(&schema, depth, declared);
                    }
                }
                _ => {}
            }
        }
    }

    fn properties(&mut self, properties: &str, depth: usize, declared: &mut DeclaredNames) {
        if !properties.starts_with('{') {
            return;
        }
        for property in Members::of(properties) {
            if self.left == 0 {
                return;
            }
            let name = ByteString::from(&*property.key());
            declared.by_likeness.entry(folded(&name)).or_insert_with(|| name.clone());
            let mut inside = declared.inside.remove(&name).unwrap_or_default();
            self.read(property.value, depth, &mut inside);
            if !inside.is_empty() {
                declared.inside.insert(name.clone(), inside);
            }
            declared.names.insert(name);
        }
    }

    fn elements(&mut self, schema: &str, depth: usize, declared: &mut DeclaredNames) {
        // Before 2020-12, `items` could have a schema for each element.
        if schema.starts_with('[') {
            return Elements::of(schema).for_each(|schema| self.elements(schema, depth, declared));
        }
        let mut inside = declared.of_elements.take().unwrap_or_default();
        self.read(schema, depth, &mut inside);
        declared.of_elements = Some(inside).filter(|inside| !inside.is_empty());
    }

    /// The schema of the same document that a JSON string refers to: `"#/$defs/Name"`.
    fn referenced(&self, reference: &str) -> Option<String> {
        let reference = Raw::trusted(reference.as_bytes().to_vec()).as_string()?;
        let pointer = reference.strip_prefix('#')?;
        let mut schema = self.root;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            schema = Members::of(schema).find(|member| *member.key() == token)?.value;
            if !schema.starts_with('{') {
                return None;
            }
        }
        Some(schema.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn declared(schema: Value) -> DeclaredNames {
        DeclaredNames::of(&json!({"inputSchema": schema}).into())
    }

    fn meant(declared: &DeclaredNames, arguments: Value) -> Option<String> {
        declared.look_alike(&arguments.to_string()).map(|found| found.meant.to_string())
    }

    #[test]
    fn declared_names_are_found_wherever_a_schema_has_them() {
        let path = || json!({"properties": {"path": {"type": "string"}}});
        for (schema, arguments) in [
            (path(), json!({"Path": 1})),
            (path(), json!({"path": 1, "PATH": 2})),
            (path(), json!({"path\0": 1})),
            (json!({"properties": {"a": path()}}), json!({"a": {"Path": 1}})),
            (json!({"properties": {"a": {"items": path()}}}), json!({"a": [{}, {"Path": 1}]})),
            (json!({"properties": {"a": {"prefixItems": [{}, path()]}}}), json!({"a": [1, {"Path": 1}]})),
            (json!({"properties": {"a": {"anyOf": [path(), {"type": "null"}]}}}), json!({"a": {"Path": 1}})),
            (
                json!({"properties": {"a": {"$ref": "#/$defs/A~1b"}}, "$defs": {"A/b": path()}}),
                json!({"a": {"Path": 1}}),
            ),
            (json!({"allOf": [{"then": path()}]}), json!({"Path": 1})),
            (
                json!({"$ref": "#/$defs/N", "$defs": {"N": {"properties": {"path": {}, "next": {"$ref": "#/$defs/N"}}}}}),
                json!({"next": {"next": {"Path": 1}}}),
            ),
        ] {
            assert_eq!(
                meant(&declared(schema.clone()), arguments.clone()).as_deref(),
                Some("path"),
                "{schema} {arguments}"
            );
        }
    }

    #[test]
    fn what_is_not_declared_is_free() {
        let schema = json!({"properties": {"env": {"type": "object"}, "mode": {}, "Mode": {}, "a": {"properties": {"b": {}}}}});
        for arguments in [
            json!({"env": {"PATH": 1, "Path": 2}}),
            json!({"mode": 1, "Mode": 2}),
            json!({"other": {"B": 1}}),
            json!({"a": {"c": {"B": 1}}}),
            json!({"a": [{"B": 1}]}),
            json!([{"Mode": 1}]),
            json!("Mode"),
        ] {
            assert_eq!(meant(&declared(schema.clone()), arguments.clone()), None, "{arguments}");
        }
    }

    #[test]
    fn schemas_without_end_and_broken_ones_end() {
        // Each of these would be read a hundred times at each depth.
        let itself = vec![json!({"$ref": "#"}); 100];
        assert_eq!(meant(&declared(json!({"anyOf": itself})), json!({"a": 1})), None);
        let wide =
            |name: &str| json!({"properties": {name: {"$ref": "#"}, "x": {"$ref": "#"}, "y": {"$ref": "#"}}});
        assert!(!declared(wide("a")).is_empty());
        let circle =
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
        for schema in [
            circle,
            json!(true),
            json!({"properties": [1], "items": [1], "anyOf": 5, "$ref": "#/x"}),
            json!({"$ref": 5}),
        ] {
            assert!(declared(schema.clone()).is_empty(), "{schema}");
        }
    }
}
