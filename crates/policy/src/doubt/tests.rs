use super::*;
use crate::Expression;

/// A gateway with the servers `files` and `mail`.
struct Gateway;

impl KnownNames for Gateway {
    fn upstreams(&self) -> Vec<&str> {
        vec!["files", "mail"]
    }

    fn has_tool(&self, name: &str) -> bool {
        name.starts_with("files_") || name.starts_with("mail_")
    }

    fn has_prompt(&self, name: &str) -> bool {
        self.has_tool(name)
    }
}

fn doubts(source: &str) -> Vec<Doubt> {
    Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}")).doubts(&Gateway)
}

#[test]
fn what_no_call_has_is_told_with_what_was_meant() {
    for (source, message) in [
        // Another type.
        ("principal.is_anonymous == 'true'", "principal.is_anonymous is never \"true\": it is true or false"),
        ("principal.is_anonymous != 1", "principal.is_anonymous is never 1: it is true or false"),
        ("tool.name == 5", "tool.name is never 5: it is a text"),
        ("null == principal.subject", "principal.subject is never null: it is a text"),
        ("upstream == ['files']", "upstream is never a list: it is a text"),
        ("client.version in ['1', 2]", "client.version is never 2: it is a text"),
        ("revision == 2025.5", "revision is never 2025.5: it is a text"),
        (
            "principal.permissions == 'files:write'",
            "principal.permissions is never \"files:write\": it is a list; write \"files:write\" in principal.permissions",
        ),
        // Methods, revisions, servers and names.
        ("method == 'tools/cal'", "method is never \"tools/cal\"; did you mean \"tools/call\"?"),
        ("method != 'tool/call'", "method is never \"tool/call\"; did you mean \"tools/call\"?"),
        (
            "method == 'tools/list'",
            "method is never \"tools/list\": lists are filtered by the rules for what they list",
        ),
        ("revision == '2025-06-19'", "revision is never \"2025-06-19\"; did you mean \"2025-06-18\"?"),
        ("upstream == 'flies'", "upstream is never \"flies\"; did you mean \"files\"?"),
        ("upstream in ['files', 'x']", "upstream is never \"x\"; there are files, mail"),
        (
            "tool.name == 'write'",
            "tool.name is never \"write\": the names of a server's items begin with its own, or its prefix, and `_`; own_name is the name at the server",
        ),
        // Addresses.
        (
            "address == '10.0.0.0/8'",
            "address is never \"10.0.0.0/8\"; write inNetwork(address, \"10.0.0.0/8\")",
        ),
        ("address == 'localhost'", "address is never \"localhost\": it is an IP address"),
        ("address == 'FE80::1'", "address is never \"FE80::1\"; it is written \"fe80::1\""),
        ("address == '::ffff:10.1.2.3'", "address is never \"::ffff:10.1.2.3\"; it is written \"10.1.2.3\""),
    ] {
        let found = doubts(source);
        let [doubt] = &found[..] else { panic!("{source}: {found:?}") };
        assert_eq!(doubt.message, message, "{source}");
        let at = doubt.at.unwrap();
        // Where the variable is, or the constant in a list.
        let begins = |word: &str| source[at..].starts_with(word);
        let variable = message.split(' ').next().unwrap();
        assert!(
            begins(variable) || (source.contains(" in [") && (begins("'") || begins("2"))),
            "{source}: {at}"
        );
        // So it is wherever it stands.
        for around in [
            format!("true && ({source})"),
            format!("!({source}) || false"),
            format!("principal.permissions.exists(scope, scope == 'a' && {source})"),
            format!("({source}) ? 1 == 1 : false"),
            format!("[1].all(each, {{'a': {source}}}.a)"),
        ] {
            assert_eq!(doubts(&around).len(), 1, "{around}");
        }
    }
    let found = doubts("tool.name == 'x' && upstream == 'y' || prompt.name in ['z', 'mail_z']");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn what_a_call_may_have_is_no_doubt() {
    for source in [
        "method == 'tools/call' || method in ['prompts/get', 'resources/read', 'completion/complete']",
        "revision == '2024-11-05' || revision != '2026-07-28' || revision < '2025-12-31'",
        "upstream == 'files' || upstream.startsWith('fi')",
        "tool.name == 'files_write' && tool.own_name == 'write' || tool.name == ''",
        "prompt.name == 'mail_draft' || prompt.own_name in ['a', 'b'] || prompt.name != ''",
        "resource.uri == 'file:///a' || resource.own_uri == ''",
        "principal.id == 'local' || principal.name == '' || principal.subject == 'ada'",
        "principal.is_anonymous == true || false == principal.is_anonymous",
        "'files:write' in principal.permissions || principal.permissions == ['a'] || principal.permissions == []",
        "address == '10.1.2.3' || address == '' || address == 'fe80::1' || inNetwork(address, '10.0.0.0/8')",
        // Their author decides what these are.
        "arguments.path == 5 || arguments.method == 'x' || annotations.readOnlyHint == 'yes'",
        // A variable of a loop is another one.
        "['x'].exists(method, method == 'x') && ['y'].all(upstream, upstream != 5)",
        "{'method': 'x'}.method == 'x' || 'a' == 'b' || has(arguments.method)",
        "tool.name == upstream || size(tool.name) == 5 || type(tool.name) == string",
    ] {
        assert_eq!(doubts(source), [], "{source}");
    }
}
