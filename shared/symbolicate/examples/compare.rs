//! Walks the stacks of minidumps with symbols from debug files, beside `minidump-stackwalk` with the Breakpad files of the
//! same ones, and lists every frame that they tell differently:
//!
//! `cargo run -p epitaph-symbolicate --example compare -- MINIDUMP-STACKWALK [DUMP DEBUG-FILE...]`
//!
//! Where a Breakpad file comes before another debug file of the same module, the other program gets the first and our
//! caches are made of the second. Without a dump it makes some: of programs that crash here, compiled with several options.
//!
//! `compare lines DEBUG-FILE SYM` needs no dump: it looks every line of a Breakpad file that was made of the same debug file
//! by somebody else up in both.
#![expect(clippy::unwrap_used, reason = "a tool for the hand")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use epitaph_symbolicate::{Converted, Format, Limits, Location, Provider, convert, write_sym};
use minidump::Minidump;
use minidump_processor::ProcessorOptions;
use serde_json::Value;

/// What is compared of a frame.
const FIELDS: [&str; 9] = [
    "module",
    "module_offset",
    "function",
    "function_offset",
    "file",
    "line",
    "inlines",
    "trust",
    "missing_symbols",
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let Some(stackwalk) = arguments.next() else {
        eprintln!("expected the path of minidump-stackwalk, a minidump, and debug files");
        return ExitCode::from(64);
    };
    let differences = match arguments.next() {
        Some(file) if stackwalk == Path::new("lines") => compare_lines(&file, &arguments.next().unwrap()),
        Some(dump) => compare(&stackwalk, &dump, &arguments.collect::<Vec<_>>()),
        None => own(&stackwalk),
    };
    println!("{differences} differences");
    ExitCode::from(u8::from(differences > 0))
}

/// Compares crashes that are made here.
fn own(stackwalk: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let common = ["-g", "-Wl,--build-id"];
    let variants = [
        ("plain", vec!["-O0", "-fno-omit-frame-pointer"]),
        ("optimised", vec!["-O2", "-fomit-frame-pointer"]),
        ("old", vec!["-O2", "-gdwarf-3", "-fomit-frame-pointer"]),
        ("packed", vec!["-O1", "-gz"]),
    ];
    let differences = variants.map(|(name, options)| {
        let program = folder.path().join(name);
        epitaph_test_dumps::crash::compile_what_crashes(&[&common, options.as_slice()].concat(), &program);
        let dump = program.with_extension("dmp");
        fs::write(&dump, epitaph_test_dumps::crash::dump_of(&program)).unwrap();
        compare(stackwalk, &dump, &[program])
    });
    differences.iter().sum()
}

/// Compares all frames of a dump. Gives the number of those that differ.
fn compare(stackwalk: &Path, dump: &Path, files: &[PathBuf]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (caches, breakpad) = (folder.path().join("caches"), folder.path().join("breakpad"));
    fs::create_dir_all(&breakpad).unwrap();
    fs::create_dir(&caches).unwrap();
    let start = Instant::now();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        for converted in convert(file, name, &caches, Limits::default()).unwrap() {
            println!("{name}: {:?}, {}, {:?}", converted.caches, converted.file.name, converted.faults);
            // What came as a Breakpad file is given to the other as it is.
            if converted.file.format == Format::Breakpad {
                fs::copy(file, place(&breakpad, &converted)).unwrap();
            }
        }
    }
    let converted_in = start.elapsed();
    let provider = Provider::open(&caches).unwrap();
    made_files(&caches, &provider, &breakpad);

    let start = Instant::now();
    let ours = walk(dump, &provider);
    let walked_in = start.elapsed();
    let (theirs, their_time) = walked_by(stackwalk, dump, &breakpad);
    println!(
        "{}: converted in {converted_in:?}, walked in {walked_in:?}; {} took {their_time:?}",
        dump.display(),
        stackwalk.display()
    );
    listed(&ours, &theirs)
}

/// Compares what the caches of two files of one module say of every address at which a line begins. Gives the number of
/// addresses that they say something else of.
fn compare_lines(file: &Path, sym: &Path) -> usize {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [file, sym].map(|path| {
        let folder = &folders[usize::from(path == sym)];
        let name = path.file_name().unwrap().to_str().unwrap();
        let converted = convert(path, name, folder.path(), Limits::default()).unwrap().remove(0);
        let id = converted.file.id().unwrap();
        println!("{name}: {id}, {:?}", converted.caches.iter().map(|made| made.quality).collect::<Vec<_>>());
        Provider::open(folder.path()).unwrap().get(id).unwrap().clone()
    });
    let text = fs::read_to_string(sym).unwrap();
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let is_line =
        |fields: &[&str]| fields.len() == 4 && fields.iter().all(|field| hexadecimal(field).is_some());
    let (mut asked, mut differing) = (0, BTreeMap::<&str, Vec<String>>::new());
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        if !is_line(&fields) {
            continue;
        }
        asked += 1;
        let address = hexadecimal(fields[0]).unwrap();
        let (our, their) = (ours.lookup(address), theirs.lookup(address));
        let field = |of: fn(&Location<'_>) -> String| {
            let all = |found: &[Location<'_>]| found.iter().map(of).collect::<Vec<_>>().join(" < ");
            let (our, their) = (all(&our), all(&their));
            (our != their).then(|| format!("{address:x}: {our} / {their}"))
        };
        let fields = [
            ("function", field(|found| found.function.to_owned())),
            ("file", field(|found| found.file.as_deref().unwrap_or("?").to_owned())),
            ("line", field(|found| found.line.unwrap_or(0).to_string())),
        ];
        for (name, difference) in fields {
            differing.entry(name).or_default().extend(difference);
        }
    }
    println!("{asked} addresses");
    for (name, differing) in &differing {
        println!("  {name}: {} differ", differing.len());
        differing.iter().take(8).for_each(|difference| println!("    {difference}"));
    }
    differing.values().map(Vec::len).max().unwrap_or(0)
}

/// Writes Breakpad files of what did not come as one.
fn made_files(caches: &Path, provider: &Provider, breakpad: &Path) {
    for entry in fs::read_dir(caches).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let id = epitaph_symbolicate::DebugId::from_breakpad(name.split_once('.').unwrap().0).unwrap();
        let symbols = provider.get(id).unwrap();
        let subject = symbols.lines.as_ref().map(epitaph_symbolicate::Lines::subject);
        let subject = subject.or(symbols.unwind.as_ref().map(epitaph_symbolicate::Unwind::subject)).unwrap();
        let path = sym_path(breakpad, &subject.name, &subject.debug_id);
        if !path.exists() {
            let mut text = Vec::new();
            write_sym(symbols.lines.as_ref(), symbols.unwind.as_ref(), &mut text).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

fn place(folder: &Path, converted: &Converted) -> PathBuf {
    sym_path(folder, &converted.file.name, converted.file.debug_id.as_deref().unwrap())
}

/// Where a Breakpad file lies: `game.pdb/{debug id}/game.sym`.
fn sym_path(folder: &Path, name: &str, id: &str) -> PathBuf {
    let folder = folder.join(name).join(id);
    fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}.sym", name.strip_suffix(".pdb").unwrap_or(name)))
}

fn walk(dump: &Path, provider: &Provider) -> Value {
    let dump = Minidump::read_path(dump).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = ProcessorOptions::stable_basic();
    let walked = minidump_processor::process_minidump_with_options(&dump, provider, options);
    let Ok(state) = runtime.block_on(walked) else { return Value::from("this dump cannot be walked") };
    let mut json = Vec::new();
    state.print_json(&mut json, false).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn walked_by(stackwalk: &Path, dump: &Path, symbols: &Path) -> (Value, Duration) {
    let start = Instant::now();
    let output =
        Command::new(stackwalk).args(["--json", "--symbols-path"]).arg(symbols).arg(dump).output().unwrap();
    let told = serde_json::from_slice(&output.stdout);
    (told.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&output.stderr))), start.elapsed())
}

/// Lists frames that differ.
fn listed(ours: &Value, theirs: &Value) -> usize {
    let frames = |told: &Value| -> Vec<(usize, Value)> {
        let threads = told["threads"].as_array().cloned().unwrap_or_default();
        let each = threads.into_iter().enumerate();
        let frames = each.flat_map(|(thread, told)| {
            let frames = told["frames"].as_array().cloned().unwrap_or_default();
            frames.into_iter().map(move |frame| (thread, frame))
        });
        frames.collect()
    };
    let (ours, theirs) = (frames(ours), frames(theirs));
    let named = ours.iter().filter(|(_, frame)| !frame["function"].is_null()).count();
    println!("  {} frames, {named} of them named", ours.len());
    let mut differences = ours.len().abs_diff(theirs.len());
    if differences > 0 {
        println!("  {} frames, and {} of theirs", ours.len(), theirs.len());
    }
    for ((thread, our), (_, their)) in ours.iter().zip(&theirs) {
        let differing: Vec<_> = FIELDS.into_iter().filter(|field| our[field] != their[field]).collect();
        differences += usize::from(!differing.is_empty());
        for field in differing {
            println!("  thread {thread}, frame {}: {field} {} / {}", our["frame"], our[field], their[field]);
        }
    }
    differences
}
