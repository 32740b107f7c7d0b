//! `[log]` of a gateway: levels by module, which change while it runs.

#![cfg(unix)]

use std::fs;

use serde_json::json;

use crate::support::{documents, serve_gateway};

fn file(level: &str) -> String {
    format!("[log]\nlevel = {level:?}\n[knowledge.book]\ndocs = [{:?}]\n", documents())
}

#[test]
fn the_level_of_a_module_changes_while_the_gateway_runs() {
    let (home, mut gateway, server) = serve_gateway(&file("warn"));
    let place = home.path().join("anyport.toml");
    server.call("book_list_docs", &json!({}));
    fs::write(&place, file("warn,anyport_layers=debug")).unwrap();
    let read = gateway.error_line(|line| line.contains("the file was read again"));
    assert!(read.contains("[log] has changed"), "{read}");
    server.call("book_list_docs", &json!({}));
    let line = gateway.error_line(|line| line.contains("DEBUG") || line.contains("answered"));
    assert!(line.contains("answered") && line.contains("tools/call"), "{line}");
    // With a fault, the level stays.
    fs::write(&place, file("loud")).unwrap();
    let fault = gateway.error_line(|line| line.contains("is no level"));
    assert!(fault.contains("nothing was changed"), "{fault}");
    server.call("book_list_docs", &json!({}));
    gateway.error_line(|line| line.contains("answered"));
}
