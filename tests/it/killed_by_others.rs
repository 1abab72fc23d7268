//! A SIGKILL that winddown did not send: where did it come from?

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::processes;
use crate::support::running::Ended;
use crate::support::trials;

trials![
    it_is_reported_in_one_line,
    needs("python3") => a_cpu_limit_is_named,
    a_cpu_limit_that_was_not_reached_is_not_named,
    winddown_s_own_kill_is_none,
    a_winddown_that_is_killed_is_no_stranger,
];

const BY_OTHERS: &str = "died of SIGKILL, not by winddown";

#[track_caller]
fn found(ended: &Ended) -> Vec<String> {
    ended.err().into_iter().filter(|line| line.contains("not by winddown")).collect()
}

fn it_is_reported_in_one_line() {
    guarded_or_not(|winddown| {
        let run = winddown.workload("--say pid --print up --serve").start();
        run.wait_out("up");
        let main = run.number("pid");
        run.tag().signal(main, libc::SIGKILL);
        let ended = run.wait().expect_nothing_left();
        assert_eq!(ended.signal(), Some(libc::SIGKILL), "{}", ended.dump());
        let lines = found(&ended);
        assert_eq!((lines.len(), ended.err().len()), (1, 1), "{}", ended.dump());
        assert!(lines[0].contains(&format!("workload (pid {main}) {BY_OTHERS}; ")), "{}", ended.dump());
        // The machine may kill other processes meanwhile.
        assert!(lines[0].contains("OOM kill") && !lines[0].contains("CPU limit"), "{}", ended.dump());
    });
}

fn a_cpu_limit_is_named() {
    // The workload sets the limit itself; winddown has none.
    let program = "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass";
    let ended = Winddown::new().command(["python3", "-c", program]).run().expect_nothing_left();
    assert_eq!(ended.signal(), Some(libc::SIGKILL), "{}", ended.dump());
    let lines = found(&ended);
    assert_eq!(lines.len(), 1, "{}", ended.dump());
    assert!(lines[0].ends_with("its CPU limit of 1s is used up (ulimit -t)"), "{}", ended.dump());
}

fn a_cpu_limit_that_was_not_reached_is_not_named() {
    let ended = Winddown::new().limit(libc::RLIMIT_CPU, 100).workload("--die KILL").run();
    assert_eq!((found(&ended).len(), ended.err().len()), (1, 1), "{}", ended.dump());
    assert!(!found(&ended)[0].contains("CPU limit"), "{}", ended.dump());
}

fn winddown_s_own_kill_is_none() {
    let run = Winddown::new().args(["-t", "200ms"]).workload("--ignore TERM --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(found(&ended), Vec::<String>::new(), "{}", ended.dump());
}

/// The kernel kills the main process with it, as winddown arranged.
fn a_winddown_that_is_killed_is_no_stranger() {
    let run = Winddown::new().workload("--print up --serve").start();
    run.wait_out("up");
    let inner = processes::children(run.pid())[0].pid;
    run.tag().signal(inner, libc::SIGKILL);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(found(&ended), Vec::<String>::new(), "{}", ended.dump());
}
