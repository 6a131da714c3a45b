//! Searching and comparing on the pages.

mod server;

use server::{Server, crash};

async fn house() -> Server {
    let server = Server::start().await;
    for (function, release, platform) in [
        ("Renderer::draw", "1.9", "Windows"),
        ("Renderer::draw", "1.10", "Windows"),
        ("Audio::mix", "1.10", "Linux"),
    ] {
        let mut crash = crash(function);
        crash.release = Some(release.to_owned());
        crash.system.os = Some(platform.to_owned());
        server.record(&crash).await;
    }
    server
}

#[tokio::test]
async fn issues_and_crashes_are_those_of_the_search() {
    let server = house().await;
    for page in ["issues", "crashes"] {
        let all = server.get(&format!("/projects/1/{page}")).await.text();
        assert!(all.contains("draw") && all.contains("mix"), "{page}");
        let found = server.get(&format!("/projects/1/{page}?search=os%3Alinux")).await.text();
        assert!(!found.contains("draw") && found.contains("mix"), "{page}");
        assert!(found.contains("value=\"os:linux\""), "{page} keeps the search");
        let none = server.get(&format!("/projects/1/{page}?search=os%3AAmiga")).await.text();
        assert!(none.contains("No crash of this period fits"), "{page}");
    }
    let of_issue = server.get("/projects/1/issues/1?search=release%3A1.10").await.text();
    assert_eq!(of_issue.matches("class=\"time\"").count(), 1);
}

#[tokio::test]
async fn a_search_that_is_not_understood_is_marked_where_it_is_wrong_in_both_languages() {
    let server = house().await;
    for page in ["issues", "issues/1", "crashes", "compare"] {
        for (language, said) in [("en", "did you mean release?"), ("ko", "release 아닌가요?")] {
            let path = format!("/projects/1/{page}?search=os%3Aa%20relaese%3A%3Cb%3E");
            let answer = server.get_in(language, &path).await;
            assert_eq!(answer.status, 400, "{page}");
            assert!(answer.text().contains("<mark><bdi>relaese</bdi></mark>"), "{page}");
            assert!(answer.text().contains(said), "{page} {language}: {}", answer.text());
            assert!(!answer.text().contains("<b>"), "{page}");
        }
    }
    let meant = server.get("/projects/1/issues?search=relaese%3A1").await.text();
    assert!(meant.contains("search=release%3A1\""), "the mended search is a link");
}

#[tokio::test]
async fn a_value_that_is_clicked_narrows_the_search() {
    let server = house().await;
    let overview = server.get("/projects/1").await.text();
    assert!(overview.contains("/projects/1/issues?period=7d&#38;search=platform%3AWindows"), "{overview}");
    let issue = server.get("/projects/1/issues/1?search=os%3AWindows").await.text();
    assert!(issue.contains("search=platform%3AWindows%20release%3A1.9"), "{issue}");
}

#[tokio::test]
async fn releases_are_compared_by_their_issues() {
    let server = house().await;
    let page = server.get("/projects/1/compare?base=1.9&release=1.10").await.text();
    let mix = page.split("<tr>").find(|row| row.contains("mix")).unwrap();
    assert!(mix.contains(">new<") && mix.contains("0 → 1"), "{mix}");
    assert!(page.contains("<option value=\"1.9\" selected>"), "{page}");
    // Without being told which, the latest two.
    let latest = server.get("/projects/1/compare").await.text();
    assert!(latest.contains("<option value=\"1.10\" selected>"));
    let gone = server.get("/projects/1/compare?base=1.10&release=nothing").await.text();
    assert!(gone.contains(">gone<"));
}

#[tokio::test]
async fn what_charts_show_can_be_read_as_a_table() {
    let server = house().await;
    for page in ["", "/issues/1", "/crashes"] {
        let text = server.get(&format!("/projects/1{page}")).await.text();
        let table = text.split("class=\"behind\"").nth(1).unwrap();
        assert!(table.contains("<th scope=\"row\">20"), "{page}");
    }
}

#[tokio::test]
async fn how_to_search_is_told_in_both_languages() {
    let server = Server::start().await;
    for (language, said) in [("en", "to the letter"), ("ko", "글자까지")] {
        let answer = server.get_in(language, "/help/search").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains(said) && answer.text().contains("memory_class"), "{language}");
    }
}
