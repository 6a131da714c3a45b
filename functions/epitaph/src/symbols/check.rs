//! `epitaph symbols check`

use std::{collections::BTreeMap, process::ExitCode};

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

/// A module of a dump.
#[derive(Debug, PartialEq, Eq)]
struct Needed {
    name: String,
    id: Option<String>,
    is_own: bool,
}

pub(crate) fn run(arguments: &SymbolCheckArguments) -> Result<ExitCode, Failure> {
    let server = Server::new(&arguments.server)?;
    let dump = Minidump::read_path(&arguments.dump)
        .map_err(|error| format!("{}: {error}", arguments.dump.display()))?;
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
        Ok(found)
    })?;
    let mut lacking = 0;
    for module in &needed {
        let has = module.id.as_ref().and_then(|id| found.get(id)).copied().unwrap_or_default();
        lacking += u32::from(module.is_own && !has.lines);
        println!("{}", line(module, has));
    }
    if lacking > 0 {
        eprintln!("{lacking} of the game's own modules have no lines: upload their debug files");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
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
