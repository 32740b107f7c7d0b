//! The gateways that started this program.
//!
//! A program of a gateway may be `anyport serve` itself, in the folder of the gateway's own file. It must not serve that file again: it
//! would start itself without end.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyport_config::{Distrust, Surroundings, check_trust};

use crate::logging;

/// The variable with the files of these gateways, separated as in `PATH`.
pub(crate) const SERVED_FILES: &str = "ANYPORT_SERVED_FILES";

/// The value of the variable for a program of the file at `path`.
pub(crate) fn served_files(path: &Path) -> String {
    let all = known().into_iter().chain([path.to_owned()]);
    // A path that contains the separator cannot be in the list, and the check does not find it.
    env::join_paths(all).unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether one of these gateways serves the file at `path`.
pub(crate) fn serve(path: &Path) -> bool {
    let own = path.canonicalize();
    known()
        .iter()
        .any(|known| own.as_ref().is_ok_and(|own| known.canonicalize().is_ok_and(|known| known == *own)))
}

/// The nearest `anyport.toml`, unless one of these gateways serves it, or its owner or its permissions are not such that it may be
/// used: then a warning says so.
pub(crate) fn nearest_file() -> Option<PathBuf> {
    trusted_nearest_file(&Surroundings::here())?
        .inspect_err(|(file, distrust)| {
            logging::notice(format!(
                "warning: {} is not used: {distrust}; give it as --config FILE if you trust it",
                file.display()
            ));
        })
        .ok()
}

/// The nearest `anyport.toml` from the folder of `surroundings` upwards, unless one of these gateways serves it.
///
/// # Errors
/// The file, and why it may not be used: its owner or its permissions.
pub(crate) fn trusted_nearest_file(
    surroundings: &Surroundings,
) -> Option<Result<PathBuf, (PathBuf, Distrust)>> {
    let file = anyport_config::gateway::find(&surroundings.cwd)?;
    if serve(&file) {
        return None;
    }
    Some(match check_trust(&file, file.parent()?, surroundings) {
        Ok(()) => Ok(file),
        Err(distrust) => Err((file, distrust)),
    })
}

fn known() -> Vec<PathBuf> {
    env::var_os(SERVED_FILES).map(|all| env::split_paths(&all).collect()).unwrap_or_default()
}
