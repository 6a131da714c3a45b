//! Which of a crash's annotations tell what. Of each list, the first that is there and not blank counts.

use std::collections::BTreeMap;

/// The user, or else the installation, so that "how many users" has an answer for games that know no users. `guid` is
/// Crashpad's name for the installation, `client_id` Chromium's.
pub(crate) const USER: &[&str] = &["user.id", "user_id", "guid", "client_id"];

/// The operating system, where the payload does not tell, or cannot be read. `plat` is Chromium's.
pub(crate) const PLATFORM: &[&str] = &["os.name", "platform", "plat"];

/// The version of the operating system, where the payload does not tell.
pub(crate) const OS_VERSION: &[&str] = &["os.version", "os_version", "osver"];

/// The device's model.
pub(crate) const DEVICE: &[&str] = &["device.model", "device_model", "device", "model"];

/// The graphics processor: its name where there is one, else what the driver says.
pub(crate) const GPU: &[&str] =
    &["gpu.name", "gpu_name", "gpu", "gpu-gl-renderer", "gl_renderer", "AdapterDescription"];

/// The version of the graphics driver.
pub(crate) const GPU_DRIVER: &[&str] =
    &["gpu.driver", "gpu_driver", "gpu.driver_version", "gpu_driver_version", "AdapterDriverVersion"];

/// The build within the release.
pub(crate) const BUILD: &[&str] = &["build", "changelist", "build_number", "dist"];

/// The branch that it was built from.
pub(crate) const BRANCH: &[&str] = &["branch", "git.branch", "git_branch"];

/// The version of the game's data.
pub(crate) const RESOURCE_VERSION: &[&str] =
    &["resource_version", "data_version", "asset_version", "content_version"];

/// The device's memory, in bytes.
pub(crate) const MEMORY: &[&str] = &["memory_size", "total_memory", "device.memory_size"];

/// The country, as two letters.
pub(crate) const COUNTRY: &[&str] = &["country", "country_code", "geo.country_code"];

/// The language and region.
pub(crate) const LOCALE: &[&str] = &["locale", "language", "lang"];

/// The game engine and its version.
pub(crate) const ENGINE: &[&str] = &["engine", "engine_version"];

/// Where the game came from.
pub(crate) const STORE: &[&str] = &["store", "storefront", "installer_store", "distribution_channel"];

/// What was played. Not `level`, which is how bad Sentry's clients think it is.
pub(crate) const LEVEL: &[&str] = &["map", "map_name", "level_name", "scene"];

/// Where it was played. Not `server_name`, which is the machine's own name with Sentry's clients.
pub(crate) const SERVER: &[&str] = &["server", "shard", "server_id", "realm"];

/// Whether the game was in the foreground.
pub(crate) const FOREGROUND: &[&str] = &["foreground", "in_foreground"];

/// The session of play.
pub(crate) const SESSION: &[&str] = &["session", "session_id", "session.id"];

/// Every list: what a fact holds by its own name needs no tag.
pub(crate) const ALL: [&[&str]; 18] = [
    USER,
    PLATFORM,
    OS_VERSION,
    DEVICE,
    GPU,
    GPU_DRIVER,
    BUILD,
    BRANCH,
    RESOURCE_VERSION,
    MEMORY,
    COUNTRY,
    LOCALE,
    ENGINE,
    STORE,
    LEVEL,
    SERVER,
    FOREGROUND,
    SESSION,
];

/// The first of these that is there and not blank, without the blanks around it.
pub(crate) fn first<'a>(annotations: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .filter_map(|&name| annotations.get(name))
        .map(|value| value.trim())
        .find(|value| !value.is_empty())
}
