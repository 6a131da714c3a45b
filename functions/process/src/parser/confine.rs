//! What a parser that is taken over by its dump can reach: nothing.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError};

/// From here on this process can open no file, not even to read, and make no TCP connection; what is open stays open.
///
/// Kernels that cannot do it (before Linux 5.13) leave the doors open: the child still has an empty environment and
/// its limits, so that is no reason to parse nothing.
pub(super) fn close_the_doors() {
    let _ = close();
}

fn close() -> Result<(), RulesetError> {
    let newest = ABI::V4;
    Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .create()?
        .restrict_self()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, net, thread};

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
}
