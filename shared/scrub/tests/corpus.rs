//! Lines as games and their clients write them, and what becomes of them.

use std::borrow::Cow;

use epitaph_scrub::{ScrubRules, scrub_text, scrub_value};

/// What holds something private, and what is left of it.
const PRIVATE: &[(&str, &str)] = &[
    // E-mail addresses.
    ("write to ann.lee+game@mail.example.co.kr.", "write to [email]."),
    ("login failed for <bob@example.com>", "login failed for <[email]>"),
    ("mailto:bob@example.com?subject=crash", "mailto:[email]?subject=crash"),
    ("user=ann%40example.com&x=1", "user=[email]&x=1"),
    ("{\"email\":\"ann@example.com\",\"n\":1}", "{\"email\":\"[email]\",\"n\":1}"),
    ("a@b.io,c@d.org", "[email],[email]"),
    ("계정 kim@example.kr 로그인", "계정 [email] 로그인"),
    ("joe@163.com is online", "[email] is online"),
    // IP addresses.
    ("connect to 203.0.113.7:7777 failed", "connect to [ip]:7777 failed"),
    ("peer=10.0.0.5", "peer=[ip]"),
    ("server 192.168.0.12, retry", "server [ip], retry"),
    ("server: 192.168.0.12", "server: [ip]"),
    ("http://198.51.100.23/ping", "http://[ip]/ping"),
    ("udp/198.51.100.23 lost", "udp/[ip] lost"),
    ("disconnected from 198.51.100.23.", "disconnected from [ip]."),
    ("[2001:db8::8a2e:370:7334]:443", "[[ip]]:443"),
    ("fe80::1ff:fe23:4567:890a%eth0 up", "[ip]%eth0 up"),
    ("from 2001:0db8:85a3:0000:0000:8a2e:0370:7334", "from [ip]"),
    ("from ::ffff:203.0.113.7", "from [ip]"),
    ("\"ip_address\":\"203.0.113.7\"", "\"ip_address\":\"[ip]\""),
    ("X-Forwarded-For: 203.0.113.7, 203.0.113.8", "X-Forwarded-For: [ip], [ip]"),
    // Home directories.
    ("C:\\Users\\ann\\AppData\\Local\\Game\\Saved", "C:\\Users\\[user]\\AppData\\Local\\Game\\Saved"),
    ("c:/users/Ann Lee/Documents/x.sav", "c:/users/[user]/Documents/x.sav"),
    ("\"path\":\"C:\\\\Users\\\\Ann Lee\\\\x\"", "\"path\":\"C:\\\\Users\\\\[user]\\\\x\""),
    ("\\\\?\\C:\\Users\\ANNLEE~1\\x", "\\\\?\\C:\\Users\\[user]\\x"),
    ("USERPROFILE=C:\\Users\\ann", "USERPROFILE=C:\\Users\\[user]"),
    ("cannot open /home/ann/.config/game.ini", "cannot open /home/[user]/.config/game.ini"),
    ("HOME=/home/ann", "HOME=/home/[user]"),
    ("/Users/annlee/Library/Logs/game.log", "/Users/[user]/Library/Logs/game.log"),
    ("file:///home/ann/game", "file:///home/[user]/game"),
    ("Z:\\home\\ann\\.wine\\game.exe", "Z:\\home\\[user]\\.wine\\game.exe"),
    ("/var/home/ann/.steam", "/var/home/[user]/.steam"),
    ("/mnt/c/Users/ann/game", "/mnt/c/Users/[user]/game"),
    ("C:\\Documents and Settings\\Ann\\x", "C:\\Documents and Settings\\[user]\\x"),
    (
        "\"C:\\Users\\ann\\Game.exe\" -log -home=/home/bob/x",
        "\"C:\\Users\\[user]\\Game.exe\" -log -home=/home/[user]/x",
    ),
    ("C:\\Users\\홍길동\\AppData", "C:\\Users\\[user]\\AppData"),
    ("/home/ann and /tmp/x", "/home/[user] and /tmp/x"),
    // Secrets with a name.
    ("password=hunter2", "password=[secret]"),
    ("Password: hunter2, next", "Password: [secret], next"),
    ("{\"token\":\"a\\\"b\",\"n\":1}", "{\"token\":\"[secret]\",\"n\":1}"),
    ("{\"access_token\": 12345}", "{\"access_token\": \"[secret]\"}"),
    ("{\\\"apiKey\\\":\\\"abc def\\\"}", "{\\\"apiKey\\\":\\\"[secret]\\\"}"),
    ("Authorization: Basic YW5uOmh1bnRlcjI=", "Authorization: [secret]"),
    ("Cookie: a=1; b=2", "Cookie: [secret]"),
    ("Set-Cookie: sid=abc; Path=/", "Set-Cookie: [secret]"),
    ("<ClientSecret>abc</ClientSecret>", "<ClientSecret>[secret]</ClientSecret>"),
    (
        "Game.exe -AUTH_PASSWORD=0f3e -AUTH_TYPE=exchangecode",
        "Game.exe -AUTH_PASSWORD=[secret] -AUTH_TYPE=exchangecode",
    ),
    ("launcher --token abc123 --windowed", "launcher --token [secret] --windowed"),
    ("sessionId='8f3a'", "sessionId='[secret]'"),
    ("session_id => 8f3a", "session_id => [secret]"),
    (
        "https://api.example.com/v1?key=AIzaSyD00000000000000&q=1",
        "https://api.example.com/v1?key=[secret]&q=1",
    ),
    ("GET /login?user=3&access_token=abc HTTP/1.1", "GET /login?user=3&access_token=[secret] HTTP/1.1"),
    // Secrets by their form.
    ("sent Bearer 8f3a9b1c77 ok", "sent Bearer [secret] ok"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl expired", "[secret] expired"),
    ("https://ann:hunter2@example.com/x", "https://[secret]@example.com/x"),
    (
        "argv=['game', 'https://0123456789abcdef0123456789ABCDEF@crashes.example.com/1']",
        "argv=['game', 'https://[secret]@crashes.example.com/1']",
    ),
    (
        "POST /api/1/minidump/?sentry_key=0123456789abcdef0123456789abcdef",
        "POST /api/1/minidump/?sentry_key=[secret]",
    ),
    // Players and their machines.
    ("LogInit: LoginId=6b5ef42f-48669c4d", "LogInit: LoginId=[user]"),
    (
        "<EpicAccountId>2e7d3693</EpicAccountId><UserName>Ann Lee</UserName>",
        "<EpicAccountId>[user]</EpicAccountId><UserName>[user]</UserName>",
    ),
    (
        "-epicuserid=2e7d3693 -epicusername=\"Ann Lee\" -map=e1m1",
        "-epicuserid=[user] -epicusername=\"[user]\" -map=e1m1",
    ),
    (
        "{\"device_unique_identifier\":\"8f3a\",\"steam_id\":76561198012345678}",
        "{\"device_unique_identifier\":\"[user]\",\"steam_id\":\"[user]\"}",
    ),
    ("user_id: ann@example.com", "user_id: [user]"),
    ("paid with 4111 1111 1111 1111", "paid with [secret]"),
    ("paid with 5555-5555-5555-4444.", "paid with [secret]."),
    ("card=378282246310005", "card=[secret]"),
    // Several at once.
    ("ann@example.com from 203.0.113.7 in /home/ann/", "[email] from [ip] in /home/[user]/"),
];

/// What looks private and is not.
const HARMLESS: &[&str] = &[
    // Versions.
    "version 1.2.3.4",
    "Version: 1.2.3.4",
    "\"version\":\"1.2.3.4\"",
    "ver=1.2.3.4",
    "game v1.2.3.4 started",
    "EngineVersion=5.3.2.0",
    "<AppVersion>1.0.0.12</AppVersion>",
    "driver 31.0.15.3623",
    "build 1.0.0.7",
    "Mozilla/5.0 Chrome/120.0.0.0 Safari/537.36",
    "Windows 10.0.19045.3930",
    "libz-1.2.3.4.so",
    "2021.3.5.1",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "section 1.02.3.4",
    // The machine itself.
    "listening on 127.0.0.1:8080",
    "bind 0.0.0.0",
    "::1",
    // Colons that are no address.
    "12:34:56.789",
    "2026-01-31T12:34:56Z",
    "std::vector<int>::push_back",
    "Face::Add",
    "a1::b2::c3",
    "00:1b:44:11:3a:b7",
    // At signs that are no address.
    "icon@2x.png",
    "memcpy@@GLIBC_2.14",
    "?draw@Renderer@@QEAAXXZ",
    "com.unity.burst@1.8.4/Runtime",
    "react@18.2.0/index.js",
    "https://0123abcd@crashes.example.com/1",
    "player @ (3.0, 4.0)",
    "100%",
    // Directories of nobody.
    "C:\\Users\\Public\\Documents",
    "/home/deck/.steam/steam",
    "/Users/Shared/Epic Games",
    "https://example.com/users/12",
    "/Game/Maps/home/menu",
    "Content/Users/List.uasset",
    "C:\\Program Files\\Stonefall\\game.exe",
    "D:\\build\\stonefall\\engine\\app\\frame.cpp",
    // Names that only sound secret.
    "Unexpected token: foo",
    "token.cpp:42",
    "auth/Session.cs:12 in Auth.Login()",
    "token::Kind::Number",
    "password: null",
    "password=",
    "tokens=128",
    "secretary: found",
    "the bearer of the ring",
    "a bearer certificate",
    "key=Space",
    "key: W",
    "map=/Maps/Ashfen?key=door",
    // Players by their place only.
    "PlayerId=0 joined",
    "player_id: -1",
    "userId: undefined",
    "UserName=",
    "RHI.DeviceId=2484",
    "module_name=render",
    "guid=0f8fad5b-d9cb-469f-a165-70867728950e",
    // Long numbers.
    "steam id 76561198012345678",
    "4111 1111 1111 1112",
    "frame 1234567890123456",
    "0.4111111111111111",
    "4 8 15 16 23 42",
    "0x7ff61c400010",
    "5A1C0E2F9B7D4E6C8F3A21B04D9E77C11",
    // Plain.
    "",
    "NullReferenceException: Object reference not set to an instance of an object",
    "플레이어가 맵에 들어갔습니다",
];

#[test]
fn what_is_private_is_taken_out_and_nothing_else() {
    for (line, expected) in PRIVATE {
        assert_eq!(scrub_text(line, &ScrubRules::default()), *expected, "of {line}");
    }
}

#[test]
fn what_only_looks_private_stays() {
    for line in HARMLESS {
        let scrubbed = scrub_text(line, &ScrubRules::default());
        assert!(matches!(scrubbed, Cow::Borrowed(same) if same == *line), "{line} became {scrubbed}");
    }
}

#[test]
fn what_was_scrubbed_stays_as_it_is() {
    for (_, scrubbed) in PRIVATE {
        assert_eq!(scrub_text(scrubbed, &ScrubRules::default()), *scrubbed);
    }
}

#[test]
fn every_rule_can_be_switched_off() {
    let line = "ann@example.com 203.0.113.7 /home/ann/ token=abc user_id=a-7";
    let all = ScrubRules::default();
    for (rules, expected) in [
        (
            ScrubRules { email: false, ..all },
            "ann@example.com [ip] /home/[user]/ token=[secret] user_id=[user]",
        ),
        (ScrubRules { ip: false, ..all }, "[email] 203.0.113.7 /home/[user]/ token=[secret] user_id=[user]"),
        (ScrubRules { home: false, ..all }, "[email] [ip] /home/ann/ token=[secret] user_id=[user]"),
        (ScrubRules { secret: false, ..all }, "[email] [ip] /home/[user]/ token=abc user_id=[user]"),
        (ScrubRules { user: false, ..all }, "[email] [ip] /home/[user]/ token=[secret] user_id=a-7"),
        (ScrubRules::NONE, line),
    ] {
        assert_eq!(scrub_text(line, &rules), expected);
    }
}

#[test]
fn a_name_tells_what_its_value_is() {
    let rules = ScrubRules::default();
    assert_eq!(scrub_value("steam_token", "any words at all", &rules), "[secret]");
    assert_eq!(scrub_value("steam_token", " ", &rules), " ");
    assert_eq!(scrub_value("driver_version", "1.2.3.4", &rules), "1.2.3.4");
    assert_eq!(scrub_value("server", "1.2.3.4", &rules), "[ip]");
    assert_eq!(scrub_value("user_id", "player-7", &rules), "[user]");
    assert_eq!(scrub_value("player.id", "3", &rules), "3");
    assert_eq!(scrub_value("user_id", "player-7", &ScrubRules { user: false, ..rules }), "player-7");
    assert_eq!(scrub_value("steam_token", "abc", &ScrubRules { secret: false, ..rules }), "abc");
}
