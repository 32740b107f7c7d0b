//! `anyport login`, `anyport logout` and `anyport accounts`: who this program is at servers that want to know.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use anyport_auth::{Callback, Credential, DEFAULT_ACCOUNT, SignInOptions, Vault, is_caller_account};
use anyport_transport::client::http::{Endpoint, Fault};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::login_options;
use crate::{
    client_session::{
        self,
        output::{self, Output},
    },
    exit::Exit,
    logging,
    render::{safe, table::table},
    sign_in::{self, Browser},
    state_dir,
    target::{self, LoginSettings, Server, Surroundings},
    user_error::UserError,
};

/// The arguments of `anyport login`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport login https://example.com/mcp\n  anyport login linear --account work --no-browser\n  \
                  anyport login https://example.com/mcp --client-credentials --client-id ID --client-secret env:KEY\n  \
                  anyport login --idp company --issuer https://idp.example.com --client-id ID"
)]
pub(crate) struct LoginArguments {
    /// The server: a URL, FILE#NAME or NAME of an anyport.toml or an mcp.json. Left out to sign in to the identity provider of --idp.
    #[arg(required_unless_present = "idp")]
    target: Option<String>,
    /// A name for the login, if you have several at one server.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT, value_parser = account)]
    account: String,
    #[command(flatten)]
    options: login_options::Options,
    /// Print the URL of the page, and read the URL that the browser ends at from standard input.
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for you and the browser. Default: 300 s.
    #[arg(long, value_name = "SECONDS", value_parser = crate::target::seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `anyport logout`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport logout https://example.com/mcp\n  anyport logout linear --account work"
)]
pub(crate) struct LogoutArguments {
    #[command(flatten)]
    whose: Whose,
}

/// The arguments of `anyport accounts`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport accounts\n  anyport accounts --json")]
pub(crate) struct AccountsArguments {
    #[command(flatten)]
    place: Place,
}

/// The server and the account.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Whose {
    /// The server: a URL, FILE#NAME or NAME of an anyport.toml or an mcp.json.
    target: String,
    /// A name for the login, if you have several at one server.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT, value_parser = account)]
    account: String,
    #[command(flatten)]
    place: Place,
}

/// Where logins are kept, and how the answer is written.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Place {
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: output::Options,
}

impl LoginArguments {
    /// `options` with the time that the user has.
    fn limited(&self, options: SignInOptions) -> SignInOptions {
        let limits = match self.timeout {
            Some(timeout) => options.limits.login_timeout(timeout),
            None => options.limits,
        };
        SignInOptions { limits, ..options }
    }

    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.place.output
    }
}

impl LogoutArguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.whose.place.output
    }
}

impl AccountsArguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.place.output
    }
}

impl Place {
    fn state(&self) -> Result<PathBuf> {
        state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
            UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
        })
    }

    /// The credentials, if anybody has signed in.
    fn known(&self) -> Result<Option<Vault>> {
        Ok(sign_in::known_vault(&self.state()?))
    }

    fn run(&self, work: impl AsyncFnOnce() -> Result<Exit>) -> Result<ExitCode> {
        let options = client_session::Options { output: self.output.clone(), ..Default::default() };
        client_session::run(&options, async |_| work().await)
    }
}

/// A name that a table can show.
fn account(text: &str) -> Result<String, String> {
    match text.is_empty() || safe::revealed(text) != text {
        true => Err("a name has at least one sign, and none that people do not see".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Signs in.
pub(crate) fn login(arguments: &LoginArguments) -> Result<ExitCode> {
    let here = Surroundings::here();
    match (&arguments.target, arguments.options.idp()) {
        (Some(target), _) => login_to_server(arguments, target, &here),
        (None, Some(name)) => login_to_provider(arguments, name, &here),
        (None, None) => Err(UserError::usage("no server was given", "name it first: anyport login SERVER")),
    }
}

fn login_to_server(arguments: &LoginArguments, target: &str, here: &Surroundings) -> Result<ExitCode> {
    let found = Found::resolve(target, here)?;
    let options = arguments.options.over(found.login.as_ref().map(|login| &login.options), here)?;
    let options = arguments.limited(options);
    let of_file = found.login.as_ref().and_then(|login| login.account.as_deref());
    let account = match (arguments.account.as_str(), of_file) {
        (DEFAULT_ACCOUNT, Some(account)) => account,
        (account, _) => account,
    };
    for warning in options.warnings() {
        logging::notice(format!("warning: the login departs from the protocol: {}", safe::line(&warning)));
    }
    arguments.check_answer(&options)?;
    let at = |error| sign_in::failed(target, &error);
    let place = &arguments.place;
    let vault = sign_in::vault(&place.state()?)?;
    let sign_in = sign_in::of_server(&found.endpoint, account, vault, options, here).map_err(at)?;
    let sign_in = sign_in.user_agent(arguments.browser());
    place.run(async || {
        let credential = sign_in.log_in().await.map_err(at)?;
        let mut lines = vec![format!("signed in to {}", named(&credential))];
        lines.extend(credential.granted_scope.as_ref().map(|scope| format!("  scopes   {scope}")));
        lines.extend(ends(&credential).map(|ends| format!("  until    {ends}")));
        if credential.can_refresh() {
            lines.push("  renewed  by itself, as long as the authorization server lets it".to_owned());
        }
        show(place, &lines, value(&credential))
    })
}

/// Signs in to an identity provider, which then says to authorization servers who the user is.
fn login_to_provider(arguments: &LoginArguments, name: &str, here: &Surroundings) -> Result<ExitCode> {
    let Some(issuer) = arguments.options.issuer() else {
        let help = "for example anyport login --idp company --issuer https://idp.example.com --client-id ID";
        return Err(UserError::usage("a login to an identity provider needs its issuer (--issuer)", help));
    };
    let at = |error| sign_in::failed(issuer, &error);
    let endpoint = Endpoint::new(issuer).map_err(wrong_url)?;
    let place = &arguments.place;
    let vault = sign_in::vault(&place.state()?)?;
    let options = arguments.limited(arguments.options.of_provider(here)?);
    let sign_in = sign_in::of_server(&endpoint, name, vault, options, here).map_err(at)?;
    let sign_in = sign_in.user_agent(arguments.browser());
    place.run(async || {
        let credential = sign_in.log_in_to_provider(issuer).await.map_err(at)?;
        let lines = [
            format!("signed in to the identity provider {issuer} as {name}"),
            format!("  servers  anyport login SERVER --idp {name} --client-id ID"),
        ];
        show(place, &lines, value(&credential))
    })
}

/// Takes tokens back, and forgets them.
pub(crate) fn logout(arguments: &LogoutArguments) -> Result<ExitCode> {
    let whose = &arguments.whose;
    let here = Surroundings::here();
    let endpoint = Found::resolve(&whose.target, &here)?.endpoint;
    let nobody = || {
        let problem = format!("nobody is signed in to {} as {}", whose.target, whose.account);
        UserError::failed(problem, "`anyport accounts` lists the logins")
    };
    let vault = whose.place.known()?.ok_or_else(nobody)?;
    let at = |error| sign_in::failed(&whose.target, &error);
    let sign_in =
        sign_in::of_server(&endpoint, &whose.account, vault, SignInOptions::default(), &here).map_err(at)?;
    whose.place.run(async || {
        let (credential, revoked) = sign_in.log_out().await.map_err(at)?.ok_or_else(nobody)?;
        let mut lines = vec![format!("signed out of {}", named(&credential))];
        let is_revoked = matches!(revoked, Ok(true));
        lines.push(match revoked {
            Ok(true) => "  its tokens were taken back".to_owned(),
            Ok(false) => {
                "  its authorization server cannot take tokens back: they are valid until they end".to_owned()
            }
            Err(error) => format!("  its tokens were not taken back: {error}"),
        });
        let mut value = value(&credential);
        value["revoked"] = json!(is_revoked);
        show(&whose.place, &lines, value)
    })
}

/// Lists the logins.
pub(crate) fn accounts(arguments: &AccountsArguments) -> Result<ExitCode> {
    let place = &arguments.place;
    let vault = place.known()?;
    place.run(async || {
        let failed = |error| sign_in::failed("any server", &error);
        let mut all = match &vault {
            Some(vault) => vault
                .list()
                .await
                .map_err(failed)?
                .into_iter()
                // Those of the callers of gateways are theirs.
                .filter(|credential| !is_caller_account(&credential.account))
                .collect(),
            None => Vec::new(),
        };
        all.sort_by(|one, other| (&one.server, &one.account).cmp(&(&other.server, &other.account)));
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        let values: Vec<Value> = all.iter().map(value).collect();
        Output::stdout(&place.output).show(
            || json!({ "accounts": values }),
            |output| {
                Ok(match rows.is_empty() {
                    true => "nobody is signed in; `anyport login SERVER` signs in\n".to_owned(),
                    false => table(&["SERVER", "ACCOUNT", "STATE", "UNTIL", "ISSUER"], &rows, output.screen),
                })
            },
        )?;
        Ok(Exit::Done)
    })
}

fn row(credential: &Credential) -> Vec<String> {
    vec![
        without_query(&credential.server),
        credential.account.clone(),
        state(credential).to_owned(),
        ends(credential).map_or_else(|| "-".to_owned(), |ends| ends.to_string()),
        credential.authorization_server.issuer.clone(),
    ]
}

/// What is to be done before the next call.
fn state(credential: &Credential) -> &'static str {
    let is_expired = credential.is_expired(std::time::SystemTime::now());
    match (credential.needs_login, is_expired, credential.can_refresh()) {
        (true, ..) | (false, true, false) => "needs login",
        (false, true, true) => "expired",
        (false, false, _) => "signed in",
    }
}

fn show(place: &Place, lines: &[String], value: Value) -> Result<Exit> {
    let text: String = lines.iter().map(|line| safe::line(line) + "\n").collect();
    Output::stdout(&place.output).show(|| value, |_| Ok(text))?;
    Ok(Exit::Done)
}

fn value(credential: &Credential) -> Value {
    json!({
        "server": without_query(&credential.server),
        "account": credential.account,
        "issuer": credential.authorization_server.issuer,
        "resource": credential.resource,
        "client": credential.client.client_id,
        "scope": credential.granted_scope.as_ref().unwrap_or(&credential.requested_scope),
        "state": state(credential),
        "expires": ends(credential).map(|ends| ends.to_string()),
        "renewed": credential.can_refresh(),
    })
}

fn named(credential: &Credential) -> String {
    format!("{} as {}", without_query(&credential.server), credential.account)
}

fn without_query(url: &str) -> String {
    anyport_transport::client::http::without_secrets(url)
}

fn ends(credential: &Credential) -> Option<Timestamp> {
    Timestamp::try_from(credential.expires()?).ok()
}

fn wrong_url(fault: Fault) -> anyhow::Error {
    UserError::usage(safe::text(&fault.to_string()), "write the URL as https://host/mcp")
}

impl LoginArguments {
    /// Whether the browser's answer comes here, or the user brings it.
    fn check_answer(&self, options: &SignInOptions) -> Result<()> {
        let elsewhere = options.client.redirect_uri.as_deref().filter(|uri| !Callback::is_possible(uri));
        match elsewhere.filter(|_| !self.no_browser && options.grant.has_user()) {
            None => Ok(()),
            Some(uri) => {
                let problem =
                    format!("the browser takes its answer to {}, not to this program", safe::line(uri));
                Err(UserError::usage(
                    problem,
                    "give --no-browser, and paste the URL that the browser ends at",
                ))
            }
        }
    }

    fn browser(&self) -> Browser {
        if self.no_browser { Browser::Printed } else { Browser::Opened }
    }
}

/// A server over HTTP, as a login needs it.
struct Found {
    /// Without any header or token.
    endpoint: Endpoint,
    /// What its file says of the login.
    login: Option<Box<LoginSettings>>,
}

impl Found {
    fn resolve(target: &str, here: &Surroundings) -> Result<Self> {
        let options = target::Options::directly();
        let found = options.resolve(Some(target), here)?;
        let Server::Http { url, headers, login, certificate } = found.server else {
            let problem = format!("{} is no server over HTTP", safe::line(target));
            return Err(UserError::usage(problem, "only servers at a URL let clients sign in"));
        };
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            logging::notice(format!(
                "{}: its configuration has a token (Authorization), which is used in place of a login",
                safe::line(&found.name)
            ));
        }
        let endpoint = Endpoint::new(&url).map_err(wrong_url)?;
        Ok(Self { endpoint: target::with_certificate(certificate.as_deref(), endpoint)?, login })
    }
}
