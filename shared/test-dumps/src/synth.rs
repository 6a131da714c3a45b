//! Dumps made byte by byte.

use minidump_synth::{
    AnnotationValue, CrashpadInfo, DumpString, Exception, Memory, Module, ModuleCrashpadInfo, SynthMinidump,
    SystemInfo, Thread, ThreadName, UnloadedModule,
};
use test_assembler::{Endian, Section};

const LITTLE: Endian = Endian::Little;

/// As in `winnt.h` and Breakpad's additions to it.
const AMD64: u16 = 9;
const WINDOWS_NT: u32 = 2;
const LINUX: u32 = 0x8201;

/// Where the game's code begins in all dumps.
pub const GAME_BASE: u64 = 0x40_0000;
const STACK_BASE: u64 = 0x7fff_0000;

/// `CONTEXT_AMD64` with the three registers that unwinding starts from.
fn context(rip: u64, rsp: u64, rbp: u64) -> Section {
    Section::with_endian(LITTLE)
        .append_repeated(0, 6 * 8) // p1_home to p6_home
        .D32(0x10_001f) // context_flags: all
        .append_repeated(0, 4 + 6 * 2 + 4) // mx_csr, segments, eflags
        .append_repeated(0, 6 * 8) // debug registers
        .append_repeated(0, 4 * 8) // rax, rcx, rdx, rbx
        .D64(rsp)
        .D64(rbp)
        .append_repeated(0, 10 * 8) // rsi, rdi, r8 to r15
        .D64(rip)
        .append_repeated(0, 512 + 26 * 16 + 6 * 8)
}

/// A stack of calls linked by frame pointers, one per return address, at [`STACK_BASE`].
fn stack(return_addresses: impl Iterator<Item = u64>) -> Memory {
    let mut section = Section::with_endian(LITTLE);
    let mut frame = STACK_BASE;
    for return_address in return_addresses {
        frame += 16;
        section = section.D64(frame).D64(return_address);
    }
    Memory::with_section(section.D64(0).D64(0), STACK_BASE)
}

fn system(platform: u32) -> SystemInfo {
    let mut system = SystemInfo::new(LITTLE).set_processor_architecture(AMD64).set_platform_id(platform);
    system.number_of_processors = 8;
    if platform == WINDOWS_NT {
        (system.major_version, system.minor_version, system.build_number) = (10, 0, 22621);
    } else {
        (system.major_version, system.minor_version, system.build_number) = (6, 8, 0);
    }
    system
}

fn exception(thread: u32, code: u32, flags: u32, parameters: &[u64]) -> Exception {
    let mut exception = Exception::new(LITTLE);
    exception.thread_id = thread;
    exception.exception_record.exception_code = code;
    exception.exception_record.exception_flags = flags;
    exception.exception_record.exception_address = GAME_BASE + 0x1000;
    exception.exception_record.number_parameters = u32::try_from(parameters.len()).unwrap();
    exception.exception_record.exception_information[..parameters.len()].copy_from_slice(parameters);
    exception
}

/// A module of 1 MiB; Windows' with a PDB, Linux' with a build id.
fn module(name: &DumpString, base: u64, record: &Section) -> Module {
    Module::new(LITTLE, base, 0x10_0000, name, 0x6716_baf5, 0, None).cv_record(record)
}

fn pdb_record() -> Section {
    let guid =
        [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00];
    Section::with_endian(LITTLE)
        .append_bytes(b"RSDS")
        .append_bytes(&guid)
        .D32(2)
        .append_bytes(b"C:\\build\\Game.pdb\0")
}

fn elf_record() -> Section {
    Section::with_endian(LITTLE).append_bytes(b"LEpB").append_bytes(&[0xab; 20])
}

/// Room for the directory of a dump, to be added first.
fn room_for_directory() -> Section {
    Section::with_endian(LITTLE).append_repeated(0, 1024)
}

/// The bytes of a dump with its directory moved to the room at its beginning, where every writer but the synthesiser
/// has it: such a dump is worth something even if its end is lost.
fn with_directory_first(dump: SynthMinidump) -> Vec<u8> {
    const HEADER: usize = 32;
    const ENTRY: usize = 12;
    let mut bytes = dump.finish().unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (streams, directory) = (number(8), number(12));
    bytes.copy_within(directory..directory + streams * ENTRY, HEADER);
    bytes[12..16].copy_from_slice(&u32::try_from(HEADER).unwrap().to_le_bytes());
    bytes.truncate(directory);
    bytes
}

/// A crash of a Windows game: two threads, the second named, an access violation in the first, three calls deep.
pub fn windows() -> Vec<u8> {
    windows_with(stack([GAME_BASE + 0x2001, GAME_BASE + 0x3001].into_iter()))
}

/// How far above its stack pointer the innermost function of [`misleading`] has its caller's, in bytes.
pub const MISLEADING_FRAME: u64 = 672;

/// The same crash with a stack on which frame pointers lead through forty calls from `0x2001` in the game. With unwind
/// information for the innermost function, which has [`MISLEADING_FRAME`], it was called from `caller` in the game.
pub fn misleading(caller: u64) -> Vec<u8> {
    let mut frame = STACK_BASE;
    let mut section = Section::with_endian(LITTLE);
    for _ in 0..40 {
        frame += 16;
        section = section.D64(frame).D64(GAME_BASE + 0x2001);
    }
    let section = section.D64(0).D64(0).D64(GAME_BASE + caller).append_repeated(0, 256);
    windows_with(Memory::with_section(section, STACK_BASE))
}

fn windows_with(stack: Memory) -> Vec<u8> {
    let (name, record) = (DumpString::new(r"C:\Games\Game.exe", LITTLE), pdb_record());
    let crashed = context(GAME_BASE + 0x1000, STACK_BASE - 8, STACK_BASE);
    let waiting = context(GAME_BASE + 0x8000, STACK_BASE - 8, 0);
    let thread_name = DumpString::new("AudioMixer", LITTLE);
    let dump = SynthMinidump::with_endian(LITTLE)
        .add(room_for_directory())
        .add_system_info(system(WINDOWS_NT))
        .add_exception(exception(7, 0xc000_0005, 0, &[1, 0x20]))
        .add_module(module(&name, GAME_BASE, &record))
        .add_thread(Thread::new(LITTLE, 7, &stack, &crashed))
        .add_thread(Thread::new(LITTLE, 8, &stack, &waiting))
        .add_thread_name(ThreadName::new(LITTLE, 8, Some(&thread_name)))
        .add(name)
        .add(record)
        .add(crashed)
        .add(waiting)
        .add(thread_name)
        .add_memory(stack);
    with_directory_first(dump)
}

/// A crash of a Linux game with Crashpad's annotations, of the process and of its module.
pub fn linux() -> Vec<u8> {
    let annotations = ModuleCrashpadInfo::new(0, LITTLE)
        .add_list_annotation("assertion failed: world != nullptr")
        .add_simple_annotation("ver", "of the module")
        .add_annotation_object("map", AnnotationValue::String("e1m1".to_owned()))
        .add_annotation_object("blob", AnnotationValue::Custom(0x8001, vec![42]));
    let crashpad = CrashpadInfo::new(LITTLE)
        .client_id(minidump::format::GUID { data1: 1, data2: 2, data3: 3, data4: [4; 8] })
        .add_simple_annotation("ver", "1.2.3")
        .add_simple_annotation("prod", "MyGame")
        .add_module(annotations);
    with_directory_first(linux_dump(exception(7, 11, 1, &[])).add_crashpad_info(crashpad))
}

/// A dump that a Linux game asked for and survived.
pub fn requested() -> Vec<u8> {
    with_directory_first(linux_dump(exception(7, 0xffff_ffff, 0, &[])))
}

fn linux_dump(exception: Exception) -> SynthMinidump {
    let (name, record) = (DumpString::new("/opt/game/bin/game", LITTLE), elf_record());
    let stack = stack([GAME_BASE + 0x2001, GAME_BASE + 0x3001].into_iter());
    let crashed = context(GAME_BASE + 0x1000, STACK_BASE - 8, STACK_BASE);
    SynthMinidump::with_endian(LITTLE)
        .add(room_for_directory())
        .add_system_info(system(LINUX))
        .set_linux_lsb_release(b"DISTRIB_DESCRIPTION=\"SteamOS 3\"\n")
        .add_exception(exception)
        .add_module(module(&name, GAME_BASE, &record))
        .add_thread(Thread::new(LITTLE, 7, &stack, &crashed))
        .add(name)
        .add(record)
        .add(crashed)
        .add_memory(stack)
}

/// A small dump that makes the parser eat memory: `threads` threads share one stack of `frames` frames.
pub fn eats_memory(threads: u32, frames: u64) -> Vec<u8> {
    let stack = stack((0..frames).map(|_| GAME_BASE + 0x2001));
    let context = context(GAME_BASE, STACK_BASE - 8, STACK_BASE);
    let mut dump = SynthMinidump::with_endian(LITTLE).add_system_info(system(LINUX));
    for id in 1..=threads {
        dump = dump.add_thread(Thread::new(LITTLE, id, &stack, &context));
    }
    dump.add(context).add_memory(stack).finish().unwrap()
}

/// A small dump that makes the parser spin: it looks for every frame in every unloaded module, one by one.
pub fn spins(frames: u64, unloaded: u32) -> Vec<u8> {
    let stack = stack((0..frames).map(|_| GAME_BASE + 0x2001));
    let context = context(GAME_BASE, STACK_BASE - 8, STACK_BASE);
    let name = DumpString::new("plugin.so", LITTLE);
    let mut dump = SynthMinidump::with_endian(LITTLE).add_system_info(system(LINUX));
    for _ in 0..unloaded {
        dump = dump.add_unloaded_module(UnloadedModule::new(LITTLE, GAME_BASE, 0x10_0000, &name, 0, 0));
    }
    dump.add_thread(Thread::new(LITTLE, 1, &stack, &context))
        .add(name)
        .add(context)
        .add_memory(stack)
        .finish()
        .unwrap()
}

/// The usual size of the part of a stack that Crashpad keeps, times the threads of a small game.
const THREADS: u32 = 5;
const STACK_BYTES: usize = 4096;

/// A place in the dumps below for 32 digits, where each of several must be unlike the others.
pub const NUMBER: &[u8; 32] = b"00000000000000000000000000000000";

/// A minidump of about 27 KB: a few threads with their stacks and one exception.
pub fn of_27_kilobytes() -> Vec<u8> {
    of_threads(THREADS)
}

/// A minidump of about 400 KB, of a larger game.
pub fn of_400_kilobytes() -> Vec<u8> {
    of_threads(THREADS * 15)
}

/// A minidump of about 5 KB a thread, with [`NUMBER`] at the end of the first stack.
pub fn of_threads(threads: u32) -> Vec<u8> {
    let mut dump = SynthMinidump::with_endian(LITTLE)
        .add_system_info(SystemInfo::new(LITTLE))
        .add_exception(Exception::new(LITTLE));
    for thread in 0..threads {
        let base = 0x7f00_0000_0000 + u64::from(thread) * 0x10_0000;
        let context = minidump_synth::amd64_context(LITTLE, 0x40_1000 + u64::from(thread), base);
        let mut bytes = noise(thread);
        if thread == 0 {
            bytes[STACK_BYTES - NUMBER.len()..].copy_from_slice(NUMBER);
        }
        let stack = Memory::with_section(Section::with_endian(LITTLE).append_bytes(&bytes), base);
        let thread = Thread::new(LITTLE, thread + 1, &stack, &context);
        dump = dump.add(context).add_thread(thread).add_memory(stack);
    }
    dump.finish().unwrap()
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
    std::iter::repeat_with(step).flat_map(u32::to_le_bytes).take(STACK_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_for_benches_is_a_minidump_of_about_27_kilobytes() {
        let dump = of_27_kilobytes();
        assert!(dump.starts_with(b"MDMP"));
        assert!((25_000..29_000).contains(&dump.len()), "{}", dump.len());
        assert_eq!(dump.windows(NUMBER.len()).filter(|bytes| bytes == NUMBER).count(), 1);
        let larger = of_400_kilobytes();
        assert!((390_000..410_000).contains(&larger.len()), "{}", larger.len());
    }
}
