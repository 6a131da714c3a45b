//! The servers that take turns.

use std::{fmt, path::PathBuf};

use crate::{bins::Missing, place::Place, server::Engines, stand_in::StandIn};

/// What a report is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server that reads bodies, and does nothing with them.
    Bare,
    /// One that also appends them to a file and syncs it.
    BareDurable,
    /// The function with its embedded, durable queue and a bucket on the same disk.
    Embedded,
    /// The function with SQS and S3, as stand-ins play them.
    Aws,
    /// The function with a Knative broker and S3, as stand-ins play them.
    Broker,
}

/// A program, and what its environment says of its engines.
pub(super) type Program = (PathBuf, Vec<(&'static str, String)>);

impl Kind {
    pub(crate) const EACH: [Self; 5] =
        [Self::Bare, Self::BareDurable, Self::Embedded, Self::Aws, Self::Broker];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareDurable => "bare-durable",
            Self::Embedded => "embedded",
            Self::Aws => "sqs",
            Self::Broker => "broker",
        }
    }

    /// For people.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper, reads",
            Self::BareDurable => "bare hyper, reads, appends, syncs",
            Self::Embedded => "function, embedded queue, durable",
            Self::Aws => "function, SQS and S3 stand-ins",
            Self::Broker => "function, broker and S3 stand-ins",
        }
    }

    /// What is started.
    pub(super) fn program(
        self,
        place: &Place,
        function: &str,
        stand_in: &StandIn,
    ) -> Result<Program, Missing> {
        let engines = match self {
            Self::Bare => return Ok((place.bins.bare("bare-hyper")?, Vec::new())),
            Self::BareDurable => return Ok((place.bins.bare("bare-durable")?, Vec::new())),
            Self::Embedded => Engines::Embedded,
            Self::Aws => Engines::Aws(stand_in.address()),
            Self::Broker => Engines::Broker(stand_in.address()),
        };
        Ok((place.bins.function(function)?, engines.environment()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
