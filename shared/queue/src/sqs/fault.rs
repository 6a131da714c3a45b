//! What SQS answers when it does not do what it was asked to.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::SendError;

/// What SQS says about a message that it will never take.
const OF_THE_MESSAGE: [&str; 2] = ["InvalidMessageContents", "InvalidParameterValue"];

/// Why a call failed. One call may fail for several messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// SQS's word for it, if SQS answered.
    code: Option<String>,
    /// What is known beside it.
    detail: String,
}

impl Fault {
    /// Of one message of a batch.
    pub(super) fn of_entry(code: &str, detail: Option<&str>) -> Self {
        // Without the header that names it, its type does, in one more word.
        let code = code.strip_suffix("Exception").unwrap_or(code);
        Self { code: Some(code.to_owned()), detail: detail.unwrap_or("no more is said").to_owned() }
    }

    /// For a message that was sent on its own, or that SQS named in a batch.
    pub(super) fn of_one(self) -> SendError {
        match &self.code {
            Some(code) if OF_THE_MESSAGE.contains(&code.as_str()) => SendError::Unfit(self.to_string()),
            _ => SendError::Unavailable(Box::new(self)),
        }
    }

    /// For each of several messages: it is not known whose fault it is.
    pub(super) fn of_several(&self) -> SendError {
        SendError::Unavailable(Box::new(self.clone()))
    }
}

impl<E: ProvideErrorMetadata + Error + 'static, R: std::fmt::Debug + 'static> From<SdkError<E, R>> for Fault {
    fn from(error: SdkError<E, R>) -> Self {
        if let SdkError::ServiceError(answer) = &error
            && let Some(code) = answer.err().code()
        {
            return Self::of_entry(code, answer.err().message());
        }
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            detail = format!("{detail}: {error}");
            source = error.source();
        }
        Self { code: None, detail }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "SQS answers {code}: {}", self.detail),
            None => write!(formatter, "SQS does not answer: {}", self.detail),
        }
    }
}

impl Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sqs_says_about_a_message_is_the_messages_fault() {
        for code in OF_THE_MESSAGE {
            assert!(Fault::of_entry(code, None).of_one().is_of_the_message(), "{code}");
            assert!(!Fault::of_entry(code, None).of_several().is_of_the_message(), "{code}");
        }
        for code in ["RequestThrottled", "InternalError", "AccessDenied", "QueueDoesNotExist"] {
            assert!(!Fault::of_entry(code, None).of_one().is_of_the_message(), "{code}");
        }
    }
}
