//! Gives up what a capture needs no longer once it is open: capabilities, new privileges, the file system. Before any thread
//! is started and any packet is read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Gives up every right but to read `readable`, and to write in `writable`. Says in words what was given up.
#[cfg(target_os = "linux")]
pub fn give_up(readable: &[PathBuf], writable: &BTreeSet<PathBuf>) -> String {
    use caps::CapSet;
    let mut given = Vec::new();
    if rustix::thread::set_no_new_privs(true).is_ok() {
        given.push("new privileges");
    }
    if confine(readable, writable) {
        given.push("the file system");
    }
    // The bounding set first: dropping from it needs a capability of its own.
    let bounding = caps::all().into_iter().all(|capability| caps::drop(None, CapSet::Bounding, capability).is_ok());
    let sets = [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted];
    if sets.into_iter().all(|set| caps::clear(None, set).is_ok()) {
        given.push(if bounding { "all capabilities, for good" } else { "all capabilities" });
    }
    if given.is_empty() { "no rights could be given up".to_owned() } else { format!("gave up {}", given.join(", ")) }
}

#[cfg(not(target_os = "linux"))]
pub fn give_up(_: &[PathBuf], _: &BTreeSet<PathBuf>) -> String {
    "rights are given up on Linux only".to_owned()
}

/// Whether a file can be begun in a folder with the rights that are left.
pub fn try_folder(folder: &Path) -> io::Result<()> {
    // A name that nobody has: another watch may do the same in this moment, and one that was killed may have left its own.
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let path = folder.join(format!(".gapwatch-{}-{}", std::process::id(), time.as_nanos()));
    File::create_new(&path)?;
    fs::remove_file(&path)
}

/// Landlock (Linux 5.13 and later), as far as the kernel has it.
#[cfg(target_os = "linux")]
fn confine(readable: &[PathBuf], writable: &BTreeSet<PathBuf>) -> bool {
    use landlock::{
        ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
    };
    let abi = ABI::V3;
    let confine = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(writable, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    let status: Result<_, landlock::RulesetError> = confine();
    status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}
