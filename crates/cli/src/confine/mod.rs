//! Limits and a sandbox for a program of a gateway.
//!
//! Both are set by a process on itself and stay when it becomes another program. So this program is started in place of the other one: as
//! `anyport __confined`, it sets them and then becomes that program, in the same process.
//!
//! - `confinement`: what is set, and how it is handed over.
//! - `apply`: sets it, and becomes the program.
//! - `sandbox`: the sandbox, by Landlock.

#[cfg(unix)]
mod apply;
mod confinement;
#[cfg(target_os = "linux")]
mod sandbox;

#[cfg(unix)]
pub(crate) use self::apply::is_this;
pub(crate) use self::confinement::Confinement;
