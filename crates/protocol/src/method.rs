//! The table of methods: which exist, who sends them, and in which revisions.

use crate::Revision::{self, *};

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Either side.
    Both,
}

impl Sender {
    fn includes(self, side: Self) -> bool {
        self == side || self == Self::Both
    }
}

/// Whether a message wants an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does.
    Request,
    /// It does not.
    Notification,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The method.
    pub method: Method,
    /// Its name on the wire.
    pub name: &'static str,
    /// Request or notification.
    pub kind: Kind,
    /// Its sender.
    pub sender: Sender,
    /// The first revision that has it.
    pub since: Revision,
    /// The last revision that has it.
    pub until: Revision,
    /// The schema's name for the message in the newest revision that has it.
    pub schema: &'static str,
    /// The schema's name for its result.
    pub result: Option<&'static str>,
}

/// Writes the enum and the table from one list, so that neither can lack what the other has.
macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $name:literal, $kind:ident from $sender:ident, $since:ident $(to $until:ident)? $(on)?, $schema:literal $(-> $result:literal)?;)*) => {
        /// A method of the protocol, in any of its revisions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method { $($(#[$doc])* $method,)* }

        /// Every method, in the order of [`Method`].
        pub const TABLE: &[Entry] = &[$(Entry {
            method: Method::$method,
            name: $name,
            kind: Kind::$kind,
            sender: Sender::$sender,
            since: $since,
            until: methods!(@until $($until)?),
            schema: $schema,
            result: methods!(@result $($result)?),
        },)*];

        impl Method {
            /// The method called `name`.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$method),)*
                    _ => None,
                }
            }
        }
    };
    (@until) => { Revision::NEWEST };
    (@until $until:ident) => { $until };
    (@result) => { None };
    (@result $result:literal) => { Some($result) };
}

methods! {
    /// Opens a legacy session.
    Initialize = "initialize", Request from Client, V2024_11_05 to V2025_11_25, "InitializeRequest" -> "InitializeResult";
    /// Asks whether the other side is there.
    Ping = "ping", Request from Both, V2024_11_05 to V2025_11_25, "PingRequest" -> "EmptyResult";
    /// Sets the least severe log level of a legacy session.
    SetLevel = "logging/setLevel", Request from Client, V2024_11_05 to V2025_11_25, "SetLevelRequest" -> "EmptyResult";
    /// Subscribes a legacy session to a resource.
    Subscribe = "resources/subscribe", Request from Client, V2024_11_05 to V2025_11_25, "SubscribeRequest" -> "EmptyResult";
    /// Ends such a subscription.
    Unsubscribe = "resources/unsubscribe", Request from Client, V2024_11_05 to V2025_11_25, "UnsubscribeRequest" -> "EmptyResult";
    /// Asks for versions, capabilities and identity.
    Discover = "server/discover", Request from Client, V2026_07_28 on, "DiscoverRequest" -> "DiscoverResult";
    /// Opens a stream of change notifications.
    Listen = "subscriptions/listen", Request from Client, V2026_07_28 on, "SubscriptionsListenRequest" -> "SubscriptionsListenResult";
    /// Lists tools.
    ToolsList = "tools/list", Request from Client, V2024_11_05 on, "ListToolsRequest" -> "ListToolsResult";
    /// Calls a tool.
    ToolsCall = "tools/call", Request from Client, V2024_11_05 on, "CallToolRequest" -> "CallToolResult";
    /// Lists resources.
    ResourcesList = "resources/list", Request from Client, V2024_11_05 on, "ListResourcesRequest" -> "ListResourcesResult";
    /// Lists resource templates.
    TemplatesList = "resources/templates/list", Request from Client, V2024_11_05 on, "ListResourceTemplatesRequest" -> "ListResourceTemplatesResult";
    /// Reads a resource.
    ResourcesRead = "resources/read", Request from Client, V2024_11_05 on, "ReadResourceRequest" -> "ReadResourceResult";
    /// Lists prompts.
    PromptsList = "prompts/list", Request from Client, V2024_11_05 on, "ListPromptsRequest" -> "ListPromptsResult";
    /// Gets a prompt.
    PromptsGet = "prompts/get", Request from Client, V2024_11_05 on, "GetPromptRequest" -> "GetPromptResult";
    /// Completes an argument.
    Complete = "completion/complete", Request from Client, V2024_11_05 on, "CompleteRequest" -> "CompleteResult";
    /// Asks for a task's state (core only in 2025-11-25; later an extension).
    TasksGet = "tasks/get", Request from Both, V2025_11_25 to V2025_11_25, "GetTaskRequest" -> "GetTaskResult";
    /// Waits for a task's result.
    TasksResult = "tasks/result", Request from Both, V2025_11_25 to V2025_11_25, "GetTaskPayloadRequest" -> "GetTaskPayloadResult";
    /// Lists tasks.
    TasksList = "tasks/list", Request from Both, V2025_11_25 to V2025_11_25, "ListTasksRequest" -> "ListTasksResult";
    /// Cancels a task.
    TasksCancel = "tasks/cancel", Request from Both, V2025_11_25 to V2025_11_25, "CancelTaskRequest" -> "CancelTaskResult";
    /// Asks the client's model for a message. Since 2026-07-28 only inside `input_required`.
    CreateMessage = "sampling/createMessage", Request from Server, V2024_11_05 on, "CreateMessageRequest" -> "CreateMessageResult";
    /// Asks for the client's roots. Since 2026-07-28 only inside `input_required`.
    ListRoots = "roots/list", Request from Server, V2024_11_05 on, "ListRootsRequest" -> "ListRootsResult";
    /// Asks the user. Since 2026-07-28 only inside `input_required`.
    Elicit = "elicitation/create", Request from Server, V2025_06_18 on, "ElicitRequest" -> "ElicitResult";

    /// The client is ready for the server's requests.
    Initialized = "notifications/initialized", Notification from Client, V2024_11_05 to V2025_11_25, "InitializedNotification";
    /// A request is no longer wanted; from a modern server: a listen stream ends.
    Cancelled = "notifications/cancelled", Notification from Both, V2024_11_05 on, "CancelledNotification";
    /// How far a request has come. Since 2026-07-28 only from the server.
    Progress = "notifications/progress", Notification from Both, V2024_11_05 on, "ProgressNotification";
    /// A log message.
    LogMessage = "notifications/message", Notification from Server, V2024_11_05 on, "LoggingMessageNotification";
    /// A resource changed.
    ResourceUpdated = "notifications/resources/updated", Notification from Server, V2024_11_05 on, "ResourceUpdatedNotification";
    /// The list of resources changed.
    ResourcesChanged = "notifications/resources/list_changed", Notification from Server, V2024_11_05 on, "ResourceListChangedNotification";
    /// The list of tools changed.
    ToolsChanged = "notifications/tools/list_changed", Notification from Server, V2024_11_05 on, "ToolListChangedNotification";
    /// The list of prompts changed.
    PromptsChanged = "notifications/prompts/list_changed", Notification from Server, V2024_11_05 on, "PromptListChangedNotification";
    /// The client's roots changed.
    RootsChanged = "notifications/roots/list_changed", Notification from Client, V2024_11_05 to V2025_11_25, "RootsListChangedNotification";
    /// A task changed.
    TaskStatus = "notifications/tasks/status", Notification from Both, V2025_11_25 to V2025_11_25, "TaskStatusNotification";
    /// A URL elicitation is done.
    ElicitationComplete = "notifications/elicitation/complete", Notification from Server, V2025_11_25 to V2025_11_25, "ElicitationCompleteNotification";
    /// First message of a listen stream.
    Acknowledged = "notifications/subscriptions/acknowledged", Notification from Server, V2026_07_28 on, "SubscriptionsAcknowledgedNotification";
}

impl Method {
    /// Its line of the table.
    pub fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// Whether `side` may send it as a message of its own in `revision`.
    ///
    /// 2026-07-28, transports/stdio §Receiving Messages: "The server MUST NOT write JSON-RPC requests to `stdout`";
    /// server requests are part of an `input_required` result. And the schema's `ClientNotification` has only
    /// cancellation: a client answers server requests in a retry, so it has no progress to report.
    pub fn exists(self, kind: Kind, side: Sender, revision: Revision) -> bool {
        let entry = self.entry();
        let dropped = match (kind, side) {
            (Kind::Request, Sender::Server) => revision.asks_by_result(),
            (Kind::Notification, Sender::Client) => {
                !revision.has_client_notifications() && self != Self::Cancelled
            }
            _ => false,
        };
        entry.kind == kind
            && entry.sender.includes(side)
            && (entry.since..=entry.until).contains(&revision)
            && !dropped
    }

    /// Whether its result may be `input_required`.
    ///
    /// 2026-07-28, patterns/mrtr §Supported Requests: "Servers MUST NOT send `InputRequiredResult` responses on
    /// any other client requests."
    pub fn may_ask(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }

    /// Whether its result carries `ttlMs` and `cacheScope` (2026-07-28, caching §Cacheable Results).
    pub fn is_cacheable(self) -> bool {
        use Method::*;
        matches!(self, Discover | ToolsList | PromptsList | ResourcesList | TemplatesList | ResourcesRead)
    }

    /// Whether the method only reads, so that it is idempotent: it may be sent again when it is unknown whether it
    /// arrived. For a tool call, the tool's annotations decide.
    pub fn only_reads(self) -> bool {
        self.is_cacheable() || matches!(self, Self::PromptsGet | Self::Complete)
    }

    /// The member of its params that the header `Mcp-Name` mirrors
    /// (2026-07-28, streamable-http §Standard Request Headers).
    pub fn header_name(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.method as usize, index);
            assert_eq!(Method::named(entry.name), Some(entry.method));
            assert!(entry.since <= entry.until);
        }
        assert_eq!(Method::named("unknown/method"), None);
    }

    /// Invariant: A method exists only in its revisions and from its side.
    #[test]
    fn a_method_exists_only_in_its_revisions_and_from_its_side() {
        let exists = |method: Method, revision| method.exists(Kind::Request, Sender::Client, revision);
        assert!(exists(Method::Initialize, V2025_11_25) && !exists(Method::Initialize, V2026_07_28));
        assert!(!exists(Method::Discover, V2025_11_25) && exists(Method::Discover, V2026_07_28));
        assert!(!exists(Method::Elicit, V2025_11_25));
        assert!(Method::Elicit.exists(Kind::Request, Sender::Server, V2025_06_18));
        assert!(!Method::Elicit.exists(Kind::Request, Sender::Server, V2025_03_26));
        assert!(!Method::Elicit.exists(Kind::Request, Sender::Server, V2026_07_28));
        let progress = |side, revision| Method::Progress.exists(Kind::Notification, side, revision);
        assert!(progress(Sender::Client, V2025_11_25) && !progress(Sender::Client, V2026_07_28));
        assert!(progress(Sender::Server, V2026_07_28));
        assert!(!Method::Cancelled.exists(Kind::Request, Sender::Client, V2025_11_25));
    }
}
