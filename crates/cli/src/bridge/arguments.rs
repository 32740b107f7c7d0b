use crate::{listen, target};

/// The arguments of `anyport bridge`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport bridge [OPTIONS] SERVER\n       anyport bridge [OPTIONS] -- COMMAND [ARGS]...",
    help_template = HELP,
    after_help = "anyport bridge --help shows every option."
)]
pub(crate) struct Arguments {
    /// The server: a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an mcp.json; or a command after --.
    #[arg(value_name = "SERVER")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) server: target::Options,
    #[command(flatten)]
    pub(crate) listen: listen::Arguments,
}

/// Examples first: most people need one of them, changed a little.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

Examples:
  anyport bridge --stdio https://host/mcp        for a client that only starts programs
  anyport bridge -- npx -y some-server           a program on HTTP, at 127.0.0.1:3020
  anyport bridge --port 8080 --era modern old    the server `old` of an mcp.json

{all-args}{after-help}";
