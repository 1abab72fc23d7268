//! What the server sends by `sd_notify`.

use super::check::{Check, Judge, Profile};
use super::verdict::Verdict;
use crate::check::observed::Observed;
use crate::check::runs::scenario::Scenario;

/// In the order of the reports.
pub(super) const CHECKS: &[Check] = &[NOTIFY];

const NOTIFY: Check = Check {
    id: "notify",
    profile: Profile::Full,
    scenario: Scenario::Plain,
    about: "shows what the server sends by sd_notify",
    more: "Shows the messages that came after the signal (STOPPING=1, EXTEND_TIMEOUT_USEC=). Never fails. \
         Skipped when the server sends none at all.",
    judge: Judge::Stop(|case| notify(case.seen)),
};

/// For information only.
fn notify(seen: &Observed) -> Verdict {
    let Some(messages) = &seen.messages else {
        return Verdict::skip(NOTIFY.id, "the server sends nothing by sd_notify");
    };
    // The main job answers these itself: they are in its record.
    let asked = seen.record.iter().flat_map(|record| &record.extensions);
    let asked = asked.map(|extension| format!("EXTEND_TIMEOUT_USEC={:.0}", extension.time_ms * 1000.0));
    let lines: Vec<String> = messages.iter().cloned().chain(asked).collect();
    if lines.is_empty() {
        return Verdict::pass(
            NOTIFY.id,
            "no message after the signal; STOPPING=1 would tell a service manager that it stops",
        );
    }
    Verdict::pass(NOTIFY.id, format!("after the signal: {}", lines.join(", ")))
}
