//! Whether a frame is the game's own code, from its names alone.

use epitaph_crash_model::Frame;

/// Namespaces and packages of engines, runtimes and systems.
const NAMESPACES: [&str; 34] = [
    // C#
    "System.",
    "UnityEngine.",
    "UnityEditor.",
    "UnityEngineInternal.",
    "Unity.",
    "Mono.",
    "Microsoft.",
    "TMPro.",
    "Godot.",
    "GodotPlugins.",
    "Interop.",
    "Internal.",
    // Java, Kotlin
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "android.",
    "androidx.",
    "dalvik.",
    "libcore.",
    "com.android.",
    "com.google.android.",
    "com.unity3d.",
    "org.godotengine.",
    "org.libsdl.",
    "scala.",
    "groovy.",
    "org.codehaus.groovy.",
    "clojure.",
    // Python's own machinery, by module
    "importlib.",
    "asyncio.",
];

/// Parts of paths where packages of others lie.
const PACKAGES: [&str; 8] = [
    "/node_modules/",
    "/site-packages/",
    "/dist-packages/",
    "/lib/python2",
    "/lib/python3",
    "/webpack/runtime/",
    "/webpack/bootstrap",
    "/app.asar.unpacked/node_modules/",
];

/// What the paths of runtimes' and engines' own sources begin with.
const SOURCES: [&str; 8] =
    ["node:", "internal/", "node_modules/", "native ", "<frozen ", "<anonymous>", "[native code]", "renpy/"];

/// Godot's own source folders.
const GODOT: [&str; 10] = [
    "core/",
    "scene/",
    "servers/",
    "modules/",
    "platform/",
    "drivers/",
    "main/",
    "editor/",
    "thirdparty/",
    "./core/",
];

/// The beginnings of names of modules that belong to engines and systems, in lower case.
const MODULES: [&str; 28] = [
    "ntdll",
    "kernel32",
    "kernelbase",
    "user32",
    "win32u",
    "ucrtbase",
    "msvcrt",
    "vcruntime",
    "combase",
    "d3d11",
    "dxgi",
    "unityplayer",
    "libunity",
    "mono-2.0",
    "libmono",
    "libc.so",
    "libc-",
    "libstdc++",
    "libpthread",
    "libart.so",
    "libsystem",
    "libobjc",
    "libdispatch",
    "uikitcore",
    "corefoundation",
    "foundation",
    "java.base",
    "linker64",
];

/// Whether it is the game's own; `None` if the frame says nothing to tell it by.
pub(super) fn guess(frame: &Frame) -> Option<bool> {
    let (function, file) = (frame.function.as_deref(), frame.file.as_deref());
    let module = frame.module.as_deref().map(str::to_lowercase);
    if function.is_none() && file.is_none() && module.is_none() {
        return None;
    }
    let of_engine = module.is_some_and(|module| {
        // The player's executable on Windows is named after the game; in the editor it is `Unity`.
        module == "unity" || MODULES.iter().any(|known| module.starts_with(known))
    });
    let named = [function, frame.module.as_deref()].into_iter().flatten();
    let in_namespace = named.into_iter().any(|name| NAMESPACES.iter().any(|known| name.starts_with(known)));
    Some(!(of_engine || in_namespace || file.is_some_and(is_of_others)))
}

fn is_of_others(file: &str) -> bool {
    let file = file.replace('\\', "/");
    let begins = |known: &[&str]| known.iter().any(|known| file.starts_with(known));
    let is_cpp = [".cpp", ".h", ".cc", ".mm"].iter().any(|ending| file.ends_with(ending));
    begins(&SOURCES)
        || PACKAGES.iter().any(|known| file.contains(known))
        || (is_cpp
            && (begins(&GODOT)
                || file
                    .strip_prefix("./")
                    .is_some_and(|file| GODOT.iter().any(|known| file.starts_with(known)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess_of(function: &str, module: &str, file: &str) -> Option<bool> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        guess(&Frame {
            function: named(function),
            module: named(module),
            file: named(file),
            ..Frame::default()
        })
    }

    #[test]
    fn engines_runtimes_and_packages_are_not_the_games_own() {
        for (function, module, file) in [
            ("UnityEngine.Debug.LogError", "", ""),
            ("System.Collections.Generic.List.Add", "", ""),
            ("android.app.ActivityThread.main", "", "ActivityThread.java"),
            ("java.lang.Thread.run", "java.base", "Thread.java"),
            ("Database.run", "", "/srv/node_modules/sqlite/index.js"),
            ("Module._compile", "", "node:internal/modules/cjs/loader"),
            ("play", "pygame.mixer", "C:\\game\\venv\\Lib\\site-packages\\pygame\\mixer.py"),
            ("Node::get_child(int) const", "", "./scene/main/node.cpp"),
            ("push_error", "", "core/variant/variant_utility.cpp"),
            ("", "KERNEL32.DLL", ""),
            ("", "libc.so.6", ""),
            ("eval", "", "<anonymous>"),
        ] {
            assert_eq!(guess_of(function, module, file), Some(false), "{function} {module} {file}");
        }
    }

    #[test]
    fn everything_else_that_has_a_name_is() {
        for (function, module, file) in [
            ("Game.Player.Update", "", "Assets/Player.cs"),
            ("SystemMenu.Open", "", ""),
            ("_process", "player.gd", "res://core/player.gd"),
            ("com.example.Game.run", "", "Game.java"),
            ("", "", "https://play.example.com/js/main.js"),
            ("update", "world", "/srv/game/world.py"),
            ("", "canyon.x86_64", ""),
        ] {
            assert_eq!(guess_of(function, module, file), Some(true), "{function} {module} {file}");
        }
        assert_eq!(guess_of("", "", ""), None);
    }
}
