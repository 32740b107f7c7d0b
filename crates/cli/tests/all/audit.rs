//! `[audit]` of a gateway, and `anyport audit`.
//!
//! Invariant: A call of every revision and transport is in the audit log, and so is the plain interface's.

#![cfg(unix)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use anyport_audit::AUDIT;
use anyport_store::{Expect, Key, Options, SqliteStore, Store as _, Write};
use serde_json::{Value, json};

use crate::support::{
    Ended, Program, anyport, documents, folder, http::Server, initialize, legacy, modern, serve_gateway,
    to_the_end, until,
};

fn file(audit: &str) -> String {
    format!("{audit}\n[knowledge.book]\ndocs = [{:?}]\n", documents())
}

fn audit(home: &Path, words: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.arg("audit").args(words);
    to_the_end(command)
}

/// The records as JSON, which fit `words`.
fn records(home: &Path, words: &[&str]) -> Vec<Value> {
    let ended = audit(home, &[words, &["--json", "-n", "10000"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same, once there are so many.
fn recorded(home: &Path, words: &[&str], count: usize) -> Vec<Value> {
    let found = until(|| Value::from(records(home, words)), |found| found.as_array().unwrap().len() >= count);
    found.as_array().unwrap().clone()
}

/// Checks the log, which must be whole.
fn verified(home: &Path) -> Value {
    let ended = audit(home, &["verify", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn search(query: &str) -> Value {
    modern(1, "tools/call", json!({"name": "book_search_docs", "arguments": {"query": query}}))
}

/// Ends a program as its user does.
fn stop(program: &mut Program) {
    assert!(std::process::Command::new("kill").arg(program.id().to_string()).status().unwrap().success());
    assert!(program.wait().success());
}

#[test]
fn a_call_is_shown_checked_and_exported() {
    let (home, mut gateway, server) = serve_gateway(&file("[audit]\nmode = \"on\"\nredact = [\"private\"]"));
    let canary = "canary-of-the-audit-log";
    let mut message = search("");
    message["params"]["arguments"] =
        json!({"private": canary, "api_token": canary, "list": [{"Password": canary}]});
    message["params"]["_meta"]["traceparent"] =
        json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    server.post(&message, &[("Authorization", &format!("Bearer {canary}")), ("X-Api-Key", canary)]);
    let found = recorded(home.path(), &["--tool", "book_search_docs"], 1);
    let call = &found[0];
    assert_eq!(call["arguments"]["private"], "<hidden>", "{call}");
    let expected = json!({
        "event": "call", "principal": "anonymous", "client": "test", "client_version": "1", "address": "127.0.0.1",
        "revision": "2026-07-28", "method": "tools/call", "name": "book_search_docs", "upstream": "book",
        "trace": "0af7651916cd43dd8448eb211c80319c",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&call[name], value, "{call}");
    }
    assert!(call["bytes_in"].as_u64().unwrap() > 0 && call["bytes_out"].as_u64().unwrap() > 0);
    // It is whole beside the running gateway, and after it.
    assert_eq!(verified(home.path())["chains"].as_array().unwrap().len(), 1);
    let text = audit(home.path(), &["--tool", "book_search_docs"]).stdout;
    assert!(text.contains("  anonymous  tools/call  book_search_docs  at book  "), "{text}");
    stop(&mut gateway);
    let report = verified(home.path());
    assert_eq!((&report["whole"], &report["chains"][0]["is_closed"]), (&json!(true), &json!(true)));
    let jsonl = audit(home.path(), &["export"]).stdout;
    let events: Vec<_> =
        jsonl.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
    assert_eq!((events.first(), events.last()), (Some(&json!("open")), Some(&json!("close"))));
    let csv = audit(home.path(), &["export", "--format", "csv", "--tool", "book_search_docs"]).stdout;
    assert!(csv.lines().count() == 2 && csv.contains(",book_search_docs,,book,"), "{csv}");
    // No secret of a header or of an argument is anywhere in the state of the program.
    assert!(!jsonl.contains(canary) && !csv.contains(canary));
    let mut folders = vec![home.path().join("state")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let is_there = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
                assert!(!is_there, "{}", path.display());
            }
        }
    }
    // A filter that nothing fits, and words that do not exist.
    assert!(records(home.path(), &["--principal", "nobody"]).is_empty());
    assert_eq!(audit(home.path(), &["--outcome", "lucky"]).code, Some(2));
    let elsewhere = folder(&[]);
    let none = audit(elsewhere.path(), &["verify"]);
    assert!(none.code == Some(1) && none.stderr.contains("has no audit log"), "{none:?}");
}

/// Invariant: Each message of an array counts for rates and for the audit log by itself.
#[test]
fn each_call_of_an_array_counts_and_is_recorded() {
    let text = file("[audit]\nmode = \"on\"\n[limits.principal]\ncalls_per_hour = 3");
    let (home, _gateway, server) = serve_gateway(&text);
    let opened = server.post(&initialize(0, "2025-03-26"), &[]);
    let session = opened.header("mcp-session-id").unwrap();
    let call = |id: i64| legacy(id, "tools/call", json!({"name": "book_list_docs", "arguments": {}}));
    let batch = Value::from((1..=5).map(call).collect::<Vec<_>>());
    let headers =
        [("Content-Type", "application/json"), ("Accept", "application/json"), ("Mcp-Session-Id", session)];
    let answers = server.ask("POST", "/mcp", &headers, &batch.to_string()).json();
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 3, "{answers}");
    assert_eq!(codes.iter().filter(|code| **code == Some(42900)).count(), 2, "{answers}");
    let found = recorded(home.path(), &["--tool", "book_list_docs"], 5);
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn calls_of_every_revision_and_transport_are_recorded() {
    for mode in ["on", "required"] {
        let home = folder(&[("anyport.toml", &file(&format!("[audit]\nmode = \"{mode}\"")))]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0", "--transport", "http,sse", "--transport", "websocket"]);
        let mut gateway = Program::start(command);
        let (banner, _) = gateway.banner();
        let place = |word: &str| {
            let line = banner.lines().find(|line| line.trim_start().starts_with(&format!("{word} ")));
            line.unwrap_or_else(|| panic!("{word}: {banner}")).trim_start()[word.len()..].trim().to_owned()
        };
        let mut expected = Vec::new();
        let mut call = |url: &str, revision: &str| {
            let mut command = anyport(home.path());
            command.args(["call", url, "book_list_docs", "--revision", revision, "--json"]);
            let ended = to_the_end(command);
            assert_eq!(ended.code, Some(0), "{url} {revision}: {ended:?}");
            expected.push(revision.to_owned());
        };
        for word in ["http", "websocket"] {
            for revision in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
                call(&place(word), revision);
            }
        }
        call(&place("sse"), "2024-11-05");
        call(&place("websocket"), "2024-11-05");
        // The plain interface.
        let server = Server::at(&place("http"));
        let headers = [("Content-Type", "application/json")];
        let plain = server.ask("POST", "/mcp/call", &headers, r#"{"method":"book_list_docs"}"#);
        assert_eq!(plain.status, 200, "{}", plain.body);
        expected.push("2026-07-28".to_owned());
        stop(&mut gateway);
        // Standard input and output.
        for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut command = anyport(home.path());
            command.args(["serve", "--stdio"]);
            let mut program = Program::start(command);
            program.call(&initialize(0, revision));
            program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            let answer =
                program.call(&legacy(1, "tools/call", json!({"name": "book_list_docs", "arguments": {}})));
            assert!(answer["result"].is_object(), "{answer}");
            program.close_input();
            assert!(program.wait().success());
            expected.push(revision.to_owned());
        }
        let found = recorded(home.path(), &["--tool", "book_list_docs", "--outcome", "ok"], expected.len());
        let mut revisions: Vec<_> =
            found.iter().map(|record| record["revision"].as_str().unwrap().to_owned()).collect();
        expected.sort_unstable();
        revisions.sort_unstable();
        assert_eq!(revisions, expected, "{mode}");
        assert!(found.iter().all(|record| record["upstream"] == "book"), "{found:?}");
        // One chain for each process; each names the one before it.
        let report = verified(home.path());
        assert_eq!(report["chains"].as_array().unwrap().len(), 5);
    }
}

/// Invariant: A call that was answered while the audit log is required is in the log, whenever the process is killed.
#[test]
fn what_was_answered_is_in_the_log_of_a_process_that_was_killed() {
    let home = folder(&[("anyport.toml", &file("[audit]\nmode = \"required\""))]);
    let mut answered = Vec::new();
    for round in 0..3 {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0"]);
        let mut gateway = Program::start(command);
        let server = Arc::new(gateway.server());
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (server, stop, calls) = (server.clone(), stop.clone(), calls.clone());
                thread::spawn(move || {
                    let mut answered = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let id = format!("{round}-{caller}-{}", answered.len());
                        let message = search(&id);
                        let sent = std::panic::catch_unwind(|| server.post(&message, &[]));
                        // The process is gone in the middle of an answer.
                        let Ok(answer) = sent else { break };
                        if answer.status != 200 || !answer.body.contains("result") {
                            break;
                        }
                        answered.push(id);
                        calls.fetch_add(1, Ordering::SeqCst);
                    }
                    answered
                })
            })
            .collect();
        until(|| calls.load(Ordering::SeqCst).into(), |calls| calls.as_u64().unwrap() > 40);
        gateway.kill();
        stop.store(true, Ordering::SeqCst);
        callers.into_iter().for_each(|caller| answered.extend(caller.join().unwrap()));
        verified(home.path());
    }
    assert!(answered.len() > 100);
    let found: Vec<_> = audit(home.path(), &["export"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect();
    for id in answered {
        let begin =
            found.iter().find(|record| record["event"] == "begin" && record["arguments"]["query"] == *id);
        let begin = begin.unwrap_or_else(|| panic!("{id} began without a record"));
        let is_end = |record: &&Value| {
            record["event"] == "end" && record["chain"] == begin["chain"] && record["call"] == begin["call"]
        };
        assert!(found.iter().any(|record| is_end(&record)), "{id} ended without a record");
    }
}

/// A gateway whose files cannot grow beyond so many KiB.
fn limited(home: &Path, kib: u32) -> (Program, Server) {
    let program = anyport(home);
    let path = program.get_program().to_owned();
    let mut command = std::process::Command::new("sh");
    // The signal of a file that is too large would end the program; without it the write fails.
    command
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" serve --port 0", kib * 2))
        .arg(path);
    command.current_dir(home).envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut gateway = Program::start(command);
    let server = gateway.server();
    (gateway, server)
}

#[test]
fn a_disk_that_is_full_refuses_calls_where_the_log_is_required() {
    let home = folder(&[("anyport.toml", &file("[audit]\nmode = \"required\""))]);
    let (_gateway, server) = limited(home.path(), 400);
    let answers = (0..400).map(|number| server.post(&search(&number.to_string()), &[]));
    let refused = answers.into_iter().find(|answer| answer.status != 200).expect("the disk is never full");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let error = &refused.json()["error"];
    assert_eq!(
        (&error["code"], &error["data"]["reason"]),
        (&json!(-32603), &json!("audit_unavailable")),
        "{error}"
    );
}

#[test]
fn a_disk_that_is_full_refuses_nothing_where_the_log_is_on() {
    let home = folder(&[("anyport.toml", &file("[audit]\nmode = \"on\""))]);
    let (mut gateway, server) = limited(home.path(), 400);
    for number in 0..100 {
        let answer = server.post(&search(&number.to_string().repeat(2_000)), &[]);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    gateway.error_line(|line| line.contains("the audit log cannot be written"));
}

#[test]
fn calls_that_a_policy_refuses_are_recorded_with_the_rule() {
    let rule = "[[policy]]\nname = \"nobody\"\nwhen = 'tool.own_name == \"search_docs\"'\neffect = \"deny\"\n\
                [[policy]]\nname = \"unseen\"\nwhen = 'tool.own_name == \"get_doc\"'\neffect = \"hide\"\n";
    let (home, _gateway, server) = serve_gateway(&file(&format!("{rule}[audit]\nmode = \"required\"")));
    server.post(&search("x"), &[]);
    server.post(&modern(1, "tools/call", json!({"name": "book_get_doc", "arguments": {}})), &[]);
    let found = recorded(home.path(), &["--outcome", "refused"], 2);
    let by: Vec<_> = found.iter().map(|record| &record["outcome"]["refused_by"]).collect();
    assert_eq!(by, ["nobody", "unseen"], "{found:?}");
    // They went to no server, and so have one record each.
    assert!(
        found.iter().all(|record| record["event"] == "call" && record["upstream"].is_null()),
        "{found:?}"
    );
}

#[test]
fn a_tool_is_found_by_its_name_however_it_was_called() {
    let more = "[gateway]\ntool_search = true\n[audit]\nmode = \"on\"\n[[guard]]\ntools = [\"book_search_docs\"]\nargument = \"query\"\nmax_bytes = 5\n";
    let (home, _gateway, server) = serve_gateway(&file(more));
    // What stands beside it is too large to be recorded.
    let call = |query: &str| {
        let arguments =
            json!({"name": "book_search_docs", "arguments": {"query": query}, "more": "x".repeat(9_000)});
        server.post(&modern(1, "tools/call", json!({"name": "call_tool", "arguments": arguments})), &[])
    };
    call("fish");
    call("more than five");
    let found = recorded(home.path(), &["--tool", "book_search_docs"], 2);
    assert!(
        found.iter().all(|record| record["name"] == "call_tool" && record["upstream"] == "book"
            || record["outcome"]["kind"] == "refused"),
        "{found:?}"
    );
    let refused = recorded(home.path(), &["--outcome", "refused"], 1);
    assert!(refused[0]["outcome"]["refused_by"].is_string(), "a guard refuses by a result: {refused:?}");
}

#[test]
fn refusals_of_one_caller_beyond_refusals_per_second_become_one_record() {
    let more = "[[policy]]\nname = \"nobody\"\nwhen = 'true'\neffect = \"deny\"\n[limits]\nrefusals_per_second = 2\n";
    let (home, _gateway, server) = serve_gateway(&file(&format!("{more}[audit]\nmode = \"on\"")));
    const REFUSED: usize = 40;
    for _ in 0..REFUSED {
        server.post(&search("x"), &[]);
    }
    let is_summary = |record: &Value| record["event"] == "refusals";
    let all = || Value::from(records(home.path(), &[]));
    let all = until(all, |all| all.as_array().unwrap().iter().any(is_summary));
    let single = all.as_array().unwrap().iter().filter(|record| record["event"] == "call").count();
    assert!(single < REFUSED, "some have no record of their own: {single}");
}

/// Invariant: The configuration on the page about the audit log is one that works.
#[test]
fn the_configuration_of_the_page_records_calls() {
    let page = include_str!("../../../../docs/audit.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let home = folder(&[("anyport.toml", text), ("handbook/a.md", "# A\n\nSome words.\n")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    let arguments = json!({"query": "words", "iban": "DE02120300000000202051"});
    server
        .post(&modern(1, "tools/call", json!({"name": "handbook_search_docs", "arguments": arguments})), &[]);
    let call = &recorded(home.path(), &["--tool", "handbook_search_docs"], 1)[0];
    assert_eq!(call["arguments"], json!({"query": "words", "iban": "<hidden>"}));
    stop(&mut gateway);
    verified(home.path());
    let lines = std::fs::read_to_string(home.path().join("audit.jsonl")).unwrap();
    assert!(lines.contains("\"handbook_search_docs\"") && !lines.contains("DE02"), "{lines}");
}

#[test]
fn a_bridge_and_documents_record_their_calls() {
    let home = folder(&[("documents/a.md", "# A\n\nSome words.\n")]);
    let documents = home.path().join("documents");
    let served: [&[&str]; 2] = [
        &["serve", "--docs", documents.to_str().unwrap(), "--stdio", "--audit", "required"],
        &[
            "bridge",
            "--stdio",
            "--audit",
            "required",
            "--",
            env!("CARGO_BIN_EXE_anyport"),
            "serve",
            "--stdio",
        ],
    ];
    for (number, arguments) in served.into_iter().enumerate() {
        let mut command = anyport(home.path());
        command.args(arguments);
        let mut program = Program::start(command);
        let answer = program.call(&modern(1, "tools/call", json!({"name": "list_docs", "arguments": {}})));
        assert!(answer["result"].is_object(), "{answer}");
        let found = records(home.path(), &["--tool", "list_docs", "--principal", "local"]);
        assert_eq!(found.len(), number + 1, "before the answer");
        assert!(found.iter().all(|record| record["event"] == "end"), "{found:?}");
        program.close_input();
        assert!(program.wait().success());
    }
    verified(home.path());
}

#[test]
fn a_program_without_a_place_for_the_log_does_not_begin() {
    let home = folder(&[("state", "a file in the place of the folder")]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0", "--audit", "on"]);
    let ended = to_the_end(command);
    assert!(ended.code == Some(2) && ended.stderr.contains("--state-dir"), "{ended:?}");
}

#[test]
fn requests_that_are_refused_before_they_are_read_are_recorded_and_a_flood_of_them_is_one_record() {
    let text = file("[audit]\nmode = \"on\"\n[auth]\nkeys = true\n");
    let (home, _gateway, server) = serve_gateway(&text);
    let canary = "Bearer canary-of-a-refused-request";
    assert_eq!(server.post(&search("x"), &[("Authorization", canary)]).status, 401);
    assert_eq!(server.ask("GET", "/mcp", &[("Origin", "http://evil.example")], "").status, 403);
    for _ in 0..40 {
        assert_eq!(server.post(&search("x"), &[]).status, 401);
    }
    let fits = |found: &Value| {
        let found = found.as_array().unwrap();
        let alone = found.iter().filter(|record| record["event"] == "call").count();
        let more = found.iter().filter_map(|record| record["count"].as_u64()).sum::<u64>();
        alone as u64 + more == 42 && more > 0
    };
    let found = until(|| Value::from(records(home.path(), &["--outcome", "refused"])), fits);
    let first = &found[0];
    assert_eq!(
        (&first["method"], &first["name"], &first["address"]),
        (&json!("POST"), &json!("/mcp"), &json!("127.0.0.1"))
    );
    assert_eq!((&found[0]["outcome"]["code"], &found[1]["outcome"]["code"]), (&json!(401), &json!(403)));
    assert!(!found.to_string().contains("canary"));
    verified(home.path());
}

#[test]
fn what_was_changed_in_the_store_is_named() {
    let (home, mut gateway, server) = serve_gateway(&file("[audit]\nmode = \"required\""));
    (0..3).for_each(|_| drop(server.post(&search("x"), &[])));
    stop(&mut gateway);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let chain = verified(home.path())["chains"][0]["chain"].as_str().unwrap().to_owned();
    let store = SqliteStore::new(home.path().join("state/anyport/store"), &[&AUDIT], Options::default());
    let key = Key::new(&AUDIT, format!("block/{chain}/0000000000000003"));
    let was = runtime.block_on(store.get(&key)).unwrap().unwrap().value;
    let altered = String::from_utf8(was.to_vec()).unwrap().replace("book_search_docs", "book_search_dogs");
    let put = |value| runtime.block_on(store.put(&key, value, Write::ANY)).unwrap();
    put(altered.into_bytes().into());
    let ended = audit(home.path(), &["verify"]);
    assert!(ended.code == Some(1) && ended.stdout.contains("record 3 was altered"), "{ended:?}");
    runtime.block_on(store.delete(&key, Expect::Anything)).unwrap();
    let ended = audit(home.path(), &["verify", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (ended.code, &report["chains"][0]["fault"]),
        (Some(1), &json!({"kind": "missing", "record": 3}))
    );
    put(was);
    let head = &verified(home.path())["chains"][0];
    let head = format!("{chain}:{}:{}:{}", head["block"], head["record"], head["tag"].as_str().unwrap());
    assert_eq!(audit(home.path(), &["verify", "--head", &head]).code, Some(0));
    // The whole store is gone, and another gateway writes a new one.
    drop(store);
    std::fs::remove_dir_all(home.path().join("state/anyport/store")).unwrap();
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    drop(gateway.server());
    stop(&mut gateway);
    assert_eq!(audit(home.path(), &["verify"]).code, Some(0));
    let ended = audit(home.path(), &["verify", "--head", &head]);
    assert!(ended.code == Some(1) && ended.stdout.contains("the whole chain is missing"), "{ended:?}");
}

#[test]
fn new_records_are_shown_as_they_come() {
    let (home, _gateway, server) = serve_gateway(&file("[audit]\nmode = \"on\""));
    let mut command = anyport(home.path());
    command.args(["audit", "-f", "--json", "--tool", "book_search_docs"]);
    let mut follower = Program::start(command);
    for word in ["one", "two", "three"] {
        server.post(&search(word), &[]);
        follower.output_line(|line| line.contains(&format!("{{\"query\":\"{word}\"}}")));
    }
}

#[test]
fn a_change_of_the_audit_log_takes_a_restart_and_the_program_says_so() {
    let (home, mut gateway, server) = serve_gateway(&file("[audit]\nmode = \"on\""));
    // Once it has answered, it has seen the file as it was.
    server.post(&search("before"), &[]);
    std::fs::write(home.path().join("anyport.toml"), file("[audit]\nmode = \"off\"")).unwrap();
    gateway.error_line(|line| line.contains("takes a restart of the gateway: audit"));
    server.post(&search("later"), &[]);
    assert_eq!(recorded(home.path(), &["--tool", "book_search_docs"], 2).len(), 2, "it goes on as it was");
}
