//! Names of servers that every client accepts: letters, digits, `-` and `_`, up to 64 of them.

/// Clients put a name in front of those of tools, which may have 64 signs.
const LONGEST: usize = 64;

/// Whether every client accepts `name`.
pub fn is_valid(name: &str) -> bool {
    let signs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(signs)
}

/// The nearest name that is valid.
pub fn valid(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.truncate(LONGEST);
    let name = name.trim_matches('-');
    if name.is_empty() { "server".to_owned() } else { name.to_owned() }
}

/// A name for the server at a URL: from its host, or from its path where the host is an address or this machine.
pub fn of_url(url: &str) -> String {
    if let Some(path) = url.strip_prefix("unix:") {
        let socket = path.rsplit('/').next().unwrap_or(path);
        return valid(socket.strip_suffix(".sock").unwrap_or(socket));
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let named = |segment: &&str| !segment.is_empty() && !is_generic(segment);
    let segment = path.split('/').rfind(named);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (host, ""),
    };
    let is_address =
        name.starts_with('[') || name.split('.').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_address || name == "localhost" {
        let name =
            if name == "localhost" || name.starts_with("127.") || name == "[::1]" { "local" } else { name };
        return valid(&segment.map_or_else(|| format!("{name}-{port}"), str::to_owned));
    }
    valid(of_host(name))
}

/// The label of a host that says whose it is: `linear` of `mcp.linear.app`.
fn of_host(host: &str) -> &str {
    let labels: Vec<&str> = host.split('.').filter(|label| !label.is_empty()).collect();
    let last = match labels.len() {
        0 | 1 => return host,
        // `example.co.uk`
        count if count > 2 && labels[count - 2].len() <= 3 && labels[count - 1].len() == 2 => count - 2,
        count => count - 1,
    };
    labels[..last].iter().rev().find(|label| !is_generic(label)).copied().unwrap_or(labels[0])
}

/// A name for the server that a command starts: from its package, its image, its module or its script.
pub fn of_command<A: AsRef<str>>(program: &str, args: &[A]) -> String {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let own = stem(program);
    let named = match own {
        "npx" | "bunx" | "pnpx" | "uvx" | "pipx" | "npm" | "pnpm" | "yarn" | "uv" => package(&args),
        "docker" | "podman" => image(&args),
        _ if is_interpreter(own) => script(&args),
        "env" | "cmd" | "sudo" => {
            let command = args.iter().position(|word| !word.starts_with(['-', '/']) && !word.contains('='));
            return command.map_or_else(|| valid(own), |at| of_command(args[at], &args[at + 1..]));
        }
        _ => None,
    };
    valid(&short(&named.unwrap_or_else(|| own.to_owned())))
}

fn is_interpreter(program: &str) -> bool {
    const KNOWN: [&str; 12] =
        ["node", "python", "bun", "deno", "tsx", "ts-node", "ruby", "php", "java", "sh", "bash", "dotnet"];
    KNOWN.contains(&program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The package that a runner runs: the first word that is neither an option, nor its value, nor a word of the runner.
fn package(args: &[&str]) -> Option<String> {
    const VALUES: [&str; 9] = [
        "--from",
        "--with",
        "--directory",
        "--project",
        "--python",
        "-p",
        "--package",
        "--index",
        "--index-url",
    ];
    const OWN: [&str; 6] = ["exec", "dlx", "run", "tool", "x", "--"];
    let mut words = args.iter();
    while let Some(&word) = words.next() {
        match word {
            word if VALUES.contains(&word) => {
                words.next();
            }
            word if OWN.contains(&word) || word.starts_with('-') => {}
            // `uv run python server.py`
            word if is_interpreter(stem(word)) => return script(&words.copied().collect::<Vec<_>>()),
            word if word.ends_with(".py") || word.ends_with(".js") => return script(&[word]),
            word => return Some(without_version(word).to_owned()),
        }
    }
    None
}

fn without_version(package: &str) -> &str {
    let package = package.split("==").next().unwrap_or(package);
    match package.rfind('@') {
        Some(at) if at > 0 => &package[..at],
        _ => package,
    }
}

/// The image that a container is made of.
fn image(args: &[&str]) -> Option<String> {
    const VALUES: [&str; 12] = [
        "-e",
        "--env",
        "-v",
        "--volume",
        "--mount",
        "-p",
        "--publish",
        "--name",
        "--network",
        "-w",
        "--workdir",
        "--env-file",
    ];
    let mut words = args.iter().skip_while(|word| **word != "run").skip(1);
    while let Some(&word) = words.next() {
        match word {
            word if VALUES.contains(&word) => {
                words.next();
            }
            word if word.starts_with('-') => {}
            word => {
                let image = word.rsplit('/').next().unwrap_or(word);
                return Some(image.split([':', '@']).next().unwrap_or(image).to_owned());
            }
        }
    }
    None
}

/// The script or the module that an interpreter runs; its folder where the script has a name that says nothing.
fn script(args: &[&str]) -> Option<String> {
    let mut words = args.iter();
    while let Some(&word) = words.next() {
        match word {
            "-m" => return words.next().map(|module| module.rsplit('.').next().unwrap_or(module).to_owned()),
            "-c" | "-e" | "--eval" => return None,
            "run" | "--" => {}
            word if word.starts_with('-') => {}
            word => {
                let mut parts =
                    word.split(['/', '\\']).filter(|part| !part.is_empty() && *part != "." && *part != "..");
                let script = stem(parts.next_back()?);
                let folder = || parts.rev().find(|part| !is_generic(part) && !part.ends_with(':'));
                return Some(if is_generic(script) { folder().unwrap_or(script) } else { script }.to_owned());
            }
        }
    }
    None
}

/// Words that say nothing about a server.
fn is_generic(word: &str) -> bool {
    const WORDS: [&str; 28] = [
        "mcp", "sse", "ws", "api", "www", "v1", "v2", "message", "messages", "http", "stream", "app",
        "index", "main", "server", "run", "start", "cli", "__main__", "dist", "src", "build", "bin", "lib",
        "out", "target", "release", "debug",
    ];
    WORDS.iter().any(|other| other.eq_ignore_ascii_case(word))
}

/// The last part of a path, without the ending of a program or a script.
fn stem(path: &str) -> &str {
    const ENDINGS: [&str; 13] =
        ["exe", "cmd", "bat", "js", "mjs", "cjs", "ts", "py", "sh", "rb", "php", "jar", "dll"];
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ENDINGS.contains(&ending) => stem,
        _ => name,
    }
}

/// A package without its scope and without the words that most packages of servers have.
fn short(package: &str) -> String {
    let name = package.rsplit('/').next().unwrap_or(package);
    let scope = package.strip_prefix('@').and_then(|rest| rest.split('/').next());
    let mut short = name;
    loop {
        let before = short;
        for word in ["mcp-server-", "mcp_server_", "server-", "mcp-", "mcp_"] {
            short = short.strip_prefix(word).unwrap_or(short);
        }
        for word in ["-mcp-server", "_mcp_server", "-mcp", "_mcp", "-server", "_server"] {
            short = short.strip_suffix(word).unwrap_or(short);
        }
        if short == before {
            break;
        }
    }
    match (is_generic(short), scope) {
        // `@playwright/mcp`
        (true, Some(scope)) => scope.to_owned(),
        (true, None) => name.to_owned(),
        (false, _) => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_called_after_what_it_runs() {
        let check = |line: &str, expected: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(of_command(words[0], &words[1..]), expected, "{line}");
        };
        check("npx -y @modelcontextprotocol/server-everything", "everything");
        check("npx -y @modelcontextprotocol/server-everything@2026.8.31 stdio", "everything");
        check("/usr/bin/npx @playwright/mcp@latest", "playwright");
        check("npx -p @scope/pkg tool-mcp", "tool");
        check("npm exec -y chrome-devtools-mcp", "chrome-devtools");
        check("uvx mcp-server-time", "time");
        check("uvx --from git+https://example.com/x mcp-server-git==1.0", "git");
        check("uv --directory /srv run weather.py", "weather");
        check("uv run python -m company.search_server", "search");
        check("docker run -i --rm -e TOKEN ghcr.io/github/github-mcp-server:v1", "github");
        check("python3 /srv/somewhere/soak.py", "soak");
        check("python3.12 -u weather/server.py", "weather");
        check("node /home/me/notes/dist/index.js --port 1", "notes");
        check("node C:\\tools\\notes\\build\\index.js", "notes");
        check("cmd /c npx -y some-mcp", "some");
        check("env A=1 npx -y some-mcp", "some");
        check("/opt/bin/anyport serve --stdio", "anyport");
        check("server.exe", "server");
        check("python3 -c print(1)", "python3");
        check("npx", "npx");
        check("mcp", "mcp");
    }

    #[test]
    fn a_url_is_called_after_its_host_or_its_path() {
        let check = |url: &str, expected: &str| assert_eq!(of_url(url), expected, "{url}");
        check("https://mcp.linear.app/mcp", "linear");
        check("https://api.githubcopilot.com/mcp/", "githubcopilot");
        check("https://me:pw@example.co.uk/mcp?key=1", "example");
        check("https://mcp.example.com/v1/sse", "example");
        check("http://localhost:3020/mcp", "local-3020");
        check("http://127.0.0.1:8080/weather/mcp", "weather");
        check("http://10.0.0.7:80/mcp", "10-0-0-7-80");
        check("http://[::1]:3020/mcp", "local-3020");
        check("wss://server/ws", "server");
        check("https://app.dev", "app");
        check("unix:/run/a.sock", "a");
    }

    #[test]
    fn every_name_is_one_that_clients_accept() {
        for text in ["a b", "ü", "", "/srv/soak", "http://x:1/mcp", &"x".repeat(100), "--", "a..b"] {
            assert!(is_valid(&valid(text)), "{text}: {}", valid(text));
        }
        assert_eq!(valid("My server (2)"), "My-server-2");
        assert!(!is_valid("a.b") && !is_valid("") && is_valid("a_b-1"));
    }
}
