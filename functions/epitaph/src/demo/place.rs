//! The directory of a demo: never one that holds real crashes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use epitaph_crash_model::Timestamp;
use epitaph_host::{Role, Settings, SettingsError};
use serde::{Deserialize, Serialize};

use crate::cli::{DemoArguments, Failure};

/// The file by which a directory says that it is a demo's.
const MARK: &str = "demo.json";

/// What a demo takes from the environment. Nothing in it leads to real data: neither the directory, nor the engines, nor
/// the secrets.
const TAKEN: [&str; 6] =
    ["PORT", "EPITAPH_BIND", "EPITAPH_PUBLIC_URL", "EPITAPH_HOSTS", "EPITAPH_TOKEN", "EPITAPH_MIN_FREE_DISK"];

/// A directory that was made for a demo.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) plan: Plan,
}

/// What a demo is filled with. It stays the same when an interrupted demo goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The crashes come from the weeks before.
    pub(crate) begun: Timestamp,
    pub(crate) crashes: u64,
    pub(crate) reports: u64,
    pub(crate) complete: bool,
}

/// The settings of a demo in a directory.
pub(crate) fn settings(directory: &Path) -> Result<Settings, SettingsError> {
    Settings::read(Role::OneProcess, |name| match name {
        "EPITAPH_DATA" => Some(directory.to_string_lossy().into_owned()),
        // Each crash would be a line between those of the progress.
        "EPITAPH_LOG" => Some("warn".to_owned()),
        // Nobody waits for a demo to end.
        "EPITAPH_LIMIT_DRAIN_SECONDS" => Some("2".to_owned()),
        _ if TAKEN.contains(&name) => {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        }
        _ => None,
    })
}

impl Place {
    /// Takes a directory that is missing, empty, or a demo's already.
    pub(crate) fn open(directory: &Path, arguments: &DemoArguments) -> Result<Self, Failure> {
        let mark = directory.join(MARK);
        let shown = directory.display();
        let plan = match fs::read(&mark) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                format!(
                    "{} cannot be read ({error}), expected a demo's; remove {shown} to begin anew",
                    mark.display()
                )
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(directory).map_err(|error| format!("cannot make {shown}: {error}"))?;
                if fs::read_dir(directory)?.next().is_some() {
                    return Err(format!(
                        "{shown} holds something else than a demo, expected an empty directory, or none, by --data"
                    )
                    .into());
                }
                let (crashes, reports) = (arguments.crashes, arguments.reports);
                Plan { begun: Timestamp::now(), crashes, reports, complete: false }
            }
            Err(error) => return Err(format!("cannot read {}: {error}", mark.display()).into()),
        };
        let place = Self { directory: directory.to_owned(), plan };
        place.write(&place.plan)?;
        Ok(place)
    }

    /// Notes that there is nothing left to fill.
    pub(crate) fn complete(&self) -> Result<(), Failure> {
        self.write(&Plan { complete: true, ..self.plan.clone() })
    }

    fn write(&self, plan: &Plan) -> Result<(), Failure> {
        let (mark, new) = (self.directory.join(MARK), self.directory.join("demo.json.new"));
        fs::write(&new, serde_json::to_vec(plan)?)
            .and_then(|()| fs::rename(&new, &mark))
            .map_err(|error| format!("cannot write {}: {error}", mark.display()).into())
    }
}
