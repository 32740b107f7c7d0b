//! What clients in the wild send, byte for byte, and what they must get.
//!
//! Each is a file in `tests/data/quirks/`, named for the client and what is particular about it: `.http` is played over
//! a socket, `.stdio` over pipes. How they are written is told in [`fixture`].
//!
//! Invariant: What clients in the wild send gets a usable response at once.

mod fixture;
mod play;

use std::{collections::BTreeSet, fs, path::PathBuf};

fn folder() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/data/quirks").into()
}

macro_rules! quirks {
    ($($test:ident: $file:literal,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                play::file(&folder().join($file)).await;
            }
        )+

        #[test]
        fn every_file_is_played() {
            let files = fs::read_dir(folder()).unwrap();
            let files: BTreeSet<_> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            let played = [$($file),+].map(str::to_owned);
            assert_eq!(files, BTreeSet::from(played));
        }
    };
}

quirks! {
    browser_asks_first: "browser-asks-first.http",
    browser_comes_from_elsewhere: "browser-comes-from-elsewhere.http",
    claude_code_probes: "claude-code-probes.http",
    claude_code_probes_an_older_server: "claude-code-probes-an-older-server.http",
    claude_code_probes_on_stdio: "claude-code-probes.stdio",
    claude_code_probes_an_older_server_on_stdio: "claude-code-probes-an-older-server.stdio",
    copilot_keeps_the_probes_method: "copilot-keeps-the-probes-method.http",
    copilot_probes_an_older_server: "copilot-probes-an-older-server.http",
    copilot_sends_no_user_agent: "copilot-sends-no-user-agent.http",
    jetbrains_drops_configured_headers: "jetbrains-drops-configured-headers.http",
    older_clients_show_only_the_message: "older-clients-show-only-the-message.http",
    visual_studio_names_a_charset: "visual-studio-names-a-charset.http",
    vscode_leaves_out_headers: "vscode-leaves-out-headers.http",
    vscode_leaves_out_headers_with_compat: "vscode-leaves-out-headers-with-compat.http",
    vscode_opens_with_initialize: "vscode-opens-with-initialize.http",
}
