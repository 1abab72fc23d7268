//! Environments that lack what winddown would like to use.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use snapbox::str;

use crate::support::builder::{Stream, Winddown, winddown_path, workload_path};
use crate::support::lateness::expect_soon;
use crate::support::running::{Ended, Running};
use crate::support::snapshot::expect_lines;
use crate::support::{TempDir, eventually, processes, read_json, short_or_long, trials};

trials![
    needs("root", "unshare", "setpriv") => a_proc_that_hides_others_hides_no_descendant,
    needs("root", "unshare") => nothing_has_to_be_writable,
    needs("root") => a_process_of_many_groups_is_seen_whole,
    a_record_that_cannot_be_written_changes_nothing,
    a_full_disk_behind_stderr_changes_nothing,
    alone => few_descriptors_are_enough_to_kill,
    memory_that_cannot_grow_is_enough_to_kill,
    little_memory_is_enough_or_reported,
    needs("root", "setpriv") => a_workload_at_its_limit_of_processes_is_killed,
    needs("root", "setpriv") => one_process_more_is_enough,
    needs("root", "setpriv") => no_process_more_is_named,
    calls_that_a_container_forbids_are_done_without,
    needs("pid-namespace") => a_workload_in_a_namespace_of_its_own_is_killed,
    needs("pid-namespace") => a_winddown_that_is_pid_1_of_the_workload_stops_with_all,
    nested_three_deep_each_is_asked_once,
    nested_three_deep_the_deadline_of_the_outermost_counts,
    nested_three_deep_a_kill_of_the_outermost_leaves_nothing,
];

/// Processes that ignore TERM, everywhere a process can hide.
const DEAF: &str = "--ignore TERM --spawn child a [ --spawn session b [ --serve ] --serve ] \
     --spawn daemon-session c [ --spawn child d [ --serve ] --serve ] --say pid --print up --serve";

#[track_caller]
fn stop_deaf(run: Running) -> Ended {
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(asked, Duration::from_millis(300));
    ended
}

/// Copies of winddown and the workload that any user may run.
pub(crate) fn for_everybody() -> (TempDir, PathBuf, PathBuf) {
    let place = TempDir::new();
    let copy = |from: PathBuf, name: &str| PathBuf::from(place.install(name, from));
    let (winddown, workload) = (copy(winddown_path(), "winddown"), copy(workload_path(), "workload"));
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o777)).expect("ours");
    (place, winddown, workload)
}

pub(crate) fn as_user(id: u32) -> Vec<String> {
    let options = [format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".to_owned()];
    std::iter::once("setpriv".to_owned()).chain(options).collect()
}

fn a_proc_that_hides_others_hides_no_descendant() {
    let (_place, winddown, workload) = for_everybody();
    let script = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\"";
    let run = Winddown::new()
        .prefix(["unshare", "--mount", "sh", "-c", script, "sh"])
        .prefix(as_user(65534))
        .binary(winddown)
        .args(["-t", "300ms"])
        .command([workload])
        .more(DEAF.split_whitespace())
        .start();
    let ended = stop_deaf(run);
    // The log names the sender by its id: the name is hidden.
    expect_lines(
        &ended.err()[..1],
        str![
            "winddown: SIGTERM from a process (pid [PID], uid 0): stopping workload (pid [PID]), SIGKILL in 300ms (-t)"
        ],
    );
}

/// Makes every mount read-only.
const READ_ONLY: &str = "mount --make-rprivate /; \
     for place in $(cut -d' ' -f5 /proc/self/mountinfo | sort -r); do \
     mount -o remount,bind,ro $place 2>/dev/null; done; \
     if touch \"$PLACE/x\" 2>/dev/null; then exit 99; fi; exec \"$@\"";

fn nothing_has_to_be_writable() {
    for with_record in [false, true] {
        let place = TempDir::new();
        let file = place.file("record");
        let mut winddown = Winddown::new()
            .prefix(["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"])
            .env("PLACE", place.path())
            .args(["-t", "300ms"]);
        if with_record {
            winddown = winddown.args(["--record", &file]);
        }
        let ended = stop_deaf(winddown.workload(DEAF).start());
        let complaints = ended.err().iter().filter(|line| line.contains("record")).count();
        assert_eq!(complaints, usize::from(with_record), "{}", ended.dump());
    }
}

/// Its /proc status is longer than usual, and the fields that winddown reads come after the groups.
fn a_process_of_many_groups_is_seen_whole() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["-t", "300ms", "--record", &record])
        .workload("--groups 500 --ignore TERM --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(137).expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(record["looks"][0]["processes"][0]["signals"]["ignored"], "4000", "{record}");
    assert_eq!(record["findings"][0]["code"], "W04", "{record}");
}

fn a_record_that_cannot_be_written_changes_nothing() {
    for options in [&[][..], &["--no-guard"]] {
        let ended = Winddown::new().args(options).args(["--record", "/dev/full"]).workload("--exit 4").run();
        let ended = ended.expect_code(4);
        expect_lines(
            &ended.err(),
            str!["winddown: --record /dev/full: No space left on device; the run is not recorded"],
        );
        // The directory is removed while the workload runs.
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new()
            .args(options)
            .args(["--record", &file])
            .workload("--on TERM [ --exit 5 ] --print up --serve")
            .start();
        run.wait_out("up");
        drop(place);
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(5).expect_nothing_left();
        assert_eq!(ended.err().iter().filter(|line| line.contains(&file)).count(), 1, "{}", ended.dump());
    }
}

fn a_full_disk_behind_stderr_changes_nothing() {
    for options in [&["-v"][..], &["-v", "--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .args(["-t", "300ms"])
            .stderr(Stream::File("/dev/full".into()))
            .workload(DEAF)
            .start();
        stop_deaf(run);
    }
}

/// A shell needs few descriptors; its child in a session of its own is out of the group's reach.
fn few_descriptors_are_enough_to_kill() {
    let script = "trap '' TERM; setsid sh -c 'sleep 60; :' & setsid -f sleep 60; echo up; sleep 60; :";
    for options in [&[][..], &["--no-guard"]] {
        for number in (4..=10).step_by(short_or_long(3, 1)) {
            let run = Winddown::new()
                .args(options)
                .args(["-t", "300ms"])
                .limit(libc::RLIMIT_NOFILE, number)
                .command(["sh", "-c", script])
                .start();
            run.wait_out("up");
            let asked = run.signal(libc::SIGTERM);
            let ended = run.wait();
            assert_eq!(ended.code(), Some(137), "{number} descriptors: {}", ended.dump());
            let ended = ended.expect_nothing_left();
            ended.expect_at(asked, Duration::from_millis(300));
        }
    }
}

/// From now on the process can't map another page.
fn take_memory(pid: i32) {
    let limit = libc::rlimit64 { rlim_cur: 4096, rlim_max: 4096 };
    // SAFETY: reads a live rlimit.
    let failed = unsafe { libc::prlimit64(pid, libc::RLIMIT_AS, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
}

fn memory_that_cannot_grow_is_enough_to_kill() {
    for options in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .args(["-t", "300ms"])
            .workload(&format!("--ignore TERM --spawn session*100 s [ --serve ] {DEAF}"))
            .start();
        run.wait_out("up");
        let own = processes::winddowns(run.pid());
        assert_eq!(own.len(), 2 - options.len());
        own.into_iter().for_each(take_memory);
        stop_deaf(run);
    }
}

/// From too little for anything to enough.
fn little_memory_is_enough_or_reported() {
    let mut enough = 0;
    for megabytes in [3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64] {
        let ended = Winddown::new()
            .limit(libc::RLIMIT_AS, megabytes << 20)
            .limit(libc::RLIMIT_CORE, 0)
            .command(["sh", "-c", "exit 7"])
            .run()
            .expect_nothing_left();
        enough += usize::from(ended.code() == Some(7));
        // The loader exits with 127; the kernel kills a program that it can't map.
        let is_reported = ended.code() == Some(7) || !ended.err().is_empty() || ended.signal().is_some();
        assert!(is_reported, "{megabytes} MB: {}", ended.dump());
    }
    assert!(enough > 2, "this tests nothing");
}

fn at_limit(user: u32, processes: u64) -> (TempDir, Winddown, PathBuf) {
    let (place, winddown, workload) = for_everybody();
    let run = Winddown::new()
        .prefix(as_user(user))
        .binary(winddown)
        .args(["-v", "-t", "300ms"])
        .limit(libc::RLIMIT_NPROC, processes);
    (place, run, workload)
}

/// One storm reaches the limit: a second one might not even find room to begin.
fn a_workload_at_its_limit_of_processes_is_killed() {
    let (_place, winddown, workload) = at_limit(54321, 30);
    let flags = "--ignore TERM --storm 1 --print up --serve";
    let ended = stop_deaf(winddown.command([workload]).more(flags.split_whitespace()).start());
    assert_eq!(ended.count_out("over"), 0, "{}", ended.dump());
}

/// That process is the main process, so there is no guard.
fn one_process_more_is_enough() {
    let (_place, winddown, workload) = at_limit(54322, 2);
    let flags = "--say pid --on TERM [ --exit 3 ] --print up --serve";
    let run = winddown.command([workload]).more(flags.split_whitespace()).start();
    run.wait_out("up");
    run.wait_err("no guard: ");
    assert_eq!(processes::children(run.pid()).len(), 1);
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
    let (_place, winddown, _) = at_limit(54322, 2);
    let ended = winddown.command(["/no/such/command"]).run().expect_code(127);
    assert!(ended.dump().contains("cannot run '/no/such/command'"), "{}", ended.dump());
}

fn no_process_more_is_named() {
    let (_place, winddown, workload) = at_limit(54323, 1);
    let ended = winddown.command([workload]).run().expect_code(125);
    expect_lines(&ended.err(), str!["winddown: cannot start a process: Resource temporarily unavailable"]);
}

/// Older container engines refuse system calls that they don't know with EPERM.
fn forbid() -> std::io::Result<()> {
    const RETURN: u16 = 0x06;
    const JUMP_EQUAL: u16 = 0x15;
    const LOAD: u16 = 0x20;
    const fn step(code: u16, jt: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code, jt, jf: 0, k }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    const fn refuse(call: libc::c_long, steps_left: u8) -> libc::sock_filter {
        step(JUMP_EQUAL, steps_left, call as u32)
    }
    static FILTER: [libc::sock_filter; 9] = [
        step(LOAD, 0, 0),
        refuse(libc::SYS_pidfd_send_signal, 6),
        refuse(libc::SYS_pidfd_open, 5),
        refuse(libc::SYS_close_range, 4),
        refuse(libc::SYS_clone3, 3),
        refuse(libc::SYS_pwritev2, 2),
        refuse(libc::SYS_preadv2, 1),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
    ];
    let program = libc::sock_fprog { len: 9, filter: FILTER.as_ptr().cast_mut() };
    // SAFETY: the program is live for the call, and the kernel copies and checks it.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn calls_that_a_container_forbids_are_done_without() {
    for options in [&[][..], &["--no-guard"]] {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new()
            .args(options)
            .args(["--to", "all", "-t", "300ms", "--record", &file])
            .before_exec(forbid)
            .workload(
                "--spawn child a [ --spawn session b [ --on TERM [ ] --serve ] --on TERM [ ] --serve ] \
                 --spawn daemon-session c [ --on TERM [ ] --serve ] --on TERM [ ] --print up --serve",
            )
            .start();
        let ended = stop_deaf(run);
        assert_eq!(ended.count_out("got 15"), 4, "{}", ended.dump());
        let record = read_json(&file);
        let all_sent = record["signals"].as_array().unwrap().iter().all(|one| one["result"] == "ok");
        assert!(all_sent, "{record}");
    }
}

fn a_workload_in_a_namespace_of_its_own_is_killed() {
    for options in [&[][..], &["--no-guard"]] {
        let workload = workload_path();
        let run = Winddown::new()
            .args(options)
            .args(["-t", "300ms"])
            .command(["unshare", "--pid", "--fork", "--mount-proc"])
            .more([workload])
            .more(DEAF.split_whitespace())
            .start();
        stop_deaf(run);
    }
}

fn a_winddown_that_is_pid_1_of_the_workload_stops_with_all() {
    let run = Winddown::new()
        .args(["--to", "all", "-t", "20s"])
        .command(["unshare", "--pid", "--fork", "--mount-proc"])
        .more([winddown_path()])
        .more(["-t", "10s", "--"])
        .more([workload_path()])
        // It ends only after the inner winddown has heard of the stop, too.
        .more("--on TERM [ --sleep 300 --exit 3 ] --print up --serve".split_whitespace())
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_err("from outside the container");
    let ended = run.wait().expect_nothing_left();
    assert!(ended.count_out("got 15") >= 1, "{}", ended.dump());
    assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
}

/// winddown in winddown in winddown: the two outer ones with these options, the innermost with the default.
fn nested(options: &[&str], flags: &str) -> Running {
    let own = winddown_path();
    let run = Winddown::new()
        .args(options)
        .command([&own])
        .more(["-t", "20s", "--"])
        .more([&own])
        .more(["-t", "20s", "--"])
        .more([workload_path()])
        .more(flags.split_whitespace())
        .start();
    run.wait_out("up");
    run
}

fn nested_three_deep_each_is_asked_once() {
    for options in [&["-t", "25s"][..], &["-t", "25s", "--no-guard"]] {
        let run = nested(
            options,
            "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] \
             --on TERM [ --exit 3 ] --print up --serve",
        );
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(ended.count_out("got 15"), 2, "{}", ended.dump());
        let stops = ended.err().iter().filter(|line| line.contains(": stopping ")).count();
        assert_eq!(stops, 3, "{}", ended.dump());
    }
}

fn nested_three_deep_the_deadline_of_the_outermost_counts() {
    for options in [&["-t", "300ms"][..], &["-t", "300ms", "--no-guard"]] {
        stop_deaf(nested(options, DEAF));
    }
}

fn nested_three_deep_a_kill_of_the_outermost_leaves_nothing() {
    let run = nested(&["-t", "25s"], DEAF);
    let killed = Instant::now();
    run.signal(libc::SIGKILL);
    let grace = Duration::from_millis(500);
    expect_soon("no process is left", killed, grace, || run.tag().living().is_empty());
    assert!(killed.elapsed() >= grace);
    run.wait().expect_signal(libc::SIGKILL);
    // Its inner process: the next winddown is the main process, and dies with it.
    let run = nested(&["-t", "25s"], DEAF);
    let inner = processes::children(run.pid()).remove(0).pid;
    let killed = run.tag().signal(inner, libc::SIGKILL);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_within(killed, grace);
    eventually("nothing is left", || ended.tag().living().is_empty());
}
