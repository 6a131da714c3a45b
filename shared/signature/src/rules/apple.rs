//! macOS and iOS: libsystem, Foundation, the Objective-C and Swift runtimes.

use super::{
    Effect::{End, Skip, SkipWithInner},
    Names::{Starting, These},
    Rule,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        names: These(&[
            "__abort",
            "__abort_with_payload",
            "abort_with_payload",
            "abort_with_reason",
            "abort_message",
        ]),
        effect: SkipWithInner,
        because: "abort ends the process because its caller asked for it",
    },
    Rule {
        names: These(&[
            "__exceptionPreprocess",
            "objc_exception_throw",
            "objc_exception_rethrow",
            "_objc_terminate",
        ]),
        effect: Skip,
        because: "exception machinery; its caller raised the exception",
    },
    Rule {
        names: Starting(&[
            "+[NSException raise",
            "-[NSException raise",
            "-[NSAssertionHandler handleFailureIn",
        ]),
        effect: Skip,
        because: "exception machinery; its caller raised the exception",
    },
    Rule {
        names: These(&[
            "__assert_rtn",
            "_os_assert_log",
            "_os_crash",
            "swift_assertionFailure",
            "_swift_runtime_on_report",
        ]),
        effect: SkipWithInner,
        because: "reports that its caller's assertion failed",
    },
    Rule {
        names: These(&["_sigtramp", "__sigtramp"]),
        effect: Skip,
        because: "the kernel's way into a signal handler",
    },
    Rule {
        names: Starting(&[
            "szone_",
            "tiny_malloc",
            "tiny_free",
            "small_malloc",
            "small_free",
            "large_malloc",
            "nanov2_",
        ]),
        effect: Skip,
        because: "the allocator fails where the heap is already damaged, or full; its caller tells more",
    },
    Rule {
        names: These(&[
            "malloc_error_break",
            "malloc_vreport",
            "malloc_report",
            "malloc_zone_malloc",
            "malloc_zone_free",
        ]),
        effect: Skip,
        because: "the allocator fails where the heap is already damaged, or full; its caller tells more",
    },
    Rule {
        names: These(&[
            "mach_msg_trap",
            "mach_msg2_trap",
            "mach_msg",
            "mach_msg2_internal",
            "mach_msg_overwrite",
        ]),
        effect: Skip,
        because: "the way into the kernel",
    },
    Rule { names: These(&["start"]), effect: End, because: "calls main: here the process begins" },
    Rule {
        names: These(&["_pthread_start", "_pthread_body", "_pthread_wqthread", "start_wqthread"]),
        effect: End,
        because: "here the thread begins",
    },
];
