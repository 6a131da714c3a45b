//! `GET /help/search`: how crashes are searched for.

use askama::Template;
use axum::{extract::State, response::Response};
use epitaph_facts::{Column, Dimension};

use super::{Page, html};
use crate::{Dashboard, fault::Fault, visitor::Visitor};

#[derive(Template)]
#[template(path = "help.html")]
struct HelpView<'a> {
    page: Page<'a>,
    /// What is written, and what it means.
    syntax: &'static [(&'static str, &'static str)],
    names: Vec<(&'static str, String)>,
}

pub(crate) async fn show(State(dashboard): State<Dashboard>, visitor: Visitor) -> Result<Response, Fault> {
    let page = Page::bare(&dashboard, &visitor);
    let t = page.t;
    let name = |column: &Column| (column.as_str(), t.statistics.dimension(&Dimension::Column(*column)));
    let shown = Column::ALL.iter().filter(|column| **column != Column::Project);
    html(&HelpView { syntax: t.statistics.syntax, names: shown.map(name).collect(), page })
}
