//! Only answers of the server's own tree count. Where it can't be seen who answers (another network namespace, a
//! proxy), it must be known that no process answered there before the start.

use std::thread::sleep;
use std::time::Duration;

use super::answerer::{named, was_there, who};
use super::before::Earlier;
use super::place::Place;
use crate::os::clock::Clock;
use crate::os::io::connect::Reached;
use crate::os::listening::answers::{self, Answerer};
use crate::os::reason;

/// How long one attempt to connect may take.
pub(super) const TRY: Duration = Duration::from_secs(2);
/// How long the owner of a shared listener may take to accept.
const TAKEN: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(5);
/// As with socket activation.
const KEPT: &str = "is a socket that the caller has passed on: it stays open when the server has closed it, and connections wait there";

/// An address at which the server answers.
pub(crate) struct Proved {
    #[cfg_attr(not(feature = "check"), expect(dead_code, reason = "the main job needs no more proof"))]
    pub(crate) place: Place,
    /// The process that answers for the server, if it is not one of its tree.
    pub(crate) by: Option<String>,
    /// Why connections there prove nothing after the signal.
    #[cfg_attr(not(feature = "check"), expect(dead_code, reason = "the main job needs no more proof"))]
    pub(crate) unclear: Option<String>,
}

/// Why an answer does not count.
pub(crate) enum Unproved {
    /// There was no answer.
    Unreached(String),
    /// Another process answered.
    Stranger(String),
}

impl Unproved {
    pub(crate) fn why(self) -> String {
        match self {
            Self::Unreached(why) | Self::Stranger(why) => why,
        }
    }
}

/// The first of the addresses of a place at which the server answers.
pub(crate) fn prove(place: &Place, before: &Earlier, tree: &[i32]) -> Result<Proved, Unproved> {
    let mut found = Unproved::Unreached("its name has no address".to_owned());
    for address in place.addresses() {
        let unproved = match address.connect(TRY) {
            Ok(connection) => match judge(&address, &connection, before, tree) {
                Ok(proved) => return Ok(proved),
                Err(why) => Unproved::Stranger(why),
            },
            Err(error) => Unproved::Unreached(reason(&error)),
        };
        if !matches!(found, Unproved::Stranger(_)) {
            found = unproved;
        }
    }
    Err(found)
}

fn judge(place: &Place, connection: &Reached, before: &Earlier, tree: &[i32]) -> Result<Proved, String> {
    let name = place.name();
    let proved = |by, unclear| Ok(Proved { place: place.clone(), by, unclear });
    let other = match who(place, connection, tree) {
        Answerer::Tree => return proved(None, None),
        Answerer::Kept => return proved(None, Some(format!("{name} {KEPT}"))),
        Answerer::Shared(with) if is_taken(connection, tree) => {
            let unclear = format!("{name} is answered by {with} as well: which of them answers is chance");
            return proved(None, Some(unclear));
        }
        other => named(other),
    };
    match before.asked.iter().find(|(asked, _)| asked == place) {
        Some((_, None)) => proved(Some(other), None),
        Some((_, Some(_))) => Err(was_there(place, &other)),
        None => Err(format!("{name} is answered by {other}, not by the server")),
    }
}

/// Whether, of all that listen there, it is the tree that accepts this connection.
fn is_taken(connection: &Reached, tree: &[i32]) -> bool {
    let Some((from, to)) = connection.ends else { return false };
    let clock = Clock::start();
    loop {
        match answers::is_taken_by(tree, from, to) {
            Some(is_taken) => return is_taken,
            None if clock.now() >= TAKEN => return false,
            None => sleep(PAUSE),
        }
    }
}
