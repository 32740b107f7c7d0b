//! The filter of `subscriptions/listen`: which changes a client receives.

use std::collections::HashSet;

use bytestring::ByteString;

use crate::{
    Error, Method, Raw,
    json::{Elements, Members, Splice},
    uri,
};

/// Which changes a client receives: those of lists, and those of single resources.
///
/// The same members are in the params of `subscriptions/listen` and of its acknowledgement, where they are what the
/// server agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Changes of the list of tools.
    pub tools: bool,
    /// Changes of the list of prompts.
    pub prompts: bool,
    /// Changes of the lists of resources and of resource templates.
    pub resources: bool,
    /// Changes of these resources and of their parts, each URI once, in the order in which they were named.
    pub uris: Vec<ByteString>,
}

/// The members of a filter that are about lists, with the notification of each.
pub const LIST_CHANGES: [(&str, Method); 3] = [
    ("toolsListChanged", Method::ToolsChanged),
    ("promptsListChanged", Method::PromptsChanged),
    ("resourcesListChanged", Method::ResourcesChanged),
];

const RESOURCES: &str = "resourceSubscriptions";

impl SubscriptionFilter {
    /// Reads the params of `subscriptions/listen`, or of its acknowledgement.
    ///
    /// # Errors
    /// -32602 if `notifications` is missing or is not a filter.
    pub fn read(params: &Raw) -> Result<Self, Error> {
        let filter = params.member("notifications").filter(Raw::is_object);
        let filter = filter.ok_or_else(|| Error::invalid_params("\"notifications\" must be an object"))?;
        let mut read = Self::default();
        for member in filter.members() {
            let name = member.key();
            if &*name == RESOURCES {
                read.uris = uris(&filter.slice(member.value))?;
            } else if let Some((_, change)) = LIST_CHANGES.iter().find(|(list, _)| *list == &*name) {
                let wanted = match member.value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(Error::invalid_params(format!("{name:?} must be true or false"))),
                };
                read.set_list(*change, wanted);
            }
        }
        Ok(read)
    }

    /// What a server declares that it notifies of: every list with `listChanged`. `discovered` is a `DiscoverResult`.
    pub fn declared(discovered: &Raw) -> Self {
        Self::declared_by(&discovered.member("capabilities").unwrap_or(Raw::EMPTY_OBJECT))
    }

    /// What a server with these capabilities notifies of: every list with `listChanged`.
    pub fn declared_by(capabilities: &Raw) -> Self {
        let declares = |list: &str| {
            let list = Members::find(capabilities.as_str(), list);
            list.and_then(|list| Members::find(list, "listChanged")) == Some("true")
        };
        Self {
            tools: declares("tools"),
            prompts: declares("prompts"),
            resources: declares("resources"),
            uris: Vec::new(),
        }
    }

    /// Every change of lists, and the changes of these resources.
    pub fn all(uris: impl IntoIterator<Item = impl Into<ByteString>>) -> Self {
        let uris = uris.into_iter().map(Into::into).collect();
        Self { tools: true, prompts: true, resources: true, uris }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the change of lists that `method` notifies of is wanted.
    pub fn wants_list(&self, method: Method) -> bool {
        match method {
            Method::ToolsChanged => self.tools,
            Method::PromptsChanged => self.prompts,
            Method::ResourcesChanged => self.resources,
            _ => false,
        }
    }

    /// Whether a notification, with its params, is wanted. An update of a part of a resource is one of the resource.
    pub fn wants(&self, method: Method, params: &Raw) -> bool {
        if method != Method::ResourceUpdated {
            return self.wants_list(method);
        }
        let uri = params.member("uri").and_then(|uri| uri.as_string());
        uri.is_some_and(|uri| self.uris.iter().any(|whole| uri::contains(whole, &uri)))
    }

    /// Sets whether the changes of lists that `method` notifies of are wanted.
    pub fn set_list(&mut self, method: Method, wanted: bool) {
        match method {
            Method::ToolsChanged => self.tools = wanted,
            Method::PromptsChanged => self.prompts = wanted,
            Method::ResourcesChanged => self.resources = wanted,
            _ => {}
        }
    }

    /// The changes of lists that are wanted, as the methods of their notifications.
    pub fn lists(&self) -> impl Iterator<Item = Method> + use<> {
        let wanted = [self.tools, self.prompts, self.resources];
        LIST_CHANGES.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|((_, method), _)| method)
    }

    /// The params with this filter: of the request, or of the acknowledgement.
    ///
    /// 2026-07-28, subscriptions §Acknowledgment: "Notification types the server does not support are omitted."
    pub fn params(&self) -> Raw {
        let wanted = Raw::trusted(b"true".to_vec());
        let mut filter = Splice::new();
        for (name, _) in LIST_CHANGES.iter().filter(|(_, method)| self.wants_list(*method)) {
            filter = filter.with(name, &wanted);
        }
        if !self.uris.is_empty() {
            let uris: Vec<&str> = self.uris.iter().map(|uri| &**uri).collect();
            filter = filter.with(RESOURCES, &Raw::from(serde_json::Value::from(uris)));
        }
        Splice::new().with("notifications", &filter.finish()).finish()
    }
}

fn uris(value: &Raw) -> Result<Vec<ByteString>, Error> {
    let invalid = || Error::invalid_params(format!("{RESOURCES:?} must be a list of URIs"));
    if !value.is_array() {
        return Err(invalid());
    }
    let (mut uris, mut seen) = (Vec::new(), HashSet::new());
    for uri in Elements::of(value.as_str()) {
        let uri = value.slice(uri).as_string().ok_or_else(invalid)?;
        if seen.insert(uri.clone()) {
            uris.push(uri);
        }
    }
    Ok(uris)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(notifications: serde_json::Value) -> Result<SubscriptionFilter, String> {
        let params = json!({ "notifications": notifications }).into();
        SubscriptionFilter::read(&params).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn a_filter_is_read_strictly_and_written_as_it_was_read() {
        let written = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:1", "a:2"]});
        let filter = read(written.clone()).unwrap();
        assert_eq!(filter.params(), Raw::from(json!({ "notifications": written })));
        assert_eq!(filter.lists().collect::<Vec<_>>(), [Method::ToolsChanged]);
        assert_eq!(
            read(json!({"x": 1, "promptsListChanged": false})).unwrap(),
            SubscriptionFilter::default()
        );
        assert_eq!(read(json!({"resourceSubscriptions": ["a:1", "a:1"]})).unwrap().uris, ["a:1"]);
        let wrong = [
            (json!(1), "\"notifications\" must be an object"),
            (json!({"toolsListChanged": 1}), "\"toolsListChanged\" must be true or false"),
            (json!({"resourceSubscriptions": "a:1"}), "\"resourceSubscriptions\" must be a list of URIs"),
            (json!({"resourceSubscriptions": [1]}), "\"resourceSubscriptions\" must be a list of URIs"),
        ];
        for (filter, why) in wrong {
            assert_eq!(read(filter).unwrap_err(), why);
        }
    }

    #[test]
    fn an_update_of_a_part_is_wanted_where_the_whole_is() {
        let filter = read(json!({"resourceSubscriptions": ["file:///a"]})).unwrap();
        let wants = |uri: &str| filter.wants(Method::ResourceUpdated, &json!({ "uri": uri }).into());
        assert!(wants("file:///a") && wants("file:///a/b") && wants("file:///a#b"));
        assert!(!wants("file:///ab") && !wants("file:///"));
        assert!(!filter.wants(Method::ToolsChanged, &Raw::EMPTY_OBJECT));
    }

    #[test]
    fn a_server_declares_which_lists_it_notifies_of() {
        let declared =
            json!({"capabilities": {"tools": {"listChanged": true}, "prompts": {"listChanged": false}}});
        let filter = SubscriptionFilter::declared(&declared.into());
        assert_eq!(filter.lists().collect::<Vec<_>>(), [Method::ToolsChanged]);
    }
}
