//! The sandbox of a program, by Landlock: it may read the folders of the system and what its sandbox names, and write what that
//! names for it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::confinement::Sandbox;

/// What every program may read: programs, libraries, settings of the system, and what the kernel says of it and of the program itself. Not all
/// of `/proc`: an administrator could read the environments of other processes there, with their secrets.
const SYSTEM: [&str; 20] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/opt",
    "/nix",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/version",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    // What /etc/resolv.conf leads to.
    "/run/systemd/resolve",
];
/// The devices that every program may use.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// What knows the addresses of names, by a Unix socket.
const NAMES: [&str; 2] = ["/run/systemd/resolve", "/run/nscd"];
/// The port of name servers.
const NAMES_PORT: u16 = 53;
/// The newest rights that are asked for. An older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V10;

/// Restricts this process. Returns what this kernel cannot do of it.
///
/// # Errors
/// When it cannot be restricted although the kernel could.
pub(super) fn enter(sandbox: &Sandbox, program: &OsString) -> Result<Option<&'static str>, String> {
    let restricted =
        restrict(sandbox, program).map_err(|error| format!("its sandbox cannot be set: {error}"))?;
    Ok(match restricted {
        RulesetStatus::NotEnforced => Some("this kernel has no Landlock, or it is switched off"),
        _ if sandbox.ports.is_some() && !has_network() => {
            Some("Landlock of this kernel does not restrict the network, which takes Linux 6.7")
        }
        _ => None,
    })
}

fn restrict(sandbox: &Sandbox, program: &OsString) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?;
    // No process outside can be signalled, such as the gateway.
    ruleset = ruleset.scope(Scope::from_all(NEWEST))?;
    if sandbox.ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let readable =
        SYSTEM.iter().map(PathBuf::from).chain(sandbox.read.iter().cloned()).chain(file_of(program));
    let writable =
        DEVICES.iter().map(PathBuf::from).chain([env::temp_dir()]).chain(sandbox.write.iter().cloned());
    let mut created = ruleset
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(writable, all))?;
    let ports = sandbox.ports.as_deref();
    // Who may reach a host may ask for its address.
    if ports.is_none_or(|ports| !ports.is_empty()) {
        created = created.add_rules(path_beneath_rules(NAMES, AccessFs::ResolveUnix))?;
    }
    let Some(ports @ [_, ..]) = ports else { return Ok(created.restrict_self()?.ruleset) };
    created = created
        .add_rule(NetPort::new(NAMES_PORT, AccessNet::ConnectSendUdp))?
        // Its own end of that is any port.
        .add_rule(NetPort::new(0, AccessNet::BindUdp))?;
    for port in ports {
        created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(created.restrict_self()?.ruleset)
}

/// Whether the kernel restricts the network.
fn has_network() -> bool {
    let demanded = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    demanded.handle_access(AccessNet::ConnectTcp).and_then(Ruleset::create).is_ok()
}

/// The file of the program: by the name it is called and, where that is a link, where it leads.
fn file_of(program: &OsString) -> Vec<PathBuf> {
    let here = env::current_dir().unwrap_or_default();
    let Ok(found) = which::which_in(program, env::var_os("PATH"), here) else { return Vec::new() };
    let target = found.canonicalize().ok().filter(|target| target.as_path() != Path::new(&found));
    [found].into_iter().chain(target).collect()
}
