//! A game that reads through a null pointer, given nothing but the DSN. A second process of it writes the minidump.
#![allow(deprecated, reason = "its successor is the same code; this is the name that games have")]

use sentry::{Breadcrumb, ClientOptions, Level, User};

fn main() {
    let dsn = std::env::args().nth(2).expect("the DSN");
    let options = ClientOptions::new().dsn(&dsn).release("space-quest@1.4.2").environment("beta");
    let sentry = sentry::init(options);
    let crashes = std::env::args().nth(1).expect("a folder for minidumps");
    let reporter = sentry_rust_minidump::Builder::new()
        .crashes_dir(crashes)
        .inherit_args(true)
        .install(&sentry)
        .expect("the crash reporter starts");
    reporter.set_tag("map".into(), Some("e1m1".into()));
    reporter.set_user(Some(User {
        id: Some("player-7".into()),
        username: Some("Ann".into()),
        ..User::default()
    }));
    reporter.add_breadcrumb(Breadcrumb {
        category: Some("game".into()),
        message: Some("entered the mine".into()),
        level: Level::Warning,
        ..Breadcrumb::default()
    });
    open_chest(std::env::args().nth(9).map_or(std::ptr::null(), |text| text.as_ptr()));
}

#[inline(never)]
fn open_chest(chest: *const u8) {
    // SAFETY: there is none: this is how games crash.
    println!("{}", unsafe { chest.read_volatile() });
}
