//! Which lines of a server are answers to check's own probes: these are not shown.

use std::collections::{HashMap, HashSet};

/// At most this many different lines are known.
const FORMS_MAX: usize = 1000;
/// A line that comes so often while probes go answers them: they go ten times before the signal.
const OFTEN: usize = 4;

/// What check is doing.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// It waits.
    #[default]
    Quiet,
    /// It finds out what the server speaks.
    Question,
    /// It sends probes.
    Probes,
    /// It has asked the server to stop, and sends further probes.
    Asked,
}

/// The lines so far, without the parts that differ each time.
#[derive(Default)]
pub(super) struct Chatter {
    phase: Phase,
    before: HashSet<String>,
    meanwhile: HashMap<String, usize>,
}

impl Chatter {
    /// A line that comes from now on, and never came before, is an answer.
    pub(super) fn question(&mut self) {
        self.phase = Phase::Question;
    }

    /// Lines that come often from now on are answers.
    pub(super) fn probes(&mut self) {
        self.phase = Phase::Probes;
    }

    /// From now on it is known which lines are answers.
    pub(super) fn asked(&mut self) {
        self.phase = Phase::Asked;
    }

    /// Takes a line; returns whether it is to be shown, as far as that is known.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        let form = form(line);
        let is_known = self.before.contains(&form) || self.meanwhile.contains_key(&form);
        let has_room = is_known || self.before.len() + self.meanwhile.len() < FORMS_MAX;
        match self.phase {
            Phase::Quiet if has_room => drop(self.before.insert(form)),
            Phase::Question if has_room && !self.before.contains(&form) => {
                self.meanwhile.insert(form, OFTEN);
            }
            Phase::Probes if has_room => *self.meanwhile.entry(form).or_default() += 1,
            Phase::Quiet | Phase::Question | Phase::Probes => {}
            Phase::Asked => return !self.is_answer(&form),
        }
        true
    }

    /// Whether a line of before the signal is to be shown.
    pub(super) fn shows(&self, line: &str) -> bool {
        !self.is_answer(&form(line))
    }

    fn is_answer(&self, form: &str) -> bool {
        self.meanwhile.get(form).is_some_and(|count| *count >= OFTEN)
    }
}

/// The line with each word that has a digit in it replaced: times, ports, statuses, ids.
fn form(line: &str) -> String {
    let words = line.split_inclusive(|letter: char| !letter.is_alphanumeric());
    words
        .map(|word| match word.find(char::is_numeric) {
            Some(_) => word
                .chars()
                .last()
                .filter(|last| !last.is_alphanumeric())
                .map_or("#".to_owned(), |end| format!("#{end}")),
            None => word.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &[&str], question: &[&str], probes: &[&str], after: &[&str]) -> Vec<String> {
        let mut chatter = Chatter::default();
        for line in before {
            chatter.takes(line);
        }
        chatter.question();
        for line in question {
            chatter.takes(line);
        }
        chatter.probes();
        for line in probes {
            chatter.takes(line);
        }
        chatter.asked();
        let all = [before, question, probes].concat();
        let earlier: Vec<&str> = all.into_iter().filter(|line| chatter.shows(line)).collect();
        let later = after.iter().copied().filter(|line| chatter.takes(line));
        earlier.into_iter().chain(later).map(str::to_owned).collect()
    }

    #[test]
    fn what_answers_each_probe_is_not_shown() {
        let probes =
            ["1.2.3.4:5 GET / 200", "1.2.3.4:6 GET / 200", "1.2.3.4:77 GET / 200", "1.2.3.4:8 GET / 200"];
        assert_eq!(shown(&["up"], &[], &probes, &["1.2.3.4:9 GET / 503", "bye 7"]), ["up", "bye 7"]);
        // Three may be chance.
        assert_eq!(shown(&[], &[], &probes[..3], &[]).len(), 3);
    }

    #[test]
    fn what_answers_the_question_is_not_shown() {
        let kept =
            shown(&["tick 1"], &["tick 2", "invalid request 9"], &["tick 3"], &["invalid request", "tick 4"]);
        assert_eq!(kept, ["tick 1", "tick 2", "tick 3", "invalid request", "tick 4"]);
    }

    #[test]
    fn endless_new_lines_are_not_all_remembered() {
        let mut chatter = Chatter::default();
        for number in 0..FORMS_MAX * 2 {
            let letters =
                number.to_string().chars().map(|digit| char::from(digit as u8 + 49)).collect::<String>();
            assert!(chatter.takes(&letters));
        }
        assert_eq!(chatter.before.len(), FORMS_MAX);
    }
}
