//! The secrets of a process: as set, or from files that the first process makes.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use epitaph_secrets::{Purpose, RootSecret, Secret, SecretError};

use crate::{
    settings::{SecretSource, Settings},
    token::{Token, TokenError},
};

/// The longest secret file that is read.
const LONGEST_FILE: u64 = 4096;

/// A secret file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The system would not do it.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Other users of this machine could have read it.
    #[error(
        "{} can be read by others (mode {mode:03o}), expected mode 600: `chmod 600` it, or delete it to have a new one \
         made, which ends all keys made with it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no root secret.
    #[error("{} holds no secret", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// It holds no token.
    #[error("{} holds no token", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokenError,
    },
}

/// What a process may know. A collector that was given the derived secrets has no root.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// What project keys are made with.
    pub ingest: Secret,
    /// What messages are signed with.
    pub message: Secret,
    /// What all others are derived from, where this process has it.
    pub root: Option<RootSecret>,
}

impl Secrets {
    fn from_root(root: RootSecret) -> Self {
        Self {
            ingest: root.derive(Purpose::Ingest),
            message: root.derive(Purpose::Message),
            root: Some(root),
        }
    }
}

impl Settings {
    /// The secrets that were set; or those of the file `secret` in the data directory, which is made, readable by its
    /// owner only, by whichever process comes first.
    ///
    /// # Errors
    /// When the file cannot be made or read, is readable by others, or holds no secret.
    pub fn load_secrets(&self) -> Result<Secrets, SecretFileError> {
        Ok(match &self.secret {
            SecretSource::Root(root) => Secrets::from_root(root.clone()),
            SecretSource::Derived { ingest, message } => {
                Secrets { ingest: ingest.clone(), message: message.clone(), root: None }
            }
            SecretSource::DataDirectory => {
                let path = self.data.join("secret");
                let text = read_or_make(&path)?;
                let root = RootSecret::new(&text);
                Secrets::from_root(root.map_err(|source| SecretFileError::Secret { path, source })?)
            }
        })
    }

    /// The administrator's token as set; or that of the file `token` in the data directory, made like `secret`.
    ///
    /// # Errors
    /// When the file cannot be made or read, is readable by others, or holds no token.
    pub fn load_token(&self) -> Result<Token, SecretFileError> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let path = self.data.join("token");
        let text = read_or_make(&path)?;
        Token::new(&text).map_err(|source| SecretFileError::Token { path, source })
    }
}

fn read_or_make(path: &Path) -> Result<String, SecretFileError> {
    match read(path) {
        Err(SecretFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            // Another process may have come first: what counts is what the file holds now.
            read(path)
        }
        done => done,
    }
}

fn read(path: &Path) -> Result<String, SecretFileError> {
    let failed = |action| move |source| SecretFileError::Io { action, path: path.to_owned(), source };
    let file = File::open(path).map_err(failed("open"))?;
    let mode = file.metadata().map_err(failed("examine"))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(failed("read"))?;
    Ok(text)
}

/// Makes a file of 64 random hexadecimal digits, unless it is there. It appears whole or not at all, and is durable
/// before anything is derived from it: a key that a game ships must still be valid after the power fails.
fn make(path: &Path) -> Result<(), SecretFileError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SecretFileError::Io { action, path, source }
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))?;

    let mut random = [0; 48];
    getrandom::fill(&mut random).map_err(|error| failed("find randomness for", path)(error.into()))?;
    let (secret, suffix) = random.split_at(32);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", hex(suffix)));
    let draft = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed("make", &draft))?;
    let written = writeln!(file, "{}", hex(secret)).and_then(|()| file.sync_all());
    // A link, unlike a rename, never replaces what another process has just made.
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    linked.map_err(failed("make", path))?;
    removed.map_err(failed("remove", &draft))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
