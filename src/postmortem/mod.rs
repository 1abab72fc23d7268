//! Why a workload did not stop: what winddown saw of it, and what that means. Pure: looks in, findings out.

pub mod causes;
pub mod evidence;
mod heard;
pub mod judge;
pub mod look;
mod progress;
mod rules;
mod series;
mod threads;
mod words;
