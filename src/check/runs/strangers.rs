//! Whose answers count: what was there before the start, and proofs, on a thread of their own, since the kernel may take
//! its time.

use std::sync::Arc;

use crate::check::clients::probe::Resource;
use crate::check::options::Options;
use crate::check::options::ready::Ready;
use crate::ready::before::Earlier;
use crate::ready::condition::Condition;
use crate::ready::look::look;
use crate::ready::place::Place;
use crate::ready::proof::{Proved, Unproved, prove};

/// Who answered, and which files were there, before the start.
#[derive(Clone, Default)]
pub(super) struct Strangers(Arc<Earlier>);

impl Strangers {
    /// Connects, before the start, to every address at which the server will be asked.
    pub(super) async fn look(options: &Options) -> Self {
        let before = Earlier::of_files(options.ready.iter().filter_map(Ready::seen));
        let places: Vec<Place> = places(options).collect();
        let before = apart(move || before.and_answers(&places)).await;
        Self(Arc::new(before.unwrap_or_default()))
    }

    /// Who answered before the start, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        self.0.describe()
    }

    /// The first of the addresses of a place at which the server answers.
    pub(super) async fn prove(&self, place: &Place, tree: &[i32]) -> Result<Proved, Unproved> {
        let (before, place, tree) = (Arc::clone(&self.0), place.clone(), tree.to_vec());
        let proof = apart(move || prove(&place, &before, &tree)).await;
        proof.unwrap_or_else(|| Err(Unproved::Unreached("no answer".to_owned())))
    }

    /// Whether a condition holds by now, or why not.
    pub(super) async fn holds(&self, condition: &Condition, tree: &[i32]) -> Result<String, Option<String>> {
        let (before, condition, tree) = (Arc::clone(&self.0), condition.clone(), tree.to_vec());
        apart(move || look(&condition, &before, &tree)).await.unwrap_or(Err(None))
    }
}

/// The result, unless the work panics.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// All places that the options name.
fn places(options: &Options) -> impl Iterator<Item = Place> {
    let ready = options.ready.iter().filter_map(|condition| match condition.seen()? {
        Condition::Connect(place) => Some(place.clone()),
        Condition::Http(url) => Some(url.place.clone()),
        _ => None,
    });
    let resources = [&options.url, &options.slow, &options.stream].into_iter().flatten();
    let urls = resources.filter_map(|resource| match resource {
        Resource::Url(url) => Some(url.place.clone()),
        Resource::Path(_) => None,
    });
    let port = options.port.iter().map(|port| Place::Tcp("localhost".to_owned(), port.number));
    ready.chain(urls).chain(port)
}
