//! The command line and its variables, with the real program. The meaning of values is tested beside
//! the parser (src/cli/tests.rs), the effect of options in options.rs.

use crate::support::builder::{Stream, Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::running::Ended;
use crate::support::snapshot::{Transcript, expect_lines, expect_page};
use crate::support::{Pty, TempDir, read_json, trials};
use snapbox::{file, str};

trials![
    everything_can_be_set_in_the_environment,
    variables_of_winddown_are_not_the_workloads,
    a_winddown_within_is_not_configured_by_accident,
    the_command_line_wins,
    an_empty_variable_is_unset,
    usage_errors_are_one_line_and_start_nothing,
    wrong_variables_start_nothing_and_are_named,
    names_that_are_nearly_ours_are_answered,
    a_variable_that_is_nearly_ours_is_reported_once,
    useless_options_start_nothing,
    the_workloads_flags_are_its_own,
    without_dashes_options_end_at_the_first_word,
    subcommand_words_are_commands_anywhere_but_in_front,
    help_and_version_go_to_stdout_alone,
    the_help_names_every_subcommand_in_a_line,
    needs("bash") => help_is_as_wide_as_the_terminal,
    help_that_nobody_reads_is_no_error_message,
];

/// The variables of the environment that `env -0` printed.
fn environment(ended: &Ended) -> Vec<String> {
    let bytes = ended.out_bytes();
    bytes.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

/// One error line of winddown, and exit status 125.
#[track_caller]
fn refused(ended: Ended) -> Ended {
    let ended = ended.expect_code(125).expect_nothing_left();
    assert_eq!(ended.out_bytes(), b"", "{}", ended.dump());
    let lines = ended.err();
    assert!(lines.len() == 1 && lines[0].starts_with("winddown: "), "{}", ended.dump());
    ended
}

/// Command lines that winddown refuses, each with its error line.
#[track_caller]
fn all_refused<'a>(command_lines: impl IntoIterator<Item = &'a [&'a str]>) -> Transcript {
    let mut transcript = Transcript::default();
    for words in command_lines {
        let ended = refused(Winddown::new().args(words).run());
        transcript.add(["winddown"].iter().chain(words), &ended);
    }
    transcript
}

/// Some platforms allow only `winddown COMMAND ARG...`.
fn everything_can_be_set_in_the_environment() {
    let place = TempDir::new();
    let record = place.file("run.json");
    let workload = workload_path();
    let run = Winddown::new()
        .args([workload.as_os_str()])
        .args("--on TERM [ --exit 9 ] --on USR2 [ --exit 7 ] --say env:SHUTDOWN_LIMIT_MS,args".split(' '))
        .args(["--serve", "--", "-t", "x"])
        .env("WINDDOWN_TIME_LIMIT", "12.5")
        .env("WINDDOWN_STOP_SIGNAL", "USR2")
        .env("WINDDOWN_TO", "all")
        .env("WINDDOWN_STOP_ON", "QUIT")
        .env("WINDDOWN_MAP", "USR1=")
        .env("WINDDOWN_REMAP_EXIT", "7=42")
        .env("WINDDOWN_RUN_LIMIT", "1h")
        .env("WINDDOWN_KILL_WAIT", "1s")
        .env("WINDDOWN_LEAVE_STRAGGLERS", "yes")
        .env("WINDDOWN_NO_GUARD", "1")
        .env("WINDDOWN_LOG_FORMAT", "json")
        .env("WINDDOWN_VERBOSE", "1")
        .env("WINDDOWN_RECORD", &record)
        .start();
    assert_eq!(run.fact("env:SHUTDOWN_LIMIT_MS"), "12500");
    assert_eq!(run.fact("args"), "2d74 78");
    run.signal(libc::SIGQUIT);
    let ended = run.wait().expect_code(42).expect_nothing_left();
    for line in ended.err() {
        serde_json::from_str::<serde_json::Value>(&line).expect("every line is JSON");
    }
    let record = read_json(record);
    assert_eq!(record["limit"]["origin"], "WINDDOWN_TIME_LIMIT");
    assert_eq!(record["limit"]["ms"], 12_500.0);
    assert_eq!(record["exit"]["code"], 7);
}

fn variables_of_winddown_are_not_the_workloads() {
    let place = TempDir::new();
    let ours = [
        ("WINDDOWN_TIME_LIMIT", "3s"),
        ("WINDDOWN_STOP_SIGNAL", "QUIT"),
        ("WINDDOWN_TO", "all"),
        ("WINDDOWN_STOP_ON", "TERM"),
        ("WINDDOWN_MAP", "HUP=USR1"),
        ("WINDDOWN_REMAP_EXIT", "1=2"),
        ("WINDDOWN_RUN_LIMIT", "1h"),
        ("WINDDOWN_KILL_WAIT", "1s"),
        ("WINDDOWN_LEAVE_STRAGGLERS", "0"),
        ("WINDDOWN_NO_GUARD", "0"),
        ("WINDDOWN_LOG_FORMAT", "text"),
        ("WINDDOWN_VERBOSE", ""),
        ("WINDDOWN_QUIET", "0"),
        ("WINDDOWN_RECORD", &place.file("run.json")),
    ];
    let others = [
        ("WINDDOWN_", "1"),
        ("WINDDOWN_FOO", "2"),
        ("WINDDOWN_HELP", "3"),
        ("WINDDOWN_VERSION", "4"),
        ("WINDDOWN_time_limit", "5"),
        ("WINDDOWN_TIME_LIMIT_", "6"),
        ("SHUTDOWN_FOO", "7"),
        ("SHUTDOWN_LIMIT_MS", "of an outer winddown"),
    ];
    let mut run = Winddown::new().command(["env", "-0"]);
    for (name, value) in ours.iter().chain(&others) {
        run = run.env(name, value);
    }
    let ended = run.run().expect_code(0);
    let inherited = environment(&ended);
    for (name, _) in ours {
        let prefix = format!("{name}=");
        assert!(!inherited.iter().any(|entry| entry.starts_with(&prefix)), "{name} was not consumed");
    }
    for (name, value) in &others[..7] {
        assert!(inherited.contains(&format!("{name}={value}")), "{name} was not passed on");
    }
    let limits = inherited.iter().filter(|entry| entry.starts_with("SHUTDOWN_LIMIT_MS="));
    assert_eq!(limits.collect::<Vec<_>>(), ["SHUTDOWN_LIMIT_MS=3000"]);
}

fn a_winddown_within_is_not_configured_by_accident() {
    let ended = Winddown::new()
        .command([winddown_path().as_os_str()])
        .more(["printenv", "SHUTDOWN_LIMIT_MS"])
        .env("WINDDOWN_TIME_LIMIT", "3s")
        .env("WINDDOWN_REMAP_EXIT", "0=9")
        .env("WINDDOWN_LOG_FORMAT", "json")
        .run()
        .expect_code(9);
    assert_eq!(ended.out(), ["10000"]);
}

fn the_command_line_wins() {
    let run = Winddown::new().args(["-t", "2s", "--remap-exit", "3=4", "-q"]);
    let ended = run
        .workload("--say env:SHUTDOWN_LIMIT_MS --exit 3")
        .env("WINDDOWN_TIME_LIMIT", "nonsense")
        .env("WINDDOWN_REMAP_EXIT", "3=5")
        .env("WINDDOWN_VERBOSE", "1")
        .run()
        .expect_code(4);
    assert_eq!(ended.out(), ["env:SHUTDOWN_LIMIT_MS 2000"]);
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn an_empty_variable_is_unset() {
    let run = Winddown::new().workload("--say env:SHUTDOWN_LIMIT_MS --exit 3");
    let names = [
        "TIME_LIMIT",
        "STOP_SIGNAL",
        "TO",
        "STOP_ON",
        "MAP",
        "REMAP_EXIT",
        "RUN_LIMIT",
        "KILL_WAIT",
        "LEAVE_STRAGGLERS",
        "STRAGGLER_GRACE",
        "NO_GUARD",
        "LOG_FORMAT",
        "VERBOSE",
        "QUIET",
        "RECORD",
    ];
    let run = names.iter().fold(run, |run, name| run.env(&format!("WINDDOWN_{name}"), ""));
    let ended = run.run().expect_code(3);
    assert_eq!(ended.out(), ["env:SHUTDOWN_LIMIT_MS 10000"]);
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn usage_errors_are_one_line_and_start_nothing() {
    let place = TempDir::new();
    let started = place.file("started");
    let wrong: [&[&str]; 8] = [
        &["-t", "5x"],
        &["--frob"],
        &["-s", "FROB"],
        &["-t", "5s", "--run-limit", "5s"],
        &["--map", "TERM="],
        &["--record", "/no/such/place/x"],
        &["--record", "fd:9"],
        &["-t", "1\n2\x1b[2J"],
    ];
    let command_lines = wrong.map(|options| [options, &["touch", &started]].concat());
    let without: [&[&str]; 3] = [&[], &["-t", "1s"], &["-t"]];
    let transcript = all_refused(command_lines.iter().map(Vec::as_slice).chain(without));
    transcript.expect(file!["snapshots/cli/usage_errors.txt"]);
    assert!(!std::path::Path::new(&started).exists());
}

fn wrong_variables_start_nothing_and_are_named() {
    let place = TempDir::new();
    let started = place.file("started");
    let mut transcript = Transcript::default();
    for (name, value) in [
        ("WINDDOWN_TIME_LIMIT", "5x"),
        ("WINDDOWN_STOP_SIGNAL", "FROB"),
        ("WINDDOWN_TO", "me"),
        ("WINDDOWN_VERBOSE", "2"),
        ("WINDDOWN_RECORD", "/no/such/place/x"),
        ("WINDDOWN_MAP", "TERM="),
        ("WINDDOWN_LOG_FORMAT", "xml"),
    ] {
        let ended = refused(Winddown::new().command(["touch", &started]).env(name, value).run());
        transcript.add([&format!("{name}={value}"), "winddown", "touch", &started], &ended);
    }
    transcript.expect(file!["snapshots/cli/wrong_variables.txt"]);
    assert!(!std::path::Path::new(&started).exists());
}

fn names_that_are_nearly_ours_are_answered() {
    // In a release build as well, which is built without clap's own suggestions.
    let wrong: [&[&str]; 3] =
        [&["--timeout", "5s", "true"], &["--recrod", "x", "true"], &["token", "--extent", "5s"]];
    all_refused(wrong).expect(file!["snapshots/cli/nearly_ours.txt"]);
}

fn a_variable_that_is_nearly_ours_is_reported_once() {
    let line = "winddown: WINDDOWN_TIMEOUT is not a variable of winddown; did you mean WINDDOWN_TIME_LIMIT?";
    let run = |winddown: Winddown| {
        let run = winddown.command(["printenv", "WINDDOWN_TIMEOUT"]);
        run.env("WINDDOWN_TIMEOUT", "5s").env("WINDDOWN_PORT", "tcp://10.0.0.1:80").run().expect_code(0)
    };
    guarded_or_not(|winddown| {
        let ended = run(winddown);
        assert_eq!((ended.out(), ended.err()), (vec!["5s".to_owned()], vec![line.to_owned()]));
    });
    assert!(run(Winddown::new().args(["-q"])).err().is_empty());
    let ended = run(Winddown::new().args(["--log-format", "json"]));
    let found: serde_json::Value = serde_json::from_str(&ended.err()[0]).expect("JSON");
    assert_eq!(found["event"], "advice");
}

fn useless_options_start_nothing() {
    let place = TempDir::new();
    let started = place.file("started");
    let useless: [&[&str]; 5] =
        [&["-v", "-q"], &["--extend-max", "5s"], &["--hook-limit", "5s"], &["-t", "100us"], &["-t", "5M"]];
    let command_lines = useless.map(|options| [options, &["touch", &started]].concat());
    all_refused(command_lines.iter().map(Vec::as_slice)).expect(file!["snapshots/cli/useless.txt"]);
    assert!(!std::path::Path::new(&started).exists());
    // Under a service manager that takes messages the workload can ask for more time.
    let run = Winddown::new().args(["--extend-max", "5s"]).command(["true"]);
    run.env("NOTIFY_SOCKET", "@nobody").run().expect_code(0);
}

fn the_workloads_flags_are_its_own() {
    // Trap 22: an init that swallows the flags of its workload.
    let flags = ["-t", "--help", "--", "-v", "--version", "", "-"];
    let ended = Winddown::new().command(["printf", "%s\\n"]).more(flags).run().expect_code(0);
    assert_eq!(ended.out(), flags);
}

fn without_dashes_options_end_at_the_first_word() {
    let words = ["-t", "3s", "printf", "%s\\n", "-t", "x", "--", "--help"];
    let ended = Winddown::new().args(words).run().expect_code(0);
    assert_eq!(ended.out(), ["-t", "x", "--", "--help"]);
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn subcommand_words_are_commands_anywhere_but_in_front() {
    let place = TempDir::new();
    for word in ["check", "completions", "report", "token", "help"] {
        place.executable(word, "#!/bin/sh\necho \"${0##*/} $*\"\n");
        let path = format!("{}:/usr/bin:/bin", place.path().display());
        let run = |words: &[&str]| Winddown::new().args(words).env("PATH", &path).run();
        for before in [["--"].as_slice(), &["-t", "3s"], &["--to=main", "--"]] {
            let ended = run(&[before, &[word, "-x"]].concat()).expect_code(0);
            assert_eq!(ended.out(), [format!("{word} -x")]);
        }
        // The slim build has only token, and says so.
        let remedy = match word {
            "token" => "there is no option '-x'",
            "help" => "winddown -- help",
            _ => "-",
        };
        let ended = refused(run(&[word, "-x"]));
        assert!([word, remedy].iter().all(|part| ended.err()[0].contains(part)), "{}", ended.dump());
    }
}

fn help_and_version_go_to_stdout_alone() {
    let print = |word: &str| {
        let run = Winddown::new().args([word]).env("WINDDOWN_TIME_LIMIT", "nonsense");
        let ended = run.run().expect_code(0);
        assert!(ended.err().is_empty(), "{}", ended.dump());
        ended
    };
    for word in ["--version", "-V"] {
        assert_eq!(print(word).out(), [concat!("winddown ", env!("CARGO_PKG_VERSION"))]);
    }
    for (word, snapshot) in
        [("--help", file!["snapshots/cli/help.txt"]), ("-h", file!["snapshots/cli/help_short.txt"])]
    {
        let lines = print(word).out();
        // Which subcommands there are depends on the build.
        let is_of_all = |line: &&String| !(line.starts_with("  ") && line.contains(": winddown "));
        let lines: Vec<&str> = lines.iter().filter(is_of_all).map(String::as_str).collect();
        expect_page(&(lines.join("\n") + "\n"), snapshot);
    }
}

/// Every command line whose help this build has, without its `--help`.
fn subcommands() -> Vec<Vec<String>> {
    let help = Winddown::new().args(["--help"]).run().expect_code(0).out();
    let names = help.iter().filter_map(|line| {
        let words = line.strip_suffix(" --help")?.split(": winddown ").nth(1)?;
        Some(vec![words.to_owned()])
    });
    names.chain([vec![]]).collect()
}

fn the_help_names_every_subcommand_in_a_line() {
    let named = subcommands();
    for word in ["check", "completions", "report", "token"] {
        let ended = Winddown::new().args([word, "--help"]).run();
        let is_built = ended.status.code() == Some(0);
        assert_eq!(named.contains(&vec![word.to_owned()]), is_built, "{named:?}");
        if is_built {
            let by_help = Winddown::new().args(["help", word]).run().expect_code(0);
            assert_eq!(by_help.out(), ended.out());
            let version = Winddown::new().args([word, "--version"]).run().expect_code(0).out();
            assert_eq!(version, [format!("winddown {word} {}", env!("CARGO_PKG_VERSION"))]);
        }
    }
    let by_help = Winddown::new().args(["help"]).run().expect_code(0);
    assert_eq!(by_help.out(), Winddown::new().args(["--help"]).run().expect_code(0).out());
    refused(Winddown::new().args(["help", "frob"]).run());
}

fn help_is_as_wide_as_the_terminal() {
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    for subcommand in subcommands() {
        let words = |word: &str| [subcommand.as_slice(), &[word.to_owned()]].concat();
        for word in ["-h", "--help"] {
            let ended = Winddown::new().args(words(word)).run().expect_code(0);
            let unknown = ended.out().join("\n");
            assert!((70..=80).contains(&longest(&unknown)), "{unknown}");
        }
        let mut terminal = Pty::bash();
        for (columns, at_least) in [(60, 50), (80, 70), (95, 75)] {
            terminal.resize(24, columns);
            let page = terminal.command(&format!("$WD {}", words("--help").join(" ")));
            let (columns, longest) = (usize::from(columns), longest(&page));
            assert!((at_least..=columns).contains(&longest), "{columns}: {longest}\n{page}");
        }
    }
}

fn help_that_nobody_reads_is_no_error_message() {
    // Like every program that writes to a pager that has quit: it dies of SIGPIPE, without a word.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = Winddown::new().args(["--help"]).stdout(Stream::Fd(writer.into())).run();
    let ended = ended.expect_signal(libc::SIGPIPE);
    assert!(ended.err().is_empty(), "{}", ended.dump());
    let ended = Winddown::new().args(["--help"]).stdout(Stream::File("/dev/full".into())).run();
    expect_lines(&refused(ended).err(), str!["winddown: cannot write to stdout: No space left on device"]);
}
