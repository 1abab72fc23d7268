//! The stop plan: how it is parsed, refused and explained.

use snapbox::file;

use super::*;
use crate::lifecycle::plan::Target;

fn steps_of(plan: &str) -> Vec<Step> {
    settings_of(&["-t", "1h", "--stop", plan, "true"], &[]).plan.steps
}

fn refused(plan: &str) -> String {
    let error = error_of(&["-t", "1h", "--stop", plan, "true"], &[]);
    let start = format!("invalid value '{plan}' for '--stop <PLAN>': ");
    let message = error.strip_prefix(&start).unwrap_or_else(|| panic!("{plan}: {error}"));
    message.strip_suffix(" (see --help)").unwrap_or_else(|| panic!("{plan}: {error}")).to_owned()
}

fn step(action: Action, share: impl Into<Option<u64>>) -> Step {
    Step { action, share: share.into().map(Duration::from_secs) }
}

fn signal(name: &str) -> Signal {
    name.parse().expect("a signal")
}

fn ask(signal: Signal, to: Target, share: impl Into<Option<u64>>) -> Step {
    step(Action::Signal(Some(signal), to), share)
}

/// The words of each hook.
fn hooks_of(arguments: &[&str]) -> Vec<Vec<String>> {
    let settings = settings_of(arguments, &[]);
    let text = |word: &std::ffi::CString| word.to_str().expect("text").to_owned();
    settings.hooks.iter().map(|hook| hook.words.iter().map(text).collect()).collect()
}

fn explained_as(arguments: &[&str], variables: &[(&str, &str)], is_pid_1: bool) -> String {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let arguments = [&["--explain-plan"], arguments].concat();
    match parse(&words(&arguments), &variables, is_pid_1) {
        Ok(Request::Print(text)) => text,
        other => panic!("{arguments:?} {variables:?}: {other:?}"),
    }
}

fn explained(arguments: &[&str]) -> Vec<String> {
    // The widths of columns don't matter.
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    explained_as(arguments, &[], false).lines().map(line).collect()
}

#[test]
fn every_form_of_a_step() {
    let plan =
        "wait 5s, run \"curl -X POST localhost:8080/drain\" 3s, USR1 15s main, TERM 5s, INT all, QUIT all 1s";
    assert_eq!(
        steps_of(plan),
        [
            step(Action::Wait, 5),
            step(Action::Run(0), 3),
            ask(signal("USR1"), Target::Main, 15),
            ask(Signal::TERM, Target::Main, 5),
            ask(Signal::INT, Target::All, None),
            ask(Signal::QUIT, Target::All, 1),
        ]
    );
    let words = [["curl", "-X", "POST", "localhost:8080/drain"]];
    assert_eq!(hooks_of(&["-t", "40s", "--stop", plan, "true"]), words);
    assert_eq!(steps_of("TERM"), [ask(Signal::TERM, Target::Main, None)]);
    assert_eq!(steps_of("KILL"), [step(Action::Kill, None)]);
    assert_eq!(steps_of("SIGTERM 2s,KILL"), [ask(Signal::TERM, Target::Main, 2), step(Action::Kill, None)]);
    assert_eq!(steps_of(" wait ,15 3 all"), [step(Action::Wait, None), ask(Signal::TERM, Target::All, 3)]);
    assert_eq!(steps_of("RTMIN+3 1m30s"), [ask(signal("RTMIN+3"), Target::Main, 90)]);
}

#[test]
fn a_step_without_a_target_has_the_one_of_to() {
    let settings = settings_of(&["--to", "all", "--stop", "USR1 1s main, TERM", "true"], &[]);
    let expected = [ask(signal("USR1"), Target::Main, 1), ask(Signal::TERM, Target::All, None)];
    assert_eq!(settings.plan.steps, expected);
}

#[test]
fn a_comma_in_quotes_or_escaped_is_no_end_of_a_step() {
    for (plan, expected) in [
        ("run 'a,b c' 1s, TERM", vec!["a,b", "c"]),
        ("run \"echo 'x, y'\" 1s, TERM", vec!["echo", "x, y"]),
        (r#"run "echo \"x, y\"" 1s, TERM"#, vec!["echo", "x, y"]),
        (r"run a\,b 1s, TERM", vec!["a,b"]),
        (r#"run '"a\\" b,c' 1s, TERM"#, vec![r"a\", "b,c"]),
        (r#"run "sh -c 'kill $PPID; exit 3'", TERM"#, vec!["sh", "-c", "kill $PPID; exit 3"]),
        ("run './a  \"\" b', TERM", vec!["./a", "", "b"]),
        ("run 'grüße ∞', TERM", vec!["grüße", "∞"]),
    ] {
        assert_eq!(hooks_of(&["--stop", plan, "true"]), [expected], "{plan}");
    }
}

#[test]
fn words_of_a_hook_are_those_of_a_shell_and_nothing_is_expanded() {
    let expected = [["./drain", "a b", "$HOME", "*", "x;y"]];
    assert_eq!(hooks_of(&["--pre-stop", "./drain 'a b' '$HOME' \\* \"x;y\"", "true"]), expected);
    let settings = settings_of(&["--post-stop", " ./tell  now ", "true"], &[]);
    let hook = settings.post_stop.expect("a hook");
    assert_eq!((hook.text.as_str(), hook.words.len()), ("./tell  now", 2));
}

#[test]
fn what_a_shell_would_do_in_a_hook_is_refused_with_the_remedy() {
    const REMEDY: &str = "needs a shell, and there is none; use sh -c '...', or quote it (see --help)";
    for (hook, found) in [
        ("./drain && ./tell", "&&"),
        ("./drain || true", "||"),
        ("./drain; ./tell", ";"),
        ("./drain | logger", "|"),
        ("date > /run/stopped", ">"),
        ("./drain $HOME", "$HOME"),
        ("~/drain", "~/"),
    ] {
        for option in ["--pre-stop", "--post-stop", "--on-timeout"] {
            let error = error_of(&[option, hook, "true"], &[]);
            assert_eq!(error, format!("invalid value '{hook}' for '{option} <CMD>': '{found}' {REMEDY}"));
        }
        let plan = format!("run '{hook}' 3s, TERM");
        let error = error_of(&["true"], &[("WINDDOWN_STOP", &plan)]);
        assert_eq!(
            error,
            format!("WINDDOWN_STOP: invalid value '{plan}' for '--stop <PLAN>': '{found}' {REMEDY}")
        );
    }
    settings_of(&["--pre-stop", "env WAIT=1 ./drain", "true"], &[]);
}

#[test]
fn what_is_no_plan_is_refused_with_the_reason() {
    const MISSING: &str = "a step is missing; use e.g. 'wait 5s, TERM 20s, QUIT'";
    const LAST: &str = "KILL ends the plan; put it last";
    for (plan, reason) in [
        ("", MISSING),
        (" ", MISSING),
        (",", MISSING),
        ("TERM,", MISSING),
        (",TERM", MISSING),
        ("TERM 1s,,QUIT", MISSING),
        ("KILL, TERM", LAST),
        ("TERM 1s, KILL, KILL", LAST),
        ("TERM, KILL 1s", "KILL goes to every process and needs no share; write just KILL"),
        ("TERM, KILL all", "KILL goes to every process and needs no share; write just KILL"),
        ("run", "run needs a command, e.g. run './drain' 3s"),
        ("run ''", "a command is needed, e.g. './drain --fast'"),
        ("run './a' 1s 2s", "'2s' is one word too many; quote a command, and give one share"),
        ("run ./a b 1s", "'1s' is one word too many; quote a command, and give one share"),
        ("run './a' all", "'all' is not a share of the limit"),
        ("wait 1s main", "'main' is one word too many; quote a command, and give one share"),
        ("wait all", "'all' is not a share of the limit"),
        ("TERM 1s 2s", "'2s' is one word too many; use e.g. TERM 5s all"),
        ("TERM all main", "'main' is one word too many; use e.g. TERM 5s all"),
        ("TERM all all", "'all' is one word too many; use e.g. TERM 5s all"),
        ("TERM soon", "'soon' is not a share of the limit: use e.g. 10s, 250ms, 1m30s, plain seconds or 0"),
        ("TERM infinity", "'infinity' is not a share of the limit"),
        ("TERM 0", "'0' is not a share of the limit: it must be longer than 0; use e.g. 5s"),
        ("wait 0s, TERM", "'0s' is not a share of the limit: it must be longer than 0"),
        ("run ./a 0, TERM", "'0' is not a share of the limit: it must be longer than 0"),
        ("WAIT 5s, TERM", "'WAIT' is neither wait, run nor a signal"),
        ("kill, TERM", LAST),
        ("CHLD", "'CHLD' is neither wait, run nor a signal"),
        ("STOP 5s, TERM", "'STOP' is neither wait, run nor a signal"),
        ("drain 5s", "'drain' is neither wait, run nor a signal"),
        ("run './a", "a quote is not closed in run './a"),
        ("TERM 1s, run \"a, b", "a quote is not closed in run \"a, b"),
    ] {
        let message = refused(plan);
        assert!(message.starts_with(reason), "{plan}: {message}");
    }
    // A command like any other.
    assert_eq!(hooks_of(&["--stop", "run 1s", "true"]), [["1s"]]);
}

#[test]
fn one_step_takes_what_is_left() {
    const ONE: &str = "only one step can take what is left; give the others a share, e.g. TERM 5s";
    for plan in ["wait, TERM", "TERM, QUIT", "wait, wait", "USR1 1s, TERM all, QUIT 1s, INT main"] {
        assert_eq!(refused(plan), ONE, "{plan}");
    }
    // A hook without a share has its limit, and KILL needs none.
    for plan in ["run ./a, TERM", "TERM, run ./a, KILL", "run ./a, run ./b"] {
        steps_of(plan);
    }
}

#[test]
fn a_hook_without_a_share_has_the_hook_limit() {
    let shares = |arguments: &[&str]| {
        let steps = settings_of(arguments, &[]).plan.steps;
        steps.into_iter().map(|step| step.share.map(|share| share.as_secs_f64())).collect::<Vec<_>>()
    };
    assert_eq!(shares(&["--stop", "run ./a, TERM", "true"]), [Some(5.0), None]);
    assert_eq!(
        shares(&["--hook-limit", "2s", "--stop", "run ./a, run ./b 1s, TERM", "true"]),
        [Some(2.0), Some(1.0), None]
    );
    // The share of --pre-stop is at most half of the limit.
    assert_eq!(shares(&["--pre-stop", "./a", "true"]), [Some(5.0), None]);
    assert_eq!(shares(&["-t", "4s", "--pre-stop", "./a", "true"]), [Some(2.0), None]);
    assert_eq!(shares(&["-t", "4s", "--hook-limit", "1s", "--pre-stop", "./a", "true"]), [Some(1.0), None]);
    assert_eq!(shares(&["-t", "1m", "--hook-limit", "40s", "--pre-stop", "./a", "true"]), [Some(30.0), None]);
    assert_eq!(
        shares(&["-t", "infinity", "--hook-limit", "1h", "--pre-stop", "./a", "true"]),
        [Some(3600.0), None]
    );
}

#[test]
fn the_short_forms_are_delay_hook_and_signal() {
    let settings =
        settings_of(&["--stop-delay", "2s", "--pre-stop", "./a", "-s", "QUIT", "--to", "all", "true"], &[]);
    let expected = [step(Action::Wait, 2), step(Action::Run(0), 5), ask(Signal::QUIT, Target::All, None)];
    assert_eq!(settings.plan.steps, expected);
    assert_eq!(
        settings.origins.steps,
        ["--stop-delay", "--pre-stop; default hook limit", "--stop-signal; --to"]
    );
    let settings = settings_of(&["true"], &[]);
    assert_eq!(settings.plan.steps, [step(Action::Signal(None, Target::Main), None)]);
    assert_eq!(settings.origins.steps, ["default"]);
    assert_eq!(settings.plan.post_stop, None);
    let settings = settings_of(&["--post-stop", "./b", "true"], &[]);
    assert_eq!(settings.plan.post_stop, Some(Duration::from_secs(5)));
}

#[test]
fn a_plan_that_does_not_fit_is_refused_with_the_sum_and_the_remedy() {
    const REMEDY: &str = "; give a longer --time-limit or shorter steps";
    const REST: &str = ", which leaves nothing for the step without a share";
    let too_long = "wait 5s, run ./a 3s, TERM 5s";
    for (arguments, message) in [
        (
            vec!["--stop", too_long],
            "--stop: 5s + 3s + 5s = 13s does not fit into the default time limit of 10s",
        ),
        (
            vec!["-t", "12s", "--stop", too_long],
            "--stop: 5s + 3s + 5s = 13s does not fit into --time-limit of 12s",
        ),
        (
            vec!["--run-limit", "10s", "--stop", "wait 2s, run ./a, TERM"],
            "--stop: 2s + 5s = 7s does not fit into the default time limit of 5s",
        ),
        (vec!["--stop-delay", "11s"], "--stop-delay: 11s does not fit into the default time limit of 10s"),
        (
            vec!["--stop-delay", "6s", "--pre-stop", "./a"],
            "--stop-delay and --pre-stop: 6s + 5s = 11s does not fit into the default time limit of 10s",
        ),
        (vec!["-t", "500ms", "--stop", "TERM 1s"], "--stop: 1s does not fit into --time-limit of 500ms"),
    ] {
        let arguments = [arguments, vec!["true"]].concat();
        assert_eq!(error_of(&arguments, &[]), format!("{message}{REMEDY}"), "{arguments:?}");
    }
    for (arguments, message) in [
        (vec!["--stop", "wait 10s, TERM"], "--stop: 10s does not fit into the default time limit of 10s"),
        (
            vec!["-t", "4s", "--stop", "wait 1s, TERM, QUIT 3s"],
            "--stop: 1s + 3s = 4s does not fit into --time-limit of 4s",
        ),
        (
            vec!["-t", "4s", "--stop-delay", "2s", "--pre-stop", "./a"],
            "--stop-delay and --pre-stop: 2s + 2s = 4s does not fit into --time-limit of 4s",
        ),
    ] {
        let arguments = [arguments, vec!["true"]].concat();
        assert_eq!(error_of(&arguments, &[]), format!("{message}{REST}{REMEDY}"), "{arguments:?}");
    }
    // As PID 1 the default limit is shorter; messages name variables.
    let plan = [(OsString::from("WINDDOWN_STOP"), OsString::from("wait 8s, TERM 1s"))];
    settings_of(&["true"], &[("WINDDOWN_STOP", "wait 8s, TERM 1s")]);
    let error = parse(&words(&["true"]), &plan, true).expect_err("too long").to_string();
    let message = "WINDDOWN_STOP: 8s + 1s = 9s does not fit into the default time limit of 8s";
    assert_eq!(error, format!("{message}{REMEDY}"));
    let variables = [("WINDDOWN_TIME_LIMIT", "2s"), ("WINDDOWN_STOP_DELAY", "3s")];
    let message = "WINDDOWN_STOP_DELAY: 3s does not fit into WINDDOWN_TIME_LIMIT of 2s";
    assert_eq!(error_of(&["true"], &variables), format!("{message}{REMEDY}"));
}

#[test]
fn a_plan_that_fills_the_limit_fits() {
    for plan in ["wait 5s, TERM 5s", "TERM 10s", "wait 5s, TERM 5s, KILL", "TERM 9999ms, QUIT"] {
        settings_of(&["--stop", plan, "true"], &[]);
    }
    // With no time at all, there is no plan.
    settings_of(&["-t", "0", "--stop", "wait 5s, TERM 5s", "true"], &[]);
    settings_of(&["-t", "0", "--stop-delay", "5s", "--pre-stop", "./a", "true"], &[]);
}

#[test]
fn without_a_limit_only_the_last_step_can_take_what_is_left() {
    const NEVER: &str = "without a time limit the step that takes what is left never ends; give it a share";
    for plan in ["wait 5s, TERM", "run ./a, TERM", "TERM 1h, KILL", "wait 365250d, TERM 5s"] {
        settings_of(&["-t", "infinity", "--stop", plan, "true"], &[]);
    }
    for plan in ["wait, TERM 5s", "TERM, KILL", "TERM, QUIT 1s all"] {
        let error = error_of(&["-t", "infinity", "--stop", plan, "true"], &[]);
        assert_eq!(error, format!("--stop: {NEVER}"), "{plan}");
    }
    settings_of(&["-t", "infinity", "--stop-delay", "1h", "--pre-stop", "./a", "true"], &[]);
}

#[test]
fn a_plan_and_a_short_form_are_refused_wherever_they_come_from() {
    let plan = ("--stop", "WINDDOWN_STOP", "TERM 1s");
    for short in [
        ("--stop-signal", "WINDDOWN_STOP_SIGNAL", "QUIT"),
        ("--stop-delay", "WINDDOWN_STOP_DELAY", "1s"),
        ("--pre-stop", "WINDDOWN_PRE_STOP", "./a"),
    ] {
        for (plan_in_variable, short_in_variable) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let mut arguments = Vec::new();
            let mut variables = Vec::new();
            let mut names = Vec::new();
            for ((option, variable, value), in_variable) in
                [(plan, plan_in_variable), (short, short_in_variable)]
            {
                if in_variable {
                    variables.push((variable, value));
                } else {
                    arguments.extend([option, value]);
                }
                names.push(if in_variable { variable } else { option });
            }
            arguments.push("true");
            let message = format!(
                "{} and {} can't be used together; put it into the plan as a step",
                names[0], names[1]
            );
            assert_eq!(error_of(&arguments, &variables), message);
        }
    }
    settings_of(&["--stop", "TERM", "--post-stop", "./b", "--to", "all", "true"], &[]);
}

#[test]
fn a_plan_of_other_signals_makes_a_dropped_one_harmless() {
    settings_of(&["--map", "TERM=", "--stop", "QUIT", "true"], &[]);
    error_of(&["--map", "TERM=", "--stop-delay", "1s", "true"], &[]);
}

#[test]
fn the_default_is_explained() {
    let text = explained_as(&[], &[], false);
    assert_eq!(explained_as(&["no-such-command", "--flag"], &[], false), text, "nothing is looked for");
    assert_data_eq!(text, file!["snapshots/explained_default.txt"].raw());
}

#[test]
fn every_step_is_explained_with_its_origin() {
    let plan = "wait 5s, run './drain --fast' 3s, USR1 15s main, TERM, QUIT 1.5s all, KILL";
    let arguments =
        ["-t", "30s", "--notify", "--extend-max", "1m", "--kill-wait", "250ms", "--post-stop", "./tell it"];
    let arguments =
        [&arguments[..], &["--straggler-grace", "300ms", "--run-limit", "1h", "--stop", plan]].concat();
    let text = explained_as(&arguments, &[], false);
    assert_data_eq!(text, file!["snapshots/explained_steps.txt"].raw());
    let variables = [
        ("WINDDOWN_TIME_LIMIT", "20s"),
        ("WINDDOWN_STOP_DELAY", "5s"),
        ("WINDDOWN_PRE_STOP", "./drain"),
        ("WINDDOWN_STOP_SIGNAL", "QUIT"),
        ("WINDDOWN_KILL_WAIT", "1s"),
        ("WINDDOWN_LEAVE_STRAGGLERS", "1"),
    ];
    let text = explained_as(&[], &variables, false);
    assert_data_eq!(text, file!["snapshots/explained_variables.txt"].raw());
}

/// What begins a stop, what becomes of other signals, and what follows: each with its origin.
#[test]
fn whatever_changes_a_plan_is_explained() {
    let all = [
        ["--stop-on", "QUIT,TERM"].as_slice(),
        &["--map", "HUP=USR1,USR2=", "--to", "none", "--stop-with-parent", "--watchdog", "30s"],
        &["--run-limit", "3s", "--remap-exit", "143=0,124=0", "--interrupted-exit", "75"],
        &["--ready", "tcp:8080", "--ready", "notify", "--ready-file", "/run/ready"],
        &["--start-limit", "2s", "--extend-max", "9s"],
    ];
    let variables = [("WINDDOWN_PRESERVE_STATUS", "1"), ("WINDDOWN_STOP_AFTER", "5s")];
    let text = explained_as(&all.concat(), &variables, false);
    assert_data_eq!(text, file!["snapshots/explained_all.txt"].raw());
    let [begins, after, ..] = &explained(&["--stop-on", "none", "--stop-after", "1m30s"])[..] else {
        panic!()
    };
    assert_eq!(begins, "a stop begins on no signal (--stop-on)");
    assert_eq!(after, "also after 1m 30s (--stop-after)");
}

/// Options that change how a run goes, or how it ends; the others change what is logged, or what the workload can use.
#[test]
fn no_option_that_changes_a_plan_is_left_out() {
    const OTHERS: [&str; 8] =
        ["hook-limit", "no-guard", "token", "notify", "log-format", "verbose", "quiet", "record"];
    let values = VALUES.iter().map(|(long, value, ..)| (*long, format!("--{long}={value}")));
    let switches = SWITCHES.iter().map(|long| (*long, format!("--{long}")));
    for (long, option) in values.chain(switches) {
        if OTHERS.contains(&long) {
            continue;
        }
        let needs = what_it_needs(long);
        let plain = explained_as(&[needs], &[], false);
        let text = explained_as(&[needs, &option], &[], false);
        assert!(
            text.contains(&format!("--{long})"))
                || text.contains(&format!("(--{long}; "))
                || long == "time-limit",
            "{long}: {text}"
        );
        assert_ne!(plain, text, "{long}");
    }
}

#[test]
fn limits_of_every_kind_are_explained() {
    let no_time = explained_as(&["-t", "0", "--stop", "wait 5s, TERM"], &[], false);
    assert_data_eq!(no_time, file!["snapshots/explained_no_time.txt"].raw());
    let no_limit = explained(&["-t", "infinity", "--stop-delay", "5s"]);
    assert_eq!(
        no_limit[..5],
        [
            "a stop begins on SIGINT, SIGTERM (default)",
            "time limit infinity (-t)",
            "1. wait 5s (--stop-delay)",
            "2. the signal received to main no end (default)",
            "SIGKILL to whatever is left: never",
        ]
    );
    assert_eq!(no_limit.last().map(String::as_str), Some("worst case: no end"));
    // A plan that kills by itself ends before the limit, or without one.
    for (limit, worst_case) in [
        ("30s", "worst case: 12s 500ms (steps 7s 500ms + kill wait 5s)"),
        ("infinity", "worst case: 12s 500ms (steps 7s 500ms + kill wait 5s)"),
        ("7500ms", "worst case: 12s 500ms (time limit 7s 500ms + kill wait 5s)"),
        ("0", "worst case: 5s (kill wait 5s)"),
    ] {
        let killing = explained(&["-t", limit, "--stop", "wait 2500ms, run ./a, KILL"]);
        assert_eq!(killing.last().map(String::as_str), Some(worst_case), "{limit}");
    }
    let rest = explained(&["-t", "30s", "--stop", "wait 2s, TERM, KILL"]);
    assert_eq!(rest.last().map(String::as_str), Some("worst case: 35s (time limit 30s + kill wait 5s)"));
    let no_patience = explained(&["--kill-wait", "infinity"]);
    assert_eq!(no_patience.last().map(String::as_str), Some("worst case: no end"));
    assert!(explained_as(&[], &[], true).contains("\ntime limit 8s (default)\n"));
    // What can't be started can't be explained either.
    error_of(&["--explain-plan", "--stop", "wait 11s, TERM"], &[]);
}

#[test]
fn last_words_take_their_time_from_the_end() {
    let both = ["--on-timeout", "look", "--dump-signal"];
    let explained = |arguments: &[&str]| {
        let lines = explained(arguments);
        let is_step = |line: &&String| line.starts_with(|digit: char| digit.is_ascii_digit());
        lines.iter().filter(is_step).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        explained(&[&["-t", "10s"], &both[..], &["ABRT", "true"]].concat()),
        [
            "1. the signal received to main 5s 500ms, the rest (default)",
            "2. run look 2s (--on-timeout)",
            "3. SIGABRT for a dump to all 2s 500ms (--dump-signal)",
        ]
    );
    assert_eq!(
        explained(&[&["-t", "2m", "--hook-limit", "9s"], &both[..], &["auto", "true"]].concat())[1..],
        ["2. run look 9s (--on-timeout)", "3. SIGQUIT for a dump to JVM and Go 2s (--dump-signal)"]
    );
    assert_eq!(
        explained(&["-t", "10s", "--stop", "TERM 3s, run x 1s", "--dump-signal", "QUIT", "true"]),
        [
            "1. SIGTERM to main 3s (--stop)",
            "2. run x 1s (--stop)",
            "3. wait 5s, the rest (what is left)",
            "4. SIGQUIT for a dump to all 1s (--dump-signal)",
        ]
    );
    assert_eq!(
        explained(&["-t", "10s", "--stop", "TERM 4s, KILL", "--dump-signal", "ABRT", "true"]),
        [
            "1. SIGTERM to main 3s (--stop)",
            "2. SIGABRT for a dump to all 1s (--dump-signal)",
            "3. SIGKILL to the whole tree (--stop)",
        ]
    );
    for (none, count) in [(["-t", "0"], 0), (["--stop", "KILL"], 1)] {
        assert_eq!(explained(&[&none, &both[..], &["QUIT", "true"]].concat()).len(), count, "{none:?}");
    }
    assert_eq!(explained(&["--dump-signal", "none", "true"]).len(), 1);
}

#[test]
fn last_words_that_have_no_time_are_refused() {
    assert_eq!(
        error_of(&["-t", "infinity", "--on-timeout", "look", "true"], &[]),
        "--on-timeout: without a time limit its time never comes; give a --time-limit"
    );
    let few = ["-t", "10s", "--stop", "TERM 5s, QUIT 1s, KILL", "--dump-signal", "ABRT", "true"];
    assert_eq!(
        error_of(&few, &[]),
        "--dump-signal: there is no room for 1s 500ms before KILL; give the step before it a longer share"
    );
    assert_eq!(
        error_of(&["-t", "10s", "--stop", "TERM 9s, QUIT 1s", "--on-timeout", "look", "true"], &[]),
        "--stop and --on-timeout: 9s + 1s + 2s = 12s does not fit into --time-limit of 10s; give a longer --time-limit or shorter steps"
    );
}
