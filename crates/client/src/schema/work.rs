//! The work of checking values by a schema, counted before it is done: compiling and checking run to their end, and a schema
//! of a few lines can make either exponential.

use std::collections::{HashMap, HashSet};

use anyport_protocol::schema::MAX_SUBSCHEMAS;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::pattern::states;

/// The deepest chain of subschemas that one check may follow, over references and into the value: each is a part of the
/// stack.
pub(super) const MAX_CHECK_DEPTH: usize = 400;
/// The most subschemas that may apply to one value: 20 levels of `allOf` with two references each to the next level are a
/// million, and compiling follows each of them where `unevaluatedProperties` stands.
pub(super) const MAX_APPLIED: usize = 2_000;
/// The most pairs of a subschema and a value that one check may visit.
pub(super) const MAX_CHECK_STEPS: usize = 500_000;
/// The most parts of a schema with an `$id`, to which references can be relative.
const MAX_RESOURCES: usize = 16;
/// The bytes of a text for which comparing counts as one step.
const BYTES_OF_A_STEP: usize = 16;
/// The states of a pattern, for each byte of a text, for which matching counts as one step. A thread cannot be stopped: the work of all
/// the steps of a check takes a few seconds at most, after which its place is free for others.
const STATES_OF_A_STEP: usize = 800;

/// Keywords whose values are no schemas, whatever they look like.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// Why a schema is not used for checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuchWork {
    #[error("its references lead back to where they begin, without a step into the value")]
    Circle,
    #[error("its references nest deeper than {MAX_CHECK_DEPTH} levels (MAX_CHECK_DEPTH)")]
    Depth,
    #[error("more than {MAX_APPLIED} subschemas apply to one value (MAX_APPLIED)")]
    Applied,
    #[error("its references reach more than {MAX_SUBSCHEMAS} subschemas (MAX_SUBSCHEMAS)")]
    Subschemas,
    #[error("more than {MAX_RESOURCES} of its parts have an \"$id\"")]
    Resources,
    #[error("a check takes more than {MAX_CHECK_STEPS} steps (MAX_CHECK_STEPS)")]
    Steps,
}

/// A schema whose references can be followed.
///
/// Where a reference may lead to several parts, each of them counts: more work is counted than is done, never less.
pub(super) struct References<'a> {
    root: &'a Value,
    /// The parts with an `$id`.
    resources: Vec<(&'a str, &'a Value)>,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    /// The states of each pattern.
    patterns: HashMap<&'a str, usize>,
}

/// What the subschemas of a schema are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The subschemas that can be reached.
    pub(super) subschemas: usize,
    /// The patterns among them.
    pub(super) patterns: usize,
    /// The most of them that apply to one value.
    pub(super) applied: usize,
}

impl<'a> References<'a> {
    /// Finds the parts of `schema` to which references can lead.
    ///
    /// # Errors
    /// [`TooMuchWork::Resources`].
    pub(super) fn of(schema: &'a Value) -> Result<Self, TooMuchWork> {
        let (anchors, patterns) = (HashMap::new(), HashMap::new());
        let mut references = Self { root: schema, resources: Vec::new(), anchors, patterns };
        // Wherever they stand: a reference leads to parts that are no subschemas, too.
        let mut pending = vec![schema];
        while let Some(part) = pending.pop() {
            match part {
                Value::Array(items) => pending.extend(items),
                Value::Object(members) => {
                    references.learn(part, members);
                    let parts = members.iter().filter(|(name, _)| !VALUES.contains(&name.as_str()));
                    pending.extend(parts.map(|(_, part)| part));
                }
                _ => {}
            }
        }
        match references.resources.len() <= MAX_RESOURCES {
            true => Ok(references),
            false => Err(TooMuchWork::Resources),
        }
    }

    fn learn(&mut self, part: &'a Value, members: &'a Map<String, Value>) {
        let text = |name: &&str| members.get(*name).and_then(Value::as_str);
        for id in ["$id", "id"].iter().filter_map(text) {
            // Drafts 6 and 7 write an anchor so.
            match id.strip_prefix('#') {
                Some(anchor) => self.anchors.entry(anchor).or_default().push(part),
                None => self.resources.push((id, part)),
            }
        }
        for anchor in ["$anchor", "$dynamicAnchor"].iter().filter_map(text) {
            self.anchors.entry(anchor).or_default().push(part);
        }
        let named = members.get("patternProperties").and_then(Value::as_object);
        let named = named.into_iter().flatten().map(|(pattern, _)| pattern.as_str());
        for pattern in named.chain(text(&"pattern")) {
            self.patterns.entry(pattern).or_insert_with(|| states(pattern));
        }
    }

    /// The parts to which `reference` may lead.
    fn targets(&self, reference: &str) -> Vec<&'a Value> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.get(&*fragment).cloned().unwrap_or_default();
        }
        let name = |id: &'a str| id.trim_end_matches('#').rsplit('/').next();
        let is_meant = |id: &'a str| address.is_empty() || name(id) == address.rsplit('/').next();
        let resources = self.resources.iter().filter(|(id, _)| is_meant(id)).map(|(_, part)| *part);
        let root = address.is_empty().then_some(self.root);
        let mut targets: Vec<&Value> =
            root.into_iter().chain(resources).filter_map(|resource| resource.pointer(&fragment)).collect();
        // The root may have an `$id` as well.
        targets.dedup_by(|a, b| std::ptr::eq(*a, *b));
        targets
    }

    /// The subschemas that apply to the same value as `schema`.
    fn in_place(&self, schema: &'a Map<String, Value>) -> Vec<&'a Value> {
        let mut applied = Vec::new();
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    applied.extend(self.targets(reference));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => applied.extend(schemas),
                ("not" | "if" | "then" | "else", schema) => applied.push(schema),
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    applied.extend(schemas.values());
                }
                _ => {}
            }
        }
        applied
    }

    /// Bounds what compiling the schema takes.
    ///
    /// # Errors
    /// Why it is not compiled.
    pub(super) fn extent(&self) -> Result<Extent, TooMuchWork> {
        let mut extent = Extent::default();
        let mut applied = Applied { references: self, counts: HashMap::new() };
        let (mut pending, mut seen) = (vec![self.root], HashSet::new());
        while let Some(schema) = pending.pop() {
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            if seen.len() > MAX_SUBSCHEMAS {
                return Err(TooMuchWork::Subschemas);
            }
            extent.applied = extent.applied.max(applied.count(schema, 0)?.applied);
            if let Some(members) = schema.as_object() {
                extent.patterns += usize::from(members.contains_key("pattern"));
                let named = members.get("patternProperties").and_then(Value::as_object);
                extent.patterns += named.map_or(0, Map::len);
                pending.extend(self.in_place(members));
                pending.extend(within(members));
            }
        }
        Ok(Extent { subschemas: seen.len(), ..extent })
    }

    /// Counts the steps of checking `value`, up to `most` of them.
    ///
    /// # Errors
    /// [`TooMuchWork::Steps`] if there are more, or [`TooMuchWork::Depth`].
    pub(super) fn steps(&self, value: &'a Value, most: usize) -> Result<(), TooMuchWork> {
        Steps { references: self, left: most }.check(self.root, value, 0)
    }
}

/// The subschemas of `schema` that apply to parts of its value.
fn within(schema: &Map<String, Value>) -> Vec<&Value> {
    let mut parts = Vec::new();
    for (keyword, value) in schema {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(schemas)) => parts.extend(schemas.values()),
            ("prefixItems" | "items", Value::Array(schemas)) => parts.extend(schemas),
            (
                "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames",
                schema,
            ) => parts.push(schema),
            _ => {}
        }
    }
    parts
}

/// Counts the subschemas that apply to one value.
struct Applied<'a, 'r> {
    references: &'r References<'a>,
    /// By subschema; `None` while it is counted.
    counts: HashMap<*const Value, Option<Count>>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    applied: usize,
    depth: usize,
}

impl<'a> Applied<'a, '_> {
    fn count(&mut self, schema: &'a Value, depth: usize) -> Result<Count, TooMuchWork> {
        if depth > MAX_CHECK_DEPTH {
            return Err(TooMuchWork::Depth);
        }
        match self.counts.insert(std::ptr::from_ref(schema), None) {
            Some(Some(count)) if depth + count.depth > MAX_CHECK_DEPTH => return Err(TooMuchWork::Depth),
            Some(Some(count)) => {
                self.counts.insert(std::ptr::from_ref(schema), Some(count));
                return Ok(count);
            }
            // 2020-12, core §9.4.1: schemas "SHOULD NOT make use of infinite recursive nesting like this; the behavior is
            // undefined".
            Some(None) => return Err(TooMuchWork::Circle),
            None => {}
        }
        let mut count = Count { applied: 1, depth: 0 };
        if let Some(members) = schema.as_object() {
            for part in self.references.in_place(members) {
                let part = self.count(part, depth + 1)?;
                count.applied = count.applied.saturating_add(part.applied);
                count.depth = count.depth.max(part.depth + 1);
            }
        }
        if count.applied > MAX_APPLIED {
            return Err(TooMuchWork::Applied);
        }
        self.counts.insert(std::ptr::from_ref(schema), Some(count));
        Ok(count)
    }
}

/// Visits what a check visits at most.
struct Steps<'a, 'r> {
    references: &'r References<'a>,
    left: usize,
}

impl<'a> Steps<'a, '_> {
    fn check(&mut self, schema: &'a Value, value: &Value, depth: usize) -> Result<(), TooMuchWork> {
        if depth > MAX_CHECK_DEPTH {
            return Err(TooMuchWork::Depth);
        }
        self.take(1)?;
        let Some(schema) = schema.as_object() else { return Ok(()) };
        for part in self.references.in_place(schema) {
            self.check(part, value, depth + 1)?;
        }
        for keyword in ["const", "enum"] {
            if let Some(allowed) = schema.get(keyword) {
                self.take(allowed.as_array().map_or(1, Vec::len))?;
                self.weigh(value)?;
            }
        }
        match value {
            Value::String(text) => schema
                .get("pattern")
                .map_or(Ok(()), |pattern| self.matching(pattern.as_str().unwrap_or_default(), text)),
            Value::Array(items) => self.items(schema, items, depth + 1),
            Value::Object(members) => self.members(schema, members, depth + 1),
            _ => Ok(()),
        }
    }

    fn items(
        &mut self,
        schema: &'a Map<String, Value>,
        items: &[Value],
        depth: usize,
    ) -> Result<(), TooMuchWork> {
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            items.iter().try_for_each(|item| self.weigh(item))?;
        }
        for keyword in ["prefixItems", "items"] {
            if let Some(Value::Array(schemas)) = schema.get(keyword) {
                let pairs = schemas.iter().zip(items);
                pairs.into_iter().try_for_each(|(schema, item)| self.check(schema, item, depth))?;
            }
        }
        for keyword in ["items", "additionalItems", "unevaluatedItems", "contains"] {
            if let Some(schema) = schema.get(keyword).filter(|schema| !schema.is_array()) {
                items.iter().try_for_each(|item| self.check(schema, item, depth))?;
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        schema: &'a Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooMuchWork> {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, value) in members {
                if let Some(schema) = properties.get(name) {
                    self.check(schema, value, depth)?;
                }
            }
        }
        if let Some(Value::Object(patterns)) = schema.get("patternProperties") {
            for (name, value) in members {
                self.take(patterns.len())?;
                patterns.keys().try_for_each(|pattern| self.matching(pattern, name))?;
                patterns.values().try_for_each(|schema| self.check(schema, value, depth))?;
            }
        }
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            if let Some(schema) = schema.get(keyword) {
                members.values().try_for_each(|value| self.check(schema, value, depth))?;
            }
        }
        if let Some(schema) = schema.get("propertyNames") {
            members.keys().try_for_each(|name| self.check(schema, &Value::String(name.clone()), depth))?;
        }
        Ok(())
    }

    /// Counts matching `text` with `pattern`.
    fn matching(&mut self, pattern: &str, text: &str) -> Result<(), TooMuchWork> {
        let states = self.references.patterns.get(pattern).copied().unwrap_or_default();
        self.take(states.saturating_mul(text.len() + 1) / STATES_OF_A_STEP)
    }

    /// Counts the parts of `value`: it is compared as a whole.
    fn weigh(&mut self, value: &Value) -> Result<(), TooMuchWork> {
        match value {
            Value::String(text) => self.take(1 + text.len() / BYTES_OF_A_STEP),
            Value::Array(items) => {
                self.take(1)?;
                items.iter().try_for_each(|item| self.weigh(item))
            }
            Value::Object(members) => {
                self.take(1)?;
                members.values().try_for_each(|value| self.weigh(value))
            }
            _ => self.take(1),
        }
    }

    fn take(&mut self, steps: usize) -> Result<(), TooMuchWork> {
        self.left = self.left.checked_sub(steps).ok_or(TooMuchWork::Steps)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
