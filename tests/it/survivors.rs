//! Processes that winddown may not signal: it names them, with the reason, and never waits for them forever.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::builder::{Winddown, winddown_path, workload_path};
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    needs("root", "setpriv") => a_survivor_is_named_after_the_kill_wait,
    needs("root", "setpriv") => a_main_process_that_may_not_be_signalled_ends_nothing,
    needs("root", "setpriv") => a_main_process_that_survives_is_named,
    needs("root", "setpriv") => an_infinite_kill_wait_goes_on_until_nobody_is_left,
    a_zero_kill_wait_reports_at_once_or_ends,
];

/// winddown for an unprivileged user, and the path of a workload that can become root.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new();
        // Other users may not be able to read the build directory.
        for (from, name, mode) in [
            (winddown_path(), "winddown", 0o755),
            (workload_path(), "workload", 0o755),
            (workload_path(), "rooted", 0o4755),
        ] {
            let path = directory.install(name, from);
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a file of ours");
        }
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).expect("ours");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// winddown with these options, and this program of the place as the workload.
    fn winddown(&self, options: &[&str], program: &str, flags: &str) -> Winddown {
        Winddown::new()
            .prefix(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
            .binary(self.path("winddown"))
            .args(["-t", "300ms", "--record"])
            .args([self.directory.file("record")])
            .args(options)
            .command([self.path(program)])
            .more(flags.split_whitespace())
    }

    fn record(&self) -> serde_json::Value {
        read_json(self.directory.file("record"))
    }
}

/// A descendant in a session of its own that becomes root and then prints `up`.
fn rooted(place: &Place) -> String {
    let program = place.path("rooted").display().to_string();
    format!(
        "--spawn session r [ --exec [ {program} --setuid 0 --ignore TERM --print up --say uid --serve ] ]"
    )
}

fn a_survivor_is_named_after_the_kill_wait() {
    for option in ["--log-format=text", "--no-guard"] {
        let place = Place::new();
        let flags = format!("--on TERM [ ] --say pid {} --serve", rooted(&place));
        let run = place.winddown(&["--kill-wait", "400ms", option], "workload", &flags).start();
        run.wait_out("uid 0");
        let asked = run.signal(libc::SIGTERM);
        let survivor = run.number("r pid");
        let ended = run.wait().expect_code(125);
        assert!(ended.since(asked) >= Duration::from_millis(700), "{}", ended.dump());
        assert!(processes::is_alive(survivor));
        let named: Vec<_> = ended.err().into_iter().filter(|line| line.contains("after SIGKILL: ")).collect();
        assert_eq!(named.len(), 1, "{}", ended.dump());
        let reason = format!("rooted (pid {survivor}): it runs as another user");
        assert!(named[0].contains(&reason), "{}", named[0]);
        let refused = ended.err().iter().filter(|line| line.contains("SIGKILL could not be sent")).count();
        assert_eq!(refused, 1, "{}", ended.dump());
        let record = place.record();
        assert_eq!(record["outcome"], "stuck");
        assert_eq!(record["exit_status"], 125);
        assert_eq!(record["survivors"][0]["pid"], survivor);
        assert_eq!(record["survivors"].as_array().unwrap().len(), 1, "{record}");
        let killed = record["killed"].as_array().unwrap();
        assert_eq!(killed.len(), 1, "{record}");
        assert_eq!(killed[0]["pid"], record["main"]["pid"]);
    }
}

/// Trap 11: EPERM must not end winddown.
fn a_main_process_that_may_not_be_signalled_ends_nothing() {
    let place = Place::new();
    let gate = place.directory.file("gate");
    let flags = format!("--setuid 0 --print up --until {gate} --exit 6");
    let run = place.winddown(&["-t", "20s"], "rooted", &flags).start();
    run.wait_out("up");
    run.signal(libc::SIGUSR1);
    run.wait_err("SIGUSR1 could not be sent to rooted");
    run.signal(libc::SIGTERM);
    run.wait_err("SIGTERM could not be sent to rooted");
    place.directory.write("gate", "");
    run.wait().expect_code(6).expect_nothing_left();
    assert_eq!(place.record()["signals"][0]["result"], "EPERM");
    assert_eq!(place.record()["outcome"], "stopped");
}

fn a_main_process_that_survives_is_named() {
    let place = Place::new();
    let flags = "--setuid 0 --ignore TERM --say pid --print up --serve";
    let run = place.winddown(&["--kill-wait", "200ms"], "rooted", flags).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(125);
    assert!(ended.err().iter().any(|line| line.contains("rooted (pid ") && line.contains("another user")));
    let record = place.record();
    assert_eq!(record["outcome"], "stuck");
    assert!(record["exit"].is_null(), "{record}");
}

fn an_infinite_kill_wait_goes_on_until_nobody_is_left() {
    let place = Place::new();
    let flags = format!("--on TERM [ ] --say pid {} --serve", rooted(&place));
    let run = place.winddown(&["--kill-wait", "infinity"], "workload", &flags).start();
    run.wait_out("uid 0");
    run.signal(libc::SIGTERM);
    let main = run.number("pid");
    eventually("the main process is killed", || !processes::is_alive(main));
    run.tag().signal(run.number("r pid"), libc::SIGKILL);
    run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(place.record()["outcome"], "killed");
}

fn a_zero_kill_wait_reports_at_once_or_ends() {
    let run = Winddown::new()
        .args(["-t", "200ms", "--kill-wait", "0"])
        .workload("--ignore TERM --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait();
    assert!([Some(125), Some(137)].contains(&ended.code()), "{}", ended.dump());
    ended.expect_nothing_left();
}
