//! Secrets that would be sent as headers.

use std::fmt::Write as _;

use anyport_protocol::param_header::Plan;
use serde_json::Value;

use crate::validation::{declares_secret, suggests_secret};

/// The arguments that look like secrets and are repeated in headers, each with the name of its header.
///
/// 2026-07-28, server/tools §x-mcp-header: "Server developers **SHOULD NOT** mark sensitive parameters (passwords, API keys, tokens,
/// PII) with `x-mcp-header`, as header values are visible to network intermediaries."
pub(super) fn header_secrets(headers: &Plan, schema: &Value) -> Vec<String> {
    let secret = headers.parameters().filter(|(_, path)| {
        let property = path.iter().try_fold(schema, |schema, key| schema.get("properties")?.get(key));
        path.iter().any(|key| suggests_secret(key)) || property.is_some_and(declares_secret)
    });
    secret
        .map(|(header, path)| {
            let mut text = path.join(".");
            // Writing into a `String` does not fail.
            let _ = write!(text, " (Mcp-Param-{header})");
            text
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;
    use crate::{Context, Server, Tool};

    /// Keeps the fields of each warning.
    #[derive(Clone, Default)]
    struct Warnings(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut text = String::new();
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                let _ = write!(text, "{field}={value:?} ");
            });
            self.0.lock().unwrap().push(text);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_secret_that_has_a_header_is_warned_of_when_its_server_is_built() {
        let build = |name: &str| {
            let schema =
                json!({"type": "object", "properties": {(name): {"type": "string", "x-mcp-header": "X"}}});
            let tool = Tool::new("query").input_schema(schema);
            let tool = tool.run_raw(async |_: anyport_protocol::Raw, _: Context| "done");
            Server::builder("s", "1").tool(tool).build().unwrap()
        };
        let warnings = Warnings::default();
        let _guard = tracing::subscriber::set_default(warnings.clone());
        build("region");
        assert!(warnings.0.lock().unwrap().is_empty());
        build("api_key");
        let [warning] = &warnings.0.lock().unwrap()[..] else { panic!("one warning") };
        for part in ["tool=\"query\"", "api_key (Mcp-Param-X)", "leave out their x-mcp-header"] {
            assert!(warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn arguments_that_look_like_secrets_are_found_where_they_have_headers() {
        let found = |name: &str, property: Value| {
            let schema = json!({"type": "object", "properties": {(name): property}});
            header_secrets(&Plan::compile(&schema).unwrap(), &schema)
        };
        let text = || json!({"type": "string", "x-mcp-header": "X"});
        for name in [
            "password",
            "Passwd",
            "api_key",
            "apiKey",
            "API-Key",
            "token",
            "accessToken",
            "client_secret",
            "credentials",
            "authorization",
            "passphrase",
            "private_key",
            "ssn",
            "credit_card",
            "iban",
        ] {
            assert_eq!(found(name, text()), [format!("{name} (Mcp-Param-X)")]);
            assert!(found(name, json!({"type": "string"})).is_empty(), "{name} has no header");
        }
        for name in ["region", "tenant", "limit", "key", "name", "path", "page_size", "passenger"] {
            assert!(found(name, text()).is_empty(), "{name}");
        }
        // What the schema says of a value counts, and so does what the value stands in.
        let format = json!({"type": "string", "format": "password", "x-mcp-header": "X"});
        assert_eq!(found("pin", format), ["pin (Mcp-Param-X)"]);
        let hidden = json!({"type": "string", "writeOnly": true, "x-mcp-header": "X"});
        assert_eq!(found("pin", hidden), ["pin (Mcp-Param-X)"]);
        let inside = json!({"type": "object", "properties": {"value": text()}});
        assert_eq!(found("secret", inside), ["secret.value (Mcp-Param-X)"]);
    }
}
