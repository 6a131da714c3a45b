//! Facts that were in no segment when they were read, so that the next question reads only those that are new.

use std::sync::{Arc, Mutex, PoisonError};

use epitaph_crash_model::{Fact, ProjectId};

/// The facts of a project.
type Facts = Arc<Vec<Arc<Fact>>>;

/// How many facts are remembered, of all projects together; a fact takes 1 to 3 KB.
const MOST: usize = 50_000;

/// What is remembered, project by project, the one that was asked about last in front.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Vec<(ProjectId, Facts)>>);

impl Recent {
    /// What is known of a project; nothing, where that was forgotten.
    pub(super) fn known(&self, project: ProjectId) -> Facts {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_project = known.iter().find(|(of, _)| *of == project);
        of_project.map(|(_, facts)| Arc::clone(facts)).unwrap_or_default()
    }

    /// Remembers what a project has now, and forgets what was asked about long ago, if it is too much.
    pub(super) fn learn(&self, project: ProjectId, facts: &Facts) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, _)| *of != project);
        known.insert(0, (project, Arc::clone(facts)));
        let mut left = MOST;
        let kept = known.iter().take_while(|(_, facts)| {
            let fits = facts.len() <= left;
            left = left.saturating_sub(facts.len());
            fits
        });
        let kept = kept.count();
        known.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{CrashId, SignatureId};

    use super::*;

    fn facts(count: usize) -> Facts {
        let fact =
            |_| Arc::new(Fact::new(CrashId::new(), ProjectId::FIRST, SignatureId::from_bytes([0; 16])));
        Arc::new((0..count).map(fact).collect())
    }

    #[test]
    fn what_was_asked_about_last_is_remembered_up_to_a_limit() {
        let project = |number: u64| ProjectId::try_from(number).unwrap();
        let (small, half) = (facts(10), facts(MOST / 2));
        let recent = Recent::default();
        recent.learn(project(1), &half);
        recent.learn(project(2), &small);
        recent.learn(project(1), &half);
        assert_eq!([1, 2, 3].map(|number| recent.known(project(number)).len()), [MOST / 2, 10, 0]);
        recent.learn(project(3), &half);
        assert_eq!([1, 2, 3].map(|number| recent.known(project(number)).len()), [MOST / 2, 0, MOST / 2]);
        recent.learn(project(2), &facts(MOST + 1));
        assert_eq!([1, 2, 3].map(|number| recent.known(project(number)).len()), [0; 3]);
    }
}
