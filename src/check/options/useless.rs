//! Options that would do nothing, contradict each other, or are missing for a named check.

use super::Options;
use super::probing::Probing;
use crate::check::checks::catalogue;
use crate::check::checks::check::Check;
use crate::check::checks::selection::Selection;
use crate::check::runs::scenario::{Need, Scenario};

/// An option that serves some checks.
struct Aid {
    /// The names of the option and of its value.
    option: &'static str,
    value: &'static str,
    is_given: fn(&Options) -> bool,
    /// Whether it makes a difference to a check.
    serves: fn(&Check) -> bool,
    /// Whether such a check needs it.
    is_needed: fn(&Check) -> bool,
}

const AIDS: [Aid; 6] = [
    Aid {
        option: "--slow",
        value: "URL",
        is_given: |options| options.slow.is_some(),
        serves: |check| check.scenario.holds_requests(),
        is_needed: |check| check.scenario.needs() == Some(Need::Slow),
    },
    Aid {
        option: "--stream",
        value: "URL",
        is_given: |options| options.stream.is_some(),
        serves: |check| check.scenario == Scenario::Stream,
        is_needed: |_| true,
    },
    Aid {
        option: "--drive",
        value: "COMMAND",
        is_given: |options| options.drive.is_some(),
        serves: |check| check.scenario == Scenario::Drive,
        is_needed: |_| true,
    },
    Aid {
        option: "--break",
        value: "COMMAND",
        is_given: |options| options.breaks.is_some(),
        serves: |check| check.scenario == Scenario::Broken,
        is_needed: |_| true,
    },
    Aid {
        option: "--baseline",
        value: "FILE",
        is_given: |options| options.baseline.is_some(),
        serves: |check| *check == catalogue::BASELINE,
        is_needed: |_| true,
    },
    Aid {
        option: "--watch",
        value: "DIR",
        is_given: |options| !options.watch.is_empty(),
        serves: |check| *check == catalogue::FILES,
        is_needed: |_| false,
    },
];

/// Refuses options that make no sense.
pub(super) fn refuse(
    options: &Options,
    selection: &Selection,
    only: &[&'static Check],
) -> Result<(), String> {
    let problem = needs(options, only)
        .or_else(|| serves(options, selection))
        .or_else(|| severities(selection))
        .or_else(|| times(options, selection))
        .or_else(|| port(options))
        .or_else(|| insecure(options))
        .or_else(|| jobs(options, selection))
        .or_else(|| probes(options, only));
    problem.map_or(Ok(()), Err)
}

fn needs(options: &Options, only: &[&'static Check]) -> Option<String> {
    let lacks = |check: &&'static Check| {
        let is_lacking =
            |aid: &&Aid| (aid.serves)(check) && (aid.is_needed)(check) && !(aid.is_given)(options);
        let aid = AIDS.iter().find(is_lacking)?;
        Some(format!("'--only {}' needs {} {}", check.id, aid.option, aid.value))
    };
    only.iter().find_map(lacks)
}

fn serves(options: &Options, selection: &Selection) -> Option<String> {
    let is_useless =
        |aid: &&Aid| (aid.is_given)(options) && !selection.checks.iter().any(|check| (aid.serves)(check));
    let aid = AIDS.iter().find(is_useless)?;
    let served: Vec<&Check> = catalogue::checks().filter(|check| (aid.serves)(check)).collect();
    let ids: Vec<&str> = served.iter().map(|check| check.id).collect();
    let profile = served.first()?.profile.name();
    Some(format!(
        "'{}' is for {}: no such check runs; add --profile {profile}, or name it in --only",
        aid.option,
        ids.join(", ")
    ))
}

fn severities(selection: &Selection) -> Option<String> {
    let both = selection.warn.iter().find(|check| selection.deny.contains(check));
    if let Some(check) = both {
        return Some(format!("'{}' is in --warn and in --deny; leave it in one of them", check.id));
    }
    for (option, list) in [("warn", &selection.warn), ("deny", &selection.deny)] {
        if let Some(check) = list.iter().find(|check| !selection.checks.contains(check)) {
            let (id, profile) = (check.id, check.profile.name());
            return Some(format!(
                "'--{option} {id}': that check does not run; add --profile {profile}, or leave this out"
            ));
        }
    }
    None
}

fn times(options: &Options, selection: &Selection) -> Option<String> {
    if options.within.is_some_and(|within| within > options.limit) {
        return Some(
            "--within is longer than the limit, after which the server is killed; raise -t, or lower --within"
                .to_owned(),
        );
    }
    if !options.until_fail {
        return None;
    }
    if options.runs == 1 {
        return Some("--until-fail repeats nothing with --runs 1; use more runs".to_owned());
    }
    let never = !selection.checks.iter().any(|check| check.is_of_each_plain_run());
    never.then(|| "--until-fail repeats the plain stop, and no check looks at it; add stops".to_owned())
}

fn jobs(options: &Options, selection: &Selection) -> Option<String> {
    let is_useless =
        options.jobs > 1 && selection.checks.iter().all(|check| check.scenario == Scenario::Plain);
    is_useless.then(|| {
        "--jobs plays scenarios side by side, and the plain stop is the only one; add --profile standard, or leave it out"
            .to_owned()
    })
}

fn insecure(options: &Options) -> Option<String> {
    let is_useless = options.insecure && options.urls().all(|url| url.tls.is_none());
    is_useless.then(|| "--insecure is for https URLs, and none is given; leave it out".to_owned())
}

fn port(options: &Options) -> Option<String> {
    let is_set_twice =
        options.port.is_some() && options.variables.iter().any(|variable| variable.name == "PORT");
    is_set_twice.then(|| "--port sets PORT as well as '--env PORT=...'; leave one of them out".to_owned())
}

fn probes(options: &Options, only: &[&'static Check]) -> Option<String> {
    if options.url.is_some() && !options.probing.asks() {
        return Some(
            "--url is where probes send requests, and --probe has them send none; leave one of them out"
                .to_owned(),
        );
    }
    let check = only.iter().find(|check| catalogue::needs_probes(check))?;
    let is_none = options.probing == Probing::None;
    is_none.then(|| format!("'--only {}' needs probes; leave out --probe none", check.id))
}
