//! What an unknown name of an option or variable probably means.

/// Names in other tools (timeout, tini, dumb-init, engines, orchestrators), and the option here.
const ELSEWHERE: [(&str, &str); 31] = [
    ("timeout", "time-limit"),
    ("stop-timeout", "time-limit"),
    ("shutdown-timeout", "time-limit"),
    ("grace-period", "time-limit"),
    ("grace", "time-limit"),
    ("kill-after", "time-limit"),
    ("k", "time-limit"),
    ("t", "time-limit"),
    ("signal", "stop-signal"),
    ("kill-signal", "stop-signal"),
    ("max-time", "run-limit"),
    ("rewrite", "map"),
    ("r", "map"),
    ("e", "remap-exit"),
    ("log", "log-format"),
    ("limit", "time-limit"),
    ("wait", "time-limit"),
    ("kill-timeout", "time-limit"),
    ("graceful-timeout", "time-limit"),
    ("deadline", "time-limit"),
    ("s", "stop-signal"),
    ("g", "to"),
    ("json", "log-format"),
    ("format", "log-format"),
    ("v", "verbose"),
    ("debug", "verbose"),
    ("log-level", "verbose"),
    ("q", "quiet"),
    ("silent", "quiet"),
    ("remap", "remap-exit"),
    ("pre-stop-hook", "pre-stop"),
];
/// Options of other tools for what winddown does by itself.
const NEEDLESS: [&str; 4] = ["foreground", "f", "subreaper", "init"];

/// Whether the option stands for something that winddown does by itself.
pub(super) fn is_needless(word: &str) -> bool {
    NEEDLESS.contains(&word)
}

/// Returns the nearest of our `names`; `None` if none is near.
pub(super) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let ours = names.iter().map(|name| (*name, *name));
    let others = ELSEWHERE
        .iter()
        .filter_map(|(other, ours)| Some((*other, *names.iter().find(|name| *name == ours)?)));
    let word = word.as_bytes();
    let all = others.chain(ours).map(|(known, name)| (distance(word, known.as_bytes()), name));
    let (nearest, name) = all.min_by_key(|(distance, _)| *distance)?;
    (nearest <= word.len() / 3).then_some(name)
}

/// Whether a name differs from another in at most two letters.
pub(super) fn is_near(name: &str, other: &str) -> bool {
    distance(name.as_bytes(), other.as_bytes()) <= 2
}

/// The Levenshtein distance: how many letters to insert, remove or change. The same letters in another order
/// count as one change.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let count =
        |word: &[u8], letter: &u8| word.iter().fold(0, |sum, other| sum + usize::from(other == letter));
    let has_same_letters = || from.iter().all(|letter| count(from, letter) == count(to, letter));
    if from != to && from.len() == to.len() && has_same_letters() {
        return 1;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("acb", "abc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
        }
    }

    #[test]
    fn what_other_tools_call_it_comes_first() {
        let names = ["time-limit", "stop-signal", "stop", "kill-wait", "record"];
        for (word, expected) in [
            ("timeout", Some("time-limit")),
            ("timout", Some("time-limit")),
            ("kill-after", Some("time-limit")),
            ("gracePeriod", Some("time-limit")),
            ("kill-wiat", Some("kill-wait")),
            ("signal", Some("stop-signal")),
            ("k", Some("time-limit")),
            ("x", None),
            ("", None),
            ("frob", None),
            ("rewrite", None),
        ] {
            assert_eq!(nearest(word, &names), expected, "{word}");
        }
    }
}
