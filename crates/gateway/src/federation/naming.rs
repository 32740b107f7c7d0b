//! The names of a member's tools and prompts, as clients see them.

use std::{borrow::Cow, collections::BTreeMap};

use anyport_protocol::{Error, Raw};
use anyport_service::Authorization;
use smallvec::SmallVec;

use super::{
    pattern::{Pattern, Selection},
    resource_scopes::ResourceScopes,
};

/// How the tools and prompts of one member are named, and which of them clients see.
///
/// By default, the tool `read` of the member `files` is `files_read`.
///
/// ```
/// use anyport_gateway::federation::{ItemOverride, Naming};
///
/// let naming = Naming::default()
///     .prefix("fs")
///     .exclude("*_unsafe")
///     .tool("read", ItemOverride::default().name("open").argument("root", serde_json::json!("/srv")));
/// # let _ = naming;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    prefix: Option<String>,
    selection: Selection,
    tools: BTreeMap<String, ItemOverride>,
    prompts: BTreeMap<String, ItemOverride>,
    required: Vec<String>,
    resources: ResourceScopes,
}

/// What is different about one tool or prompt of a member for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemOverride {
    name: Option<String>,
    aliases: Vec<String>,
    pub(super) title: Option<Raw>,
    pub(super) description: Option<Raw>,
    pub(super) arguments: Vec<(String, Raw)>,
    hidden: bool,
    required: Vec<String>,
}

/// Which names: tools and prompts each have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NameKind {
    Tool,
    Prompt,
}

/// The longest name that clients are given. Some clients refuse longer ones.
pub(super) const NAME_MAX: usize = 64;

impl Naming {
    /// Sets what names begin with, before a `_`, instead of the member's name. With an empty prefix names and URIs stay as
    /// they are.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Offers only the tools and prompts whose own names match one of the included patterns. `*` stands for any text.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.selection.include.push(Pattern::new(pattern));
        self
    }

    /// Leaves out the tools and prompts whose own names match `pattern`, even if they are included.
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.selection.exclude.push(Pattern::new(pattern));
        self
    }

    /// Changes the tool that the member calls `own`.
    #[must_use]
    pub fn tool(mut self, own: impl Into<String>, change: ItemOverride) -> Self {
        self.tools.insert(own.into(), change);
        self
    }

    /// Changes the prompt that the member calls `own`.
    #[must_use]
    pub fn prompt(mut self, own: impl Into<String>, change: ItemOverride) -> Self {
        self.prompts.insert(own.into(), change);
        self
    }

    /// Requires a scope of callers of its tools, prompts and resources, which list them without it.
    #[must_use]
    pub fn require(mut self, scope: impl Into<String>) -> Self {
        self.required.push(scope.into());
        self
    }

    /// Requires a scope of callers of the resources whose own URIs match `pattern`, in whatever spelling a caller names them.
    #[must_use]
    pub fn require_for_resources(mut self, pattern: impl Into<String>, scope: impl Into<String>) -> Self {
        self.resources.require(Pattern::new(pattern), scope.into());
        self
    }

    /// Checks that a caller has the scopes of the resource `uri`.
    ///
    /// # Errors
    /// 40300, which names all of them.
    pub(super) fn check_resource(&self, uri: &str, caller: &Authorization) -> Result<(), Error> {
        self.check_scopes(self.resources.of_resource(uri), caller)
    }

    /// Checks that a caller has the scopes of all that `template` may become.
    ///
    /// # Errors
    /// 40300, which names all of them.
    pub(super) fn check_template(&self, template: &str, caller: &Authorization) -> Result<(), Error> {
        self.check_scopes(self.resources.of_template(template), caller)
    }

    /// Checks that a caller has the scopes of an item: those of all items, and its own.
    ///
    /// # Errors
    /// 40300, which names all of them.
    pub(super) fn check(&self, item: Option<&ItemOverride>, caller: &Authorization) -> Result<(), Error> {
        let own = item.map_or(&[][..], |item| &item.required);
        self.check_scopes(own.iter().map(String::as_str), caller)
    }

    /// Checks that a caller has the scopes of all items, and `own`.
    fn check_scopes<'a>(
        &'a self,
        own: impl Iterator<Item = &'a str>,
        caller: &Authorization,
    ) -> Result<(), Error> {
        let required: SmallVec<[&str; 4]> = self.required.iter().map(String::as_str).chain(own).collect();
        match required.iter().all(|scope| caller.allows(scope)) {
            true => Ok(()),
            false => Err(Error::insufficient_scope(required)),
        }
    }

    /// What is different about an item.
    pub(super) fn item(&self, kind: NameKind, own: &str) -> Option<&ItemOverride> {
        self.items(kind).get(own)
    }

    /// Whether an item may be used before the member's list says that there is one: it is configured, or no other item needs scopes
    /// of its own. Some servers take a name that is similar (`Delete`) for the one that needs them (`delete`).
    pub(super) fn may_be_unlisted(&self, kind: NameKind, own: &str) -> bool {
        self.items(kind).contains_key(own) || self.items(kind).values().all(|item| item.required.is_empty())
    }

    fn items(&self, kind: NameKind) -> &BTreeMap<String, ItemOverride> {
        match kind {
            NameKind::Tool => &self.tools,
            NameKind::Prompt => &self.prompts,
        }
    }

    /// Whether clients see the item that the member calls `own`.
    pub(super) fn offers(&self, kind: NameKind, own: &str) -> bool {
        self.selection.has(own) && !self.item(kind, own).is_some_and(|item| item.hidden)
    }

    /// Whether names and URIs have no prefix.
    pub(super) fn keeps_names(&self) -> bool {
        self.prefix.as_deref() == Some("")
    }

    /// Whether names and definitions stay as they are.
    pub(super) fn is_identity(&self) -> bool {
        // Asked at each call.
        let Self { selection, tools, prompts, required, resources, .. } = self;
        self.keeps_names()
            && selection.is_all()
            && tools.is_empty()
            && prompts.is_empty()
            && required.is_empty()
            && resources.is_empty()
    }

    /// The name that clients see, if no other item has it.
    pub(super) fn name(&self, kind: NameKind, member: &str, own: &str) -> String {
        let name = match self.item(kind, own).and_then(|item| item.name.as_deref()) {
            Some(name) => Cow::Borrowed(name),
            None => match self.prefix.as_deref().unwrap_or(member) {
                "" => Cow::Borrowed(own),
                prefix => Cow::Owned(format!("{prefix}_{own}")),
            },
        };
        fitted(&name, (member, own))
    }

    /// What the member calls the item that clients would see as `name`, if that can be told without the list.
    pub(super) fn own_name(&self, kind: NameKind, member: &str, name: &str) -> Option<String> {
        let renamed =
            self.items(kind).iter().find(|(_, item)| item.is_called(name)).map(|(own, _)| own.as_str());
        let prefix = self.prefix.as_deref().unwrap_or(member);
        let own = renamed.or_else(|| match prefix {
            // Any member without a prefix could have it.
            "" => None,
            prefix => name.strip_prefix(prefix)?.strip_prefix('_'),
        })?;
        let is_its_name = renamed.is_some() || self.name(kind, member, own) == name;
        (is_its_name && self.offers(kind, own)).then(|| own.to_owned())
    }
}

impl ItemOverride {
    /// Sets its whole name; no prefix is added.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a name under which it can be used, too. It is not listed.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Sets its title.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(Raw::string(title));
        self
    }

    /// Sets its description.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.description = Some(Raw::string(description));
        self
    }

    /// Fixes the argument `name`. Clients do not see it in the schema, and what they send for it is replaced.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: serde_json::Value) -> Self {
        self.arguments.push((name.into(), Raw::from(value)));
        self
    }

    /// Requires a scope of its callers.
    #[must_use]
    pub fn require(mut self, scope: impl Into<String>) -> Self {
        self.required.push(scope.into());
        self
    }

    /// Hides it: it is not listed, and its use is refused.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn is_called(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name) || self.aliases.iter().any(|alias| alias == name)
    }
}

/// `name` if every client accepts it; else a similar one that ends with a hash of its member and its own name.
///
/// 2026-07-28, server/tools §Tool Names: names SHOULD be of "uppercase and lowercase ASCII letters (A-Z, a-z), digits
/// (0-9), underscore (_), hyphen (-), and dot (.)" and at most 128 characters. Clients exist that refuse a dot, and
/// more than 64.
pub(super) fn fitted(name: &str, (member, own): (&str, &str)) -> String {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_fit) {
        return name.to_owned();
    }
    let plain: String = name.chars().map(|letter| if is_fit(letter) { letter } else { '_' }).collect();
    hashed(&plain, (member, own), 0)
}

/// `name`, shortened, with a hash of its member, its own name and `attempt` behind it. `name` is ASCII.
pub(super) fn hashed(name: &str, (member, own): (&str, &str), attempt: u32) -> String {
    // FNV-1a: stable over versions and machines, which the hash of the standard library is not.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in member.bytes().chain([0]).chain(own.bytes()).chain(attempt.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let short = (hash ^ (hash >> 32)) & 0xffff_ffff;
    let rest = &name[..name.len().min(NAME_MAX - 9)];
    format!("{rest}_{short:08x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_valid(name: &str) -> bool {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_fit)
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_clients_accept(member in "\\PC{0,80}", own in "\\PC{0,200}") {
            let naming = Naming::default();
            let name = naming.name(NameKind::Tool, &member, &own);
            prop_assert!(is_valid(&name), "{name:?}");
            prop_assert_eq!(&name, &naming.name(NameKind::Tool, &member, &own));
        }

        #[test]
        fn a_name_leads_back_to_its_own_name(member in "[a-z]{1,10}", own in "[A-Za-z0-9_-]{1,40}") {
            let naming = Naming::default();
            let name = naming.name(NameKind::Tool, &member, &own);
            prop_assert_eq!(naming.own_name(NameKind::Tool, &member, &name), Some(own));
        }
    }

    #[test]
    fn names_are_prefixed_renamed_and_shortened() {
        let tool = |naming: &Naming, own: &str| naming.name(NameKind::Tool, "files", own);
        let naming = Naming::default().tool("read", ItemOverride::default().name("open"));
        assert_eq!((tool(&naming, "read"), tool(&naming, "write")), ("open".into(), "files_write".into()));
        assert_eq!(
            naming.name(NameKind::Prompt, "files", "read"),
            "files_read",
            "prompts have names of their own"
        );
        assert_eq!(tool(&Naming::default().prefix("fs"), "read"), "fs_read");
        assert_eq!(tool(&Naming::default().prefix(""), "read"), "read");
        // Fixed for ever: clients have stored them.
        assert_eq!(tool(&Naming::default().prefix(""), "read.file"), "read_file_477cd813");
        let long = tool(&Naming::default(), &"x".repeat(80));
        assert!(long.len() == NAME_MAX && long.starts_with("files_xxx"), "{long}");
    }

    #[test]
    fn what_is_hidden_or_not_selected_is_not_found() {
        let hidden = ItemOverride::default().name("drop").alias("erase").hidden();
        let naming = Naming::default().include("read*").exclude("*_all").tool("read_raw", hidden);
        let offered = |own| naming.offers(NameKind::Tool, own);
        assert_eq!(["read", "read_all", "read_raw", "write"].map(offered), [true, false, false, false]);
        let own = |name| naming.own_name(NameKind::Tool, "files", name);
        assert_eq!(own("files_read"), Some("read".into()));
        assert_eq!(
            ["files_write", "files_read_all", "drop", "erase", "other_read"].map(own),
            [const { None }; 5]
        );
        let renamed = Naming::default().tool("read", ItemOverride::default().name("open").alias("get"));
        let own = |name| renamed.own_name(NameKind::Tool, "files", name);
        assert_eq!(["open", "get", "files_read"].map(own), [Some("read".into()), Some("read".into()), None]);
    }
}
