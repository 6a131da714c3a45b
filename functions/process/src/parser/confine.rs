//! What a parser that is taken over by its dump can reach: nothing.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError,
};

/// From here on this process can open no file, not even to read, and make no TCP connection; what is open stays open.
///
/// Kernels that cannot do it (before Linux 5.13) leave the doors open: the child still has an empty environment and
/// its limits, so that is no reason to parse nothing.
pub(super) fn close_the_doors() {
    let _ = close();
}

fn close() -> Result<(), RulesetError> {
    all_doors()?.restrict_self()?;
    Ok(())
}

fn all_doors() -> Result<RulesetCreated, RulesetError> {
    let newest = ABI::V4;
    Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .create()
}

/// As [`close_the_doors`], but for the files in one folder, which it may make, write and delete.
pub(crate) fn close_the_doors_but_of(folder: &Path) {
    let _ = close_but_of(folder);
}

/// As [`close_the_doors`], but for the files in one folder, which it may read.
pub(crate) fn close_the_doors_but_to_read(folder: &Path) {
    let _ = close_but(folder, AccessFs::ReadFile | AccessFs::ReadDir);
}

fn close_but_of(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let files = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile;
    close_but(folder, files)
}

fn close_but(folder: &Path, files: BitFlags<AccessFs>) -> Result<(), Box<dyn std::error::Error>> {
    all_doors()?.add_rule(PathBeneath::new(PathFd::new(folder)?, files))?.restrict_self()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, net, thread};

    use landlock::AccessFs;

    #[test]
    fn a_confined_thread_opens_no_file_and_no_connection() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Confinement holds for the thread that asks for it, so the other tests go on as they are.
        let confined = thread::spawn(move || {
            super::close().unwrap();
            (fs::read("/etc/hostname").is_err(), net::TcpStream::connect(address).is_err())
        });
        let supported =
            fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| lsm.contains("landlock"));
        let (no_file, _) = confined.join().unwrap();
        assert!(no_file || !supported, "the kernel knows Landlock, and a file could be read");
    }

    #[test]
    fn a_thread_that_is_confined_to_a_folder_works_in_it_and_nowhere_else() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (folder, elsewhere) = (inside.path().to_owned(), outside.path().join("made"));
        let confined = thread::spawn(move || {
            super::close_but_of(&folder).unwrap();
            let own = folder.join("made");
            fs::write(&own, b"twice").and_then(|()| fs::write(&own, b"once")).unwrap();
            (fs::read(&own).unwrap() == b"once" && fs::remove_file(&own).is_ok(), fs::write(elsewhere, b""))
        });
        let (works, written_elsewhere) = confined.join().unwrap();
        assert!(works);
        let supported =
            fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| lsm.contains("landlock"));
        assert!(written_elsewhere.is_err() || !supported);
    }

    #[test]
    fn a_thread_that_may_read_a_folder_changes_nothing_in_it() {
        let inside = tempfile::tempdir().unwrap();
        let kept = inside.path().join("cache");
        fs::write(&kept, b"whole").unwrap();
        let folder = inside.path().to_owned();
        let confined = thread::spawn(move || {
            super::close_but(&folder, AccessFs::ReadFile | AccessFs::ReadDir).unwrap();
            let listed = fs::read_dir(&folder).unwrap().count();
            (listed, fs::read(&kept).unwrap(), fs::write(&kept, b"other").is_err())
        });
        let (listed, read, not_written) = confined.join().unwrap();
        assert_eq!((listed, read.as_slice()), (1, b"whole".as_slice()));
        let supported =
            fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| lsm.contains("landlock"));
        assert!(not_written || !supported);
    }
}
