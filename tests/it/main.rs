//! Real processes, signals and terminals: what a user of winddown sees.
//!
//! A test that can't run on this machine is shown as ignored with its reason, and counted; with
//! `WINDDOWN_TEST_ALL=1` it fails instead. Tests run as threads of one process: none may change
//! what belongs to the process (directory, mask, dispositions); a child's state is set in the child.

mod harness;
mod servers;
#[expect(dead_code, reason = "the tests that use the rest are yet to come")]
mod support;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [harness::trials(), servers::trials()].into_iter().flatten().collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::needs::tell_ignored();
    conclusion.exit();
}
