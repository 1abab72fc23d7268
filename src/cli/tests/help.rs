use super::*;

fn printed(arguments: &[&str]) -> String {
    match parse(&words(arguments), &[("WINDDOWN_TO".into(), "x".into())], false) {
        Ok(Request::Print(text)) => text,
        other => panic!("{arguments:?} is {other:?}"),
    }
}

/// The words that a subcommand gets.
fn passed_on(arguments: &[&str]) -> Vec<OsString> {
    match parse(&words(arguments), &[], false) {
        Ok(Request::Token(words)) => words,
        #[cfg(feature = "report")]
        Ok(Request::Report(words)) => words,
        #[cfg(feature = "completions")]
        Ok(Request::Completions(words)) => words,
        #[cfg(feature = "check")]
        Ok(Request::Check(words)) => words,
        other => panic!("{arguments:?} is {other:?}"),
    }
}

#[test]
fn subcommands_are_words_at_the_very_front_only() {
    for (word, is_built) in [
        ("check", cfg!(feature = "check")),
        ("completions", cfg!(feature = "completions")),
        ("report", cfg!(feature = "report")),
        ("token", true),
    ] {
        for arguments in [[word].as_slice(), &[word, "--", "x"], &[word, "--help"], &["help", word]] {
            if is_built {
                let given = if arguments[0] == "help" { &[word, "--help"] } else { arguments };
                assert_eq!(passed_on(arguments), given);
                continue;
            }
            let error = error_of(arguments, &[]);
            assert!(error.contains(&format!("'{word}'")), "{error}");
            assert!(error.contains(&format!("winddown -- {word}")), "{error}");
        }
    }
    for word in ["check", "completions", "report", "token", "help"] {
        for before in ["--", "-v", "--to=all"] {
            assert_eq!(settings_of(&[before, word, "x"], &[]).command, [word, "x"], "{before}");
        }
        let settings = settings_of(&["-t", "1", word], &[]);
        assert_eq!(settings.command, [word]);
    }
}

#[test]
fn help_is_a_subcommand_too() {
    let help = printed(&["--help"]);
    for words in [["help"].as_slice(), &["help", "--help"], &["help", "-h"]] {
        assert_eq!(printed(words), help);
    }
    for words in [["help", "frob"].as_slice(), &["help", "help"], &["help", "token", "more"], &["help", ""]] {
        let error = error_of(words, &[]);
        assert!(error.contains("winddown -- help"), "{error}");
    }
}

#[test]
fn the_first_of_the_two_help_options_counts() {
    let (short, long) = (printed(&["-h"]), printed(&["--help"]));
    assert!(short.len() < long.len() / 2, "{short}");
    for (words, expected) in [
        (["-h", "--help"], &short),
        (["--help", "-h"], &long),
        (["-vh", "true"], &short),
        (["-v", "--help"], &long),
    ] {
        assert_eq!(printed(&words), *expected, "{words:?}");
    }
}

#[test]
fn the_long_help_is_grouped_and_names_everything() {
    let help = printed(&["--help"]);
    for heading in
        ["Stopping:", "Running:", "Signals:", "Workload:", "Output:", "Help:", "Subcommands:", "Examples:"]
    {
        assert!(help.lines().any(|line| line == heading), "{heading} {help}");
    }
    for option in definition().get_arguments().filter_map(clap::Arg::get_long) {
        assert!(help.contains(&format!("--{option} ")), "{option}");
    }
    assert!(!help.contains(['\x1b', '\t']));
    assert_eq!(printed(&["--version"]), concat!("winddown ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_short_help_names_what_matters_and_fits_a_screen() {
    let help = printed(&["-h"]);
    assert_eq!(
        help.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")).count(),
        10 + 2
    );
    assert!(help.lines().count() <= 45, "{help}");
    assert!(help.lines().any(|line| line == "Subcommands:"), "{help}");
}

#[test]
fn help_fits_the_terminal_and_loses_no_word() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for is_long in [false, true] {
        let wide = super::super::help::page(&mut definition(), is_long, 100);
        for columns in 40..100 {
            let page = super::super::help::page(&mut definition(), is_long, columns);
            for line in page.lines() {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
                assert_eq!(line, line.trim_end());
            }
            let [mut page, mut wide] = [words(&page), words(&wide)];
            page.sort();
            wide.sort();
            assert_eq!(page, wide, "{columns}");
        }
    }
}

#[test]
fn the_examples_of_the_help_are_valid() {
    let help = super::super::help::page(&mut definition(), true, 100);
    let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  winddown ")).collect();
    assert_eq!(examples.len(), 3, "{help}");
    for example in examples {
        let words = shell_words::split(example.split("   ").next().expect("one")).expect("words");
        settings_of(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    }
}
