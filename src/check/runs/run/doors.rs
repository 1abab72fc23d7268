//! The places at which clients connect during the stop: only where the server itself answers.

use std::time::Duration;

use super::ActiveRun;
use crate::check::clients::held_connections::{Holding, Wanted};
use crate::check::clients::probe::Resource;
use crate::check::clients::protocol::speaks_http;
use crate::check::observed::{Listener, Missing};
use crate::check::options::probing::Probing;
use crate::check::runs::ready::tree;
use crate::check::runs::scenario::Scenario;
use crate::ready::http::Url;
use crate::ready::place::Place;
use crate::ready::proof::{Proved, Unproved};

/// How long the answer may take that shows whether the server speaks HTTP.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);

/// How long the line may take in which a server complains about that.
const COMPLAINT: Duration = Duration::from_millis(50);

/// The server's ways in.
#[derive(Default)]
pub(super) struct Doors {
    /// The first listener.
    pub(super) place: Option<Place>,
    /// Where requests can go.
    pub(super) http: Option<Url>,
}

impl ActiveRun<'_> {
    /// Finds the doors. Notes it if another process answers instead, or as well.
    pub(super) async fn doors(&mut self, listeners: &[Listener]) -> Doors {
        if !self.scenario.connects() {
            return Doors::default();
        }
        let (mut places, mut others) = (Vec::new(), None);
        for place in listeners.iter().filter_map(Place::of) {
            match self.own(place).await {
                Ok(place) => places.push(place),
                Err(why) => others = Some(why),
            }
        }
        let place = places.first().cloned();
        let mut http = None;
        if let Some(resource) = &self.options.url {
            match self.url(resource, place.as_ref()).await {
                Ok(url) => (http, others) = (url, None),
                Err(why) => others = Some(why),
            }
        } else if self.scenario.asks() {
            http = self.answering(&places).await;
            others = others.filter(|_| places.is_empty());
        }
        self.observed.unproved = others;
        Doors { place, http }
    }

    /// A URL for requests, if one of the places answers to HTTP.
    async fn answering(&self, places: &[Place]) -> Option<Url> {
        let url = |place: &Place| self.options.url_at(place, "/");
        match self.options.probing {
            Probing::Tcp | Probing::None => return None,
            Probing::Http => return places.first().map(url),
            Probing::Auto => {}
        }
        self.job.run.output.question();
        for place in places {
            let url = url(place);
            if matches!(tokio::time::timeout(HTTP_PATIENCE, speaks_http(&url)).await, Ok(Ok(true))) {
                return Some(url);
            }
        }
        tokio::time::sleep(COMPLAINT).await;
        None
    }

    /// The place, if only the server answers there, or no process does.
    async fn own(&self, place: Place) -> Result<Place, String> {
        match self.strangers.prove(&place, &tree(&self.job)).await {
            Ok(Proved { unclear: Some(why), .. }) | Err(Unproved::Stranger(why)) => Err(why),
            Ok(Proved { place, .. }) => Ok(place),
            Err(Unproved::Unreached(_)) => Ok(place),
        }
    }

    /// Where a resource is.
    async fn url(&self, resource: &Resource, found: Option<&Place>) -> Result<Option<Url>, String> {
        let url = match (resource, found) {
            (Resource::Url(url), _) => url.clone(),
            (Resource::Path(path), Some(place)) => self.options.url_at(place, path),
            (Resource::Path(_), None) => return Ok(None),
        };
        self.own(url.place.clone()).await.map(|place| Some(url.at(place)))
    }

    /// Has clients do what the scenario wants before the signal, and notes what is missing for that. Returns the
    /// connections that they hold.
    pub(super) async fn hold(&mut self, doors: &Doors, inner: i32) -> Option<Holding> {
        let holding = match self.scenario {
            Scenario::Quiet => self.measure(doors).await.map(|()| Holding::default()),
            Scenario::Abandoned => self.abandon(doors, inner).await,
            Scenario::Abort => self.abort(doors, inner).await,
            _ => self.under_way(doors, inner).await,
        };
        holding.map_err(|missing| self.observed.missing = Some(missing)).ok()
    }

    /// Opens the connections that the scenario holds.
    pub(super) async fn under_way(&self, doors: &Doors, inner: i32) -> Result<Holding, Missing> {
        let mut holding = self.open(doors).await?;
        if holding.keep_under_way(|| super::pids(inner), self.clock).await {
            return Ok(holding);
        }
        Err(Missing::Inconclusive("nothing was under way at the signal".to_owned()))
    }

    /// Where the slow request goes.
    pub(super) async fn slow(&self, doors: &Doors) -> Result<Option<Url>, Missing> {
        let Some(resource) = &self.options.slow else { return Ok(None) };
        self.url(resource, doors.place.as_ref()).await.map_err(Missing::Inconclusive)
    }

    async fn open(&self, doors: &Doors) -> Result<Holding, Missing> {
        let is_anybodys = matches!(self.scenario, Scenario::Idle | Scenario::Half | Scenario::Silent);
        if let Some(why) = self.observed.unproved.as_ref().filter(|_| is_anybodys) {
            return Err(Missing::Inconclusive(why.clone()));
        }
        let slow = if self.scenario.holds_requests() { self.slow(doors).await? } else { None };
        let stream = match self.options.stream.as_ref().filter(|_| self.scenario == Scenario::Stream) {
            Some(resource) => {
                self.url(resource, doors.place.as_ref()).await.map_err(Missing::Inconclusive)?
            }
            None => None,
        };
        let wanted = Wanted {
            holds: self.scenario.holds(),
            place: doors.place.as_ref(),
            http: doors.http.as_ref(),
            slow: slow.as_ref(),
            stream: stream.as_ref(),
        };
        Holding::open(&wanted, self.clock).await
    }
}
