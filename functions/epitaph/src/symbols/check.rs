//! `epitaph symbols check`: of a minidump, its modules; of a release, what was uploaded for it.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use minidump::{Minidump, MinidumpModuleList, Module};
use serde::Deserialize;
use serde_json::json;

use super::server::{Server, ask};
use crate::cli::{Failure, SymbolCheckArguments, block_on};

/// Where systems keep what is their own.
const SYSTEM: [&str; 12] = [
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/usr/lib",
    "/system/",
    "/apex/",
    "/vendor/",
    "/System/",
    "/usr/libexec/",
    "c:/windows/",
    "linux-gate",
    "linux-vdso",
];

/// What the server has of a module.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Has {
    lines: bool,
    unwind: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    found: BTreeMap<String, Has>,
}

#[derive(Debug, Deserialize)]
struct Page {
    files: Vec<Uploaded>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Uploaded {
    debug_id: String,
    name: String,
    release: Option<String>,
    /// What it knows of lines, at most `full`.
    lines: Option<String>,
    unwind: Option<String>,
}

/// A module of a dump.
#[derive(Debug, PartialEq, Eq)]
struct Needed {
    name: String,
    id: Option<String>,
    is_own: bool,
}

pub(crate) fn run(arguments: &SymbolCheckArguments) -> Result<ExitCode, Failure> {
    let server = Server::new(&arguments.server)?;
    let release = arguments.subject.to_str().filter(|_| !arguments.subject.is_file());
    let modules = match release {
        Some(release) => of_release(&server, release)?,
        None => of_dump(&server, &arguments.subject)?,
    };
    let mut lacking = 0;
    for (module, has) in &modules {
        lacking += u32::from(module.is_own && !has.lines);
        println!("{}", line(module, *has));
    }
    if lacking > 0 {
        eprintln!("{lacking} of the game's own modules have no lines: upload their debug files");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The debug files that were uploaded for a release, by debug id: a stripped program and its debug file are one module.
fn of_release(server: &Server, release: &str) -> Result<Vec<(Needed, Has)>, Failure> {
    let files = block_on(async {
        let (mut files, mut after) = (Vec::new(), None::<String>);
        loop {
            let path = after.as_ref().map_or(String::new(), |after| format!("?after={after}"));
            let page: Page = ask(|| server.get(&path)).await?;
            files.extend(page.files.into_iter().filter(|file| file.release.as_deref() == Some(release)));
            after = page.next;
            if after.is_none() {
                return Ok::<_, Failure>(files);
            }
        }
    })?;
    let mut modules: BTreeMap<String, (Needed, Has)> = BTreeMap::new();
    for file in files {
        let needed = Needed { name: file.name, id: Some(file.debug_id.clone()), is_own: true };
        let (_, has) = modules.entry(file.debug_id).or_insert((needed, Has::default()));
        has.lines |= file.lines.as_deref() == Some("full");
        has.unwind |= file.unwind.is_some();
    }
    if modules.is_empty() {
        return Err(format!(
            "there is no file {release:?}, and nothing was uploaded for a release of this name: expected the path of a \
             minidump, or what `symbols upload --release` was told"
        )
        .into());
    }
    let mut modules: Vec<_> = modules.into_values().collect();
    modules.sort_by(|one, other| one.0.name.cmp(&other.0.name));
    Ok(modules)
}

fn of_dump(server: &Server, path: &Path) -> Result<Vec<(Needed, Has)>, Failure> {
    let dump = Minidump::read_path(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let modules = dump.get_stream::<MinidumpModuleList>();
    let modules = modules.map_err(|error| format!("the dump has no list of modules: {error}"))?;
    let needed: Vec<Needed> = modules.iter().map(|module| needed(module)).collect();
    let ids: Vec<&str> = needed.iter().filter_map(|module| module.id.as_deref()).collect();
    let found = block_on(async {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(1000) {
            let answer: Answer = ask(|| Ok(server.post("check")?.json(&json!({ "ids": ids })))).await?;
            found.extend(answer.found);
        }
        Ok::<_, Failure>(found)
    })?;
    let has = |module: &Needed| module.id.as_ref().and_then(|id| found.get(id)).copied().unwrap_or_default();
    Ok(needed
        .into_iter()
        .map(|module| {
            let has = has(&module);
            (module, has)
        })
        .collect())
}

fn line(module: &Needed, has: Has) -> String {
    let told = match (has.lines, has.unwind) {
        (true, true) => "lines, unwind information",
        (true, false) => "lines",
        (false, true) => "unwind information",
        (false, false) => "nothing",
    };
    let own = if module.is_own { "own   " } else { "system" };
    let id = module.id.as_deref().unwrap_or("no debug id");
    format!("{own}  {told:<25}  {id:<33}  {}", module.name)
}

fn needed(module: &dyn Module) -> Needed {
    let code = module.code_file();
    let path = code.replace('\\', "/");
    let is_system = SYSTEM
        .iter()
        .any(|system| path.get(..system.len()).is_some_and(|start| start.eq_ignore_ascii_case(system)));
    let name = module.debug_file().unwrap_or(code);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(&name).to_owned();
    let id = module.debug_identifier().filter(|id| !id.is_nil());
    Needed { name, id: id.map(|id| id.breakpad().to_string()), is_own: !is_system }
}
