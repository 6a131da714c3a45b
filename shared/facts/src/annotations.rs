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

/// The first of these that is there and not blank, without the blanks around it.
pub(crate) fn first<'a>(annotations: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .filter_map(|&name| annotations.get(name))
        .map(|value| value.trim())
        .find(|value| !value.is_empty())
}
