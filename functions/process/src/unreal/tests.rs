//! Contexts as each engine and platform writes them, and as nobody should.

use epitaph_crash_model::{Crash, Frame, Kind, Role, Thread};
use proptest::prelude::*;

use crate::{
    assemble::{self, tests::report},
    bounds,
    parsed::{Parsed, Verdict},
    sources::Source,
};

fn crash_of(bytes: &[u8]) -> Crash {
    assemble::crash(report(&[]), None, &[Source::of(Role::UnrealContext, bytes)], Vec::new())
}

/// A context of these runtime properties, with whatever stands beside them.
fn context(runtime: &str, beside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<FGenericCrashContext>\n\t<RuntimeProperties>\n{runtime}\n\
         \t</RuntimeProperties>\n{beside}</FGenericCrashContext>\n"
    )
}

fn crash(runtime: &str, beside: &str) -> Crash {
    crash_of(context(runtime, beside).as_bytes())
}

/// The calls of the crashing thread: module, offset, function, line.
fn stack(crash: &Crash) -> Vec<String> {
    let show = |frame: &Frame| {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
        let offset = frame.offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        let line = frame.line.unwrap_or_default();
        format!("{} {offset} {} {}:{line}", part(&frame.module), part(&frame.function), part(&frame.file))
    };
    let thread = crash.crashing_thread.map(|index| &crash.threads[index]);
    thread.into_iter().flat_map(|thread| &thread.frames).map(show).collect()
}

fn said<'a>(crash: &'a Crash, subject: &str, name: &str) -> Option<&'a str> {
    crash.contexts.get(subject)?.get(name).map(String::as_str)
}

const UE4_WINDOWS_ASSERT: &str = r"
    <CrashGUID>UE4CC-Windows-0123456789ABCDEF0123456789ABCDEF_0000</CrashGUID>
    <IsEnsure>false</IsEnsure><IsAssert>true</IsAssert><CrashType>Assert</CrashType>
    <SecondsSinceStart>125</SecondsSinceStart>
    <GameName>UE4-MyGame</GameName><ExecutableName>MyGame</ExecutableName>
    <BuildConfiguration>Shipping</BuildConfiguration>
    <PlatformName>WindowsNoEditor</PlatformName>
    <EngineVersion>4.27.2-18319896+++UE4+Release-4.27</EngineVersion>
    <CommandLine>MyGame -windowed</CommandLine>
    <AppDefaultLocale>de-DE</AppDefaultLocale>
    <BuildVersion>++MyGame+Main-CL-4711</BuildVersion>
    <UserName>ann</UserName><BaseDir>C:/Users/ann/MyGame/</BaseDir>
    <MachineId>6B5EF42F48669C4D7DFE11B7F59BB6AC</MachineId>
    <LoginId>6b5ef42f48669c4d7dfe11b7f59bb6ac</LoginId>
    <EpicAccountId>2e7d369327054a448be6c8d3601213cb</EpicAccountId>
    <CallStack>MyGame!FDebug::AssertFailed() [D:\UE4\AssertionMacros.cpp:441]
MyGame!AHero::BeginPlay() [D:\MyGame\Hero.cpp:21]
kernel32
ntdll</CallStack>
    <PCallStack>MyGame 0x00007ff6a0000000 + a52132 MyGame 0x00007ff6a0000000 + 35ed85b KERNEL32 0x00007ffb00000000 + 17034 ntdll 0x00007ffb10000000 + 52651</PCallStack>
    <UserDescription>I opened the door &amp; it &quot;crashed&quot;.&nl;Twice.</UserDescription>
    <ErrorMessage>Assertion failed: Door != nullptr [File:D:\MyGame\Hero.cpp] [Line: 21]</ErrorMessage>
    <Misc.NumberOfCores>6</Misc.NumberOfCores>
    <Misc.NumberOfCoresIncludingHyperthreads>12</Misc.NumberOfCoresIncludingHyperthreads>
    <Misc.CPUVendor>GenuineIntel</Misc.CPUVendor>
    <Misc.CPUBrand>Intel(R) Core(TM) i5-8600K CPU @ 3.60GHz</Misc.CPUBrand>
    <Misc.PrimaryGPUBrand>NVIDIA GeForce GTX 1080</Misc.PrimaryGPUBrand>
    <Misc.OSVersionMajor>Windows 10</Misc.OSVersionMajor><Misc.OSVersionMinor />
    <MemoryStats.TotalPhysical>17112477696</MemoryStats.TotalPhysical>
    <MemoryStats.bIsOOM>0</MemoryStats.bIsOOM>
    <TimeOfCrash>638400000000000000</TimeOfCrash>
    <PlatformFullName>Win64 [Windows 10  64b]</PlatformFullName>
    <Modules>C:\Users\ann\MyGame\MyGame.exe
C:\Windows\System32\ntdll.dll</Modules>";

#[test]
fn an_assert_of_unreal_engine_4_on_windows_tells_all_that_it_knows() {
    let crash = crash(
        UE4_WINDOWS_ASSERT,
        "<PlatformProperties><PlatformCallbackResult>0</PlatformCallbackResult></PlatformProperties>",
    );
    assert_eq!((crash.kind, crash.unreadable.as_deref()), (Kind::Assert, None));
    assert_eq!(crash.reason.as_deref(), Some("Assertion failed"));
    assert_eq!(
        crash.assertion.as_deref(),
        Some(r"Assertion failed: Door != nullptr [File:D:\MyGame\Hero.cpp] [Line: 21]")
    );
    let expected = [
        r"MyGame 0xa52132 FDebug::AssertFailed() D:\UE4\AssertionMacros.cpp:441",
        r"MyGame 0x35ed85b AHero::BeginPlay() D:\MyGame\Hero.cpp:21",
        "KERNEL32 0x17034 - -:0",
        "ntdll 0x52651 - -:0",
    ];
    assert_eq!(stack(&crash), expected);
    assert_eq!(crash.comment.as_deref(), Some("I opened the door & it \"crashed\".\nTwice."));
    assert_eq!(crash.uptime_seconds, Some(125));
    assert_eq!(crash.occurred_at.map(|time| time.to_string()).as_deref(), Some("2024-01-04T21:20:00.000Z"));
    assert_eq!(crash.release.as_deref(), Some("++MyGame+Main-CL-4711"));
    assert_eq!((crash.build.as_deref(), crash.environment.as_deref()), (Some("4711"), Some("Shipping")));
    let system = &crash.system;
    assert_eq!((system.os.as_deref(), system.os_version.as_deref()), (Some("Windows"), Some("10")));
    assert_eq!((system.arch.as_deref(), system.cpu_count), (Some("amd64"), Some(12)));
    assert_eq!(system.cpu.as_deref(), Some("Intel(R) Core(TM) i5-8600K CPU @ 3.60GHz"));
    assert_eq!(crash.annotations["CommandLine"], "MyGame -windowed");
    assert_eq!(said(&crash, "gpu", "name"), Some("NVIDIA GeForce GTX 1080"));
    assert_eq!(said(&crash, "engine", "version"), Some("4.27.2-18319896+++UE4+Release-4.27"));
    assert_eq!(said(&crash, "app", "name"), Some("MyGame"));
    assert_eq!(said(&crash, "culture", "locale"), Some("de-DE"));
    assert_eq!(said(&crash, "device", "memory_size"), Some("17112477696"));
    assert_eq!(
        said(&crash, "unreal", "CrashGUID"),
        Some("UE4CC-Windows-0123456789ABCDEF0123456789ABCDEF_0000")
    );
    let modules: Vec<_> = crash.modules.iter().map(|module| (module.name.as_str(), module.base.0)).collect();
    assert_eq!(modules, [("MyGame.exe", 0x7ff6_a000_0000), ("ntdll.dll", 0x7ffb_1000_0000)]);
}

#[test]
fn whom_it_happened_to_is_an_id_and_nothing_else() {
    let crash = crash(UE4_WINDOWS_ASSERT, "");
    let user = crash.user.clone().unwrap_or_default();
    assert_eq!((user.id.as_deref(), user.name), (Some("2e7d369327054a448be6c8d3601213cb"), None));
    let told = format!("{:?} {:?}", crash.annotations, crash.contexts);
    for private in ["ann", "6B5EF42F48669C4D7DFE11B7F59BB6AC", "6b5ef42f48669c4d7dfe11b7f59bb6ac"] {
        assert!(!told.contains(private), "{private} is in {told}");
    }
}

#[test]
fn an_ensure_of_unreal_engine_5_has_its_threads_its_graphics_and_what_the_game_says() {
    let runtime = r#"
        <IsEnsure>true</IsEnsure><IsStall>false</IsStall><IsAssert>false</IsAssert><CrashType>Ensure</CrashType>
        <PlatformName>Windows</PlatformName>
        <EngineVersion>5.4.3-34507850+++UE5+Release-5.4</EngineVersion>
        <BuildVersion>++UE5+Release-5.4-CL-0</BuildVersion>
        <ErrorMessage>Ensure condition failed: Score >= 0 [File:D:\MyGame\Score.cpp] [Line: 7]</ErrorMessage>
        <Misc.OSVersionMajor>Windows 11 (23H2) [10.0.22631.3447]</Misc.OSVersionMajor>
        <Misc.PrimaryGPUBrand>passed over: the engine's data say more</Misc.PrimaryGPUBrand>
        <CallStack>MyGame_Win64_Shipping!UScore::Add() [D:\MyGame\Score.cpp:7]
MyGame_Win64_Shipping!FEngineLoop::Tick() []</CallStack>
        <PCallStack>
MyGame-Win64-Shipping 0x00007ff7a0000000 + 1234
MyGame-Win64-Shipping 0x00007ff7a0000000 + 5678</PCallStack>
        <Threads>
            <Thread><CallStack>ntdll 0x00007ffb10000000 + 9d4b4
MyGame-Win64-Shipping 0x00007ff7a0000000 + 99</CallStack><IsCrashed>false</IsCrashed><Registers></Registers><ThreadID>77</ThreadID><ThreadName>RenderThread 1</ThreadName></Thread>
            <Thread><CallStack>MyGame-Win64-Shipping 0x00007ff7a0000000 + 1234
MyGame-Win64-Shipping 0x00007ff7a0000000 + 5678</CallStack><IsCrashed>true</IsCrashed><ThreadID>1234</ThreadID><ThreadName>GameThread</ThreadName></Thread>
        </Threads>"#;
    let beside = r#"
        <EngineData><RHI.AdapterName>AMD Radeon RX 7900</RHI.AdapterName><RHI.UserDriverVersion>24.5.1</RHI.UserDriverVersion>
            <RHI.RHIName>D3D12</RHI.RHIName><Platform.AppHasFocus>true</Platform.AppHasFocus></EngineData>
        <GameData><Map>e1m1</Map>
            <__sentry>{&quot;release&quot;:&quot;mygame@1.2&quot;,&quot;environment&quot;:&quot;beta&quot;,&quot;tags&quot;:{&quot;mode&quot;:&quot;hard&quot;}}</__sentry></GameData>"#;
    let crash = crash(runtime, beside);
    assert_eq!((crash.kind, crash.reason.as_deref()), (Kind::Ensure, Some("Ensure condition failed")));
    let threads: Vec<_> = crash.threads.iter().map(|thread| (thread.id, thread.name.as_deref())).collect();
    assert_eq!(threads, [(77, Some("RenderThread 1")), (1234, Some("GameThread"))]);
    let expected = [
        r"MyGame-Win64-Shipping 0x1234 UScore::Add() D:\MyGame\Score.cpp:7",
        "MyGame-Win64-Shipping 0x5678 FEngineLoop::Tick() -:0",
    ];
    assert_eq!(stack(&crash), expected);
    assert_eq!(crash.threads[0].frames[0].module.as_deref(), Some("ntdll"));
    assert_eq!((crash.release.as_deref(), crash.environment.as_deref()), (Some("mygame@1.2"), Some("beta")));
    assert_eq!((crash.build.as_deref(), crash.tags["mode"].as_str()), (None, "hard"));
    assert_eq!(crash.system.os_version.as_deref(), Some("10.0.22631.3447"));
    assert_eq!(said(&crash, "gpu", "name"), Some("AMD Radeon RX 7900"));
    assert_eq!(said(&crash, "gpu", "driver_version"), Some("24.5.1"));
    assert_eq!(said(&crash, "engine", "Platform.AppHasFocus"), Some("true"));
    assert_eq!(said(&crash, "game", "Map"), Some("e1m1"));
    assert_eq!(said(&crash, "game", "__sentry"), None);
}

#[test]
fn a_crash_on_apples_systems_has_addresses_that_its_places_do_not_hold() {
    let crash = crash(
        r"<IsEnsure>false</IsEnsure><CrashType>Crash</CrashType><PlatformName>MacNoEditor</PlatformName>
        <ErrorMessage> SEGV_MAPERR at 0x88</ErrorMessage><Misc.CPUBrand>GenericCPUBrand</Misc.CPUBrand>
        <CallStack>AActor::Destroy(bool, bool) Address = 0x1090a0132 (filename not found) [in MyMac]
FEngineLoop::Init(FWorldContext&amp;) Address = 0x108b55d76 [/src/Loop.cpp, line 9] [in MyMac]
Unknown() Address = 0x7fff36d4a234 (filename not found) [in Foundation]</CallStack>
        <PCallStack>MyMac 0x000000000864e000 + a52132 MyMac 0x000000000864e000 + 507d76 Foundation 0x00000000ffffffff + ffffffff</PCallStack>
        <Modules>MyMac&#xA;Foundation</Modules>",
        "<PlatformProperties />",
    );
    let expected = [
        "MyMac 0xa52132 AActor::Destroy(bool, bool) -:0",
        "MyMac 0x507d76 FEngineLoop::Init(FWorldContext&) /src/Loop.cpp:9",
        "Foundation - - -:0",
    ];
    assert_eq!(stack(&crash), expected);
    assert_eq!(crash.threads[0].frames[0].address.0, 0x1_090a_0132);
    assert_eq!(crash.modules[1].base.0, 0x1_0864_e000);
    assert_eq!((crash.kind, crash.reason.as_deref()), (Kind::Crash, Some("SEGV_MAPERR")));
    assert_eq!(crash.address.map(|address| address.0), Some(0x88));
    assert_eq!(crash.message.as_deref(), Some("SEGV_MAPERR at 0x88"));
    assert_eq!((crash.system.os.as_deref(), crash.system.cpu), (Some("macOS"), None));
}

#[test]
fn a_crash_on_linux_without_symbols_has_its_places() {
    let crash = crash(
        r"<CrashType>Crash</CrashType><PlatformName>LinuxArm64Server</PlatformName>
        <ErrorMessage>Caught signal 11 Segmentation fault</ErrorMessage>
        <CallStack />
        <PCallStack>libMyServer.so 0x0000ffff80000000 + 12 libc.so.6 0x0000ffff90000000 + 34</PCallStack>
        <Misc.OSVersionMajor>Ubuntu 22.04.4 LTS</Misc.OSVersionMajor><Misc.OSVersionMinor>6.5.0-28-generic</Misc.OSVersionMinor>",
        "",
    );
    assert_eq!(stack(&crash), ["libMyServer.so 0x12 - -:0", "libc.so.6 0x34 - -:0"]);
    assert_eq!((crash.system.os.as_deref(), crash.system.arch.as_deref()), (Some("Linux"), Some("arm64")));
    assert_eq!(crash.system.os_version.as_deref(), Some("Ubuntu 22.04.4 LTS 6.5.0-28-generic"));
    assert_eq!((crash.reason, crash.message.as_deref()), (None, Some("Caught signal 11 Segmentation fault")));
}

#[test]
fn flags_and_types_tell_the_kind() {
    for (runtime, kind, reason) in [
        ("<CrashType>Stall</CrashType>", Kind::Hang, Some("Stall")),
        ("<CrashType>Hang</CrashType><IsAssert>true</IsAssert>", Kind::Hang, Some("Stall")),
        ("<IsEnsure>true</IsEnsure><IsStall>true</IsStall>", Kind::Hang, Some("Stall")),
        ("<IsEnsure>1</IsEnsure>", Kind::Ensure, Some("Ensure condition failed")),
        ("<IsAssert>true</IsAssert>", Kind::Assert, Some("Assertion failed")),
        ("<CrashType>OutOfMemory</CrashType>", Kind::Oom, Some("Out of memory")),
        (
            "<CrashType>Crash</CrashType><MemoryStats.bIsOOM>1</MemoryStats.bIsOOM>",
            Kind::Oom,
            Some("Out of memory"),
        ),
        ("<CrashType>Assert</CrashType><IsOOM>true</IsOOM>", Kind::Oom, Some("Out of memory")),
        ("<CrashType>GPUCrash</CrashType>", Kind::Crash, Some("GPU crash")),
        ("<CrashType>AbnormalShutdown</CrashType>", Kind::Crash, Some("Abnormal shutdown")),
        (
            "<CrashType>Crash</CrashType><ErrorMessage>Unhandled Exception: EXCEPTION_ACCESS_VIOLATION reading address 0x00000020</ErrorMessage>",
            Kind::Crash,
            Some("EXCEPTION_ACCESS_VIOLATION"),
        ),
        (
            "<CrashType>Crash</CrashType><ErrorMessage>Fatal error: the map is gone</ErrorMessage>",
            Kind::Crash,
            None,
        ),
    ] {
        let crash = crash(runtime, "");
        assert_eq!((crash.kind, crash.reason.as_deref()), (kind, reason), "{runtime}");
    }
}

#[test]
fn what_a_minidump_told_stays_but_for_the_ends_that_the_engine_makes_itself() {
    let thread = |id| Thread { id, frames: vec![Frame::default()], ..Thread::default() };
    let parsed = |reason: &str| Parsed {
        threads: vec![thread(7)],
        crashing_thread: Some(0),
        reason: Some(reason.to_owned()),
        uptime_seconds: Some(1),
        ..Parsed::default()
    };
    let xml = context(UE4_WINDOWS_ASSERT, "");
    let source = || [Source::of(Role::UnrealContext, xml.as_bytes())];
    let verdict = Some(Verdict::Parsed(Box::new(parsed("Simulated Exception"))));
    let crash = assemble::crash(report(&[]), verdict, &source(), Vec::new());
    assert_eq!((crash.threads.len(), crash.threads[0].id, crash.uptime_seconds), (1, 7, Some(1)));
    assert_eq!((crash.kind, crash.reason.as_deref()), (Kind::Assert, Some("Assertion failed")));
    assert!(said(&crash, "unreal", "CallStack").is_some_and(|stack| stack.contains("AHero::BeginPlay")));
    let verdict = Some(Verdict::Parsed(Box::new(parsed("EXCEPTION_ACCESS_VIOLATION_READ"))));
    let told =
        context("<CrashType>Crash</CrashType><ErrorMessage>EXCEPTION_ACCESS_VIOLATION</ErrorMessage>", "");
    let sources = [Source::of(Role::UnrealContext, told.as_bytes())];
    let crash = assemble::crash(report(&[]), verdict, &sources, Vec::new());
    assert_eq!((crash.kind, crash.reason.as_deref()), (Kind::Crash, Some("EXCEPTION_ACCESS_VIOLATION_READ")));
    let crash = assemble::crash(report(&[("kind", "error"), ("ver", "2")]), None, &source(), Vec::new());
    assert_eq!((crash.kind, crash.release.as_deref()), (Kind::Error, Some("2")));
}

#[test]
fn the_query_of_crash_report_client_names_release_and_environment_where_the_context_does_not() {
    let annotations = [("AppVersion", "5.4.3-0+UE5"), ("AppEnvironment", "Release")];
    let xml = context("<CrashType>Crash</CrashType>", "");
    let sources = [Source::of(Role::UnrealContext, xml.as_bytes())];
    let crash = assemble::crash(report(&annotations), None, &sources, Vec::new());
    assert_eq!(
        (crash.release.as_deref(), crash.environment.as_deref()),
        (Some("5.4.3-0+UE5"), Some("Release"))
    );
}

#[test]
fn a_context_is_read_in_every_encoding_that_unreal_writes() {
    let xml = context("<CrashType>Crash</CrashType><UserDescription>문이 열렸다 🚪</UserDescription>", "")
        .replace("UTF-8", "UTF-16");
    let units: Vec<u16> = xml.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [
        xml.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", xml.as_bytes()].concat(),
        [b"\xff\xfe", &little[..]].concat(),
        [b"\xfe\xff", &big[..]].concat(),
        little,
        big,
        [xml.as_bytes(), b"\0\0\0"].concat(),
    ] {
        assert_eq!(crash_of(&bytes).comment.as_deref(), Some("문이 열렸다 🚪"), "{:x?}", &bytes[..4]);
    }
}

#[test]
fn what_is_no_context_cannot_be_read() {
    for bytes in [&b""[..], b"no XML", b"<a><b>", b"<FGenericCrashContext/>", b"\xff\xfe", b"{}", b"\0\0\0\0"]
    {
        let crash = crash_of(bytes);
        assert!(crash.unreadable.is_some(), "{bytes:?}");
        assert_eq!(crash.signature.text, "unreadable: malformed Unreal context");
    }
}

#[test]
fn a_context_that_breaks_off_tells_what_came_before() {
    let xml = context(UE4_WINDOWS_ASSERT, "");
    let (before, _) = xml.split_once("</CrashGUID>").unwrap_or_default();
    let whole = before.len() + "</CrashGUID>".len();
    assert!(crash_of(&xml.as_bytes()[..before.len()]).unreadable.is_some());
    for length in (whole..xml.len()).step_by(97) {
        let crash = crash_of(&xml.as_bytes()[..length]);
        assert!(said(&crash, "unreal", "CrashGUID").is_some(), "{length}");
    }
    assert_eq!(crash_of(xml.replace("</CrashType>", "</CrashKind></x>").as_bytes()).kind, Kind::Assert);
}

#[test]
fn a_billion_laughs_are_none() {
    let mut xml = String::from("<!DOCTYPE lolz [<!ENTITY lol \"lol\">");
    for level in 1..10 {
        let inner = format!("&lol{};", level - 1).repeat(10);
        xml += &format!("<!ENTITY lol{level} \"{inner}\">");
    }
    xml += "]>";
    xml += &context("<CrashType>Crash</CrashType><UserDescription>&lol9; &lol; &#x41;</UserDescription>", "");
    assert_eq!(crash_of(xml.as_bytes()).comment.as_deref(), Some("&lol9; &lol; A"));
}

#[test]
fn no_depth_number_or_length_grows_what_is_kept() {
    let deep = format!("{}x{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let many: String = (0..40_000).map(|index| format!("<n{index}>{index}</n{index}>")).collect();
    let threads = "<Thread><CallStack>m 0x1 + 2</CallStack></Thread>".repeat(20_000);
    let runtime = format!(
        "{deep}<CrashType>Crash</CrashType><UserDescription>{}</UserDescription>\
         <PCallStack>{}</PCallStack><Modules>{}</Modules><Threads>{threads}</Threads><{}>x</x>{many}",
        "y".repeat(1 << 20),
        "m 0x1 + 2 ".repeat(20_000),
        "a.dll\n".repeat(40_000),
        "n".repeat(1 << 20),
    );
    let crash = crash(&runtime, "");
    assert_eq!(crash.comment.map(|comment| comment.len()), Some(bounds::TEXT));
    assert!(crash.contexts["unreal"].len() <= bounds::ENTRIES);
    assert_eq!((crash.threads.len(), crash.crashing_thread), (bounds::THREADS + 1, Some(0)));
    assert_eq!((crash.threads[0].frames.len(), crash.modules.len()), (bounds::FRAMES, bounds::MODULES));
    let frames: usize = crash.threads[1..].iter().map(|thread| thread.frames.len()).sum();
    assert!(frames <= bounds::ALL_FRAMES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = crash_of(&bytes);
    }

    #[test]
    fn no_markup_panics(parts in prop::collection::vec(prop_oneof![
        Just("<RuntimeProperties>"), Just("</RuntimeProperties>"), Just("<Threads>"), Just("<Thread>"), Just("</Thread>"),
        Just("<CallStack>"), Just("</CallStack>"), Just("<PCallStack>"), Just("m 0x1 + 2"), Just("a!b() [c:1]"),
        Just("&amp;"), Just("&#x110000;"), Just("&"), Just("<![CDATA["), Just("]]>"), Just("<!--"), Just("-->"), Just("<?"),
        Just("<a b='"), Just("<TimeOfCrash>"), Just("-9223372036854775808"), Just("</"), Just(">"), Just("\u{1f480}"),
    ], 0..60)) {
        let _ = crash_of(parts.concat().as_bytes());
    }
}
