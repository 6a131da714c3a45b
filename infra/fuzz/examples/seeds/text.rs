//! Stack traces, names, logs, contexts.

use crate::{CUTS, Seed};

const STACKS: [(&str, &str); 12] = [
    (
        "unity-mono",
        "NullReferenceException: Object reference not set\n  at Foo+<Load>d__5.MoveNext () [0x00012] in <0a>:0 \n  at UnityEngine.X.Y (System.String s) [0x00000] in C:\\x\\Y.cs:12 \n  --- End of inner exception stack trace ---\nRethrow as A: b",
    ),
    (
        "unity-player",
        "Foo:Bar(Int32) (at Assets/Foo.cs:12)\nFoo.<>c__DisplayClass0_0.<A>b__0 () (at Assets/Foo.cs:7)\n(wrapper dynamic-method) X:Y ()",
    ),
    (
        "dotnet",
        "Unhandled exception. System.InvalidOperationException: x\n ---> System.Exception: y\n   at Game.World.Load(String n) in /src/World.cs:line 41\n   at Game.Program.<Main>$(String[] args)",
    ),
    (
        "godot",
        "SCRIPT ERROR: Invalid call. Nonexistent function 'x' in base 'Nil'.\n          at: _process (res://player.gd:12)\n          GDScript backtrace (most recent call first):\n              [0] _process (res://player.gd:12)\n",
    ),
    (
        "godot-3",
        "ERROR: f: Condition \"!x\" is true.\n   At: core/x.cpp:12.\nFrame 0 - res://x.gd:1 in function 'f'\n",
    ),
    (
        "v8",
        "TypeError: Cannot read properties of undefined (reading 'hp')\n    at async Player.damage [as hit] (https://x/a.js:77:12)\n    at eval (eval at f (a.js:1:2), <anonymous>:1:1)\n    at wasm://wasm/abc:wasm-function[12]:0x1f\n  [cause]: Error: y\n      at z (file:///a.js:1:2) {\n",
    ),
    (
        "spidermonkey",
        "damage@https://x/a.js:77:12\n@https://x/a.js line 3 > eval:1:1\nglobal code@[native code]\n",
    ),
    (
        "java",
        "java.lang.RuntimeException: x\n\tat a.b.C$1.run(C.java:12) ~[app.jar:1.0]\n\tat java.base/java.lang.Thread.run(Thread.java:833)\n\tSuppressed: java.io.IOException\nCaused by: a.D: y\n\t... 12 more\n",
    ),
    (
        "logcat",
        "E/AndroidRuntime( 1234): FATAL EXCEPTION: main\nE/AndroidRuntime( 1234): java.lang.Error: x\nE/AndroidRuntime( 1234): \tat a.b.c(Native Method)\n",
    ),
    (
        "python",
        "Traceback (most recent call last):\n  File \"main.py\", line 12, in <module>\n    load()\n    ~~~~^^\n  [Previous line repeated 3 more times]\nKeyError: 'spawn'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"w.py\", line 1, in f\nValueError\n",
    ),
    (
        "python-group",
        "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1, in f\n  | ExceptionGroup: x (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | ValueError: y\n    +------------------------------------\n",
    ),
    (
        "python-fatal",
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File \"a.py\", line 1 in f\n",
    ),
];

const CONTEXT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><FGenericCrashContext><RuntimeProperties><CrashType>Ensure</CrashType><IsEnsure>true</IsEnsure>\
<ErrorMessage>a &amp; b&nl;&#10;c</ErrorMessage><PCallStack>Game 0x00007ff6a0000000 + 1a2b kernel32 0x00000000ffffffff + ffffffff</PCallStack>\
<CallStack>Game!UWorld::Tick() [D:\\World.cpp:123]&#10;A::B() Address = 0x10 [/a.cpp, line 12] [in Game]</CallStack><Modules>C:\\a\\Game.exe\nkernel32.dll</Modules>\
<Threads><Thread><CallStack>Game 0x1000 + 10</CallStack><IsCrashed>true</IsCrashed><ThreadID>7</ThreadID><ThreadName>GameThread</ThreadName></Thread></Threads>\
<SecondsSinceStart>7</SecondsSinceStart><TimeOfCrash>638400000000000000</TimeOfCrash><Misc.PrimaryGPUBrand>G</Misc.PrimaryGPUBrand><EngineVersion>5.4</EngineVersion></RuntimeProperties>\
<PlatformProperties><PlatformIsRunningWine>0</PlatformIsRunningWine></PlatformProperties><EngineData><RHI.AdapterName>G</RHI.AdapterName></EngineData>\
<GameData><__sentry><![CDATA[{\"release\":\"1\",\"tags\":{\"a\":1}}]]></__sentry><Map>e1m1</Map></GameData></FGenericCrashContext>";

const NAMES: [(&str, &str); 8] = [
    (
        "cpp",
        "game.exe\tstd::vector<int, std::allocator<int> >::operator[](unsigned int)\nvoid (anonymous namespace)::f<lambda_1>::operator()(int) const\n~X",
    ),
    (
        "rust",
        "game\tcore::panicking::panic_fmt::h0123456789abcdef\ngame::main::{{closure}}\n<alloc::vec::Vec<T> as Drop>::drop",
    ),
    (
        "windows",
        "ntdll.dll\tRtlpWaitOnCriticalSection\nucrtbase.dll\tabort\ngame.exe\t`anonymous namespace'::f",
    ),
    (
        "linux",
        "libc.so.6\traise\nlibc.so.6\tabort\nlibstdc++.so\t__gnu_cxx::__verbose_terminate_handler()\ngame\tmain",
    ),
    ("apple", "libsystem_kernel.dylib\t__pthread_kill\nGame\t-[AppDelegate run:]"),
    ("managed", "Game.Player+<Load>d__5.MoveNext\nUnityEngine.Debug.LogError"),
    ("unreal", "Game.exe\tFDebug::AssertFailed\nGame.exe\tAActor::Tick"),
    ("mangled", "_ZN4game4mainEv\n?f@@YAXXZ\n_RNvC4game4main"),
];

const LOGS: [(&str, &str); 4] = [
    ("mail", "ann@example.com said a%40b.com\nfrom 203.0.113.7:80 and [2001:db8::1%eth0]\n"),
    ("home", "C:\\Users\\ann\\x /home/ann/y file:///Users/ann/z \\\\?\\C:\\Documents and Settings\\ann\\w\n"),
    (
        "secret",
        "password=\"a\\\"b\" token: abc Authorization: Bearer x.y.z https://ann:pw@h/?key=1&api_key=2\n{\"cookie\":\"s=1\"}\n",
    ),
    ("card", "4111 1111 1111 1111 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc version 1.2.3.4\n"),
];

const LINES: [(&str, &str); 3] = [
    (
        "ids",
        "0198c5a0-0000-7000-8000-000000000000\nbp-0198c5a000007000800000000000000f\n17\n0x7f\n2026-01-15T08:00:00.5Z\npayloads/1/0198c5a0-0000-7000-8000-000000000000/3\n0123456789abcdef0123456789abcdef",
    ),
    (
        "keys",
        "sentry_key=0123456789abcdef0123456789abcdef&a=%41+b\nSentry sentry_key=0123456789abcdef0123456789abcdef, sentry_version=7\nBasic MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY6\nhttps://0123456789abcdef0123456789abcdef:x@h.example/path/1",
    ),
    (
        "headers",
        "\nsentry sentry_version=7,sentry_key = 0123456789ABCDEF0123456789ABCDEF\nSentry \nhttp://@h/1",
    ),
];

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for (target, texts) in [
        ("stack_text", &STACKS[..]),
        ("signature", &NAMES[..]),
        ("names", &LINES[..]),
        ("context", &[("context", CONTEXT)][..]),
    ] {
        seeds.extend(texts.iter().map(|(name, text)| (target, (*name).to_owned(), text.as_bytes().to_vec())));
    }
    for (name, text) in LOGS {
        for cut in CUTS {
            seeds.push(("scrub", format!("{name}-cut-{cut}"), [&[cut], text.as_bytes()].concat()));
        }
    }
    let units = "<FGenericCrashContext><RuntimeProperties><GameName>UE-Ä</GameName></RuntimeProperties></FGenericCrashContext>".encode_utf16();
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(units).flat_map(u16::to_le_bytes).collect();
    seeds.push(("context", "utf-16".to_owned(), utf16));
    seeds
}
