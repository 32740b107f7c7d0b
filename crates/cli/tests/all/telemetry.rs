//! Spans and metrics, sent to a collector.

use std::{net::TcpListener, process::Command};

use opentelemetry_proto::tonic::{
    metrics::v1::metric::Data,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use serde_json::{Value, json};

use crate::support::{
    Program, anyport,
    collector::{Collector, Taken, attribute, traceparent},
    documents, folder,
    http::Server,
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    to_the_end, until,
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A gateway with the server `up` at `url` and the documents `book`.
fn file(collector: &str, url: &str, more: &str) -> String {
    format!(
        "[telemetry]\nendpoint = {collector:?}\ninterval = 0.1\n{more}\n[upstreams.up]\nurl = {url:?}\n\
         [knowledge.book]\ndocs = [{:?}]\n",
        documents()
    )
}

fn serve(file: &str, variables: &[(&str, &str)], options: &[&str]) -> (tempfile::TempDir, Program) {
    let home = folder(&[("anyport.toml", file)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).args(options);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").envs(variables.iter().copied());
    (home, Program::start(command))
}

/// A server of 2026-07-28 whose tool fails when its argument says so.
fn server() -> Scripted {
    Scripted::start(|asked| match asked.body["params"]["arguments"]["fail"].as_str() {
        Some("tool") => scripted::result(
            asked,
            &json!({"resultType": "complete", "content": [{"type": "text", "text": "canary"}], "isError": true}),
        ),
        Some("error") => scripted::document(&json!({
            "jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": -32603, "message": "canary"},
        })),
        _ => scripted::modern(asked),
    })
}

fn call(meta: &Value, arguments: &Value) -> Value {
    let mut message =
        modern(7, "tools/call", json!({"name": format!("up_{}", TOOL), "arguments": arguments}));
    let members = message["params"]["_meta"].as_object_mut().unwrap();
    members.extend(meta.as_object().unwrap().clone());
    message
}

/// The tool of [`scripted::modern`].
const TOOL: &str = "look";

fn is(span: &Span, kind: SpanKind, name: &str) -> bool {
    span.kind == kind as i32 && span.name == name
}

fn find<'a>(taken: &'a Taken, kind: SpanKind, name: &str) -> &'a Span {
    taken.spans.iter().find(|span| is(span, kind, name)).unwrap_or_else(|| panic!("{name}: {taken:?}"))
}

fn has_call(taken: &Taken) -> bool {
    taken.spans.iter().any(|span| is(span, SpanKind::Server, &format!("tools/call up_{TOOL}")))
}

/// The `tools/call` that arrived at a server.
fn arrived(server: &Scripted) -> Asked {
    let mut calls = server.asked().into_iter().filter(|asked| asked.body["method"] == "tools/call");
    calls.next_back().expect("no call has arrived")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_call_is_two_spans_of_the_trace_of_its_client() {
    let (collector, up) = (Collector::start(), server());
    let more = "service_name = \"shop\"\nattributes = { \"deployment.environment.name\" = \"test\" }\n\
                headers = { authorization = \"env:COLLECTOR\" }\n";
    let secret = "collector-secret-1";
    let (_home, mut gateway) = serve(&file(&collector.url(), &up.url(), more), &[("COLLECTOR", secret)], &[]);
    let server = gateway.server();
    let meta = json!({"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"});
    let answer = server.post(&call(&meta, &json!({"password": "canary"})), &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let taken = collector.until(has_call);

    let incoming = find(&taken, SpanKind::Server, &format!("tools/call up_{TOOL}"));
    let outgoing = find(&taken, SpanKind::Client, &format!("tools/call {TOOL}"));
    assert_eq!(
        (hex(&incoming.trace_id), hex(&incoming.parent_span_id)),
        (TRACE.into(), "b7ad6b7169203331".into())
    );
    assert_eq!((hex(&outgoing.trace_id), &outgoing.parent_span_id), (TRACE.into(), &incoming.span_id));
    assert_eq!(incoming.trace_state, "a=1");
    assert!(incoming.start_time_unix_nano <= outgoing.start_time_unix_nano);
    assert!(incoming.end_time_unix_nano >= outgoing.end_time_unix_nano);
    let of = |span: &Span, key: &str| attribute(&span.attributes, key);
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", "2026-07-28"),
        ("gen_ai.operation.name", "execute_tool"),
        ("network.transport", "tcp"),
        ("network.protocol.name", "http"),
    ] {
        assert_eq!(of(incoming, key).as_deref(), Some(value), "{key}");
        assert_eq!(of(outgoing, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(of(incoming, "gen_ai.tool.name"), Some(format!("up_{TOOL}")));
    assert_eq!(of(incoming, "client.address").as_deref(), Some("127.0.0.1"));
    assert_eq!(of(outgoing, "gen_ai.tool.name").as_deref(), Some(TOOL));
    assert_eq!(of(outgoing, "server.address").as_deref(), Some("127.0.0.1"));
    assert_eq!(of(outgoing, "server.port"), Some(up.address.port().to_string()));
    assert_eq!((of(outgoing, "anyport.upstream").as_deref(), of(outgoing, "error.type")), (Some("up"), None));

    // The server receives the span of the call to it, and all else as the client wrote it.
    let meta = &arrived(&up).body["params"]["_meta"];
    assert_eq!(meta["traceparent"], traceparent(outgoing));
    assert_eq!((&meta["tracestate"], &meta["baggage"]), (&json!("a=1"), &json!("b=2")));

    let resource = |key| attribute(&taken.resource, key);
    assert_eq!(resource("service.name").as_deref(), Some("shop"));
    assert_eq!(resource("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(resource("deployment.environment.name").as_deref(), Some("test"));
    assert!(taken.heads.iter().all(|head| head.contains(secret)), "{:?}", taken.heads);
    let bytes = String::from_utf8_lossy(&taken.bytes);
    assert!(!bytes.contains("canary") && !bytes.contains(secret));
}

#[test]
fn errors_are_marked_and_their_words_stay_here() {
    let (collector, up) = (Collector::start(), server());
    let (_home, mut gateway) = serve(&file(&collector.url(), &up.url(), ""), &[], &[]);
    let server = gateway.server();
    for (fail, kind) in [("tool", "tool_error"), ("error", "-32603")] {
        server.post(&call(&json!({}), &json!({"fail": fail})), &[]);
        let failed = |span: &&Span| attribute(&span.attributes, "error.type").as_deref() == Some(kind);
        let taken = collector.until(|taken| taken.spans.iter().filter(failed).count() == 2);
        for span in taken.spans.iter().filter(failed) {
            assert_eq!(span.status.as_ref().unwrap().code, StatusCode::Error as i32);
            let code = attribute(&span.attributes, "rpc.response.status_code");
            assert_eq!(code.as_deref(), (fail == "error").then_some(kind));
        }
        assert!(!String::from_utf8_lossy(&taken.bytes).contains("canary"));
    }
}

#[test]
fn the_headers_of_a_request_are_its_parent_where_the_message_has_none() {
    let (collector, up) = (Collector::start(), server());
    let (_home, mut gateway) = serve(&file(&collector.url(), &up.url(), ""), &[], &[]);
    let server = gateway.server();
    let hostile = json!({"traceparent": "00-nonsense", "tracestate": "of=nonsense"});
    for (index, meta) in [json!({}), hostile].iter().enumerate() {
        let headers = [("traceparent", PARENT), ("tracestate", "h=1"), ("baggage", "h=2")];
        server.post(&call(meta, &json!({})), &headers);
        let all = |taken: &Taken| {
            taken.spans.iter().filter(|span| hex(&span.trace_id) == TRACE).count() == 2 * (index + 1)
        };
        collector.until(all);
        let meta = &arrived(&up).body["params"]["_meta"];
        assert!(meta["traceparent"].as_str().unwrap().starts_with(&PARENT[..36]), "{meta}");
        assert_eq!((&meta["tracestate"], &meta["baggage"]), (&json!("h=1"), &json!("h=2")));
    }
    // The plain interface has nothing but headers.
    let headers = [("Content-Type", "application/json"), ("traceparent", PARENT)];
    let body = format!(r#"{{"method":"up_{TOOL}","params":{{}}}}"#);
    let plain = server.ask("POST", "/mcp/call", &headers, &body);
    assert_eq!(plain.status, 200, "{}", plain.body);
    collector.until(|taken| taken.spans.iter().filter(|span| hex(&span.trace_id) == TRACE).count() == 6);
}

#[test]
fn a_trace_that_its_client_does_not_record_is_not_recorded_here_and_goes_on() {
    let (collector, up) = (Collector::start(), server());
    let (_home, mut gateway) = serve(&file(&collector.url(), &up.url(), ""), &[], &[]);
    let server = gateway.server();
    let unsampled = PARENT.replace("-01", "-00");
    server.post(&call(&json!({"traceparent": unsampled}), &json!({})), &[]);
    let parent = arrived(&up).body["params"]["_meta"]["traceparent"].as_str().unwrap().to_owned();
    assert!(parent.starts_with(&PARENT[..36]) && parent.ends_with("-00") && parent != unsampled, "{parent}");
    server.post(&call(&json!({}), &json!({})), &[]);
    let taken = collector.until(has_call);
    assert!(taken.spans.iter().all(|span| hex(&span.trace_id) != TRACE), "{taken:?}");
}

#[test]
fn without_a_collector_the_trace_context_passes_byte_for_byte() {
    let up = server();
    let text = file("http://127.0.0.1:9", &up.url(), "");
    for variables in [&[("OTEL_SDK_DISABLED", "true")][..], &[("OTEL_TRACES_EXPORTER", "none")]] {
        let (_home, mut gateway) = serve(&text, variables, &[]);
        let meta = json!({"traceparent": "any: words", "tracestate": "a=1"});
        gateway.server().post(&call(&meta, &json!({})), &[("traceparent", PARENT)]);
        let arrived = &arrived(&up).body["params"]["_meta"];
        assert_eq!(
            (&arrived["traceparent"], &arrived["tracestate"]),
            (&meta["traceparent"], &meta["tracestate"])
        );
    }
}

/// Invariant: A call of every revision and transport has a server span and, if it goes to a server, a client span within it.
#[test]
fn calls_of_every_revision_and_transport_have_spans() {
    let (collector, up) = (Collector::start(), server());
    let text = file(&collector.url(), &up.url(), "");
    let socket = ["--transport", "http,sse", "--transport", "websocket"];
    let (home, mut gateway) = serve(&text, &[], &socket);
    let (banner, _) = gateway.banner();
    let place = |word: &str| {
        let line = banner.lines().find(|line| line.trim_start().starts_with(&format!("{word} ")));
        line.unwrap_or_else(|| panic!("{word}: {banner}")).trim_start()[word.len()..].trim().to_owned()
    };
    let tool = format!("up_{TOOL}");
    let mut expected = Vec::new();
    let mut calls = |word: &str, protocol: &str, revisions: &[&str]| {
        for revision in revisions {
            let mut command = anyport(home.path());
            command.args(["call", &place(word), &tool, "--revision", revision, "--json"]);
            let ended = to_the_end(command);
            assert_eq!(ended.code, Some(0), "{word} {revision}: {ended:?}");
            expected.push(format!("{revision} tcp {protocol}"));
        }
    };
    calls("http", "http", &["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]);
    calls("websocket", "websocket", &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]);
    calls("sse", "http", &["2024-11-05"]);
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut command = anyport(home.path());
        command.args(["serve", "--stdio"]);
        let mut program = Program::start(command);
        program.call(&initialize(0, revision));
        program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let params = json!({"name": tool, "arguments": {}, "_meta": {"traceparent": PARENT}});
        let answer = program.call(&legacy(1, "tools/call", params));
        assert!(answer["result"].is_object(), "{answer}");
        program.close_input();
        // What waits is sent before the program ends.
        assert!(program.wait().success());
        expected.push(format!("{revision} pipe -"));
    }
    let of_call = |span: &&Span| is(span, SpanKind::Server, &format!("tools/call {tool}"));
    let taken = collector.until(|taken| taken.spans.iter().filter(of_call).count() == expected.len());
    let mut found: Vec<String> = Vec::new();
    for span in taken.spans.iter().filter(of_call) {
        let of = |key| attribute(&span.attributes, key).unwrap_or_else(|| "-".to_owned());
        found.push(format!(
            "{} {} {}",
            of("mcp.protocol.version"),
            of("network.transport"),
            of("network.protocol.name")
        ));
        let child = taken.spans.iter().find(|child| child.parent_span_id == span.span_id);
        let child = child.unwrap_or_else(|| panic!("no client span: {span:?}"));
        assert!(is(child, SpanKind::Client, &format!("tools/call {TOOL}")), "{child:?}");
    }
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn durations_and_the_numbers_of_the_program_are_metrics() {
    let (collector, up) = (Collector::start(), server());
    let (_home, mut gateway) = serve(&file(&collector.url(), &up.url(), ""), &[], &[]);
    let server = gateway.server();
    server.post(&call(&json!({}), &json!({})), &[]);
    let named = |taken: &Taken, name: &str| taken.metrics.iter().find(|metric| metric.name == name).cloned();
    let taken = collector.until(|taken| {
        let names = ["mcp.server.operation.duration", "mcp.client.operation.duration"];
        names.iter().all(|name| named(taken, name).is_some())
    });
    let duration = named(&taken, "mcp.server.operation.duration").unwrap();
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    let tool = format!("up_{TOOL}");
    let of_tool = histogram
        .data_points
        .iter()
        .find(|point| attribute(&point.attributes, "gen_ai.tool.name").as_deref() == Some(&tool));
    assert_eq!(of_tool.map(|point| point.count), Some(1), "{histogram:?}");
    // What `/metrics` has is sent under the same name.
    let shown = server.get("/metrics", &[]).body;
    for metric in taken.metrics.iter().filter(|metric| !metric.name.starts_with("mcp.")) {
        assert!(shown.contains(&metric.name), "{}: {shown}", metric.name);
    }
    assert!(named(&taken, "anyport_limit_refusals_total").is_some());
}

/// Invariant: A collector that is away, or accepts nothing, costs no call anything: spans beyond the queue are dropped and counted.
#[test]
fn a_collector_that_is_away_delays_nothing_and_what_is_dropped_is_counted() {
    // Connections are accepted by the system, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let up = server();
    let text = file(&url, &up.url(), "metrics = false\n") + "[limits]\ntelemetry_queue = 4\n";
    let (_home, mut gateway) = serve(&text, &[], &[]);
    let server = gateway.server();
    for _ in 0..40 {
        assert_eq!(server.post(&call(&json!({}), &json!({})), &[]).status, 200);
    }
    let dropped = until(
        || {
            let shown = server.get("/metrics", &[]).body;
            let line = "anyport_limit_refusals_total{limit=\"telemetry_queue\"} ";
            shown.lines().find_map(|found| found.strip_prefix(line)?.parse::<u64>().ok()).into()
        },
        |count| count.as_u64().is_some_and(|count| count > 0),
    );
    assert!(
        dropped.as_u64().unwrap() <= 100,
        "two spans for each call, and those of the connection: {dropped}"
    );
    let stopped = Command::new("kill").arg(gateway.id().to_string()).status().unwrap();
    assert!(stopped.success() && gateway.wait().success());
}

#[test]
fn the_environment_comes_before_the_file() {
    let (ours, other, up) = (Collector::start(), Collector::start(), server());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*ours.url()),
        ("OTEL_SERVICE_NAME", "from the environment"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=v%20w"),
    ];
    let text = file(&other.url(), &up.url(), "service_name = \"from the file\"");
    let (_home, mut gateway) = serve(&text, &variables, &[]);
    gateway.server().post(&call(&json!({}), &json!({})), &[]);
    let taken = ours.until(has_call);
    assert_eq!(attribute(&taken.resource, "service.name").as_deref(), Some("from the environment"));
    assert!(taken.heads.iter().all(|head| head.to_ascii_lowercase().contains("x-key: v w")));
    assert!(other.until(|_| true).heads.is_empty());
}

#[test]
fn documents_and_a_bridge_are_measured_by_the_environment_alone() {
    let (collector, up) = (Collector::start(), server());
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "50".into())];
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", &up.url(), "--port", "0", "--transport", "http"]).envs(variables.clone());
    let mut bridge = Program::start(command);
    let message = modern(1, "tools/call", json!({"name": TOOL, "arguments": {}}));
    assert_eq!(bridge.server().post(&message, &[]).status, 200);
    let name = format!("tools/call {TOOL}");
    let taken = collector.until(|taken| taken.spans.iter().any(|span| is(span, SpanKind::Server, &name)));
    find(&taken, SpanKind::Client, &name);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--docs", documents().to_str().unwrap()]).envs(variables);
    let mut program = Program::start(command);
    let server: Server = program.server();
    server.call("list_docs", &json!({}));
    collector
        .until(|taken| taken.spans.iter().any(|span| is(span, SpanKind::Server, "tools/call list_docs")));
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    for (more, says) in [
        ("sample_ratio = 2.0", "from 0 to 1"),
        ("timeout = 0.0", "0.01"),
        ("headers = { authorization = \"canary\" }", "no place of a secret"),
        ("headers = { authorization = \"env:NOT_THERE\" }", "NOT_THERE"),
    ] {
        let home = folder(&[("anyport.toml", &file("http://127.0.0.1:9", "http://127.0.0.1:9/mcp", more))]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let ended = to_the_end(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(says) && !ended.stderr.contains("canary"), "{ended:?}");
    }
    let home = folder(&[("anyport.toml", &file("http://127.0.0.1:9", "http://127.0.0.1:9/mcp", ""))]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let ended = to_the_end(command);
    assert!(ended.code == Some(2) && ended.stderr.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{ended:?}");
}

/// Invariant: The configuration on the page about telemetry is one that works.
#[test]
fn the_configuration_of_the_page_sends_spans() {
    let page = include_str!("../../../../docs/telemetry.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let collector = Collector::start();
    let text = text
        .replace("http://localhost:4318", &collector.url())
        .replace("sample_ratio = 0.1", "sample_ratio = 1");
    let home = folder(&[("anyport.toml", &text), ("handbook/a.md", "# A\n\nSome words.\n")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("COLLECTOR_AUTHORIZATION", "Bearer of-the-collector");
    let mut gateway = Program::start(command);
    gateway.server().call("handbook_list_docs", &json!({}));
    // It waits, and is sent when the program ends.
    assert!(Command::new("kill").arg(gateway.id().to_string()).status().unwrap().success());
    assert!(gateway.wait().success());
    let taken = collector.until(|taken| {
        taken.spans.iter().any(|span| is(span, SpanKind::Server, "tools/call handbook_list_docs"))
    });
    assert!(taken.heads.iter().all(|head| head.contains("Bearer of-the-collector")));
    assert_eq!(attribute(&taken.resource, "service.name").as_deref(), Some("tools"));
}
