//! Why a run did not end by itself, and the word for it.

use winddown::lifecycle::cause::Cause;
use winddown::lifecycle::event::Event;
use winddown::lifecycle::exit::Exit;
use winddown::lifecycle::outcome::Outcome;
use winddown::lifecycle::phase::Phase;

use super::{Oracle, Turn, Verdict, rule};

impl Oracle {
    /// Whoever asks first, while anything of the workload is left, is the reason.
    pub(super) fn requests(&self, turn: &Turn<'_>, cause: Option<Cause>) -> Verdict {
        let by_stop = cause.filter(|cause| match cause {
            Cause::MainExited => false,
            Cause::Abandoned => !self.main_has_ended,
            _ => true,
        });
        let by_event = match turn.event {
            _ if turn.after.phase() == Phase::Stopped => None,
            Event::ParentEnded => Some(Cause::ParentEnded),
            _ => turn.stop_signal().map(Cause::Signal),
        };
        let expected = turn.before.request().or(by_stop).or(by_event);
        rule(turn.after.request() == expected, "the first stop request is why a run did not end by itself")?;
        if turn.becomes(Phase::Stopped) && turn.event != Event::NotStarted {
            Self::outcome(turn)
        } else {
            Ok(())
        }
    }

    fn outcome(turn: &Turn<'_>) -> Verdict {
        let (main, request, survivors) =
            (turn.after.main_exit(), turn.after.request(), turn.after.has_survivors());
        for any_killed in [false, true] {
            let outcome = Outcome::of(main, request, any_killed, survivors);
            let ended_by_itself = request.is_none() && !any_killed && !survivors;
            let is_completed = ended_by_itself && main == Some(Exit::Code(0));
            rule(
                (outcome == Outcome::Completed) == is_completed,
                "completed is what ended by itself with 0, and nobody asked",
            )?;
            let is_own = matches!(outcome, Outcome::Completed | Outcome::Failed | Outcome::Crashed);
            let is_silent = matches!(request, Some(Cause::Silent | Cause::StartLimit));
            rule(is_own == ended_by_itself || is_silent, "whoever was asked did not end by itself")?;
        }
        Ok(())
    }
}
