//! Why a workload did not stop: what was seen of it, and what that means. Pure: looks come in, findings
//! go out.

pub mod look;
