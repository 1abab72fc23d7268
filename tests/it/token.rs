//! `--token FILE`: the stop as a file that appears and a descriptor that becomes readable.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use snapbox::str;

use crate::support::builder::{Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::processes::children;
use crate::support::running::{Ended, Running};
use crate::support::snapshot::expect_log;
use crate::support::{TempDir, eventually, file_lines, holds_within, trials};

trials![
    the_file_appears_whole_and_only_at_the_stop,
    the_file_says_when_everything_is_over,
    the_file_says_why,
    the_file_of_an_earlier_run_is_taken_away,
    nothing_is_started_where_no_file_can_be_made,
    needs("root", "setpriv") => nothing_is_started_where_a_user_may_not_write,
    the_descriptor_becomes_readable_everywhere,
    there_is_one_more_descriptor_and_only_with_a_token,
    either_killed_the_stop_is_announced,
    needs("pid-namespace") => as_pid_1_it_is_announced_too,
    a_file_system_that_hangs_delays_nothing,
    a_file_that_can_not_be_made_any_more_is_reported,
    a_limit_of_zero_leaves_no_time_to_announce_it,
    a_nested_run_without_a_token_leaves_the_outer_one,
    a_nested_run_has_its_own,
    a_run_limit_is_known_from_the_start,
];

pub(crate) fn monotonic_ms() -> u128 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a live value.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u128::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).expect("a time after the start")
}

fn epoch_ms() -> u128 {
    std::time::UNIX_EPOCH.elapsed().expect("a time after 1970").as_millis()
}

/// The value of this name in a token.
#[track_caller]
pub(crate) fn value(file: &str, name: &str) -> String {
    let lines = file_lines(file);
    let found = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {lines:?}")).to_owned()
}

#[track_caller]
pub(crate) fn number(text: &str) -> u128 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
}

/// `time` is at least `least`, and not long after it; both in milliseconds.
#[track_caller]
fn expect_from(time: u128, least: u128, ended: &Ended) {
    assert!(time >= least, "{time} is before {least}");
    ended.expect_time(
        Duration::from_millis(u64::try_from(time - least).expect("no long time")),
        Duration::ZERO,
    );
}

fn appeared(file: &str) {
    eventually("the token is there", || Path::new(file).exists());
}

fn the_file_appears_whole_and_only_at_the_stop() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("token");
        let run = winddown
            .args(["-t", "30s", "--token", &file])
            .workload(
                "--on TERM [ --exit 0 ] --say env:SHUTDOWN_TOKEN --print up --block TERM --busy 300 --serve",
            )
            .start();
        run.wait_out("up");
        assert_eq!(run.fact("env:SHUTDOWN_TOKEN"), file);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut seen: Vec<String> = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(text) = std::fs::read_to_string(&file)
                        && seen.last() != Some(&text)
                    {
                        seen.push(text);
                    }
                }
                seen
            });
            assert!(
                !holds_within(Duration::from_millis(50), || Path::new(&file).exists()),
                "before the stop"
            );
            run.signal(libc::SIGTERM);
            appeared(&file);
            run.wait().expect_code(0).expect_nothing_left();
            over.store(true, Ordering::Relaxed);
            let seen = watcher.join().expect("no panic");
            assert_eq!(seen.len(), 1, "{seen:?}");
            let names: Vec<&str> = seen[0].lines().filter_map(|line| line.split('=').next()).collect();
            assert_eq!(names, ["reason", "deadline_ms", "deadline_monotonic_ms"]);
        });
        let left: Vec<_> = std::fs::read_dir(place.path()).expect("a directory").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    });
}

fn the_file_says_when_everything_is_over() {
    for (limit, length) in [("7s", Some(7000)), ("infinity", None)] {
        let place = TempDir::new();
        let file = place.file("token");
        let run = Winddown::new()
            .args(["-t", limit, "--token", &file])
            .workload(&format!("--on TERM [ --until {file} --exit 0 ] --print up --serve"))
            .start();
        run.wait_out("up");
        let (epoch, monotonic) = (epoch_ms(), monotonic_ms());
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(0);
        assert_eq!(value(&file, "reason"), "SIGTERM");
        let found = ["deadline_ms", "deadline_monotonic_ms"].map(|name| value(&file, name));
        match length {
            Some(length) => {
                // 50 ms less: the wall clock may be adjusted while a test runs.
                expect_from(number(&found[0]) + 50, epoch + length, &ended);
                // Rounded down, twice.
                expect_from(number(&found[1]) + 2, monotonic + length, &ended);
            }
            None => assert_eq!(found, ["infinity", "infinity"]),
        }
    }
}

fn the_file_says_why() {
    let place = TempDir::new();
    let file = place.file("token");
    let until = format!("--on TERM [ --until {file} --exit 0 ]");
    let because = |args: &[&str], flags: &str| {
        Winddown::new().args(["--token", &file]).args(args).workload(flags).run();
        value(&file, "reason")
    };
    let limit = because(&["--run-limit", "900ms", "-t", "700ms"], &format!("{until} --serve"));
    assert_eq!(limit, "run-limit");
    let exited = because(&[], &format!("--spawn child a [ {until} --serve ] --print up --exit 0"));
    assert_eq!(exited, "main-exited");
    let run = Winddown::new()
        .args(["--token", &file, "--stop-on", "USR1"])
        .workload(&format!("--on USR1 [ --until {file} --exit 0 ] --print up --serve"))
        .start();
    run.wait_out("up");
    run.signal(libc::SIGUSR1);
    run.wait().expect_code(0);
    assert_eq!(value(&file, "reason"), "SIGUSR1");
}

fn the_file_of_an_earlier_run_is_taken_away() {
    let place = TempDir::new();
    let file = place.write("token", "reason=SIGTERM\ndeadline_ms=5\ndeadline_monotonic_ms=infinity\n");
    let script = "[ -e \"$SHUTDOWN_TOKEN\" ] && exit 9; exit 0";
    Winddown::new().args(["--token", &file]).command(["sh", "-c", script]).run().expect_code(0);
    assert!(!Path::new(&file).exists());
}

/// Expects a single error line, and that nothing was run.
#[track_caller]
fn expect_refused(winddown: Winddown, place: &TempDir, file: &str) {
    let ran = place.file("ran");
    let ended = winddown.args(["--token", file]).command(["touch", &ran]).run().expect_code(125);
    assert!(!Path::new(&ran).exists());
    let err = ended.err();
    assert_eq!(err.len(), 1, "{err:?}");
    assert!(err[0].contains("--token") && err[0].contains(file), "{err:?}");
}

fn nothing_is_started_where_no_file_can_be_made() {
    let place = TempDir::new();
    let plain = place.write("plain", "");
    expect_refused(Winddown::new(), &place, &place.file("missing/token"));
    expect_refused(Winddown::new(), &place, &format!("{plain}/token"));
    std::fs::create_dir(place.path().join("directory")).expect("room");
    expect_refused(Winddown::new(), &place, &place.file("directory"));
    assert!(place.path().join("directory").is_dir());
}

fn nothing_is_started_where_a_user_may_not_write() {
    let place = TempDir::new();
    place.install("winddown", winddown_path());
    let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let winddown = Winddown::new().prefix(user).binary(place.file("winddown"));
    expect_refused(winddown, &place, &place.file("token"));
}

fn the_descriptor_becomes_readable_everywhere() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("token");
        // The first process reads the whole token; it stays readable for the others.
        let flags = "--look --spawn child a [ --spawn session b [ --look --sleep 1 --await --drain --look --exit 0 ] --serve ] \
             --on TERM [ --await --sleep 200 --drain --look --exit 0 ] --print up --serve";
        let run = winddown.args(["--token", &file]).workload(flags).start();
        run.wait_out("up");
        assert_eq!(run.out().iter().filter(|line| line.ends_with("readable false false")).count(), 2);
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(0).expect_nothing_left();
        assert_eq!(ended.count_out("readable true true"), 2, "{}", ended.dump());
        let text = std::fs::read_to_string(&file).expect("a token");
        // Usually b; on a busy machine the main process may be first.
        assert_eq!(ended.count_out(&format!("drained {}", text.len())), 1, "{}", ended.dump());
    });
}

fn there_is_one_more_descriptor_and_only_with_a_token() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.file("token");
        let ended = winddown
            .args([
                "--token",
                &file,
                "--extend-max",
                "5s",
                "--notify",
                "--watchdog",
                "60s",
                "--pre-stop",
                "true",
            ])
            .workload("--say fds,env:SHUTDOWN_FD")
            .run()
            .expect_code(0);
        let number = ended.fact("env:SHUTDOWN_FD");
        assert_eq!(ended.fact("fds"), format!("0,1,2,{number}"));
    });
    let without = ["--notify", "--watchdog", "60s", "--extend-max", "5s"];
    guarded_or_not(|winddown| {
        let ended = winddown
            .args(without)
            .workload("--say fds,env:SHUTDOWN_FD,env:SHUTDOWN_TOKEN,env:SHUTDOWN_SOCKET")
            .run();
        assert_eq!(ended.fact("fds"), "0,1,2");
        for name in ["env:SHUTDOWN_FD", "env:SHUTDOWN_TOKEN", "env:SHUTDOWN_SOCKET"] {
            assert_eq!(ended.fact(name), "");
        }
    });
}

fn either_killed_the_stop_is_announced() {
    for outer in [true, false] {
        let place = TempDir::new();
        let (file, log) = (place.file("token"), place.file("log"));
        let flags = format!(
            "--log {log} --spawn child a [ --on TERM [ --look --until {file} --print done --exit 0 ] --print up --serve ] \
             --on TERM [ ] --serve"
        );
        let run = Winddown::new().args(["--token", &file]).workload(&flags).start();
        run.wait_out("a up");
        eventually("the inner process is there", || children(run.pid()).len() == 1);
        let inner = children(run.pid())[0].pid;
        run.tag().signal(if outer { run.pid() } else { inner }, libc::SIGKILL);
        appeared(&file);
        eventually("nothing is left", || run.tag().living().is_empty());
        let lines = file_lines(&log);
        assert!(lines.iter().any(|line| line == "a readable true true"), "outer {outer}: {lines:?}");
        assert_eq!(value(&file, "reason"), "winddown-killed", "outer {outer}");
    }
}

fn as_pid_1_it_is_announced_too() {
    let place = TempDir::new();
    let file = place.file("token");
    let flags = format!("--on TERM [ --until {file} --look --exit 0 ] --print up --serve");
    let run = Winddown::new().pid_1().args(["--token", &file]).workload(&flags).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0);
    assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
    assert_eq!(value(&file, "reason"), "SIGTERM");
}

/// A descriptor that makes every rename wait for an answer, which never comes while it is open under this
/// number.
const HANGS: i32 = 900;

fn renames_hang() -> std::io::Result<()> {
    let code = |code: u32, jt, jf, k| libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k };
    let is = |number: i64| {
        code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, u32::try_from(number).unwrap_or(0))
    };
    let give = |what| code(libc::BPF_RET | libc::BPF_K, 0, 0, what);
    let asks = libc::SECCOMP_RET_USER_NOTIF;
    let mut filter = [
        code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        #[cfg(target_arch = "x86_64")]
        is(libc::SYS_rename),
        #[cfg(not(target_arch = "x86_64"))]
        is(libc::SYS_renameat),
        give(asks),
        is(libc::SYS_renameat),
        give(asks),
        is(libc::SYS_renameat2),
        give(asks),
        give(libc::SECCOMP_RET_ALLOW),
    ];
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).unwrap_or(0), filter: filter.as_mut_ptr() };
    // SAFETY: the program and its filter outlive the calls.
    let descriptor = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    let descriptor = i32::try_from(descriptor).unwrap_or(-1);
    // SAFETY: takes numbers only; without close-on-exec, so that the workload inherits it.
    if descriptor < 0 || unsafe { libc::dup2(descriptor, HANGS) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// Keeps a descriptor of the workload open, by its number there.
fn hold(pid: i32, number: i32) -> OwnedFd {
    // SAFETY: takes numbers only; the descriptors are ours.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let held = libc::syscall(libc::SYS_pidfd_getfd, process, number, 0);
        assert!(held >= 0, "{}", std::io::Error::last_os_error());
        libc::close(i32::try_from(process).expect("a number"));
        OwnedFd::from_raw_fd(i32::try_from(held).expect("a number"))
    }
}

fn start_hanging(winddown: Winddown, file: &str, flags: &str) -> (Running, OwnedFd) {
    let run = winddown.before_exec(renames_hang).args(["--token", file]).workload(flags).start();
    run.wait_out("up");
    let held = hold(run.number("pid"), HANGS);
    (run, held)
}

fn a_file_system_that_hangs_delays_nothing() {
    for options in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let file = place.file("token");
        // A workload that ends in time: winddown waits for nothing, and asks or kills no other process.
        let flags = "--say pid --on TERM [ --look --sleep 100 --exit 4 ] --print up --serve";
        let (run, held) = start_hanging(Winddown::new().args(options).args(["-t", "20s"]), &file, flags);
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(4);
        ended.expect_within(asked, Duration::from_millis(100));
        assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
        assert_eq!(ended.err().len(), 2, "{}", ended.dump());
        // The rename did hang: the file is not in place.
        assert!(!Path::new(&file).exists());
        ended.expect_nothing_left();
        drop(held);
        // A workload that doesn't end is killed at the deadline.
        let flags = "--say pid --on TERM [ ] --print up --serve";
        let (run, held) = start_hanging(Winddown::new().args(options).args(["-t", "300ms"]), &file, flags);
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(300));
        let killing: Vec<_> = ended.err().into_iter().filter(|line| line.contains("SIGKILL after")).collect();
        assert!(killing.len() == 1 && killing[0].contains("to 1 process: "), "{}", ended.dump());
        assert!(held.as_raw_fd() > 2);
    }
}

fn a_file_that_can_not_be_made_any_more_is_reported() {
    let place = TempDir::new();
    std::fs::create_dir(place.path().join("gone")).expect("room");
    let file = place.file("gone/token");
    let run = Winddown::new()
        .args(["--token", &file])
        .workload("--on TERM [ --look --sleep 300 --exit 5 ] --print up --serve")
        .start();
    run.wait_out("up");
    std::fs::remove_dir(place.path().join("gone")).expect("it is empty");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(5);
    expect_log(
        &ended.err(),
        str![[r#"
winddown: SIGTERM from [TEST]: stopping workload (pid [PID]), SIGKILL in 10s (default)
winddown: --token [DIR]/gone/token: No such file or directory; the stop is not announced there
winddown: stopped in [TIME] of 10s: workload (pid [PID]) exited with 5
"#]],
    );
    assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
}

fn a_limit_of_zero_leaves_no_time_to_announce_it() {
    let place = TempDir::new();
    let file = place.file("token");
    let run = Winddown::new().args(["-t", "0", "--token", &file]).workload("--print up --serve").start();
    run.wait_out("up");
    let asked = Instant::now();
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_within(asked, Duration::ZERO);
    assert!(!Path::new(&file).exists());
}

/// The flags by which the innermost workload prints what it finds.
const FACTS: &str = "--say env:SHUTDOWN_TOKEN,env:SHUTDOWN_FD,env:SHUTDOWN_SOCKET --look --on TERM [ --look --exit 0 ] --print up --serve";

fn nested(outer: &str, inner: &[&str]) -> Running {
    let words = [winddown_path().into_os_string()]
        .into_iter()
        .chain(inner.iter().map(Into::into))
        .chain(["--".into(), workload_path().into_os_string()])
        .chain(FACTS.split_whitespace().map(Into::into));
    Winddown::new().args(["--token", outer, "--extend-max", "9s"]).command(words).start()
}

fn a_nested_run_without_a_token_leaves_the_outer_one() {
    let place = TempDir::new();
    let file = place.file("outer");
    let run = nested(&file, &["-t", "3s"]);
    run.wait_out("up");
    assert_eq!(run.fact("env:SHUTDOWN_TOKEN"), file);
    assert!(run.fact("env:SHUTDOWN_SOCKET").starts_with("@winddown-"));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
}

fn a_nested_run_has_its_own() {
    let place = TempDir::new();
    let (outer, inner) = (place.file("outer"), place.file("inner"));
    let run = nested(&outer, &["-t", "3s", "--token", &inner]);
    run.wait_out("up");
    assert_eq!(run.fact("env:SHUTDOWN_TOKEN"), inner);
    assert_eq!(run.fact("env:SHUTDOWN_SOCKET"), "");
    // Only the inner run is asked: its token becomes readable, the outer one does not.
    let middle = children(run.pid()).into_iter().flat_map(|one| children(one.pid)).next();
    run.tag().signal(middle.expect("the nested run").pid, libc::SIGTERM);
    let ended = run.wait().expect_code(0).expect_nothing_left();
    assert_eq!(ended.count_out("readable true true"), 1, "{}", ended.dump());
    // Only a process that the inner run left for a moment, such as its token's writer, can stop the outer run.
    let found = std::fs::read_to_string(&outer).unwrap_or_default();
    assert!(found.is_empty() || found.starts_with("reason=main-exited\n"), "{found}");
}

fn a_run_limit_is_known_from_the_start() {
    let names = ["env:SHUTDOWN_DEADLINE_MS", "env:SHUTDOWN_DEADLINE_MONOTONIC_MS"];
    let say = format!("--say {}", names.join(","));
    for options in [["--run-limit", "1m"].as_slice(), &["--stop-after", "50s", "-t", "10s"]] {
        let (epoch, monotonic) = (epoch_ms(), monotonic_ms());
        let ended = Winddown::new().args(options).workload(&say).run().expect_code(0);
        expect_from(number(&ended.fact(names[0])) + 50, epoch + 60_000, &ended);
        expect_from(number(&ended.fact(names[1])) + 2, monotonic + 60_000, &ended);
    }
    let ended = Winddown::new().workload(&say).run().expect_code(0);
    assert_eq!(names.map(|name| ended.fact(name)), ["", ""]);
}
