//! A process that really crashes, and the minidump of it.
//!
//! The process is a small C program, compiled on the spot: it calls three functions deep, reads through a null pointer,
//! and its signal handler hands the crash's context to whoever started it and then waits, as a client library's does.

use std::{
    io::{Cursor, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use crash_context::CrashContext;
use minidump_writer::{CrashContextExt, minidump_writer::MinidumpWriterConfig};

const PROGRAM: &str = include_str!("crash.c");

/// Crashes a process, and gives the minidump that was written of it while it hung in its signal handler.
///
/// # Panics
/// When there is no C compiler, or the process cannot be looked into.
pub fn dump_of_a_crashed_process() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("crashing-game");
    compile_what_crashes(&["-O0", "-g", "-fno-omit-frame-pointer"], &program);
    dump_of(&program)
}

/// Compiles the program that crashes, with these options.
///
/// # Panics
/// When there is no C compiler.
pub fn compile_what_crashes(options: &[&str], program: &Path) {
    let source = program.with_extension("c");
    std::fs::write(&source, PROGRAM).unwrap();
    let compiled = Command::new("cc").args(options).arg("-o").arg(program).arg(&source).status();
    assert!(compiled.unwrap().success(), "the C compiler failed");
}

/// Runs a program of [`compile_what_crashes`], and gives the minidump of its crash.
///
/// # Panics
/// When it cannot be run, or looked into.
pub fn dump_of(program: &Path) -> Vec<u8> {
    let mut process = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
    let mut context = vec![0; size_of::<CrashContext>()];
    process.stdout.as_mut().unwrap().read_exact(&mut context).unwrap();
    let context = CrashContext::from_bytes(&context).unwrap();
    let (pid, tid) = (context.pid, context.tid);
    let mut dump = Cursor::new(Vec::new());
    let mut writer = MinidumpWriterConfig::new(pid, tid);
    writer.set_crash_context(CrashContextExt { inner: context });
    writer.write(&mut dump).unwrap();
    process.kill().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(9), "it waited in its handler until it was killed");
    dump.into_inner()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_crashes_and_its_dump_is_written() {
        assert!(super::dump_of_a_crashed_process().starts_with(b"MDMP"));
    }
}
