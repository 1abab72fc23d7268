//! Reports on a run. One stream of facts feeds the log and the record, so that the two can't disagree.

use std::time::Duration;

use crate::fact::Fact;
use crate::fact::level::Level;
use crate::record::collect::{Collector, RunEnd};

pub(crate) mod live;
pub mod log;
pub(crate) mod wording;

/// Log and record together.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) log: log::Log,
    /// The JSON record, if one was requested.
    pub(crate) record: Option<Collector>,
}

impl Observer {
    /// Reports one fact that happened at this time since the start.
    pub(crate) fn observe(&mut self, at: Duration, fact: &Fact) {
        let lines = self.log.log(at, fact);
        if let Some(record) = &mut self.record {
            record.collect(at, fact);
            record.log(at, lines.as_ref());
        }
    }

    /// Whether forwarded signals and reaped processes are reported, which are too much for a usual log.
    pub(crate) fn wants_details(&self) -> bool {
        self.record.is_some() || self.log.wants(Level::Detail)
    }

    /// Writes the record, if one was requested. A failure is logged, and changes nothing else.
    pub(crate) fn write_record(&mut self, at: Duration, end: &RunEnd<'_>) {
        let Some(record) = &mut self.record else { return };
        if let Err(error) = record.write(end) {
            let file = record.destination().to_string();
            self.observe(at, &Fact::RecordFailed { file, error });
        }
    }
}
