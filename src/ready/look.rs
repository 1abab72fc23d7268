//! Whether a condition holds by now, as far as it can be seen from outside.

use std::path::Path;
use std::time::Duration;

use super::before::Earlier;
use super::condition::Condition;
use super::place::Place;
use super::proof::{Unproved, prove};
use crate::os::listening;

/// From one look to the next: the first pause, which is doubled up to the longest.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What shows that it holds, or why it does not, as far as anything is to be said about that. Messages and commands
/// are the caller's. `tree` are the pids of the server.
pub(crate) fn look(condition: &Condition, before: &Earlier, tree: &[i32]) -> Result<String, Option<String>> {
    match condition {
        Condition::Auto => accepting(before, tree),
        Condition::Connect(Place::Unix(path)) if is_old(path.as_ref(), before) => {
            Err(Some(old(path.as_ref())))
        }
        Condition::Connect(place) => {
            let proved = prove(place, before, tree).map_err(|unproved| Some(unproved.why()))?;
            Ok(by(&condition.asks_for(), proved.by))
        }
        #[cfg(feature = "check")]
        Condition::Http(url) => {
            let proved = prove(&url.place, before, tree).map_err(|unproved| Some(unproved.why()))?;
            let status = super::http::status(&url.at(proved.place), super::proof::TRY).map_err(Some)?;
            let answer = by(&format!("HTTP {status} at {}", url.path), proved.by);
            if (200..400).contains(&status) { Ok(answer) } else { Err(Some(answer)) }
        }
        Condition::File(path) if before.is_new(path) => Ok(condition.asks_for()),
        Condition::File(path) if path.exists() => Err(Some(old(path))),
        Condition::Notify | Condition::File(_) | Condition::Command(_) => Err(None),
    }
}

fn by(answer: &str, who: Option<String>) -> String {
    who.map_or_else(|| answer.to_owned(), |who| format!("{answer}, by {who}"))
}

fn is_old(path: &Path, before: &Earlier) -> bool {
    before.knows(path) && path.exists() && !before.is_new(path)
}

fn old(path: &Path) -> String {
    format!("{} was there before the start, and has not changed", path.display())
}

fn accepting(before: &Earlier, tree: &[i32]) -> Result<String, Option<String>> {
    let mut note = None;
    for listener in listening::listeners(tree) {
        let Some(place) = Place::of(&listener) else { continue };
        match prove(&place, before, tree) {
            Ok(_) => return Ok(format!("listening on {}", listener.address)),
            Err(Unproved::Stranger(why)) => note = Some(why),
            Err(Unproved::Unreached(_)) => note = Some(format!("{} does not accept", listener.address)),
        }
    }
    Err(note)
}
