//! Gateways that share a store: on servers of NATS, in a folder, in memory.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Ended, Program, anyport,
    browser::{self, Browser},
    documents, folder,
    http::Server,
    modern,
    nats::{NatsServer, PASSWORD, Release, USER},
    to_the_end, until, with_input,
};

const BOTH: [Release; 2] = [Release::Old, Release::New];

/// A key as `openssl rand -base64 32` writes it.
const KEY: &str = "qLx2mUQw7b1dI0a9kqvV7m4dO0nVtC2W8s0l3sUq0XA=\n";

/// A folder with a gateway of users and keys on a store of NATS, and an upstream whose definitions are pinned.
fn home(store: &str) -> tempfile::TempDir {
    let docs = documents();
    let text = format!(
        "{}[auth]\nkeys = true\n[store]\n{store}\n[upstreams.book]\ncommand = [{:?}, \"serve\", \"--stdio\", \"--docs\", {docs:?}]\n",
        browser::configuration(),
        env!("CARGO_BIN_EXE_anyport")
    );
    folder(&[("anyport.toml", &text), ("state.key", KEY)])
}

/// Runs a command of this program in `home`, as member `state`.
fn ran(home: &Path, state: &str, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(arguments).env("ANYPORT_STATE_DIR", home.join(state)).env("NATS_PASSWORD", PASSWORD);
    to_the_end(command)
}

fn done(home: &Path, state: &str, arguments: &[&str]) -> String {
    let ended = ran(home, state, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// Starts a gateway that keeps what is of its machine in `state`. Returns where it listens.
fn serve(home: &Path, state: &str, arguments: &[&str]) -> (Program, Server) {
    let mut command = anyport(home);
    command.args(["serve", "--port", "0"]).args(arguments);
    command.env("ANYPORT_STATE_DIR", home.join(state)).env("NATS_PASSWORD", PASSWORD);
    let mut program = Program::start(command);
    program.banner();
    let status = until(
        || serde_json::from_str(&ran(home, state, &["status", "--json"]).stdout).unwrap_or_default(),
        |status| status["gateways"][0]["address"].is_string(),
    );
    let authority = status["gateways"][0]["address"].as_str().unwrap().to_owned();
    (program, Server { authority, path: "/mcp".to_owned() })
}

/// The status of a call with this credential.
fn called(server: &Server, credential: &str) -> u16 {
    let list = modern(1, "tools/list", json!({}));
    server.post(&list, &[("Authorization", &format!("Bearer {}", credential.trim()))]).status
}

fn until_called(server: &Server, credential: &str, status: u16) {
    until(|| called(server, credential).into(), |seen| *seen == status);
}

/// The upstreams whose definitions are pinned, and how many tools of each.
fn pinned(home: &Path, state: &str, arguments: &[&str]) -> Value {
    let ended = ran(home, state, &[&["pins", "list", "--json"], arguments].concat());
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap_or(json!({"error": ended.stderr}));
    listed["upstreams"][0]["pinned"]["tools"].clone()
}

/// Invariant: API keys, users, sessions and pins in a store of NATS survive the gateway, and every gateway of the store sees them.
#[test]
fn state_on_nats_survives_a_gateway_and_is_seen_by_another() {
    for release in BOTH {
        let Some(nats) = NatsServer::start(release, "") else { continue };
        let store = format!(
            "url = \"nats://127.0.0.1:{}\"\nuser = \"{USER}\"\npassword = \"env:NATS_PASSWORD\"\nstate_key = \"state.key\"",
            nats.port
        );
        let home = home(&store);
        let home = home.path();
        let of_file = ["--config", "anyport.toml"];
        let key = done(home, "one", &[&["key", "create", "robot"], &of_file[..]].concat());
        let mut add = anyport(home);
        add.args(["user", "add", "ada"]).env("ANYPORT_STORE", nats.url());
        add.env("ANYPORT_STATE_DIR", home.join("one"));
        let added = with_input(add, browser::PASSWORD);
        assert_eq!(added.code, Some(0), "{added:?}");
        let (mut one, at_one) = serve(home, "one", &[]);
        assert_eq!(called(&at_one, &key), 200, "{release:?}");
        let mut browser = Browser::new(&at_one, "ada");
        let token = browser::token(&at_one, &mut browser);
        assert_eq!(called(&at_one, &token), 200, "{release:?}");
        until(|| pinned(home, "one", &of_file), |count| count.as_u64().is_some_and(|count| count > 3));
        // Nothing of it is in the state folder.
        assert_eq!(pinned(home, "one", &[]), Value::Null);
        one.kill();
        let (mut one, at_one) = serve(home, "one", &[]);
        assert_eq!(called(&at_one, &key), 200, "{release:?}: after a restart");
        assert_eq!(called(&at_one, &token), 200, "{release:?}: after a restart");
        // Another machine, with a folder of its own.
        let (mut two, at_two) = serve(home, "two", &[]);
        assert_eq!(called(&at_two, &key), 200, "{release:?}");
        assert_eq!(called(&at_two, &token), 200, "{release:?}: the token of another gateway");
        assert_eq!(pinned(home, "two", &of_file), pinned(home, "one", &of_file));
        // The user is signed in there as well: the page asks for no password.
        let signed_in = browser::token(&at_two, &mut browser.at(&at_two).with_password("not the password"));
        until_called(&at_one, &signed_in, 200);
        done(home, "two", &[&["key", "revoke", "robot"], &of_file[..]].concat());
        until_called(&at_one, &key, 401);
        until_called(&at_two, &key, 401);
        let seen = ["status", "--json"].map(|word| word.to_owned());
        let status = done(home, "one", &[&seen[0], &seen[1]]);
        let status: Value = serde_json::from_str(&status).unwrap();
        let url = format!("nats://127.0.0.1:{}", nats.port);
        assert_eq!(status["gateways"][0]["store"]["url"], url, "{status}");
        one.kill();
        two.kill();
        let said = [one.stderr(), two.stderr(), added.stderr, status.to_string()].concat();
        assert!(said.contains(&url) && !said.contains(PASSWORD), "{said}");
    }
}

/// Invariant: Where an acknowledged write may be lost when the power fails, operators are told so.
#[test]
fn what_a_write_survives_is_said_by_the_banner_health_and_status() {
    for (release, settings, is_monitored, durability, warning) in [
        (Release::New, "sync_interval: always", true, "each write synced", None),
        (Release::New, "", true, "synced every 120 s", Some("sync_interval: always")),
        (Release::New, "", false, "sync interval unknown", Some("`monitor` of [store]")),
        (Release::Old, "", true, "which cannot sync each write", Some("servers before 2.10")),
    ] {
        let Some(nats) = NatsServer::start(release, settings) else { continue };
        let monitor = match is_monitored {
            true => format!("monitor = \"http://127.0.0.1:{}\"\n", nats.monitor),
            false => String::new(),
        };
        let docs = documents();
        let text = format!("[store]\nurl = \"env:STORE\"\n{monitor}[knowledge.book]\ndocs = [{docs:?}]\n");
        let home = folder(&[("anyport.toml", &text), ("state.key", KEY)]);
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0", "--state-key", "state.key"]).env("STORE", nats.url());
        let mut gateway = Program::start(command);
        let server = gateway.server();
        let line = gateway.error_line(|line| line.starts_with("  store "));
        assert!(line.contains("1 replica") && line.contains(durability), "{line}");
        let (banner, _) = gateway.banner();
        assert_eq!(banner.contains("WARNING"), warning.is_some(), "{banner}");
        let health = server.get("/health", &[]).json();
        let mut status = anyport(home.path());
        status.args(["status", "--json"]);
        let status: Value = serde_json::from_str(&to_the_end(status).stdout).unwrap();
        for store in [&health["dependencies"]["store"], &status["gateways"][0]["store"]] {
            assert!(store["durability"].as_str().unwrap().contains(durability), "{store}");
            match warning {
                Some(words) => assert!(store["warning"].as_str().unwrap().contains(words), "{store}"),
                None => assert_eq!(store["warning"], Value::Null),
            }
        }
        gateway.kill();
        let said = [gateway.stderr(), health.to_string(), status.to_string(), banner].concat();
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

/// A store that is away keeps no gateway from serving, and one that refuses the user does.
#[test]
fn a_gateway_serves_without_its_store_once_store_wait_is_over() {
    let docs = documents();
    let text = format!("[knowledge.book]\ndocs = [{docs:?}]\n");
    let home = folder(&[("anyport.toml", &text), ("state.key", KEY)]);
    let serve = |store: &str| {
        let mut command = anyport(home.path());
        command.args(["serve", "--port", "0", "--state-key", "state.key", "--limit", "store_wait=1"]);
        command.env("ANYPORT_STORE", store);
        Program::start(command)
    };
    let mut gateway = serve(&format!("nats://{USER}:{PASSWORD}@127.0.0.1:1"));
    gateway.error_line(|line| line.contains("the store cannot be reached") && line.contains("store_wait"));
    let server = gateway.server();
    assert!(server.post(&modern(1, "tools/list", json!({})), &[]).json()["result"]["tools"].is_array());
    let health = server.get("/health", &[]).json();
    assert_eq!(
        (&health["status"], &health["dependencies"]["store"]["status"]),
        (&"degraded".into(), &"unhealthy".into())
    );
    gateway.kill();
    assert!(!gateway.stderr().contains(PASSWORD));
    for release in BOTH {
        let Some(nats) = NatsServer::start(release, "") else { continue };
        let mut refused = serve(&format!("nats://{USER}:another-password@127.0.0.1:{}", nats.port));
        assert_eq!(refused.wait().code(), Some(1), "{release:?}");
        let said = refused.stderr();
        assert!(said.contains("authorization") && said.contains("the password"), "{said}");
        assert!(!said.contains("another-password"), "{said}");
    }
}

/// Invariant: A store is checked, backed up, restored and copied on servers of NATS as in a file.
#[test]
fn a_store_is_copied_to_nats_backed_up_and_restored() {
    for release in BOTH {
        let Some(nats) = NatsServer::start(release, "") else { continue };
        let home = folder(&[("state.key", KEY)]);
        let home = home.path();
        let run = |words: &[&str]| {
            let mut command = anyport(home);
            command.args(words).env("NATS", nats.url());
            to_the_end(command)
        };
        let done = |words: &[&str]| {
            let ended = run(words);
            assert_eq!(ended.code, Some(0), "{release:?} {words:?}: {ended:?}");
            ended.stdout
        };
        let keys = |words: &[&str]| {
            let listed: Value =
                serde_json::from_str(&done(&[&["key", "list", "--json"], words].concat())).unwrap();
            listed["keys"].as_array().unwrap().len()
        };
        let on_nats = ["--store", "env:NATS"];
        done(&["key", "create", "one"]);
        done(&["key", "create", "two"]);
        let folder = format!("sqlite:{}", home.join("state/anyport/store").display());
        let copied = done(&["store", "copy", &folder, "env:NATS"]);
        assert!(copied.contains("copied 2 keys") && !copied.contains(PASSWORD), "{copied}");
        assert_eq!(keys(&on_nats), 2);
        let again = run(&["store", "copy", &folder, "env:NATS"]);
        assert!(again.code == Some(2) && again.stderr.contains("is not empty"), "{again:?}");
        let check: Value =
            serde_json::from_str(&done(&["store", "check", "--store", "env:NATS", "--json"])).unwrap();
        let api_keys = json!({"name": "api-key", "keys": 2, "bytes": check["buckets"][0]["bytes"]});
        assert_eq!(
            (&check["whole"], &check["processes"], &check["buckets"][0]),
            (&json!(true), &json!(0), &api_keys)
        );
        assert_eq!(check["url"], format!("nats://127.0.0.1:{}", nats.port));
        done(&["store", "backup", "shared.db", "--store", "env:NATS"]);
        let there = run(&["store", "backup", "shared.db", "--store", "env:NATS"]);
        assert!(there.code == Some(2) && there.stderr.contains("is there already"), "{there:?}");
        done(&["key", "create", "three", "--store", "env:NATS"]);
        let refused = run(&["store", "restore", "shared.db", "--store", "env:NATS"]);
        assert!(refused.code == Some(2) && refused.stderr.contains("--replace"), "{refused:?}");
        assert_eq!(keys(&on_nats), 3, "{release:?}: it is left as it was");
        done(&["store", "restore", "shared.db", "--replace", "--store", "env:NATS"]);
        assert_eq!(keys(&on_nats), 2);
        // A file of NATS is one of SQLite.
        let local = run(&["store", "restore", "shared.db"]);
        assert!(local.code == Some(2) && local.stderr.contains("is not empty"), "{local:?}");
        let other = format!("sqlite:{}", home.join("other").display());
        done(&["store", "restore", "shared.db", "--store", &other]);
        assert_eq!(keys(&["--store", &other]), 2);
        done(&["store", "copy", "env:NATS", "sqlite:third"]);
        assert_eq!(keys(&["--store", "sqlite:third"]), 2);
        // A gateway that runs keeps it from being replaced, and from nothing else.
        fs::create_dir(home.join("docs")).unwrap();
        let mut command = anyport(home);
        command.args(["serve", "--port", "0", "--docs", "docs", "--auth-keys", "--state-key", "state.key"]);
        command.env("ANYPORT_STORE", nats.url());
        let mut gateway = Program::start(command);
        gateway.server();
        let in_use = run(&["store", "restore", "shared.db", "--replace", "--store", "env:NATS"]);
        assert!(in_use.code == Some(1) && in_use.stderr.contains("1 running process uses"), "{in_use:?}");
        done(&["store", "backup", "beside.db", "--store", "env:NATS"]);
        gateway.kill();
    }
}

/// What is not on NATS is in the folder that was named, or in memory.
#[test]
fn a_store_is_in_another_folder_or_in_memory() {
    let docs = documents();
    let home = folder(&[]);
    let home = home.path();
    let key = done(home, "state", &["key", "create", "robot", "--store", "sqlite:shared"]);
    assert!(home.join("shared/anyport.db").exists() && !home.join("state/store/anyport.db").exists());
    let start = |store: &str| {
        let mut command = anyport(home);
        command.args(["serve", "--port", "0", "--auth-keys", "--store", store, "--docs"]).arg(&docs);
        command.env("ANYPORT_STATE_DIR", home.join("state"));
        let mut program = Program::start(command);
        let server = program.server();
        (program, server)
    };
    let (mut gateway, server) = start("sqlite:shared");
    assert!(gateway.error_line(|line| line.starts_with("  store ")).contains("on the disk"));
    assert_eq!(called(&server, &key), 200);
    let (mut gateway, server) = start("memory");
    let line = gateway.error_line(|line| line.starts_with("  WARNING"));
    assert!(line.contains("ends with this process"), "{line}");
    assert_eq!(called(&server, &key), 401, "it is another store");
}

/// Invariant: Gateways that share a store let through no more calls together than a rate of `[limits]` says, whichever of them gets them.
#[test]
fn calls_at_two_gateways_count_against_one_rate() {
    let limits = "[limits.principal]\ncalls_per_hour = 40\n";
    let call = modern(1, "tools/call", json!({"name": "book_list_docs", "arguments": {}}));
    let counted = |servers: [&Server; 2], calls: usize| {
        let called = servers.into_iter().cycle().take(calls).map(|server| server.post(&call, &[]).status);
        called.fold((0, 0), |(through, refused), status| match status {
            200 => (through + 1, refused),
            429 => (through, refused + 1),
            status => panic!("{status}"),
        })
    };
    let text =
        |store: &str| format!("[store]\n{store}\n[knowledge.book]\ndocs = [{:?}]\n{limits}", documents());
    let both = |home: &Path| ["one", "two"].map(|state| serve(home, state, &[]));
    let home = folder(&[("anyport.toml", &text("url = \"sqlite:shared\""))]);
    let [(_one, at_one), (mut two, at_two)] = both(home.path());
    let (through, refused) = counted([&at_one, &at_two], 60);
    // Each may be left with a part of a portion of two or three calls.
    assert!((36..=40).contains(&through) && through + refused == 60, "{through}");
    let words = at_two.post(&call, &[]).json();
    assert!(words["error"]["message"].as_str().unwrap().contains("40 calls an hour"), "{words}");
    // What was counted stays.
    two.kill();
    let (_two, at_two) = serve(home.path(), "two", &[]);
    assert_eq!(counted([&at_two, &at_two], 10).0, 0);
    for release in BOTH {
        let Some(nats) = NatsServer::start(release, "") else { continue };
        let home = folder(&[
            ("anyport.toml", &text(&format!("url = {:?}\nstate_key = \"state.key\"", nats.url()))),
            ("state.key", KEY),
        ]);
        let [(_one, at_one), (_two, at_two)] = both(home.path());
        assert_eq!(counted([&at_one, &at_two], 10), (10, 0), "{release:?}");
        // Each has its share: half, or all of it where it has not heard of the other yet.
        drop(nats);
        let (through, refused) = counted([&at_one, &at_two], 120);
        assert!((40..=85).contains(&through) && through + refused == 120, "{release:?}: {through}");
    }
}
