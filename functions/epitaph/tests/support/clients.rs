//! Games with somebody else's client in them: installed once for all tests, from registries, in fixed versions.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The folder that a client's sources are in.
fn sources(client: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client)
}

/// Where what is installed or built for tests stays from one run to the next.
fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The first of these programs that this machine has.
///
/// `None` leaves a test out, and says so. Where `CI` is set nothing is left out: it fails.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let found =
        names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|it| it.is_file()));
    if found.is_none() {
        left_out(&format!("there is none of {names:?} on this machine"));
    }
    found
}

fn left_out(why: &str) {
    assert!(env::var_os("CI").is_none(), "{why}; .ci/run installs it");
    println!("skipped: {why}");
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    let output = command.env("NO_PROXY", "127.0.0.1,localhost").output();
    output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) {
    let output = run(command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}\n{}", output.status, said[0], said[1]);
}

/// A copy of a client's folder, in which `install` has put what the client needs. Tests at the same time wait for each
/// other here; what is installed stays until a file of the folder changes.
fn installed(client: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = kept(client);
    let lock = fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let stamp = folder.join("installed");
    let mut wanted = Vec::new();
    let mut changed = copy(&sources(client), &folder, &mut wanted);
    changed |= fs::read(&stamp).ok() != Some(wanted.clone());
    if changed {
        let _ = fs::remove_file(&stamp);
        install(&folder);
        fs::write(stamp, wanted).unwrap();
    }
    folder
}

/// Copies a folder's files where they differ; tells whether any did, and gathers their names.
fn copy(from: &Path, to: &Path, names: &mut Vec<u8>) -> bool {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let mut changed = false;
    for path in entries {
        let copy_of = to.join(path.file_name().unwrap());
        if path.is_dir() {
            changed |= copy(&path, &copy_of, names);
            continue;
        }
        names.extend_from_slice(path.as_os_str().as_encoded_bytes());
        names.push(b'\n');
        let content = fs::read(&path).unwrap();
        if fs::read(&copy_of).ok().as_ref() != Some(&content) {
            fs::write(copy_of, content).unwrap();
            changed = true;
        }
    }
    changed
}

/// The game in Python, ready to be started with the DSN as its argument.
pub fn python() -> Option<Command> {
    let python = program(&["python3"])?;
    if !run(Command::new(&python).args(["-m", "pip", "--version"])).status.success() {
        left_out("there is no pip on this machine");
        return None;
    }
    let folder = installed("python", |folder| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", "packages"]);
        succeed(pip.args(["--requirement", "requirements.txt"]).current_dir(folder));
    });
    let mut game = Command::new(python);
    // Of this machine's own packages none, which the client would have a look at.
    game.args(["-S", "game.py"]).env("PYTHONPATH", folder.join("packages")).current_dir(folder);
    Some(game)
}

/// Node, in the folder of a client whose packages are installed.
pub fn node(client: &str) -> Option<Command> {
    let (node, npm) = (program(&["node"])?, program(&["npm"])?);
    let folder = installed(client, |folder| {
        let mut install = Command::new(npm);
        succeed(install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder));
    });
    let mut command = Command::new(node);
    command.current_dir(folder);
    Some(command)
}

/// The browser that pages are looked at with.
pub fn chromium() -> Option<PathBuf> {
    program(&["chromium", "chromium-browser", "google-chrome"])
}

/// A game in Rust, ready to be started with the DSN as its argument. Its packages are no part of the workspace, so it is
/// built here, into a folder of its own: the workspace's is locked while somebody builds.
pub fn rust(game: &str) -> Command {
    let target = kept("rust");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&target).args(["--bin", game]);
    succeed(build.current_dir(sources("rust")));
    Command::new(target.join("debug").join(game))
}
