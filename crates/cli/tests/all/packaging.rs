//! What is packaged: the image, the unit of systemd and the configuration for production.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::json;

use crate::support::{Program, anyport, folder, modern, to_the_end};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn packaged(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The configuration for production, with the servers of a test.
fn configuration() -> String {
    packaged("anyport.toml").replace("<docs.example.com>", "127.0.0.1:1").replace("https://127", "http://127")
}

/// The instructions of the last stage of the image, each on one line.
fn instructions() -> Vec<String> {
    let text = packaged("Dockerfile").replace("\\\n", " ");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    lines[last..].iter().map(|line| (*line).to_owned()).collect()
}

/// The words of an instruction in the form of a list.
fn list(instructions: &[String], name: &str) -> Vec<String> {
    let line = instructions.iter().find(|line| line.starts_with(name)).unwrap();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

#[test]
fn the_image_serves_and_its_health_check_succeeds() {
    let image = instructions();
    assert!(image.contains(&"USER 1000:1000".to_owned()), "{image:?}");
    let check = image.iter().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    for option in ["--interval=30s", "--timeout=10s", "--start-period=30s", "--retries=3"] {
        assert!(check.contains(option), "{check}");
    }
    assert!(packaged("Dockerfile").lines().all(|line| !line.contains(":latest")), "images are pinned");
    // The steps of the image, in a root of the test's own.
    let root = folder(&[("etc/anyport/anyport.toml", &configuration())]);
    let state = root.path().join("var/lib/anyport");
    fs::create_dir_all(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let mut words = list(&image, "CMD").into_iter();
    let mut command = anyport(root.path());
    assert_eq!(list(&image, "ENTRYPOINT"), ["anyport"]);
    command.args(words.by_ref().map(|word| match word.strip_prefix('/') {
        Some(path) => root.path().join(path).display().to_string(),
        None => word,
    }));
    let environment = image.iter().find(|line| line.starts_with("ENV ")).unwrap();
    for (name, value) in environment[4..].split(' ').filter_map(|pair| pair.split_once('=')) {
        let value = match value.strip_prefix('/') {
            Some(path) => root.path().join(path).display().to_string(),
            // Nothing but this machine may reach a test.
            None => value.replace("0.0.0.0", "127.0.0.1"),
        };
        command.env(name, value);
    }
    command.args(["--port", "0"]).env("ANYPORT_SECRET", SECRET);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    let refused = server.post(&modern(1, "tools/list", json!({})), &[]);
    assert_eq!(refused.status, 401, "nobody calls without a token");
    let words = list(&image, "HEALTHCHECK");
    assert_eq!(words[0], "anyport");
    let mut check = anyport(root.path());
    check.args(&words[1..]).env("ANYPORT_HEALTH_URL", format!("http://{}", server.authority));
    let checked = to_the_end(check);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    drop(gateway);
    let mut check = anyport(root.path());
    check.args(&words[1..]).env("ANYPORT_HEALTH_URL", format!("http://{}", server.authority));
    assert_eq!(to_the_end(check).code, Some(1));
}

#[test]
fn the_configuration_for_production_is_valid() {
    let home = folder(&[("anyport.toml", &configuration())]);
    let mut command = anyport(home.path());
    command.args(["config", "check", "anyport.toml"]).current_dir(home.path()).env("ANYPORT_SECRET", SECRET);
    let checked = to_the_end(command);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn compose_limits_what_a_container_uses() {
    let text = packaged("compose.yaml");
    for line in [
        "restart: unless-stopped",
        "read_only: true",
        "cap_drop: [ALL]",
        "memory: 512M",
        "cpus: \"0.5\"",
        "memory: 256M",
        "cpus: \"0.25\"",
        "test: [\"CMD\", \"anyport\", \"health\"]",
    ] {
        assert!(text.lines().any(|there| there.trim() == line), "{line}");
    }
    assert!(!text.contains("privileged: true") && !text.contains("network_mode: host"));
}

/// Where systemd is installed, it says itself whether the unit is valid.
#[test]
fn the_unit_of_systemd_runs_without_rights() {
    let text = packaged("anyport.service");
    for line in ["NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "CapabilityBoundingSet="] {
        assert!(text.lines().any(|there| there == line), "{line}");
    }
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(start.ends_with("serve --config /etc/anyport/anyport.toml"), "{start}");
    let home = folder(&[("anyport.service", &text.replace("/usr/local/bin/anyport", "/bin/true"))]);
    let verify =
        Command::new("systemd-analyze").arg("verify").arg(home.path().join("anyport.service")).output();
    if let Ok(verified) = verify {
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(!said.contains("anyport.service:"), "{said}");
    }
}
