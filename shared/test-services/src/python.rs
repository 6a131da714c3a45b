//! Python packages in fixed versions, installed once for all tests.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{kept, left_out, program, succeed};

/// A Python that sees exactly the packages of one list.
#[derive(Debug, Clone)]
pub struct Python {
    program: PathBuf,
    packages: PathBuf,
}

/// The Python with the packages that the file lists, each with its version, dependencies included.
///
/// `None` leaves a test out, see [`program`].
pub fn python(requirements: &Path) -> Option<Python> {
    let python = program(&["python3"])?;
    let pip = Command::new(&python).args(["-m", "pip", "--version"]).output().unwrap();
    if !pip.status.success() {
        left_out("there is no pip on this machine");
        return None;
    }
    let list = fs::read(requirements).unwrap();
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    let folder = kept(&format!("python-{:016x}", hasher.finish()));
    // Tests at the same time wait for each other here.
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (packages, stamp) = (folder.join("packages"), folder.join("installed"));
    if !stamp.exists() {
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]);
        install.args(["--disable-pip-version-check", "--root-user-action=ignore", "--target"]).arg(&packages);
        succeed(install.arg("--requirement").arg(requirements));
        fs::write(stamp, "").unwrap();
    }
    Some(Python { program: python, packages })
}

impl Python {
    /// Runs a module, as `python -m`.
    pub fn module(&self, name: &str) -> Command {
        let mut command = self.command();
        command.args(["-m", name]);
        command
    }

    /// Runs a script.
    pub fn script(&self, path: &Path) -> Command {
        let mut command = self.command();
        command.arg(path);
        command
    }

    /// A program that a package brings.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.packages.join("bin").join(name));
        command.env("PYTHONPATH", &self.packages).env("NO_PROXY", "127.0.0.1,localhost");
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Of this machine's own packages none.
        command.arg("-S").env("PYTHONPATH", &self.packages).env("NO_PROXY", "127.0.0.1,localhost");
        command
    }
}
