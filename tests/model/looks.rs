//! Looks at the workload during a stop: when they must come, and when they must not.

use std::time::Duration;

use winddown::lifecycle::cause::Cause;

use winddown::lifecycle::event::{Effect, Moment, Note};
use winddown::lifecycle::phase::Phase;

use super::{Oracle, Turn, Verdict, rule};

/// The last look leaves this much time until SIGKILL.
const LAST_BEFORE: Duration = Duration::from_millis(25);

impl Oracle {
    /// One look before any process is asked, each of the others once and in order, and the last in time before SIGKILL;
    /// none after it.
    pub(super) fn looks(&mut self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let looks = turn.plan().looks;
        let has_last_words = self.stop.as_ref().is_some_and(|stop| {
            turn.plan().last_words > 0 && stop.progress.step >= turn.plan().first_last_word()
        });
        let ends_by_them = turn.says(Note::Stopped) && turn.was(Phase::Terminating) && has_last_words;
        let is_due = (turn.says(Note::Killing) || ends_by_them) && looks;
        rule(
            turn.says(Note::PostMortem) == is_due,
            "the post-mortem is reported with the kill, or after last words",
        )?;
        let taken: Vec<Moment> =
            turn.effects.iter().filter_map(moment).filter(|moment| *moment > Moment::Start).collect();
        rule(taken.is_empty() || looks, "without a post-mortem there are no looks")?;
        let kills = turn.has(Effect::KillTree);
        let is_first = taken.contains(&Moment::Before);
        let begins = cause.is_some() && !kills && looks;
        rule(is_first == begins, "the first look belongs to the beginning of a stop")?;
        let is_of_start = |effect: &&Effect| {
            use Effect::{EndProbe, Look, RetractReady, Say};
            matches!(effect, RetractReady | EndProbe | Look(Moment::Start) | Say(Note::NotReady(_)))
        };
        let first = turn.effects.iter().find(|effect| !is_of_start(effect)).and_then(moment);
        rule(!is_first || first == Some(Moment::Before), "the first look comes before anything is done")?;
        rule(taken.is_empty() || !kills, "there is no look when SIGKILL is due")?;
        let place = |wanted: fn(&Effect) -> bool| turn.effects.iter().position(wanted);
        let last = place(|effect| *effect == Effect::Look(Moment::Last));
        let dump = place(|effect| matches!(effect, Effect::Dump(_)));
        rule(
            last.zip(dump).is_none_or(|(last, dump)| last < dump),
            "a dump changes the picture: the look comes first",
        )?;
        let Some(stop) = self.stop.as_mut().filter(|_| turn.after.phase() == Phase::Terminating) else {
            return Ok(());
        };
        for moment in taken {
            // There is one last look for each deadline.
            let is_new = stop.looked.is_none_or(|(latest, deadline)| {
                latest < moment || (moment == Moment::Last && deadline != stop.deadline)
            });
            rule(is_new, "each look is taken once, in order")?;
            stop.looked = Some((moment, stop.deadline));
        }
        let is_over =
            stop.looked.is_some_and(|(latest, deadline)| latest == Moment::Last && deadline == stop.deadline);
        let last_at = stop.deadline.filter(|_| looks && !is_over && !turn.is_end());
        let due = turn.after.deadline();
        let comes = |at: Duration| due.is_some_and(|due| due <= at.saturating_sub(LAST_BEFORE).max(turn.at));
        rule(last_at.is_none_or(comes), "the last look comes in time")
    }
}

const fn moment(effect: &Effect) -> Option<Moment> {
    if let Effect::Look(moment) = effect { Some(*moment) } else { None }
}
