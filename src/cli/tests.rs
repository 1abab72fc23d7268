mod help;
mod plan;
mod values;

use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;

use snapbox::{assert_data_eq, file};

use super::sources::variable_name;
use super::*;

/// Every option of the main job that sets something: long name, value, another value, and one that
/// is refused. Switches have none.
const VALUES: [(&str, &str, &str, &str); 32] = [
    ("time-limit", "3s", "4s", "soon"),
    ("stop-signal", "QUIT", "HUP", "STOP"),
    ("to", "all", "main", "everyone"),
    ("stop", "wait 1s, TERM 2s, QUIT", "QUIT", "TERM soon"),
    ("stop-delay", "1s", "2s", "0"),
    ("pre-stop", "./drain 'a b'", "./other", "'"),
    ("post-stop", "./tell", "./other", "''"),
    ("on-timeout", "./look", "./other", "''"),
    ("dump-signal", "auto", "ABRT", "HUP"),
    ("hook-limit", "1s", "2s", "infinity"),
    ("token", "/token", "/other", "/no/such/directory/token"),
    ("extend-max", "1m", "2m", "infinity"),
    ("watchdog", "30s", "1m", "0"),
    ("run-limit", "1h", "2h", "0"),
    ("retry", "3", "forever", "-2"),
    ("retry-delay", "10s", "4s..15m", "15m..4s"),
    ("retry-reset", "5m", "infinity", "0"),
    ("permanent-exit", "64,78", "1", "0"),
    ("max-crashes", "10/1m", "3/10s", "10/0s"),
    ("stop-after", "1h", "2h", "0"),
    ("kill-wait", "250ms", "infinity", "-1"),
    ("stop-on", "USR1,QUIT", "HUP", "TERM,KILL"),
    ("map", "HUP=USR1,USR2=", "HUP=USR2", "HUP"),
    ("remap-exit", "143=0,1=2", "3=4", "256=0"),
    ("interrupted-exit", "75", "1", "0"),
    ("straggler-grace", "2s", "0", "soon"),
    ("ready", "tcp:8080", "notify", "udp:53"),
    ("ready-file", "/ready", "/other", "/no/such/directory/ready"),
    ("start-limit", "2m", "3m", "0"),
    ("log-format", "json", "text", "xml"),
    ("record", "/run.json", "/other.json", "/no/such/directory/run.json"),
    ("record", "/dev/run.json", "/run.json", "fd:"),
];
const SWITCHES: [&str; 7] =
    ["preserve-status", "leave-stragglers", "no-guard", "verbose", "quiet", "notify", "stop-with-parent"];

fn words(words: &[&str]) -> Vec<OsString> {
    ["winddown"].iter().chain(words).map(OsString::from).collect()
}

fn parse_with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    match parse(&words(arguments), &variables, false) {
        Ok(Request::Run(settings)) => Ok(*settings),
        Ok(other) => panic!("{arguments:?} is {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn settings_of(arguments: &[&str], variables: &[(&str, &str)]) -> Settings {
    parse_with(arguments, variables).unwrap_or_else(|error| panic!("{arguments:?} {variables:?}: {error}"))
}

fn error_of(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    match parse_with(arguments, variables) {
        Ok(settings) => panic!("{arguments:?} {variables:?}: {settings:?}"),
        Err(error) => error,
    }
}

/// The settings without their origins.
fn effect(mut settings: Settings) -> String {
    settings.consumed.clear();
    settings.origins = SettingOrigins::default();
    format!("{settings:?}")
}

#[test]
fn the_table_of_options_is_complete() {
    let definition = definition();
    let mut known: Vec<_> = definition.get_arguments().filter_map(variable_of).collect();
    let listed = VALUES.iter().map(|(long, ..)| *long).chain(SWITCHES);
    let mut listed: Vec<_> = listed.map(variable_name).collect();
    known.sort();
    listed.sort();
    listed.dedup();
    assert_eq!(known, listed);
}

/// Without a hook, `--hook-limit` has nothing to limit.
fn what_it_needs(long: &str) -> &'static str {
    match long {
        "hook-limit" => "--pre-stop=./drain",
        "extend-max" => "--notify",
        "ready-file" | "start-limit" => "--ready=auto",
        "retry-delay" | "retry-reset" | "permanent-exit" | "max-crashes" => "--retry=3",
        "preserve-status" => "--stop-after=1h",
        _ => "--no-guard",
    }
}

#[test]
fn each_option_means_the_same_in_its_variable() {
    for (long, value, ..) in VALUES {
        let hook = what_it_needs(long);
        let plain = effect(settings_of(&[hook, "true"], &[]));
        let by_option = settings_of(&[hook, &format!("--{long}={value}"), "true"], &[]);
        let by_word = settings_of(&[hook, &format!("--{long}"), value, "true"], &[]);
        let by_variable = settings_of(&[hook, "true"], &[(&variable_name(long), value)]);
        assert_eq!(by_variable.consumed, [OsString::from(variable_name(long))]);
        let by_option = effect(by_option);
        assert_ne!(by_option, plain, "{long} does nothing");
        assert_eq!(by_option, effect(by_word), "{long}");
        assert_eq!(by_option, effect(by_variable), "{long}");
    }
}

#[test]
fn each_switch_means_the_same_in_its_variable() {
    for long in SWITCHES {
        let command = if long == "no-guard" { vec!["true"] } else { vec![what_it_needs(long), "true"] };
        let plain = effect(settings_of(&command, &[]));
        let by_option = effect(settings_of(&[&[&*format!("--{long}")], &command[..]].concat(), &[]));
        assert_ne!(by_option, plain, "{long} does nothing");
        for (values, expected) in
            [(["1", "true", "YES", "on"], &by_option), (["0", "False", "no", "off"], &plain)]
        {
            for value in values {
                let by_variable = settings_of(&command, &[(&variable_name(long), value)]);
                assert_eq!(by_variable.consumed.len(), 1, "{long}");
                assert_eq!(&effect(by_variable), expected, "{long} {value}");
            }
        }
        let error = error_of(&["true"], &[(&variable_name(long), "maybe")]);
        assert_eq!(
            error,
            format!("{}: invalid value 'maybe' for '--{long}': use 1 or 0 (see --help)", variable_name(long))
        );
    }
}

#[test]
fn short_names_mean_what_long_ones_do() {
    for (short, long) in [
        (["-t", "3s"].as_slice(), ["--time-limit", "3s"].as_slice()),
        (&["-t3s"], &["--time-limit=3s"]),
        (&["--grace-period", "3s"], &["--time-limit", "3s"]),
        (&["-s", "QUIT"], &["--stop-signal", "QUIT"]),
        (&["-v"], &["--verbose"]),
        (&["-q"], &["--quiet"]),
        (&["-vt", "3s"], &["--verbose", "--time-limit", "3s"]),
    ] {
        let of = |options: &[&str]| effect(settings_of(&[options, &["true"]].concat(), &[]));
        assert_eq!(of(short), of(long), "{short:?}");
    }
}

#[test]
fn the_command_line_wins_over_the_variable() {
    for (long, value, other, wrong) in VALUES {
        let option = format!("--{long}={value}");
        let needed = what_it_needs(long);
        let alone = effect(settings_of(&[needed, &option, "true"], &[]));
        for overridden in [other, wrong] {
            let both = settings_of(&[needed, &option, "true"], &[(&variable_name(long), overridden)]);
            assert_eq!(both.consumed.len(), 1, "{long}: consumed all the same");
            assert_eq!(effect(both), alone, "{long}");
        }
    }
}

#[test]
fn verbose_and_quiet_are_one_or_the_other() {
    let level = |arguments: &[&str], variables: &[(&str, &str)]| {
        settings_of(&[arguments, &["true"]].concat(), variables).log_level
    };
    assert_eq!(level(&["-v"], &[("WINDDOWN_QUIET", "1")]), Level::Detail);
    assert_eq!(level(&["-q"], &[("WINDDOWN_VERBOSE", "1")]), Level::Warn);
    assert_eq!(level(&[], &[]), Level::Info);
}

/// Options that would do nothing are refused, and so are options that undo each other.
#[test]
fn useless_options_are_refused_with_the_remedy() {
    const SOCKET: (&str, &str) = ("NOTIFY_SOCKET", "/run/x");
    const EXTENDS: &str =
        "--extend-max does nothing without --token or --notify, with which COMMAND asks for more time";
    const ENDLESS: &str =
        "--extend-max does nothing without a time limit, which it would extend; leave it out";
    const HOOKS: &str =
        "--hook-limit does nothing without --pre-stop, --post-stop, --on-timeout or a `run` without a share";
    const BOTH: &str = "--stop-after does not go with --run-limit, which asks earlier, so that all is over by then; \
         leave one of them out";
    const PRESERVES: &str =
        "--preserve-status does nothing without --stop-after or --run-limit; leave it out";
    const START: &str = "--start-limit does nothing without --ready, which says when COMMAND is ready";
    const LATE_START: &str =
        "--start-limit does nothing if --run-limit or --stop-after comes first; give a shorter one";
    const TO: &str = "--to does nothing if each step of --stop names whom it asks; leave it out";
    for (arguments, variables, expected) in [
        (
            ["-v", "-q"].as_slice(),
            [].as_slice(),
            "--verbose is the opposite of --quiet; leave one of them out",
        ),
        (&["-qv"], &[], "--verbose is the opposite of --quiet; leave one of them out"),
        (
            &[],
            &[("WINDDOWN_VERBOSE", "1"), ("WINDDOWN_QUIET", "1")],
            "WINDDOWN_VERBOSE is the opposite of --quiet; leave one of them out",
        ),
        (&["--extend-max", "5s"], &[], EXTENDS),
        (&["--extend-max", "5s"], &[("NOTIFY_SOCKET", "")], EXTENDS),
        (&["--extend-max", "5s", "--notify", "-t", "infinity"], &[], ENDLESS),
        (&["--hook-limit", "1s"], &[], HOOKS),
        (&["--hook-limit", "1s", "--stop", "run ./x 2s, TERM"], &[], HOOKS),
        (&["--to", "all", "--stop", "TERM 2s main, QUIT all"], &[], TO),
        (&["--to", "all", "--stop", "wait 2s, KILL"], &[], TO),
        (&["--stop-after", "1h", "--run-limit", "2h"], &[], BOTH),
        (&["--preserve-status"], &[], PRESERVES),
        (&["--start-limit", "5s"], &[], START),
        (&["--start-limit", "5s", "--ready", "auto", "--stop-after", "5s"], &[], LATE_START),
        (&["--token", "/x", "--record", "/x"], &[], "--record is the same file as --token; give another one"),
    ] {
        assert_eq!(error_of(&[arguments, &["true"]].concat(), variables), expected);
    }
    for (arguments, variables) in [
        (["--extend-max", "0"].as_slice(), [].as_slice()),
        (&["--extend-max", "5s", "--token", "/x"], &[]),
        (&["--extend-max", "5s", "--notify"], &[]),
        (&["--extend-max", "5s", "--watchdog", "5s"], &[]),
        (&["--extend-max", "5s", "--ready", "notify", "--start-limit", "9s", "-t", "infinity"], &[]),
        (&["--extend-max", "5s"], &[SOCKET]),
        (&["--hook-limit", "1s", "--on-timeout", "./x"], &[]),
        (&["--hook-limit", "1s", "--post-stop", "./x"], &[]),
        (&["--hook-limit", "1s", "--stop", "run ./x, TERM"], &[]),
        (&["--to", "all", "--stop", "TERM 2s main, QUIT"], &[]),
        (&["-v"], &[("WINDDOWN_QUIET", "1")]),
        (&["--stop-after", "1h"], &[("WINDDOWN_RUN_LIMIT", "2h")]),
        (&["--run-limit", "1h", "--preserve-status"], &[("WINDDOWN_STOP_AFTER", "2h")]),
    ] {
        settings_of(&[arguments, &["true"]].concat(), variables);
    }
}

#[test]
fn names_that_are_nearly_ours_are_answered_with_ours() {
    for (word, meant) in [
        ("--timeout", "time-limit"),
        ("--timeout=5s", "time-limit"),
        ("--kill-after", "time-limit"),
        ("-k", "time-limit"),
        ("--signal", "stop-signal"),
        ("--time-limt", "time-limit"),
        ("--pre-stp", "pre-stop"),
        ("--recrod", "record"),
        ("--stop_signal", "stop-signal"),
        ("--limit", "time-limit"),
        ("--graceful-timeout", "time-limit"),
        ("--kill-timeout", "time-limit"),
        ("--quite", "quiet"),
        ("--silent", "quiet"),
        ("--debug", "verbose"),
        ("--tokne", "token"),
        ("--json", "log-format"),
        ("--remap", "remap-exit"),
        ("-g", "to"),
    ] {
        let name = word.split('=').next().expect("a name");
        let expected = format!("there is no option '{name}'; did you mean --{meant}? (see --help)");
        assert_eq!(error_of(&[word, "5", "true"], &[]), expected);
    }
    assert_eq!(error_of(&["--frob", "true"], &[]), "there is no option '--frob' (see --help)");
    for word in ["--foreground", "-f", "--subreaper"] {
        let expected =
            format!("there is no option '{word}'; winddown does that by itself: leave it out (see --help)");
        assert_eq!(error_of(&[word, "true"], &[]), expected);
    }
    assert_eq!(error_of(&["-9", "true"], &[]), "there is no option '-9'; did you mean -s? (see --help)");
}

#[test]
fn variables_that_are_nearly_ours_are_reported_and_passed_on() {
    for (name, meant) in [
        ("WINDDOWN_TIMEOUT", "TIME_LIMIT"),
        ("WINDDOWN_TIMELIMIT", "TIME_LIMIT"),
        ("WINDDOWN_time_limit", "TIME_LIMIT"),
        ("WINDDOWN_GRACE_PERIOD", "TIME_LIMIT"),
        ("WINDDOWN_SIGNAL", "STOP_SIGNAL"),
        ("WINDDOWN_T", "TIME_LIMIT"),
        ("winddown_time_limit", "TIME_LIMIT"),
        ("WINDOWN_TIME_LIMIT", "TIME_LIMIT"),
        ("WIND_DOWN_STOP_SIGNAL", "STOP_SIGNAL"),
    ] {
        let settings = settings_of(&["true"], &[(name, "5s"), ("WINDDOWN_TO", "all")]);
        let expected = format!("{name} is not a variable of winddown; did you mean WINDDOWN_{meant}?");
        assert_eq!(settings.advice, [expected]);
        assert_eq!(settings.consumed, ["WINDDOWN_TO"]);
    }
    // Kubernetes sets these for services named `winddown` and `winddown-record`; the others resemble none.
    let silent = [
        ("WINDDOWN_PORT", "tcp://10.0.0.1:80"),
        ("WINDDOWN_SERVICE_HOST", "10.0.0.1"),
        ("WINDDOWN_SERVICE_PORT", "80"),
        ("WINDDOWN_SERVICE_PORT_HTTP", "80"),
        ("WINDDOWN_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("WINDDOWN_PORT_80_TCP_PROTO", "tcp"),
        ("WINDDOWN_PORT_80_TCP_PORT", "80"),
        ("WINDDOWN_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("WINDDOWN_RECORD_SERVICE_HOST", "10.0.0.1"),
        ("WINDDOWN_RECORD_PORT", "tcp://10.0.0.1:80"),
        ("WINDDOWN_TIMEOUT", ""),
        ("WINDDOWN_HELP", "x"),
        ("WINDDOWN_", "x"),
        ("WINDDOWN_BIN", "x"),
        ("WINDDOWN_TO", "all"),
        ("TIMEOUT", "5s"),
        ("WINDOWID", "4194311"),
        ("WINDIR", "x"),
        ("WÄ", "x"),
    ];
    assert_eq!(settings_of(&["true"], &silent).advice, Vec::<String>::new());
}

#[test]
fn an_empty_variable_is_consumed_and_sets_nothing() {
    let plain = settings_of(&["true"], &[]);
    let options = VALUES.iter().map(|(long, ..)| *long).chain(SWITCHES);
    for name in options.map(variable_name) {
        let empty = settings_of(&["true"], &[(&name, "")]);
        assert_eq!(empty.consumed, [OsString::from(&name)]);
        assert_eq!(empty.origins.limit, plain.origins.limit);
        assert_eq!(effect(empty), effect(settings_of(&["true"], &[])), "{name}");
    }
}

#[test]
fn names_that_are_no_option_are_left_alone() {
    let unknown = [
        "WINDDOWN_",
        "WINDDOWN_HELP",
        "WINDDOWN_VERSION",
        "WINDDOWN_COMMAND",
        "WINDDOWN_FOO",
        "WINDDOWN_TIME_LIMITS",
        "WINDDOWN_TIME-LIMIT",
        "WINDDOWN_time_limit",
        "winddown_time_limit",
        "TIME_LIMIT",
        "XWINDDOWN_TIME_LIMIT",
        "WINDDOWN_T",
    ];
    let settings = settings_of(&["true"], &unknown.map(|name| (name, "x")));
    assert_eq!(settings.consumed, Vec::<OsString>::new());
    assert_eq!(settings.origins.limit, "default");
}

#[test]
fn a_wrong_value_is_named_with_its_option_and_its_variable() {
    for (long, _, _, wrong) in VALUES {
        let by_option = error_of(&[&format!("--{long}"), wrong, "true"], &[]);
        let by_variable = error_of(&["true"], &[(&variable_name(long), wrong)]);
        assert!(by_option.contains(&format!("--{long}")), "{by_option}");
        let part = wrong.rsplit(',').next().expect("one");
        assert!(by_option.contains(part), "{by_option}");
        assert!(!by_option.contains("WINDDOWN_"), "{by_option}");
        assert_eq!(by_variable, format!("{}: {by_option}", variable_name(long)));
    }
}

/// The messages for these command lines, as a page.
fn refusals(command_lines: &[&[&str]]) -> String {
    let mut page = String::new();
    for words in command_lines {
        let error = error_of(words, &[]);
        assert!(!error.contains('\n'), "{error}");
        let _ = writeln!(page, "{words:?}\n    {error}");
    }
    page
}

#[test]
fn usage_errors_are_one_line_with_a_remedy() {
    let page = refusals(&[
        &["-t", "5x", "true"],
        &["-t", "-5", "true"],
        &["-t", "a\nb", "true"],
        &["-t", "--", "true"],
        &["-t"],
        &["-s", "FROB", "true"],
        &["-s", "CHLD", "true"],
        &["--to", "me", "true"],
        &["--log-format", "xml", "true"],
        &["--map", "HUP", "true"],
        &["--map", "KILL=TERM", "true"],
        &["--remap-exit", "143", "true"],
        &["--stop-on", "STOP", "true"],
        &["--stop-on", "", "true"],
        &["--run-limit", "0", "true"],
        &["--record", "/", "true"],
        &["--record", "/dev", "true"],
        &["--record", "/no/such/x", "true"],
        &["--record", "fd:999", "true"],
        &["--record", "fd:-1", "true"],
        &["--stop-delay", "inf", "true"],
        &["--stop-delay", "5M", "true"],
        &["--hook-limit", "10us", "true"],
        &["--watchdog", "30S", "true"],
        &["--pre-stop", "WAIT=1 ./drain", "true"],
        &["--dump-signal", "TERM", "true"],
        &["--frob", "true"],
        &["-x", "true"],
        &["-vx", "true"],
        &["--time-limt", "3s", "true"],
        &["--quiet=1", "true"],
        &[],
        &["--"],
        &["-v"],
    ]);
    // clap's tip for an unknown option would run a command of that name.
    assert!(!page.contains("'-- "), "{page}");
    assert_data_eq!(page, file!["tests/snapshots/usage_errors.txt"].raw());
}

#[test]
fn a_value_that_is_no_text_is_refused_by_name() {
    for (long, ..) in VALUES.iter().filter(|(long, ..)| !["record", "token", "ready-file"].contains(long)) {
        let arguments = [
            "winddown".into(),
            format!("--{long}").into(),
            OsString::from_vec(b"T\xff".to_vec()),
            "true".into(),
        ];
        let error = parse(&arguments, &[], false).expect_err("no text").to_string();
        assert!(error.contains(&format!("'T\u{fffd}' for '--{long} ")), "{error}");
    }
}

#[test]
fn settings_that_do_not_fit_are_named_as_they_were_given() {
    let mut page = refusals(&[&["-t", "5", "--run-limit", "5s", "true"], &["--map", "HUP=,TERM=", "true"]]);
    for (words, variable) in [
        (["-t", "infinity"], ("WINDDOWN_RUN_LIMIT", "1m")),
        (["--run-limit", "5s"], ("WINDDOWN_TIME_LIMIT", "6")),
        (["--stop-on", "USR1"], ("WINDDOWN_MAP", "USR1=")),
    ] {
        let error = error_of(&[&words[..], &["true"]].concat(), &[variable]);
        let _ = writeln!(page, "{words:?} {variable:?}\n    {error}");
    }
    assert_data_eq!(page, file!["tests/snapshots/do_not_fit.txt"].raw());
}

#[test]
fn options_end_at_the_first_word_that_is_none() {
    // Trap 22: an init that swallows the flags of its workload.
    for (arguments, command) in [
        (["-v", "cmd", "-t", "x", "--help"].as_slice(), ["cmd", "-t", "x", "--help"].as_slice()),
        (&["cmd", "--", "-v"], &["cmd", "--", "-v"]),
        (&["--", "cmd", "--", "-v"], &["cmd", "--", "-v"]),
        (&["--", "-v"], &["-v"]),
        (&["--", "--", "x"], &["--", "x"]),
        (&["-", "-v"], &["-", "-v"]),
        (&["", "-v"], &["", "-v"]),
        (&["cmd", "", "-h"], &["cmd", "", "-h"]),
        (&["cmd", "check"], &["cmd", "check"]),
        (&["cmd", "--no-such-option=1"], &["cmd", "--no-such-option=1"]),
        (&["-t", "3s", "cmd", "-s"], &["cmd", "-s"]),
        (&["--", "help"], &["help"]),
        (&["run"], &["run"]),
    ] {
        assert_eq!(settings_of(arguments, &[]).command, command, "{arguments:?}");
    }
}
