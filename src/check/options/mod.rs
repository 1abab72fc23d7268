//! The command line of `winddown check`, turned into plain values.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::clients::probe::Resource;
use super::runs::stdin::Input;
use crate::lifecycle::exit::Exit;
use crate::lifecycle::plan::Target;
use crate::lifecycle::signal::Signal;
use crate::observe::log::Format;
use crate::ready::condition::Condition;
use crate::ready::http::Url;
use crate::ready::place::Place;
use crate::ready::tls::Trust;
use allow::Allowance;
use baseline::Baseline;
use port::Port;
use probing::Probing;
use ready::Ready;
use reports::Report;
use variable::Variable;

pub(super) mod allow;
pub(super) mod archive;
pub(super) mod baseline;
mod config;
pub mod definition;
mod given;
mod layer;
mod outputs;
pub(super) mod parse;
pub(super) mod port;
pub(super) mod probing;
pub(super) mod ready;
pub(super) mod reports;
pub(super) mod server_test;
mod useless;
mod values;
pub(super) mod variable;

/// What to test, and how to judge it.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The time from the signal to SIGKILL.
    pub(super) limit: Duration,
    /// A stop that takes longer fails.
    pub(super) within: Option<Duration>,
    /// The signal; `None` for TERM.
    pub(super) signal: Option<Signal>,
    /// Which processes get it.
    pub(super) to: Option<Target>,
    /// The server's standard input.
    pub(super) stdin: Input,
    /// When the server is ready: all of these.
    pub(super) ready: Vec<Ready>,
    /// How long the start may take.
    pub(super) ready_timeout: Duration,
    /// How long after the end something may be left.
    pub(super) settle: Duration,
    /// Further directories to search for files left behind.
    pub(super) watch: Vec<PathBuf>,
    /// How a good stop may end, instead of the default.
    pub(super) expect_exit: Vec<Exit>,
    /// What may be left behind.
    pub(super) allow: Vec<Allowance>,
    /// What probes send.
    pub(super) probing: Probing,
    /// Where to send requests, unless that is found out.
    pub(super) url: Option<Resource>,
    /// A request that takes long.
    pub(super) slow: Option<Resource>,
    /// A request whose answer does not end.
    pub(super) stream: Option<Resource>,
    /// A command that loads the server.
    pub(super) drive: Option<String>,
    /// A command that takes away what the server depends on.
    pub(super) breaks: Option<String>,
    /// Whether any certificate counts.
    pub(super) insecure: bool,
    /// The number of plain runs.
    pub(super) runs: usize,
    /// How many runs are played side by side.
    pub(super) jobs: usize,
    /// Whether the first failure ends them.
    pub(super) until_fail: bool,
    /// Times to compare with.
    pub(super) baseline: Option<Baseline>,
    /// The file to save the times in.
    pub(super) save_baseline: Option<PathBuf>,
    /// The requested reports.
    pub(super) reports: Vec<Report>,
    /// The file for everything that the server prints.
    pub(super) log: Option<PathBuf>,
    /// The directory for the records.
    pub(super) records: Option<PathBuf>,
    /// The format of the log of each step; `None` without one.
    pub(super) trace: Option<Format>,
    /// The port for the server.
    pub(super) port: Option<Port>,
    /// What reports call the server, instead of its command.
    pub(super) name: Option<String>,
    /// Variables for the server.
    pub(super) variables: Vec<Variable>,
    /// The directory to start the server in.
    pub(super) directory: Option<PathBuf>,
    /// The server.
    pub(super) command: Vec<OsString>,
}

impl Options {
    /// The signal that asks the server to stop.
    pub(super) fn stop_signal(&self) -> Signal {
        self.signal.unwrap_or(Signal::TERM)
    }

    /// The URL of a path at a place: by https where another option has such a URL with the same port.
    pub(super) fn url_at(&self, place: &Place, path: &str) -> Url {
        let has_port = |url: &&Url| url.tls.is_some() && url.place.port() == place.port();
        match self.urls().find(has_port) {
            Some(url) => Url { path: path.to_owned(), ..url.at(place.clone()) },
            None => Url::new(place.clone(), path),
        }
    }

    /// All URLs that were given.
    pub(super) fn urls(&self) -> impl Iterator<Item = &Url> {
        let ready = self.ready.iter().filter_map(|condition| match condition {
            Ready::Seen(Condition::Http(url)) => Some(url),
            _ => None,
        });
        let others = [&self.url, &self.slow, &self.stream].into_iter().flatten();
        ready.chain(others.filter_map(|resource| match resource {
            Resource::Url(url) => Some(url),
            Resource::Path(_) => None,
        }))
    }

    /// Takes any certificate from now on.
    fn trust_everyone(&mut self) {
        let ready = self.ready.iter_mut().filter_map(|condition| match condition {
            Ready::Seen(Condition::Http(url)) => Some(url),
            _ => None,
        });
        let others = [&mut self.url, &mut self.slow, &mut self.stream].into_iter().flatten();
        let others = others.filter_map(|resource| match resource {
            Resource::Url(url) => Some(url),
            Resource::Path(_) => None,
        });
        ready.chain(others).filter_map(|url| url.tls.as_mut()).for_each(|tls| tls.trust = Trust::Everyone);
    }
}
