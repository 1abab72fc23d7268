//! The one word that sums up a run, in the record and on stderr.

use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::{TempDir, read_json, trials};

trials![
    a_run_that_nobody_stops_is_completed_failed_or_crashed,
    a_run_that_is_stopped_in_time_is_stopped,
    a_run_whose_limit_expires_is_killed,
    a_run_of_nothing_is_not_started,
];

/// Runs the workload to its end, and sends TERM once it is up if `is_stopped`; returns the outcome too.
fn outcome_of(options: &[&str], flags: &str, is_stopped: bool) -> (String, Ended) {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--record", &record])
        .args(options)
        .limit(libc::RLIMIT_CORE, 0)
        .workload(flags)
        .start();
    if is_stopped {
        run.wait_out("up");
        run.signal(libc::SIGTERM);
    }
    let ended = run.wait();
    let record = read_json(&record);
    let status = ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap());
    assert_eq!(record["exit_status"], status, "{record}");
    let phases: Vec<_> = record["phases"].as_array().unwrap().iter().map(|one| &one["phase"]).collect();
    assert_eq!(phases.first().unwrap(), &"starting", "{record}");
    assert_eq!(phases.last().unwrap(), &"stopped", "{record}");
    (record["outcome"].as_str().unwrap().to_owned(), ended)
}

fn a_run_that_nobody_stops_is_completed_failed_or_crashed() {
    let straggler = "--spawn daemon d [ --on TERM [ --exit 1 ] --serve ]";
    for (flags, outcome) in [
        ("--exit 0", "completed"),
        ("--exit 3", "failed"),
        ("--exit 137", "failed"),
        ("--die SEGV", "crashed"),
        ("--die TERM", "crashed"),
        ("--die KILL", "crashed"),
        (&format!("{straggler} --exit 0"), "completed"),
        (&format!("{straggler} --exit 3"), "failed"),
        (&format!("{straggler} --die ABRT"), "crashed"),
    ] {
        let (word, ended) = outcome_of(&[], flags, false);
        assert_eq!(word, outcome, "{flags}\n{}", ended.dump());
        // All is well, so winddown logs nothing, unless a process was left behind or the main process was killed.
        let is_reported = flags.contains("spawn") || flags.contains("KILL");
        assert_eq!(ended.err().is_empty(), !is_reported, "{}", ended.dump());
        ended.expect_nothing_left();
    }
}

fn a_run_that_is_stopped_in_time_is_stopped() {
    for flags in [
        "--on TERM [ --exit 0 ] --print up --serve",
        "--on TERM [ --exit 3 ] --print up --serve",
        "--on TERM [ --die ABRT ] --print up --serve",
        "--print up --serve",
        "--spawn daemon d [ --on TERM [ --sleep 100 --exit 1 ] --serve ] --print up --serve",
    ] {
        let (word, ended) = outcome_of(&[], flags, true);
        assert_eq!(word, "stopped", "{flags}\n{}", ended.dump());
        assert!(ended.err().last().unwrap().contains("stopped in "), "{}", ended.dump());
        ended.expect_nothing_left();
    }
    let (word, ended) = outcome_of(&["--run-limit", "400ms"], "--on TERM [ --exit 0 ] --serve", false);
    assert_eq!((word.as_str(), ended.code()), ("stopped", Some(124)));
}

fn a_run_whose_limit_expires_is_killed() {
    let deaf = "--spawn daemon d [ --ignore TERM --serve ]";
    for (flags, is_stopped, status) in [
        ("--ignore TERM --print up --serve", true, 137),
        (&format!("{deaf} --on TERM [ --exit 3 ] --print up --serve"), true, 3),
        (&format!("{deaf} --exit 4"), false, 4),
    ] {
        let (word, ended) = outcome_of(&["-t", "200ms"], flags, is_stopped);
        assert_eq!(word, "killed", "{flags}\n{}", ended.dump());
        assert!(ended.err().last().unwrap().contains("killed in "), "{}", ended.dump());
        ended.expect_code(status).expect_nothing_left();
    }
}

fn a_run_of_nothing_is_not_started() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new().args(["--record", &record]).command([place.file("nothing")]).run();
    ended.expect_code(127);
    let record = read_json(&record);
    assert_eq!((&record["outcome"], &record["exit_status"]), (&"not-started".into(), &127.into()));
}
