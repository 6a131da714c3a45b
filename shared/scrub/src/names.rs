//! What a name says of its value.

/// Words that make a secret of what is named by them, wherever they stand in the name.
const IN_SECRETS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "privatekey",
    "accesskey",
    "authorization",
    "credential",
    "cookie",
    "sessionid",
    "sessid",
    "clientsecret",
    "sentrykey",
];

/// Words that do so only as words of their own: a `tokenizer` and a `secretary` have no secrets.
const SECRET_WORDS: [&str; 7] = ["token", "secret", "pwd", "jwt", "bearer", "sid", "authkey"];

/// Words that are followed by a version.
const VERSION_WORDS: [&str; 9] =
    ["version", "ver", "v", "build", "release", "revision", "rev", "firmware", "driver"];

/// What names a player, an account or a player's machine, as the last words of a name: `EpicAccountId`, `user.id`,
/// `device_unique_identifier`.
const IDENTITIES: [&str; 30] = [
    "accountid",
    "accountname",
    "advertisingid",
    "androidid",
    "computername",
    "deviceapphash",
    "deviceuniqueidentifier",
    "epicid",
    "epicuserid",
    "epicusername",
    "gamertag",
    "installationid",
    "loginid",
    "loginname",
    "machineid",
    "machinename",
    "playerguid",
    "playerid",
    "playername",
    "profileid",
    "psnid",
    "puid",
    "steamid",
    "steamid64",
    "userguid",
    "userid",
    "username",
    "useruuid",
    "vendoridentifier",
    "xuid",
];

/// How the names of players end; most names do not.
const IDENTITY_ENDS: [&str; 6] = ["id", "name", "tag", "64", "identifier", "hash"];

/// The most words of a name that together name a player.
const MOST_WORDS: usize = 3;

/// Names are not longer; what is longer is a text.
const LONGEST: usize = 100;

/// Whether what has this name is secret. Of a name with dots, the last part counts: `token.cpp` is a file.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = last_part(name);
    if name.is_empty() || name.len() > LONGEST {
        return false;
    }
    let joined: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    IN_SECRETS.iter().any(|word| joined.contains(word))
        || words(name).any(|word| SECRET_WORDS.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

/// Whether what has this name is a player, an account or a player's machine.
pub(crate) fn is_identity(name: &str) -> bool {
    let ends_with = |end: &&str| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    if name.len() > LONGEST || !IDENTITY_ENDS.iter().any(ends_with) {
        return false;
    }
    let words: Vec<String> = words(name).map(str::to_ascii_lowercase).collect();
    (1..=words.len().min(MOST_WORDS)).any(|count| {
        let last = words.get(words.len() - count..).unwrap_or_default().concat();
        IDENTITIES.contains(&last.as_str())
    })
}

/// Whether a secret of this name goes on to the end of its line, over blanks and separators.
pub(crate) fn is_whole_line(name: &str) -> bool {
    let name = last_part(name).to_ascii_lowercase();
    name.ends_with("authorization") || name.ends_with("cookie")
}

/// Whether what has this name is a version, in which four numbers are no address.
pub(crate) fn is_version(name: &str) -> bool {
    let Some(last) = words(name.get(name.len().saturating_sub(LONGEST)..).unwrap_or(name)).last() else {
        return false;
    };
    let last = last.to_ascii_lowercase();
    last.ends_with("version") || VERSION_WORDS.contains(&last.as_str())
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The words of `snake_case`, `kebab-case` and `camelCase`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).flat_map(humps).filter(|word| !word.is_empty())
}

/// The words of `camelCase` and `HTTPCase`.
fn humps(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let mut start = 0;
    let ends = (1..=bytes.len()).filter(move |&at| {
        let before = bytes.get(at - 1).is_some_and(u8::is_ascii_lowercase);
        let upper = bytes.get(at).is_some_and(u8::is_ascii_uppercase);
        let lower_follows = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        at == bytes.len() || (upper && (before || lower_follows))
    });
    ends.map(move |end| {
        let word = name.get(start..end).unwrap_or_default();
        start = end;
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_secret_by_its_words() {
        for name in [
            "password",
            "db_password",
            "AUTH_PASSWORD",
            "PassWd",
            "token",
            "accessToken",
            "X-Api-Key",
            "apiKey",
            "client_secret",
            "user.token",
            "Authorization",
            "Set-Cookie",
            "session_id",
            "SessionId",
            "PHPSESSID",
            "pwd",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "tokenizer",
            "tokens",
            "token.cpp",
            "secretary",
            "passenger",
            "session",
            "key",
            "map",
            "",
            "side",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_name_tells_a_player_by_its_last_words() {
        for name in [
            "LoginId",
            "EpicAccountId",
            "MachineId",
            "user_id",
            "user.id",
            "UserID",
            "USERID",
            "EOSUserId",
            "epicusername",
            "-epicuserid",
            "device_unique_identifier",
            "deviceUniqueIdentifier",
            "SteamID64",
            "device_app_hash",
        ] {
            assert!(is_identity(name), "{name}");
        }
        for name in [
            "DeviceId",
            "RHI.DeviceId",
            "id",
            "name",
            "user",
            "grid",
            "user_id_count",
            "module_name",
            "thread_id",
            "CrashGUID",
            "GameName",
            "guid",
            "",
        ] {
            assert!(!is_identity(name), "{name}");
        }
    }

    #[test]
    fn a_server_is_not_a_version() {
        for name in
            ["version", "EngineVersion", "appversion", "driver_version", "ver", "v", "build", "os.version"]
        {
            assert!(is_version(name), "{name}");
        }
        for name in ["server", "server_ip", "address", "conversion_host", "", "versions_server"] {
            assert!(!is_version(name), "{name}");
        }
    }
}
