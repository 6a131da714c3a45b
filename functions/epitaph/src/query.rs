//! `epitaph query`: statistics of a running server, as a table for people, or as JSON or CSV for programs.

mod export;
mod table;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use epitaph_dashboard::csv;
use epitaph_host::Settings;
use reqwest::{Client, Response};
use serde_json::Value;
use url::Url;

use self::table::{Table, plain, width};
use crate::cli::{Failure, QueryArguments, block_on};

pub(crate) fn run(settings: &Settings, arguments: &QueryArguments) -> Result<(), Failure> {
    let server = match &arguments.server {
        Some(server) => server.clone(),
        None => settings.url(settings.port).parse()?,
    };
    epitaph_tls::choose_provider();
    let asker = Asker {
        client: Client::builder().connect_timeout(Duration::from_secs(10)).build()?,
        token: settings.load_token()?.reveal().to_owned(),
        base: format!("{}/api/v1/projects/{}", server.as_str().trim_end_matches('/'), arguments.project),
        arguments,
    };
    block_on(asker.answer())
}

/// Who is asked, and what.
struct Asker<'a> {
    client: Client,
    token: String,
    base: String,
    arguments: &'a QueryArguments,
}

/// What an answer is about, and thus how it is shown.
enum About {
    Issues,
    Values,
    Steps,
}

impl Asker<'_> {
    async fn answer(&self) -> Result<(), Failure> {
        let arguments = self.arguments;
        let (about, address, parameters) = match arguments.by.as_deref() {
            None if arguments.csv => return export::run(self.ask("crashes.csv", &[]).await?).await,
            None | Some("issue") => (About::Issues, "issues", vec![("limit", arguments.limit.to_string())]),
            Some("time") => (About::Steps, "trend", Vec::new()),
            Some(by) => match by.strip_prefix("time:") {
                Some(step) => (About::Steps, "trend", vec![("step", step.to_owned())]),
                None => {
                    let by = [("by", by.to_owned()), ("limit", arguments.limit.to_string())];
                    (About::Values, "breakdown", by.into())
                }
            },
        };
        let answer = self.ask(address, &parameters).await?.text().await?;
        let is_for_people = io::stdout().is_terminal() && !arguments.json;
        let text = if !arguments.csv && !is_for_people {
            answer + "\n"
        } else {
            let table = table(&about, &serde_json::from_str(&answer)?);
            if arguments.csv { comma_separated(&table) } else { table.to_string() }
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }

    /// Asks the server; an answer that is a fault becomes one here.
    async fn ask(&self, what: &str, parameters: &[(&str, String)]) -> Result<Response, Failure> {
        let arguments = self.arguments;
        let mut url = Url::parse(&format!("{}/{what}", self.base))?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("search", &arguments.search).append_pair("since", &arguments.since);
            if let Some(until) = &arguments.until {
                pairs.append_pair("until", until);
            }
            pairs.extend_pairs(parameters);
        }
        let sent = self.client.get(url).bearer_auth(&self.token).send().await;
        let answer = sent.map_err(|error| {
            format!(
                "{}: {}; is `epitaph serve` running there?",
                self.base,
                epitaph_host::telemetry::chain(&error)
            )
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.text().await?;
        Err(fault(&arguments.search, &body).unwrap_or_else(|| format!("the server answered {status}")).into())
    }
}

/// What the server says is wrong; of a search, with the place marked.
fn fault(search: &str, body: &str) -> Option<String> {
    let told: Value = serde_json::from_str(body).ok()?;
    let detail = plain(told["detail"].as_str()?);
    let place = &told["search"];
    let number = |name: &str| place[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let (Some(from), Some(to), Some(expected)) = (number("from"), number("to"), place["expected"].as_str())
    else {
        return Some(detail);
    };
    let columns =
        |from: usize, to: usize| width(&plain(&search.chars().take(to).skip(from).collect::<String>()));
    let mark = format!("{}{}", " ".repeat(columns(0, from)), "^".repeat(columns(from, to).max(1)));
    Some(format!("the search is not understood\n\n  {}\n  {mark}\n  {}", plain(search), plain(expected)))
}

fn table(about: &About, answer: &Value) -> Table {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let number = |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), |number| number.to_string());
    let share =
        |value: &Value| value.as_f64().map_or_else(String::new, |share| format!("{:.1}%", share * 100.0));
    let list = |name: &str| answer[name].as_array().into_iter().flatten();
    match about {
        About::Issues => {
            let mut table =
                Table::new(&["ISSUE", "CRASHES", "SHARE", "USERS", "RELEASES", "", "TITLE"], &[0, 1, 2, 3]);
            for issue in list("issues") {
                let is = |name: &str| issue[name].as_bool() == Some(true);
                let mark = if is("new") {
                    "new"
                } else if is("regressed") {
                    "back"
                } else {
                    ""
                };
                let releases =
                    format!("{} → {}", text(&issue["first_release"]), text(&issue["last_release"]));
                table.push([
                    format!("#{}", number(&issue["id"])),
                    number(&issue["count"]),
                    share(&issue["share"]),
                    number(&issue["users"]),
                    releases,
                    mark.to_owned(),
                    text(&issue["title"]),
                ]);
            }
            table
        }
        About::Values => {
            let by = answer["by"].as_str().unwrap_or_default().to_uppercase();
            let mut table = Table::new(
                &[by.as_str(), "CRASHES", "USERS", "SHARE", "AMONG ALL", "THAT IS"],
                &[1, 2, 3, 4],
            );
            for row in list("rows") {
                let verdict = match row["beside"]["verdict"].as_str() {
                    Some("more") => "more frequent",
                    Some("less") => "less frequent",
                    Some("same") => "as frequent",
                    _ => "too few to tell",
                };
                table.push([
                    text(&row["value"]),
                    number(&row["count"]),
                    number(&row["users"]),
                    share(&row["share"]),
                    share(&row["beside"]["share"]),
                    verdict.to_owned(),
                ]);
            }
            table
        }
        About::Steps => {
            let step = format!("FROM (STEPS OF {})", answer["step"].as_str().unwrap_or_default());
            let most = list("points").filter_map(|point| point["count"].as_u64()).max().unwrap_or(0);
            let mut table = Table::new(&[step.as_str(), "CRASHES", ""], &[1]);
            for point in list("points") {
                let count = point["count"].as_u64().unwrap_or(0);
                let length = u128::from(count) * 40 / u128::from(most.max(1));
                let bar = "█".repeat(usize::try_from(length).unwrap_or(40));
                table.push([text(&point["start"]), number(&point["count"]), bar]);
            }
            table
        }
    }
}

fn comma_separated(table: &Table) -> String {
    table.lines().map(|line| csv::line(line.iter().map(String::as_str))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_search_is_marked_below_it() {
        let body =
            r#"{"detail": "no", "causes": [], "search": {"from": 3, "to": 5, "expected": "something else"}}"#;
        let told = fault("한 글ab", body).unwrap();
        assert!(told.ends_with("\n  한 글ab\n       ^^\n  something else"), "{told}");
        assert_eq!(
            fault("x", r#"{"detail": "no such \u001b[31mproject"}"#).unwrap(),
            "no such \u{fffd}[31mproject"
        );
        assert_eq!(fault("x", "<html>"), None);
    }
}
