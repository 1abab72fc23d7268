//! Whole runs under valgrind: no process of winddown makes an invalid access, reads uninitialised memory or
//! leaks memory.

use std::fs;

use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::{TempDir, read_json, trials};

trials![
    needs("valgrind") => a_stop_makes_no_error_of_memory,
    needs("valgrind") => a_kill_makes_no_error_of_memory,
];

/// A run that is asked to stop, and the summary that each of its processes wrote.
#[track_caller]
fn asked(winddown: Winddown, place: &TempDir, limit: &str, flags: &str) -> Ended {
    let logs = format!("--log-file={}", place.file("valgrind.%p"));
    let run = winddown
        .prefix(["valgrind", "--leak-check=full", "--error-exitcode=99", &logs])
        // valgrind can't check the C library within a static program.
        .binary(env!("CARGO_BIN_EXE_winddown"))
        .args(["-v", "-t", limit, "--record", &place.file("record")])
        .workload(&format!("{flags} --print up --serve"))
        .start();
    run.wait_out("up");
    run.signal(libc::SIGUSR1);
    run.wait_err("SIGUSR1");
    run.signal(libc::SIGTERM);
    run.wait().expect_nothing_left()
}

/// Panics unless this many processes ended without an error.
#[track_caller]
fn expect_clean(place: &TempDir, processes: usize) {
    let files = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap());
    let logs =
        files.filter(|file| file.file_name().to_str().is_some_and(|name| name.starts_with("valgrind.")));
    let logs: Vec<String> = logs.map(|file| fs::read_to_string(file.path()).unwrap()).collect();
    // The child that is about to exec has a log too, without a summary unless there was an error.
    let ended: Vec<&String> = logs.iter().filter(|log| log.contains("ERROR SUMMARY: ")).collect();
    assert!(ended.iter().all(|log| log.contains("ERROR SUMMARY: 0 errors ")), "{}", logs.join("\n"));
    assert_eq!(ended.len(), processes, "{}", logs.join("\n"));
}

/// The same with two processes and with one.
fn for_both(limit: &str, flags: &str, status: i32, outcome: &str) {
    for (winddown, processes) in [(Winddown::new(), 2), (Winddown::new().args(["--no-guard"]), 1)] {
        let place = TempDir::new();
        asked(winddown, &place, limit, flags).expect_code(status);
        expect_clean(&place, processes);
        assert_eq!(read_json(place.file("record"))["outcome"], outcome);
    }
}

fn a_stop_makes_no_error_of_memory() {
    for_both(
        "20s",
        "--on USR1 [ ] --spawn child c [ --on TERM [ --exit 0 ] --serve ] --on TERM [ --exit 3 ]",
        3,
        "stopped",
    );
}

fn a_kill_makes_no_error_of_memory() {
    for_both(
        "500ms",
        "--ignore TERM --on USR1 [ ] --spawn session s [ --ignore TERM --serve ]",
        137,
        "killed",
    );
}
