use crate::support::trials; trials![];
