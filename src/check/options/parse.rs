//! Parses the command line of `winddown check`.

use std::ffi::OsString;
use std::time::Duration;

use super::config::FILE;
use super::given::{self, Given, GivenWords};
use super::probing::Probing;
use super::ready::Ready;
use super::server_test::ServerTest;
use super::{Options, outputs, useless};
use crate::check::checks::catalogue;
use crate::check::checks::check::Check;
use crate::check::checks::selection::Selection;
use crate::cli::UsageError;
use crate::observe::log::Format;
use crate::ready::condition::Condition;

const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
const DEFAULT_READY_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SETTLE: Duration = Duration::from_millis(500);

/// What the words request.
#[derive(Debug)]
pub(in crate::check) enum CheckRequest {
    /// A test of each of these, at least one.
    Check(Vec<ServerTest>),
    /// A text on stdout.
    Print(String),
}

/// Parses the words from `check` on, and the configuration file.
pub(in crate::check) fn parse(words: &[OsString]) -> Result<CheckRequest, UsageError> {
    let servers = match given::read(words)? {
        GivenWords::Servers(servers) => servers,
        GivenWords::Print(text) => return Ok(CheckRequest::Print(text)),
    };
    let test = |given: &Given| test(given).map_err(|why| given.refuse(&why));
    let tests = servers.iter().map(test).collect::<Result<Vec<_>, _>>()?;
    match outputs::spoilt(&tests) {
        Some((server, why)) => Err(servers[server].refuse(&why)),
        None => Ok(CheckRequest::Check(tests)),
    }
}

fn test(given: &Given) -> Result<ServerTest, String> {
    if given.command.is_empty() {
        return Err(format!(
            "no command given; usage: winddown check [OPTIONS] [--] COMMAND [ARG]..., or a server in {FILE} (see --help)"
        ));
    }
    let [only, skip, warn, deny] = ["only", "skip", "warn", "deny"].map(|long| given.each::<&Check>(long));
    let profile = given.one("profile").unwrap_or_default();
    let baseline = given.one("baseline");
    let probing = given.one("probe").unwrap_or_default();
    let is_wanted = |check: &&'static Check| {
        let is_chosen = if only.is_empty() { check.profile <= profile } else { only.contains(check) };
        let is_possible = (**check != catalogue::BASELINE || baseline.is_some())
            && (!catalogue::needs_probes(check) || probing != Probing::None);
        is_chosen && is_possible && !skip.contains(check)
    };
    let checks: Vec<&'static Check> = catalogue::checks().filter(is_wanted).collect();
    if checks.is_empty() && only.iter().all(|check| skip.contains(check)) {
        return Err("--skip leaves no check to run; skip fewer".to_owned());
    }
    let until_fail = given.switch("until-fail");
    let runs = given.one("runs").unwrap_or(if until_fail { usize::MAX } else { 1 });
    let mut ready = given.each("ready");
    if ready.is_empty() {
        ready.push(Ready::Seen(Condition::Auto));
    }
    let trace = trace(given)?;
    let mut options = Options {
        limit: given.one("time-limit").unwrap_or(DEFAULT_LIMIT),
        within: given.one("within"),
        signal: given.one("stop-signal"),
        to: given.one("to"),
        stdin: given.one("stdin").unwrap_or_default(),
        ready,
        ready_timeout: given.one("ready-timeout").unwrap_or(DEFAULT_READY_TIMEOUT),
        settle: given.one("settle").unwrap_or(DEFAULT_SETTLE),
        watch: given.each("watch"),
        probing,
        url: given.one("url"),
        slow: given.one("slow"),
        stream: given.one("stream"),
        insecure: given.switch("insecure"),
        breaks: given.one("break"),
        drive: given.one("drive"),
        expect_exit: given.each("expect-exit"),
        allow: given.each("allow"),
        runs,
        until_fail,
        jobs: given.one("jobs").unwrap_or(1),
        baseline,
        save_baseline: given.one("save-baseline"),
        reports: given.each("report"),
        log: given.one("log"),
        records: given.one("record"),
        trace,
        command: given.command.clone(),
        port: given.port.clone(),
        name: given.one("name").or_else(|| given.table.clone()),
        variables: given.of_all("env"),
        directory: given.one("cwd"),
    };
    if options.insecure {
        options.trust_everyone();
    }
    let selection = Selection { checks, warn, deny, strict: given.switch("strict") };
    useless::refuse(&options, &selection, &only)?;
    Ok(ServerTest { options, selection })
}

/// The format of the log of each step; `None` without one.
fn trace(given: &Given) -> Result<Option<Format>, String> {
    match (given.switch("verbose"), given.one("log-format")) {
        (true, format) => Ok(Some(format.unwrap_or_default())),
        (false, None) => Ok(None),
        (false, Some(_)) => Err("--log-format is the format of -v; add -v".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::definition::definition;
    use super::*;

    /// Every option that a test can be given.
    const WORDS: &str = "check --time-limit 3s --stop-signal QUIT --to all --within 2s --port 8080 --stdin open \
        --ready notify --ready tcp:{port} --ready-timeout 9s --probe http --url https://localhost/ --insecure --slow /slow --stream /stream --drive load \
        --break break --profile full --only in-flight,stream,under-load,dependency-gone,files,stops --skip ports \
        --warn stops --deny files --expect-exit 3,TERM --allow port:80,proc:agent --settle 1s --watch / --runs 2 --jobs 3 \
        --until-fail --save-baseline /times --report json --verbose --log-format json --name api --env A={port} \
        --cwd / --log /log --record / server {port}";

    fn parsed(words: &str) -> Result<CheckRequest, String> {
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        parse(&words).map_err(|error| error.to_string())
    }

    fn test_of(words: &str) -> (Options, Selection) {
        match parsed(words) {
            Ok(CheckRequest::Check(mut tests)) => {
                let ServerTest { options, selection } = tests.remove(0);
                (options, selection)
            }
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn each_value_is_read_as_what_it_is_taken_for() {
        let elsewhere = ["baseline", "strict", "list", "explain", "help", "config", "version"];
        for option in definition().get_arguments().filter_map(clap::Arg::get_long) {
            let is_given = WORDS.contains(&format!("--{option} "));
            assert!(is_given || elsewhere.contains(&option), "--{option} is not tried");
        }
        let (options, selection) = test_of(WORDS);
        assert_eq!(options.command, ["server", "8080"]);
        assert_eq!(options.limit, Duration::from_secs(3));
        assert_eq!((options.ready.len(), options.runs, options.reports.len()), (2, 2, 1));
        assert_eq!((options.expect_exit.len(), options.allow.len(), selection.checks.len()), (2, 2, 6));
        assert_eq!(options.probing, Probing::Http);
        assert_eq!(options.trace, Some(Format::Json));
        assert_eq!((options.name.as_deref(), options.variables.len()), (Some("api"), 1));
        assert_eq!(options.directory.as_deref(), Some(Path::new("/")));
        assert!(test_of("check --strict server").1.strict);
        assert!(matches!(parsed("check --list"), Ok(CheckRequest::Print(_))));
        assert!(matches!(parsed("check --explain W09"), Ok(CheckRequest::Print(_))));
        let error = parsed("check --baseline /none server").expect_err("there is none");
        assert!(error.starts_with("check: invalid value '/none' for '--baseline <FILE>': "), "{error}");
    }

    #[test]
    fn of_a_single_value_the_last_counts() {
        assert_eq!(test_of("check -t 1s -t 2s server").0.limit, Duration::from_secs(2));
    }

    #[cfg(feature = "completions")]
    #[test]
    fn names_of_values_are_known() {
        let definition = definition();
        let names = |option: &str| {
            let option = definition.get_arguments().find(|one| one.get_id() == option).expect("an option");
            let names = option.get_possible_values();
            names.iter().map(|name| name.get_name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("report"), ["human", "json", "junit", "github", "timeline"]);
        assert_eq!(names("stdin"), ["open", "closed", "tty"]);
        assert_eq!(names("profile"), ["quick", "standard", "full"]);
        for option in ["only", "skip", "warn", "deny"] {
            assert_eq!(names(option).len(), catalogue::checks().count(), "{option}");
        }
        let topics = names("explain");
        assert!(["idle-conn", "W20"].iter().all(|topic| topics.iter().any(|name| name == topic)));
    }
}
