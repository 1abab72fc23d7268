//! What values mean, and the defaults.

use super::*;
use crate::lifecycle::plan::Target;

fn limit_of(text: &str) -> Result<Limit, String> {
    parse_with(&["--time-limit", text, "true"], &[]).map(|settings| settings.plan.limit)
}

#[test]
fn a_dropped_stop_signal_is_fine_when_another_one_is_sent() {
    settings_of(&["--map", "TERM=", "-s", "QUIT", "true"], &[]);
    settings_of(&["--map", "TERM=", "--stop-on", "INT", "true"], &[]);
    settings_of(&["--map", "TERM=,TERM=QUIT", "true"], &[]);
}

#[test]
fn durations_are_exact() {
    const YEAR: u64 = 31_557_600;
    for (text, expected) in [
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("0.0", Duration::ZERO),
        ("30", Duration::from_secs(30)),
        ("007", Duration::from_secs(7)),
        ("1.5", Duration::from_millis(1500)),
        (".5", Duration::from_millis(500)),
        ("0.1", Duration::from_millis(100)),
        ("1.001", Duration::from_millis(1001)),
        ("0.001", Duration::from_millis(1)),
        ("1000000ns", Duration::from_millis(1)),
        ("1500us", Duration::from_micros(1500)),
        ("250ms", Duration::from_millis(250)),
        ("1s 250ms", Duration::from_millis(1250)),
        ("1.5h", Duration::from_secs(5400)),
        ("1m30s", Duration::from_secs(90)),
        ("1h 1m 1s", Duration::from_secs(3661)),
        ("2d", Duration::from_secs(172_800)),
        ("1w", Duration::from_secs(604_800)),
        ("365250d", Duration::from_secs(1000 * YEAR)),
        ("31557600000", Duration::from_secs(1000 * YEAR)),
        ("18446744073709551615", Duration::from_secs(u64::MAX)),
    ] {
        assert_eq!(limit_of(text), Ok(Limit::Finite(expected)), "{text}");
    }
    assert_eq!(limit_of("infinity"), Ok(Limit::Infinite));
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        " ",
        ".",
        "..",
        "1.2.3",
        "s",
        "5x",
        "5 5",
        "-1",
        "+1",
        "-0",
        "1e3",
        "0x10",
        "NaN",
        "nan",
        "inf",
        "1,5",
        "1:30",
        "∞",
        "٣",
        // More than the clock can count.
        "18446744073709551616",
        "99999999999999999999999999",
        "1e400",
        "999999999999999999d",
        "18446744073709551615s 1s",
    ] {
        assert!(limit_of(text).is_err(), "{text:?} is {:?}", limit_of(text));
    }
}

#[test]
fn what_was_meant_by_a_duration_is_said() {
    let seconds = "use e.g. 10s, 250ms, 1m30s, plain seconds, 0 or infinity";
    for (text, remedy) in [
        ("inf", "write infinity"),
        ("Infinity", "write infinity"),
        ("never", "write infinity"),
        ("30S", "write 30s"),
        ("1M30S", "months (M) and years are not accepted; use m for minutes, or days (d)"),
        ("1H", "write 1h"),
        ("5Min", "write 5min"),
        ("100us", "that is less than a millisecond; use 0 or 1ms"),
        ("0.0009", "that is less than a millisecond; use 0 or 1ms"),
        ("1ns", "that is less than a millisecond; use 0 or 1ms"),
        ("5M", "months (M) and years are not accepted; use m for minutes, or days (d)"),
        ("1month", "months (M) and years are not accepted; use m for minutes, or days (d)"),
        ("2Years", "months (M) and years are not accepted; use m for minutes, or days (d)"),
        ("1y 2d", "months (M) and years are not accepted; use m for minutes, or days (d)"),
        ("soon", seconds),
        ("5 X", seconds),
    ] {
        let error = limit_of(text).expect_err("refused");
        let expected = format!("invalid value '{text}' for '--time-limit <DURATION>': {remedy} (see --help)");
        assert_eq!(error, expected);
    }
}

#[test]
fn a_duration_without_end_never_overflows() {
    for text in ["365250d", "18446744073709551615", "infinity"] {
        let settings = settings_of(&["-t", text, "--kill-wait", text, "true"], &[]);
        let Plan { limit, kill_wait, .. } = settings.plan;
        for limit in [limit, kill_wait] {
            let end = limit.after(Duration::from_secs(u64::MAX - 1));
            assert_eq!(end.is_none(), text == "infinity");
        }
    }
    let settings = settings_of(&["-t", "365250d", "--run-limit", "18446744073709551615", "true"], &[]);
    assert!(settings.plan.time_up_at() > Some(Duration::ZERO));
    assert_eq!(settings_of(&["--run-limit", "infinity", "true"], &[]).plan.run_limit, None);
}

#[test]
fn signals_are_read_by_every_kind_of_name() {
    for (texts, number) in [
        (["TERM", "SIGTERM", "15", "term"].as_slice(), libc::SIGTERM),
        (&["QUIT", "SIGQUIT", "3", "SigQuit"], libc::SIGQUIT),
        (&["RTMIN", "SIGRTMIN", "RTMIN+0", "34"], 34),
        (&["RTMIN+3", "SIGRTMIN+3", "37", "RTMAX-27", "sigrtmin+3"], 37),
        (&["RTMAX", "SIGRTMAX", "64", "RTMIN+30"], 64),
        (&["USR1", "SIGUSR1", "10"], libc::SIGUSR1),
        (&["IO", "POLL"], libc::SIGIO),
        (&["ABRT", "IOT"], libc::SIGABRT),
    ] {
        let expected = Signal::new(number);
        for text in texts {
            let settings = settings_of(
                &["-s", text, "--stop-on", text, "--map", &format!("{text}={text}"), "true"],
                &[],
            );
            assert_eq!(settings.plan.steps[0].action, Action::Signal(expected, Target::Main), "{text}");
            assert_eq!(settings.plan.stop_on, expected.into_iter().collect(), "{text}");
            let mapping = settings.plan.map[0];
            assert_eq!((Some(mapping.from), mapping.to), (expected, expected), "{text}");
        }
    }
}

#[test]
fn lists_are_added_up_and_the_last_of_the_others_counts() {
    let settings = settings_of(
        &["--map", "HUP=USR1", "--map", "USR1=USR2,QUIT=", "--remap-exit", "1=2", "--remap-exit=3=4", "x"],
        &[],
    );
    let map: Vec<_> = settings.plan.map.iter().map(|one| (one.from.number(), one.to.is_some())).collect();
    assert_eq!(map, [(libc::SIGHUP, true), (libc::SIGUSR1, true), (libc::SIGQUIT, false)]);
    assert_eq!(settings.statuses.remap, [(1, 2), (3, 4)]);
    let settings = settings_of(&["-t", "1s", "-t", "2s", "--to", "all", "--to", "main", "x"], &[]);
    assert_eq!(settings.plan.limit, Limit::Finite(Duration::from_secs(2)));
    assert_eq!(settings.plan.steps[0].action, Action::Signal(None, Target::Main));
}

#[test]
fn the_status_of_an_interrupted_run_is_not_that_of_a_completed_one() {
    for text in ["0", "256", "-1", "", "75s", "TERM", "75,76"] {
        let expected = format!(
            "invalid value '{text}' for '--interrupted-exit <STATUS>': use an exit status from 1 to 255, e.g. 75 (see --help)"
        );
        assert_eq!(error_of(&[&format!("--interrupted-exit={text}"), "true"], &[]), expected);
    }
    assert_eq!(settings_of(&["--interrupted-exit", "75", "true"], &[]).statuses.interrupted, Some(75));
    assert_eq!(settings_of(&["true"], &[]).statuses.interrupted, None);
}

#[test]
fn the_command_is_of_any_bytes() {
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let arguments = ["winddown".into(), "-v".into(), bytes(b"c\xff"), bytes(b"\x80-t"), bytes(b"\n")];
    let Ok(Request::Run(settings)) = parse(&arguments, &[], false) else { panic!("no run") };
    assert_eq!(settings.command, arguments[2..]);
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = settings_of(&["true"], &[]);
    let plan = &settings.plan;
    assert_eq!(plan.limit, Limit::Finite(Duration::from_secs(10)));
    assert_eq!(settings.origins.limit, "default");
    assert_eq!(plan.steps, [Step { action: Action::Signal(None, Target::Main), share: None }]);
    assert_eq!((plan.watchdog, plan.post_stop, plan.extend_max), (None, None, Duration::ZERO));
    assert_eq!(plan.stop_on, [Signal::TERM, Signal::INT].into_iter().collect());
    assert!(plan.map.is_empty());
    assert_eq!(plan.run_limit, None);
    assert_eq!(plan.kill_wait, Limit::Finite(Duration::from_secs(5)));
    assert!(!plan.leave_stragglers);
    assert!(settings.statuses.remap.is_empty());
    assert_eq!(settings.log_format, Format::Text);
    assert_eq!(settings.log_level, Level::Info);
    assert!(settings.record.is_none());
    assert!(settings.guard);
}

#[test]
fn as_pid_1_the_default_limit_is_shorter_and_there_is_no_guard() {
    let as_pid_1 = |arguments: &[&str]| match parse(&words(arguments), &[], true) {
        Ok(Request::Run(settings)) => *settings,
        other => panic!("{other:?}"),
    };
    let settings = as_pid_1(&["true"]);
    assert_eq!(settings.plan.limit, Limit::Finite(Duration::from_secs(8)));
    assert!(!settings.guard);
    let settings = as_pid_1(&["-t", "10s", "true"]);
    assert_eq!(settings.plan.limit, Limit::Finite(Duration::from_secs(10)));
}

#[test]
fn a_default_limit_is_at_most_half_of_the_run_limit() {
    for (run_limit, limit) in [("1h", 10_000), ("20s", 10_000), ("19s", 9_500), ("3s", 1_500), ("1ms", 0)] {
        let settings = settings_of(&["--run-limit", run_limit, "true"], &[]);
        let length = settings.plan.limit.length().expect("finite");
        assert_eq!(length.as_millis(), limit, "{run_limit}");
        let origin = if limit == 10_000 && run_limit == "1h" { "default" } else { "half of --run-limit" };
        assert_eq!(settings.origins.limit, origin, "{run_limit}");
    }
    let settings = settings_of(&["-t", "2s", "--run-limit", "3s", "true"], &[]);
    assert_eq!(settings.plan.time_up_at(), Some(Duration::from_secs(1)));
}

#[test]
fn where_the_limit_comes_from_is_known() {
    let origin = |arguments: &[&str], variables: &[(&str, &str)]| {
        settings_of(&[arguments, &["true"]].concat(), variables).origins.limit
    };
    let variable = [("WINDDOWN_TIME_LIMIT", "3s")];
    assert_eq!(origin(&["--time-limit", "3s"], &[]), "-t");
    assert_eq!(origin(&["-t", "3s"], &variable), "-t");
    assert_eq!(origin(&[], &variable), "WINDDOWN_TIME_LIMIT");
    assert_eq!(origin(&[], &[("WINDDOWN_TIME_LIMIT", "")]), "default");
    assert_eq!(origin(&["--run-limit", "6s"], &[]), "half of --run-limit");
    assert_eq!(origin(&[], &[("WINDDOWN_RUN_LIMIT", "6s")]), "half of WINDDOWN_RUN_LIMIT");
    assert_eq!(origin(&["--run-limit", "6s", "-t", "2s"], &[]), "-t");
}

#[test]
fn a_plan_that_kills_says_when_sigkill_comes() {
    let kill = |arguments: &[&str], variables: &[(&str, &str)]| {
        settings_of(&[arguments, &["true"]].concat(), variables).origins.kill
    };
    assert_eq!(kill(&["--stop", "TERM 5s, KILL"], &[]), "--stop");
    assert_eq!(kill(&["-t", "20s", "--stop", "TERM 5s, KILL"], &[]), "--stop");
    assert_eq!(kill(&["-t", "20s"], &[("WINDDOWN_STOP", "TERM 5s, KILL")]), "WINDDOWN_STOP");
    assert_eq!(kill(&["-t", "5s", "--stop", "TERM 5s, KILL"], &[]), "-t");
    assert_eq!(kill(&["-t", "20s", "--stop", "TERM 5s, QUIT"], &[]), "-t");
    assert_eq!(kill(&["-t", "20s", "--stop", "TERM, KILL"], &[]), "-t");
    assert_eq!(kill(&[], &[]), "default");
}
