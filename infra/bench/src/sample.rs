//! A report as Crashpad sends it, made here.

use minidump_synth::{Exception, Memory, SynthMinidump, SystemInfo, Thread, amd64_context};
use test_assembler::{Endian, Section};

/// The usual size of the part of a stack that Crashpad keeps, times the threads of a small game.
const THREADS: u32 = 5;
const STACK: usize = 4096;

const BOUNDARY: &str = "---MultipartBoundary-0123456789abcdefghijklmnopqrstuv---";

/// A minidump of about 27 KB: a few threads with their stacks and one exception.
pub(crate) fn minidump() -> Option<Vec<u8>> {
    let mut dump = SynthMinidump::with_endian(Endian::Little)
        .add_system_info(SystemInfo::new(Endian::Little))
        .add_exception(Exception::new(Endian::Little));
    for thread in 0..THREADS {
        let base = 0x7f00_0000_0000 + u64::from(thread) * 0x10_0000;
        let context = amd64_context(Endian::Little, 0x40_1000 + u64::from(thread), base);
        let stack =
            Memory::with_section(Section::with_endian(Endian::Little).append_bytes(&noise(thread)), base);
        let thread = Thread::new(Endian::Little, thread + 1, &stack, &context);
        dump = dump.add(context).add_thread(thread).add_memory(stack);
    }
    dump.finish()
}

/// Bytes that no compression makes smaller (xorshift), the same in every run.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9);
    let step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    std::iter::repeat_with(step).flat_map(u32::to_le_bytes).take(STACK).collect()
}

/// The POST that carries it, with `target` as path and query.
pub(crate) fn request(target: &str, minidump: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in
        [("prod", "Bench"), ("ver", "1.2.3"), ("guid", "6a1e9a6c-0f2c-4f3a-9d0e-3b1f0d7c5a21")]
    {
        let part =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; \
             filename=\"bench.dmp\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(minidump);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.append(&mut body);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_minidump_of_about_27_kilobytes() {
        let dump = minidump().unwrap();
        assert!(dump.starts_with(b"MDMP"));
        assert!((25_000..29_000).contains(&dump.len()), "{}", dump.len());
    }
}
