//! Where a process runs.

/// What keeps a process running, told by its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A machine or a container that nobody but its operator starts and stops.
    Plain,
    /// Knative: one of many instances, which come and go (`K_SERVICE`).
    Knative,
    /// AWS Lambda: one of many instances, each frozen between its events (`AWS_LAMBDA_RUNTIME_API`).
    Lambda,
}

impl Platform {
    /// Of what is set in the environment; Lambda's has the first word.
    pub(super) fn told_by(mut is_set: impl FnMut(&str) -> bool) -> Self {
        let all = [Self::Lambda, Self::Knative];
        let told = |platform: &Self| platform.variable().is_some_and(&mut is_set);
        all.into_iter().find(told).unwrap_or(Self::Plain)
    }

    /// The variable that tells it.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Platform::Plain => None,
            Platform::Knative => Some("K_SERVICE"),
            Platform::Lambda => Some("AWS_LAMBDA_RUNTIME_API"),
        }
    }
}
