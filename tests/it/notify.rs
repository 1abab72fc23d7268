//! Messages of `sd_notify`: what winddown takes from its workload, and what it passes on to its own parent.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::manager::Manager;
use crate::support::processes::{children, is_alive, winddowns};
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, trials};

trials![
    a_socket_is_offered_when_it_is_wanted,
    what_concerns_the_parent_goes_on,
    the_parent_is_notified_of_a_stop_and_of_more_time,
    an_inner_process_that_was_killed_is_reported_to_the_parent,
    before_a_stop_more_time_is_asked_of_the_parent,
    a_parent_that_never_reads_delays_nothing,
    a_parent_that_is_not_there_changes_nothing,
    descriptors_to_be_stored_go_on_and_others_are_closed,
    a_barrier_is_over_when_everything_before_it_was_taken,
    a_barrier_is_over_when_the_parent_says_so,
    strangers_are_not_heeded,
    a_sender_that_is_gone_is_heeded,
    needs("root") => a_sender_that_is_gone_is_known_by_its_user,
    needs("root", "pid-namespace", "recycled-pid") => an_id_that_is_anothers_by_now_is_not_believed,
    garbage_and_bursts_hurt_nobody,
    with_few_descriptors_none_is_leaked,
    a_storm_of_messages_delays_no_signal,
    who_is_named_by_mainpid_is_asked_first_and_alone,
    the_started_process_is_asked_when_the_named_one_has_gone,
    nobody_outside_the_tree_can_be_named,
    a_sigio_from_a_process_arrives,
    idle_costs_no_wake_up_with_a_token_and_messages,
];

fn under(manager: &Manager, winddown: Winddown) -> Winddown {
    winddown.env("NOTIFY_SOCKET", manager.name())
}

/// The process that supervises.
fn supervisor(run: &Running, is_guarded: bool) -> i32 {
    if is_guarded { children(run.pid())[0].pid } else { run.pid() }
}

fn a_socket_is_offered_when_it_is_wanted() {
    let name =
        |winddown: Winddown| winddown.workload("--say env:NOTIFY_SOCKET").run().fact("env:NOTIFY_SOCKET");
    assert_eq!(name(Winddown::new().env_remove("NOTIFY_SOCKET")), "");
    assert_eq!(name(Winddown::new().env("NOTIFY_SOCKET", "")), "");
    let first = name(Winddown::new().args(["--notify"]));
    assert!(first.starts_with("@winddown-") && first.len() > 40, "{first}");
    assert_ne!(name(Winddown::new().args(["--notify"])), first);
    let manager = Manager::new();
    assert!(name(under(&manager, Winddown::new())).starts_with("@winddown-"));
}

fn what_concerns_the_parent_goes_on() {
    for manager in [Manager::new as fn() -> Manager, Manager::with_path] {
        guarded_or_not(|winddown| {
            let manager = manager();
            let texts = [
                "READY=1;STATUS=all=well;MAINPID=SELF;X_OWN=1;nonsense;ERRNO=5",
                "NOTIFYACCESS=all;MAINPID=SELF",
                "RELOADING=1;MONOTONIC_USEC=17",
                "STOPPING=1;BUSERROR=x;VARLINKERROR=y;RESTART_RESET=1",
                "WATCHDOG=1",
            ];
            let flags: Vec<String> = texts.iter().map(|text| format!("--tell {text}")).collect();
            let run = under(&manager, winddown)
                .workload(&format!("--on TERM [ --exit 0 ] {} --print up --serve", flags.join(" ")))
                .start();
            let expected = [
                "READY=1\nSTATUS=all=well\nERRNO=5\n",
                "RELOADING=1\nMONOTONIC_USEC=17\n",
                "STOPPING=1\nBUSERROR=x\nVARLINKERROR=y\nRESTART_RESET=1\n",
                "WATCHDOG=1\n",
            ];
            for text in expected {
                let message = manager.next();
                assert_eq!(message.text, text);
                // A service manager accepts messages only from its service's main process.
                assert_eq!(message.pid, run.pid());
            }
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            run.wait().expect_code(0);
        });
    }
}

/// The number after `EXTEND_TIMEOUT_USEC=`.
#[track_caller]
fn needed(text: &str) -> Duration {
    let found = text.lines().find_map(|line| line.strip_prefix("EXTEND_TIMEOUT_USEC="));
    Duration::from_micros(found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}")))
}

fn the_parent_is_notified_of_a_stop_and_of_more_time() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let run = under(&manager, winddown)
            .args(["-t", "20s", "--kill-wait", "7s", "--extend-max", "5m"])
            .workload(
                "--on TERM [ --tell EXTEND_TIMEOUT_USEC=60000000 --sleep 100 --exit 0 ] --print up --serve",
            )
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        let (message, _) = manager.until("STOPPING=1\n");
        assert!(message.text.contains("\nSTATUS=stopping: "), "{}", message.text);
        // The limit, the wait after it, and a margin.
        assert!(needed(&message.text) > Duration::from_secs(27), "{}", message.text);
        let (message, _) = manager.until("EXTEND_TIMEOUT_USEC=");
        assert!(needed(&message.text) > Duration::from_secs(67), "{}", message.text);
        assert_eq!(message.pid, run.pid());
        run.wait().expect_code(0);
    });
}

fn an_inner_process_that_was_killed_is_reported_to_the_parent() {
    let manager = Manager::new();
    let run = under(&manager, Winddown::new())
        .workload("--spawn child a [ --on TERM [ --sleep 100 --exit 0 ] --serve ] --print up --serve")
        .start();
    run.wait_out("up");
    run.tag().signal(supervisor(&run, true), libc::SIGKILL);
    let (message, _) = manager.until("STOPPING=1\n");
    assert_eq!(message.pid, run.pid());
    run.wait().expect_nothing_left();
}

fn before_a_stop_more_time_is_asked_of_the_parent() {
    let manager = Manager::new();
    let run = under(&manager, Winddown::new())
        .workload("--tell EXTEND_TIMEOUT_USEC=90000000 --on TERM [ --exit 0 ] --print up --serve")
        .start();
    assert_eq!(manager.next().text, "EXTEND_TIMEOUT_USEC=90000000\n");
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
}

fn a_parent_that_never_reads_delays_nothing() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let run = under(&manager, winddown)
            .args(["-t", "600ms"])
            .workload("--tell-times 3000 STATUS=x --barrier --on TERM [ ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(600));
        drop(manager);
    });
}

fn a_parent_that_is_not_there_changes_nothing() {
    for name in ["@nobody-is-here", "/nobody/is/here", "vsock:1:2", "nonsense"] {
        guarded_or_not(|winddown| {
            let run = winddown
                .env("NOTIFY_SOCKET", name)
                .workload("--tell READY=1 --barrier --on TERM [ --exit 3 ] --print up --serve")
                .start();
            run.wait_out("up");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3);
            assert_eq!(ended.err().len(), 2, "{}", ended.dump());
        });
    }
}

fn descriptors_to_be_stored_go_on_and_others_are_closed() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let run = under(&manager, winddown)
            .workload("--tell-fds 3 FDSTORE=1;FDNAME=mine --tell-fds 5 STATUS=none --on TERM [ --exit 0 ] --print up --serve")
            .start();
        let message = manager.next();
        assert_eq!((message.text.as_str(), message.descriptors.len()), ("FDSTORE=1\nFDNAME=mine\n", 3));
        let message = manager.next();
        assert_eq!((message.text.as_str(), message.descriptors.len()), ("STATUS=none\n", 0));
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(0);
    });
}

fn a_barrier_is_over_when_everything_before_it_was_taken() {
    guarded_or_not(|winddown| {
        let run = winddown
            .args(["--notify"])
            .workload("--tell READY=1 --barrier --barrier --on TERM [ --exit 0 ] --print up --serve")
            .start();
        run.wait_out("up");
        assert_eq!(run.out(), ["barrier over", "barrier over", "up"]);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(0);
    });
}

fn a_barrier_is_over_when_the_parent_says_so() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let run = under(&manager, winddown)
            .workload("--tell READY=1 --barrier --on TERM [ --exit 0 ] --print up --serve")
            .start();
        assert_eq!(manager.next().text, "READY=1\n");
        let message = manager.next();
        assert_eq!((message.text.as_str(), message.descriptors.len()), ("BARRIER=1\n", 1));
        assert!(!holds_within(Duration::from_millis(200), || !run.out().is_empty()), "over too early");
        drop(message);
        run.wait_out("barrier over");
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(0);
    });
}

/// Sends to the run's socket from this process, which is outside its tree.
fn send_from_outside(run: &Running, text: &str) {
    let name = run.fact("env:NOTIFY_SOCKET");
    let name = name.strip_prefix('@').expect("an abstract name");
    let socket = UnixDatagram::unbound().expect("a socket");
    let address = SocketAddr::from_abstract_name(name).expect("a name");
    socket.connect_addr(&address).expect("a socket of that name");
    socket.send(text.as_bytes()).expect("room");
}

/// Prints its socket, and sends `own` to the parent when it gets USR1.
const TELLS: &str =
    "--say env:NOTIFY_SOCKET --on TERM [ --exit 0 ] --on USR1 [ --tell STATUS=own ] --print up --serve";

fn strangers_are_not_heeded() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        let run = under(&manager, winddown).workload(TELLS).start();
        run.wait_out("up");
        send_from_outside(&run, "READY=1\nSTATUS=strange\nEXTEND_TIMEOUT_USEC=5");
        run.signal(libc::SIGUSR1);
        assert_eq!(manager.next().text, "STATUS=own\n");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(0);
    });
}

/// Messages that are read after their sender ended and was reaped.
fn messages_of_the_gone(winddown: Winddown, is_guarded: bool, sender: &str) -> Vec<String> {
    let manager = Manager::new();
    let run = under(&manager, winddown)
        .workload(&format!(
            "--on TERM [ --exit 0 ] --on USR2 [ --spawn child a [ {sender} --tell STATUS=gone --exit 0 ] --wait a \
             --print sent --tell STATUS=own ] --say pid --print up --serve"
        ))
        .start();
    run.wait_out("up");
    let supervisor = supervisor(&run, is_guarded);
    run.tag().signal(supervisor, libc::SIGSTOP);
    run.tag().signal(run.number("pid"), libc::SIGUSR2);
    run.wait_out("sent");
    run.tag().signal(supervisor, libc::SIGCONT);
    let (_, before) = manager.until("STATUS=own\n");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
    before
}

fn a_sender_that_is_gone_is_heeded() {
    assert_eq!(messages_of_the_gone(Winddown::new(), true, ""), ["STATUS=gone\n"]);
    assert_eq!(messages_of_the_gone(Winddown::new().args(["--no-guard"]), false, ""), ["STATUS=gone\n"]);
}

fn a_sender_that_is_gone_is_known_by_its_user() {
    let before = messages_of_the_gone(Winddown::new(), true, "--setuid 65534");
    assert!(before.is_empty(), "{before:?}");
}

/// Another user's process sends a message and ends, and a process of the workload gets its id before it is read.
fn an_id_that_is_anothers_by_now_is_not_believed() {
    let manager = Manager::new();
    let place = TempDir::new();
    let go = place.file("go");
    let script = "trap 'exit 0' TERM; echo up; while [ ! -e \"$GO\" ]; do sleep 0.01; done\n\
         sent=$($WORKLOAD --spawn child a [ --setuid 65534 --tell STATUS=gone --exit 0 ] --wait a)\n\
         sender=$(echo \"$sent\" | sed -n 's/^a pid //p')\n\
         echo $((sender - 1)) >/proc/sys/kernel/ns_last_pid; sleep 60 &\n\
         [ $! = \"$sender\" ] && echo recycled || echo \"$! is not $sender: $sent\"\n\
         $WORKLOAD --tell STATUS=own; wait";
    let run = under(&manager, Winddown::new())
        .pid_1()
        .env("GO", &go)
        .env("WORKLOAD", crate::support::builder::workload_path())
        .command(["sh", "-c", script])
        .start();
    run.wait_out("up");
    run.tag().signal(run.pid(), libc::SIGSTOP);
    std::fs::write(&go, "").expect("room");
    run.wait_out("recycled");
    run.tag().signal(run.pid(), libc::SIGCONT);
    let (_, before) = manager.until("STATUS=own\n");
    assert!(before.is_empty(), "{before:?}");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
}

fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a living process").count()
}

fn memory_kb(pid: i32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn garbage_and_bursts_hurt_nobody() {
    guarded_or_not(|winddown| {
        let garbage = "--tell READY=1~X=1 --tell % --tell = --tell ; --tell ~ --tell-size 4096 --tell-size 4097 \
             --tell-size 65536 --tell-fds 253 STATUS=many --tell-fds 253 nonsense --tell-fds 9 BARRIER=1";
        let run = winddown
            .args(["--notify", "-t", "20s"])
            .workload(&format!(
                "--on TERM [ --exit 4 ] {garbage} --tell-times 2000 STATUS=x --barrier --print warm \
                 --on USR1 [ {garbage} --tell-times 20000 STATUS=x --barrier --print burst ] --print up --serve"
            ))
            .start();
        run.wait_out("up");
        // Without the process that closes descriptors for one of them.
        let ours = winddowns(run.pid());
        let before: Vec<_> = ours.iter().map(|pid| (descriptors(*pid), memory_kb(*pid))).collect();
        run.signal(libc::SIGUSR1);
        run.wait_out("burst");
        for (pid, (open, memory)) in ours.iter().zip(before) {
            eventually("no descriptor is left open", || descriptors(*pid) == open);
            assert!(memory_kb(*pid) < memory + 1024, "{memory} kB, then {}", memory_kb(*pid));
        }
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(4).expect_nothing_left();
        ended.expect_within(asked, Duration::ZERO);
    });
}

fn with_few_descriptors_none_is_leaked() {
    let run = Winddown::new()
        .args(["--notify", "--no-guard"])
        .limit(libc::RLIMIT_NOFILE, 32)
        .workload("--on TERM [ --exit 4 ] --on USR1 [ --tell-fds 253 STATUS=x --tell-fds 253 STATUS=x --barrier --print burst ] --print up --serve")
        .start();
    run.wait_out("up");
    let mut before = 0;
    for times in 1..5 {
        run.signal(libc::SIGUSR1);
        run.wait_out_times("burst", times);
        if times == 1 {
            // By now the start is over as well.
            before = descriptors(run.pid());
        }
        eventually("no descriptor is left open", || descriptors(run.pid()) <= before);
    }
    run.signal(libc::SIGTERM);
    run.wait().expect_code(4);
}

fn a_storm_of_messages_delays_no_signal() {
    guarded_or_not(|winddown| {
        let run = winddown
            .args(["--notify", "-t", "500ms"])
            .workload(
                "--spawn child*6 a [ --ignore TERM --sleep 1 --tell-times 100000000 STATUS=x ] \
                 --on USR1 [ ] --on TERM [ ] --print up --serve",
            )
            .start();
        run.wait_out("up");
        for times in 1..20 {
            run.signal(libc::SIGUSR1);
            run.wait_out_times("got 10", times);
        }
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        ended.expect_at(asked, Duration::from_millis(500));
    });
}

fn who_is_named_by_mainpid_is_asked_first_and_alone() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let go = place.file("go");
        // Once the named process has ended, the started one may be asked: so it ends last.
        let run = winddown
            .args(["--notify"])
            .workload(&format!(
                "--spawn child leader [ --tell MAINPID=SELF --barrier \
                   --on TERM [ --kill parent USR1 --until {go} --exit 0 ] --serve ] \
                 --spawn child other [ --on TERM [ --exit 0 ] --on USR1 [ --exit 0 ] --serve ] \
                 --on TERM [ --exit 9 ] --on USR1 [ --kill other USR1 --wait other --exit 6 ] \
                 --say pid --print up --serve"
            ))
            .start();
        run.wait_out("up");
        let main = run.number("pid");
        run.signal(libc::SIGTERM);
        eventually("the started process has ended", || !is_alive(main));
        place.write("go", "");
        let ended = run.wait().expect_code(6).expect_nothing_left();
        assert_eq!(ended.count_out("leader got 15"), 1, "{}", ended.dump());
        assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    });
}

fn the_started_process_is_asked_when_the_named_one_has_gone() {
    let run = Winddown::new()
        .args(["--notify"])
        .workload(
            "--spawn child leader [ --tell MAINPID=SELF --barrier --exit 0 ] --wait leader \
             --on TERM [ --exit 5 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(5).expect_nothing_left();
}

fn nobody_outside_the_tree_can_be_named() {
    // A process that winddown could ask without harm, if it did.
    let mut other = std::process::Command::new("sleep").arg("60").spawn().expect("a process");
    for pid in [other.id().cast_signed(), 0, -1] {
        let run = Winddown::new()
            .args(["--notify"])
            .workload(&format!("--tell MAINPID={pid} --barrier --on TERM [ --exit 5 ] --print up --serve"))
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait().expect_code(5);
    }
    assert!(matches!(other.try_wait(), Ok(None)), "it was asked");
    other.kill().and_then(|()| other.wait()).expect("a child of ours");
}

fn a_sigio_from_a_process_arrives() {
    let manager = Manager::new();
    for with_parent in [true, false] {
        guarded_or_not(|winddown| {
            let winddown = if with_parent { under(&manager, winddown) } else { winddown.args(["--notify"]) };
            let run = winddown
                .workload(
                    "--on IO [ --tell STATUS=io ] --on TERM [ --exit 0 ] --tell STATUS=x --print up --serve",
                )
                .start();
            run.wait_out("up");
            // Two pending SIGIO merge into one, as for any signal, even with the SIGIO that a message raises.
            for times in 1..4 {
                eventually("a SIGIO arrives", || {
                    run.signal(libc::SIGIO);
                    let count = || run.out().iter().filter(|line| line.contains("got 29")).count();
                    holds_within(Duration::from_millis(500), || count() >= times)
                });
                while with_parent && manager.next_within(Duration::from_millis(20)).is_some() {}
            }
            run.signal(libc::SIGTERM);
            run.wait().expect_code(0);
        });
    }
}

/// How often a process gave up the processor voluntarily.
fn switches(pid: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).expect("a count").to_owned()
}

fn idle_costs_no_wake_up_with_a_token_and_messages() {
    let manager = Manager::new();
    let place = TempDir::new();
    let run = under(&manager, Winddown::new())
        .args(["--token", &place.file("token"), "--extend-max", "5s", "--stop-with-parent"])
        .workload("--tell READY=1 --on TERM [ --exit 0 ] --print up --serve")
        .start();
    manager.until("READY=1");
    run.wait_out("up");
    let both = [run.pid(), supervisor(&run, true)];
    let settled = |pid: i32| {
        let before = switches(pid);
        !holds_within(Duration::from_millis(200), || switches(pid) != before)
    };
    eventually("the start is over", || both.iter().all(|pid| settled(*pid)));
    let before = both.map(switches);
    let start = Instant::now();
    assert!(
        !holds_within(Duration::from_secs(2), || both.map(switches) != before),
        "after {:?}",
        start.elapsed()
    );
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0);
}
