//! Who answers at a place.

use super::place::Place;
use crate::os::io::connect::Reached;
use crate::os::listening::answers::{self, Answerer};

/// Which processes answer at a place.
pub(super) fn who(place: &Place, connection: &Reached, tree: &[i32]) -> Answerer {
    match (place, connection.ends) {
        (_, Some((_, to))) => answers::tcp(tree, to),
        (Place::Unix(path), _) => answers::unix(tree, path, connection.listener),
        (Place::Tcp(..), None) => Answerer::Unseen,
    }
}

/// Their name in messages.
pub(super) fn named(answerer: Answerer) -> String {
    match answerer {
        Answerer::Shared(who) | Answerer::Other(who) => who,
        Answerer::Tree | Answerer::Kept | Answerer::Unseen => {
            "a process that can't be seen from here".to_owned()
        }
    }
}

/// Why their answer does not count.
pub(super) fn was_there(place: &Place, who: &str) -> String {
    format!("{} is answered by {who}, which was there before the start", place.name())
}
