//! Why a workload did not stop: what was seen of it, and what that means. Pure: looks come in, findings
//! go out.

pub mod causes;
pub mod judge;
pub mod look;
mod progress;
mod rules;
mod series;
mod words;
