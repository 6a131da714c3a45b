//! A game that panics, given nothing but the DSN. It sends its save file with the report.

use std::path::Path;

use sentry::{
    Breadcrumb, ClientOptions, Level, User,
    protocol::{Attachment, Map},
};

fn main() {
    let dsn = std::env::args().nth(1).expect("the DSN");
    let options = ClientOptions::new().dsn(&dsn).release("space-quest@1.4.2").environment("beta");
    let _sentry = sentry::init(options);
    sentry::configure_scope(|scope| {
        scope.set_tag("map", "e1m1");
        scope.set_user(Some(User {
            id: Some("player-7".into()),
            username: Some("Ann".into()),
            ..User::default()
        }));
        scope.add_attachment(Attachment {
            buffer: b"gold=12\n".to_vec(),
            filename: "save.txt".into(),
            ..Attachment::default()
        });
    });
    sentry::add_breadcrumb(Breadcrumb {
        category: Some("game".into()),
        message: Some("entered the mine".into()),
        level: Level::Warning,
        data: Map::from([("depth".into(), 3.into())]),
        ..Breadcrumb::default()
    });
    open_chest(Path::new("chest"));
}

#[inline(never)]
fn open_chest(chest: &Path) {
    let gold: Option<u32> = chest.extension().map(|_| 12);
    println!("{}", gold.expect("the chest is empty"));
}
