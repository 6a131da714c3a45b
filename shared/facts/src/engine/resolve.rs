//! What the catalog knows of signatures, and filters that ask for it.

use std::collections::{BTreeMap, HashMap};

use epitaph_crash_model::{IssueNumber, ProjectId, SignatureId};

use crate::{Column, Dimension, Filter, Pattern, engine::select};

/// The issues and texts of signatures, as the catalog has them. Facts hold only ids, so a merge or a split of issues
/// rewrites none.
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    projects: BTreeMap<ProjectId, HashMap<SignatureId, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    issue: Option<IssueNumber>,
    /// In small letters.
    text: Box<str>,
}

impl Signatures {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, with its issue and its text.
    pub fn insert(
        &mut self,
        project: ProjectId,
        signature: SignatureId,
        issue: Option<IssueNumber>,
        text: &str,
    ) {
        let text = text.to_lowercase().into();
        self.projects.entry(project).or_default().insert(signature, Known { issue, text });
    }

    /// The issue of a signature.
    pub fn issue(&self, project: ProjectId, signature: SignatureId) -> Option<IssueNumber> {
        self.projects.get(&project)?.get(&signature)?.issue
    }

    /// The signatures that are known to be of such issues.
    pub(crate) fn of_issues(
        &self,
        project: ProjectId,
        is_one: impl Fn(IssueNumber) -> bool,
    ) -> impl Iterator<Item = SignatureId> {
        let known = self.projects.get(&project).into_iter().flatten();
        known.filter(move |(_, known)| known.issue.is_some_and(&is_one)).map(|(signature, _)| *signature)
    }

    /// The filter that asks only for what facts hold, and selects the same of one project's.
    pub(crate) fn resolve(&self, project: ProjectId, filter: &Filter) -> Filter {
        let parts = |parts: &[Filter]| parts.iter().map(|part| self.resolve(project, part)).collect();
        match filter {
            Filter::And(all) => Filter::And(parts(all)),
            Filter::Or(any) => Filter::Or(parts(any)),
            Filter::Not(part) => Filter::Not(Box::new(self.resolve(project, part))),
            Filter::Text(text) => {
                let text = text.to_lowercase();
                self.those(project, |known| known.text.contains(&text))
            }
            Filter::Is { dimension: Dimension::Column(Column::Issue), .. }
            | Filter::Compare { dimension: Dimension::Column(Column::Issue), .. }
            | Filter::Has(Dimension::Column(Column::Issue)) => {
                let condition = select::condition_of(filter);
                self.those(project, |known| {
                    let number = known.issue.map(|issue| issue.to_string());
                    condition.as_ref().is_some_and(|condition| condition.holds(number.as_deref()))
                })
            }
            Filter::All | Filter::Is { .. } | Filter::Compare { .. } | Filter::Has(_) => filter.clone(),
        }
    }

    fn those(&self, project: ProjectId, is_one: impl Fn(&Known) -> bool) -> Filter {
        let known = self.projects.get(&project).into_iter().flatten();
        let mut ids: Vec<String> =
            known.filter(|(_, known)| is_one(known)).map(|(id, _)| id.to_string()).collect();
        ids.sort_unstable();
        Filter::Is {
            dimension: Column::Signature.into(),
            any_of: ids.into_iter().map(Pattern::Exactly).collect(),
        }
    }
}
