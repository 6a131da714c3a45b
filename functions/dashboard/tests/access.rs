//! Who is let in, by which name, and what a browser is told.

mod server;

use server::{Answer, Server, TOKEN};

/// Every address that shows something of a project.
const PRIVATE: [&str; 12] = [
    "/",
    "/projects/1",
    "/projects/1/issues",
    "/projects/1/issues/1",
    "/projects/1/connect",
    "/projects/1/crashes/0198c5a0-0000-7000-8000-000000000000",
    "/search?q=1",
    "/api/v1/projects",
    "/api/v1/projects/1/issues",
    "/api/v1/projects/1/issues/1/crashes",
    "/api/v1/projects/1/crashes/0198c5a0-0000-7000-8000-000000000000",
    "/api/v1/projects/1/crashes/0198c5a0-0000-7000-8000-000000000000/payloads/0",
];

async fn sign_in(server: &Server) -> Answer {
    server.send("GET", &format!("/login?token={}", TOKEN.replace(' ', "%20")), &[], "").await
}

#[tokio::test]
async fn nothing_is_shown_without_a_token_or_a_session() {
    let server = Server::start().await;
    for path in PRIVATE {
        for headers in [
            &[][..],
            &[("authorization", "Bearer wrong")],
            &[("authorization", "Basic YTph")],
            &[("cookie", "epitaph-00000000=9999999999.00")],
        ] {
            let answer = server.send("GET", path, headers, "").await;
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            if path.starts_with("/api/") {
                assert!(answer.json()["detail"].as_str().unwrap().contains("Authorization: Bearer"));
                assert!(answer.json()["causes"].is_array());
            } else {
                assert!(answer.text().contains("action=\"/login\""), "{path}");
            }
        }
    }
    assert_eq!(server.get("/api/v1/projects").await.status, 200);
}

#[tokio::test]
async fn a_login_link_opens_a_session_and_takes_the_token_out_of_the_address() {
    let server = Server::start().await;
    let answer = sign_in(&server).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("Max-Age=2592000"), "{cookie}");
    let session = answer.session();
    for path in ["/projects/1", "/api/v1/projects"] {
        assert_eq!(server.send("GET", path, &[("cookie", &session)], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_pasted_token_opens_a_session_and_leads_to_the_page_that_was_asked_for() {
    let server = Server::start().await;
    let asked = server.send("GET", "/projects/1/issues?period=30d", &[], "").await;
    assert!(
        asked.text().contains("name=\"next\" value=\"/projects/1/issues?period=30d\""),
        "{}",
        asked.text()
    );
    let form = format!("token=+{}+&next=%2Fprojects%2F1%2Fissues", TOKEN.replace(' ', "+"));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let answer = server.send("POST", "/login", &[kind, ("sec-fetch-site", "same-origin")], &form).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/projects/1/issues"));
    let evil = server.send("GET", "/login?token=a+token+of+the+tests&next=//evil.example", &[], "").await;
    assert_eq!((evil.status, evil.header("location")), (303, "/"));
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let server = Server::start().await;
    for path in ["/login?token=wrong", "/login?token="] {
        let answer = server.send("GET", path, &[], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, ""), "{path}");
        assert!(answer.text().contains("This is not the token"));
    }
    assert_eq!(server.send("GET", "/login", &[], "").await.status, 200);
}

#[tokio::test]
async fn signing_out_closes_the_session_of_the_browser() {
    let server = Server::start().await;
    let session = sign_in(&server).await.session();
    let headers = [("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = server.send("POST", "/logout", &headers, "").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let server = Server::start().await;
    let session = sign_in(&server).await.session();
    let own = format!("http://{}", server.address);
    let cases = [
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "same-site"), 403),
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("origin", own.as_str()), 303),
        (("sec-fetch-site", "same-origin"), 303),
    ];
    for (header, expected) in cases {
        let answer = server.send("POST", "/logout", &[("cookie", session.as_str()), header], "").await;
        assert_eq!(answer.status, expected, "{header:?}");
        assert_eq!(answer.header("set-cookie").is_empty(), expected == 403, "{header:?}");
    }
}

#[tokio::test]
async fn a_session_over_https_is_for_https_only() {
    let server =
        Server::start_with(|settings| settings.public_url = Some("https://crashes.example.com/".into()))
            .await;
    let cookie = sign_in(&server).await.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn only_names_of_this_server_are_answered() {
    let server = Server::start_with(|settings| {
        settings.public_url = Some("http://crashes.example.com:8080".into());
        settings.allowed_hosts = vec!["inside.example.com".into()];
    })
    .await;
    let bearer = format!("Bearer {TOKEN}");
    for (host, expected) in [
        ("localhost:1234", 200),
        ("[::1]", 200),
        ("crashes.example.com", 200),
        ("inside.example.com:80", 200),
        ("evil.example", 421),
        ("", 421),
    ] {
        for path in ["/projects/1", "/api/v1/projects", "/login"] {
            let answer = server.send("GET", path, &[("host", host), ("authorization", &bearer)], "").await;
            assert_eq!(answer.status, expected, "{host:?} {path}");
            assert!(expected == 200 || answer.text().contains("EPITAPH_PUBLIC_URL"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_answer_keeps_a_browser_strict() {
    let server = Server::start().await;
    let style = server.send("GET", "/login", &[], "").await.text();
    let style = style.split("href=\"").find(|part| part.starts_with("/assets/style")).unwrap();
    let style = style.split('"').next().unwrap();
    for (path, kept) in [
        ("/projects/1", false),
        ("/api/v1/projects", false),
        ("/nowhere", false),
        ("/login", false),
        (style, true),
    ] {
        let answer = server.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control").contains("immutable"), kept, "{path}");
        assert_eq!(answer.header("cache-control") == "no-store", !kept, "{path}");
    }
}

#[tokio::test]
async fn pages_use_nothing_inline_and_nothing_from_elsewhere() {
    let server = Server::start().await;
    let issue = server.record(&server::crash("draw")).await;
    for path in ["/projects/1".to_owned(), format!("/projects/1/issues/{issue}"), "/login".to_owned()] {
        let page = server.get(&path).await.text();
        for inline in
            ["<style", " style=", " onclick=", " onload=", "javascript:", "src=\"http", "href=\"http"]
        {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
        assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/assets/").count(), "{path}");
    }
}

#[tokio::test]
async fn a_request_that_fits_nothing_is_told_what_to_do() {
    let server = Server::start().await;
    let page = server.get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.text().contains("There is no such page") && page.text().contains("href=\"/\""));
    let api = server.get("/api/v1/nowhere").await;
    assert_eq!(api.status, 404);
    assert!(!api.json()["detail"].as_str().unwrap().is_empty());
    let bearer = format!("Bearer {TOKEN}");
    let wrong = server.send("DELETE", "/api/v1/projects", &[("authorization", &bearer)], "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET,HEAD"));
    assert!(wrong.json()["causes"].is_array());
}
