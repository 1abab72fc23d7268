//! Checks of the children before the signal: zombies, and a shell in front of the server.

use super::check::{Check, Judge, Profile};
use super::verdict::Verdict;
use crate::check::observed::{Before, Record, Shell};
use crate::check::runs::scenario::Scenario;
use crate::text::counted;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[ZOMBIES, SHELL_WRAP];

const ZOMBIES: Check = Check {
    id: "zombies",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "the server reaps its children",
    more: "Warns when the server has zombies before the signal, fails when their number grows while it \
         runs: each takes a slot in the process table. Wait for children, or run the server under an init \
         such as winddown.",
    judge: Judge::Stop(|case| zombies(case.before)),
};

fn zombies(before: &Before) -> Verdict {
    let text = counted(before.zombies, "zombie", "s");
    match before.zombies {
        0 => Verdict::pass(ZOMBIES.id, text),
        number if number > before.zombies_first && before.zombies_first > 0 => Verdict::fail(
            ZOMBIES.id,
            text,
            "their number grows: wait for children, or run the server under an init such as winddown",
        ),
        _ => Verdict::warn(
            ZOMBIES.id,
            text,
            "wait for children, or run the server under an init such as winddown",
        ),
    }
}

const SHELL_WRAP: Check = Check {
    id: "shell-wrap",
    profile: Profile::Quick,
    scenario: Scenario::Plain,
    about: "no shell takes the signal in the server's place",
    more: "Warns when the main process is a shell that waits for the server: the shell gets the signal, the \
         server does not. Start the server with exec as the last line of the script. Passes when the \
         shell ends after the server.",
    judge: Judge::Stop(|case| shell_wrap(case.before, case.record)),
};

/// Passes a shell that outlives its child: it stops the child, or the child is only one of its commands.
fn shell_wrap(before: &Before, record: &Record) -> Verdict {
    let Some(Shell { program, child }) = &before.shell else {
        return Verdict::pass(SHELL_WRAP.id, "no shell in front");
    };
    let is_left = record.has_outlived_main(child.pid);
    let child = child.name.as_deref().unwrap_or_default();
    if !is_left {
        let text = format!("{program} ended after {child}");
        return Verdict::pass(SHELL_WRAP.id, text);
    }
    let text = format!("{program} gets the stop signal, {child} behind it does not");
    Verdict::warn(SHELL_WRAP.id, text, format!("start the server with exec: exec {child} ..."))
}
