//! `--stop-with-parent`: the end of winddown's own parent is a stop request.

use std::time::Duration;

use crate::support::builder::{Winddown, winddown_path, workload_path};
use crate::support::running::Running;
use crate::support::{
    TempDir, eventually, file_lines, holds_within, processes, trials, wait_file_line, wait_file_number,
};

trials![
    its_end_stops_the_workload,
    its_end_stops_with_messages_taken_as_well,
    by_default_it_may_end,
    needs("root", "pid-namespace") => one_outside_the_pid_namespace_cannot_be_watched,
    the_stop_plan_applies,
    needs("python3") => the_end_of_a_thread_is_none,
    a_signal_like_the_kernels_is_passed_on,
];

/// A shell that starts winddown in the background and waits.
pub(crate) fn start(options: &[&str], log: &str, flags: &str) -> Running {
    let words: Vec<String> = [winddown_path().display().to_string()]
        .into_iter()
        .chain(options.iter().map(ToString::to_string))
        .chain(["--".to_owned(), workload_path().display().to_string(), "--log".to_owned(), log.to_owned()])
        .chain(flags.split_whitespace().map(ToOwned::to_owned))
        .collect();
    Winddown::bare().command(["sh", "-c", "\"$@\" & wait", "sh"]).more(words).start()
}

fn kill_parent(run: &Running) {
    run.signal(libc::SIGKILL);
}

fn everybody_ends(run: &Running, log: &str) {
    eventually("nothing is left", || run.tag().living().is_empty());
    let lines = file_lines(log);
    assert!(lines.iter().any(|line| line.starts_with("got 15 ")), "{lines:?}");
    assert!(lines.iter().any(|line| line == "done"), "{lines:?}");
}

const GRACEFUL: &str = "--on TERM [ --sleep 300 --print done --exit 0 ] --say pid --print up --serve";

fn its_end_stops_the_workload() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let log = place.file("log");
        let options: Vec<&str> = guard.iter().copied().chain(["--stop-with-parent", "-t", "20s"]).collect();
        let run = start(&options, &log, GRACEFUL);
        wait_file_line(&log, "up");
        kill_parent(&run);
        let line = run.wait_err("SIGKILL in 20s");
        assert!(
            line.contains("parent has ended: stopping workload (pid ")
                && line.contains(" (--stop-with-parent), "),
            "{line}"
        );
        everybody_ends(&run, &log);
    }
}

fn its_end_stops_with_messages_taken_as_well() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let (log, token) = (place.file("log"), place.file("token"));
        let options: Vec<&str> = guard
            .iter()
            .copied()
            .chain(["--stop-with-parent", "--notify", "--token", &token, "--extend-max", "9s", "-t", "20s"])
            .collect();
        let flags = GRACEFUL.replace("--say pid", "--tell-times 50 STATUS=x --say pid");
        let run = start(&options, &log, &flags);
        wait_file_line(&log, "up");
        kill_parent(&run);
        everybody_ends(&run, &log);
        assert!(std::path::Path::new(&token).exists());
    }
}

fn one_outside_the_pid_namespace_cannot_be_watched() {
    let ended = Winddown::new().pid_1().args(["--stop-with-parent"]).command(["true"]).run();
    let line =
        "winddown: --stop-with-parent: winddown's parent is outside its PID namespace and can't be watched";
    assert!(ended.err().iter().any(|found| found.starts_with(line)), "{}", ended.dump());
    ended.expect_code(125);
}

fn by_default_it_may_end() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let log = place.file("log");
        let run = start(guard, &log, GRACEFUL);
        wait_file_line(&log, "up");
        let workload = wait_file_number(&log, "pid ");
        kill_parent(&run);
        assert!(!holds_within(Duration::from_millis(400), || !processes::is_alive(workload)));
        assert!(!file_lines(&log).iter().any(|line| line.starts_with("got ")));
    }
}

fn the_stop_plan_applies() {
    let place = TempDir::new();
    let log = place.file("log");
    let flags = "--on USR1 [ --print first ] --on QUIT [ --print last --exit 0 ] --print up --serve";
    let run = start(&["--stop-with-parent", "--stop", "USR1 300ms, QUIT 5s", "-t", "6s"], &log, flags);
    wait_file_line(&log, "up");
    kill_parent(&run);
    wait_file_line(&log, "first");
    wait_file_line(&log, "last");
    eventually("nothing is left", || run.tag().living().is_empty());
}

/// The kernel sends the parent-death signal when the thread that started winddown ends.
fn the_end_of_a_thread_is_none() {
    for guard in ["", "--no-guard"] {
        let place = TempDir::new();
        let log = place.file("log");
        let program = place.write(
            "starts.py",
            "import subprocess, sys, threading, time\n\
             started = []\n\
             thread = threading.Thread(target=lambda: started.append(subprocess.Popen(sys.argv[1:])))\n\
             thread.start()\n\
             thread.join()\n\
             print('joined', flush=True)\n\
             started[0].wait()\n",
        );
        let winddown = winddown_path().display().to_string();
        let workload = workload_path().display().to_string();
        let words =
            ["python3", &program, &winddown, guard, "--stop-with-parent", "--", &workload, "--log", &log];
        let words = words.into_iter().filter(|word| !word.is_empty());
        let run = Winddown::bare().command(words).more(GRACEFUL.split_whitespace()).start();
        run.wait_out("joined");
        wait_file_line(&log, "up");
        let workload = wait_file_number(&log, "pid ");
        assert!(!holds_within(Duration::from_millis(400), || !processes::is_alive(workload)));
        assert_eq!(run.err().len(), 0, "{:?}", run.err());
        kill_parent(&run);
        everybody_ends(&run, &log);
    }
}

/// The parent-death signal is SIGIO. If the parent is still there, the parent sent it itself; a SIGIO from any
/// other process is for the workload.
fn a_signal_like_the_kernels_is_passed_on() {
    for guard in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let log = place.file("log");
        let options: Vec<&str> = guard.iter().copied().chain(["--stop-with-parent"]).collect();
        let flags = GRACEFUL.replace("--say pid", "--on IO [ ] --say pid");
        let run = start(&options, &log, &flags);
        wait_file_line(&log, "up");
        let winddown = processes::children(run.pid())[0].pid;
        run.tag().signal(winddown, libc::SIGIO);
        eventually("it is heard", || file_lines(&log).iter().any(|line| line.starts_with("got 29 ")));
        kill_parent(&run);
        everybody_ends(&run, &log);
    }
}
