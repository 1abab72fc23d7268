//! What is done to a workload that has not ended, shortly before SIGKILL: a debugger, a dump.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::builder::Winddown;
use crate::support::running::Ended;
use crate::support::{TempDir, eventually, read_json, trials};

trials![
    needs("java", "javac") => a_jvm_prints_its_stacks_and_goes_on,
    needs("docker") => a_go_program_prints_its_stacks_and_exits,
    needs("python3") => others_are_spared_by_auto,
    needs("python3", "core-file") => a_core_is_waited_for,
    needs("python3") => everybody_left_is_dumped,
    needs("gdb", "python3") => a_debugger_shows_where_it_hangs,
    a_command_learns_who_is_there,
    alone => a_command_that_hangs_does_not_move_the_deadline,
    who_ends_in_time_hears_no_last_words,
    another_signal_is_passed_on_as_in_a_plain_stop,
    last_words_come_before_the_kill_of_a_plan,
    they_are_recorded_as_steps,
];

/// Asks the run once it has printed `up`; returns its record, too.
#[track_caller]
fn asked(winddown: Winddown) -> (Ended, Value) {
    let place = TempDir::new();
    let record = place.file("record");
    let run = winddown.args(["--record", record.as_str()]).owns(&place).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    let record = read_json(record);
    (ended, record)
}

#[track_caller]
fn expect_logged(ended: &Ended, part: &str) {
    let count = ended.err().iter().filter(|line| line.contains(part)).count();
    assert_eq!(count, 1, "{part:?}\n{}", ended.dump());
}

const HANGS: &str = "import signal,time\n\
                     signal.signal(15, lambda *a: time.sleep(300))\n\
                     print('up', flush=True)\n\
                     time.sleep(300)";

fn a_jvm_prints_its_stacks_and_goes_on() {
    let place = TempDir::new();
    let source = "public class Hangs { public static void main(String[] words) throws Exception {\
                  Runtime.getRuntime().addShutdownHook(new Thread(() -> {\
                  try { Thread.sleep(1000000); } catch (Exception e) {} }, \"hangs-here\"));\
                  System.out.println(\"up\"); Thread.sleep(1000000); } }";
    let file = place.write("Hangs.java", source);
    let compiled = std::process::Command::new("javac").args(["-d", &place.file("")]).arg(file).status();
    assert!(compiled.unwrap().success());
    let words = ["java", "-cp", &place.file(""), "Hangs"];
    let winddown = Winddown::new().args(["-t", "4s", "--dump-signal", "auto"]).command(words);
    let (ended, record) = asked(winddown);
    assert_eq!(ended.count_out("Full thread dump"), 1, "{}", ended.dump());
    assert!(ended.out().iter().any(|line| line.contains("\"hangs-here\"")), "{}", ended.dump());
    assert_eq!(record["outcome"], "killed");
    expect_logged(&ended, "dump requested from java (pid ");
}

fn a_go_program_prints_its_stacks_and_exits() {
    // Go's runtime takes SIGUSR1 and does nothing.
    let options = ["-t", "2s", "-s", "USR1", "--dump-signal", "auto"];
    let run = Winddown::new().args(options).command(["docker", "events"]).start();
    let is_up = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("SigCgt:\tf"))
    };
    eventually("the runtime is up", || {
        run.tag().living().iter().any(|one| one.name == "docker" && is_up(one.pid))
    });
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(2).expect_nothing_left();
    expect_logged(&ended, "SIGQUIT: quit");
    expect_logged(&ended, "dump requested from docker (pid ");
}

fn others_are_spared_by_auto() {
    let winddown = Winddown::new().args(["-t", "1s", "--dump-signal", "auto"]);
    let (ended, record) = asked(winddown.command(["python3", "-c", HANGS]));
    assert_eq!((ended.code(), &record["outcome"]), (Some(137), &json!("killed")), "{}", ended.dump());
    expect_logged(&ended, "nothing to dump: no JVM and no Go program is left");
}

fn a_core_is_waited_for() {
    let place = TempDir::new();
    let winddown = Winddown::new()
        .args(["-t", "2s", "--dump-signal", "ABRT"])
        .limit(libc::RLIMIT_CORE, 1 << 30)
        .directory(place.path())
        .command(["python3", "-c", HANGS]);
    let (ended, record) = asked(winddown);
    assert_eq!(record["exit"], json!({ "signal": "ABRT" }), "{}", ended.dump());
    let files = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
    let core = files.into_iter().find(|file| file.to_string_lossy().contains("core")).expect("a core");
    // The core is complete: the header of an ELF file says how long the file is.
    let end = std::fs::read(core).unwrap();
    assert_eq!(&end[..4], b"\x7fELF");
}

fn everybody_left_is_dumped() {
    let flags = "--ignore TERM --on QUIT [ --print dumped ] \
                 --spawn child w [ --ignore TERM --on QUIT [ --print dumped ] --serve ] --print up --serve";
    let (ended, record) = asked(Winddown::new().args(["-t", "1s", "--dump-signal", "QUIT"]).workload(flags));
    assert_eq!(ended.count_out("dumped"), 2, "{}", ended.dump());
    let dumps = record["signals"].as_array().unwrap().iter().filter(|sent| sent["purpose"] == "dump");
    assert_eq!(dumps.count(), 2, "{record:#}");
    assert_eq!(ended.code(), Some(137));
}

fn a_debugger_shows_where_it_hangs() {
    let command = "sh -c 'exec gdb -p $SHUTDOWN_MAIN_PID -batch -ex bt'";
    let winddown = Winddown::new().args(["-t", "8s", "--hook-limit", "10s", "--on-timeout", command]);
    let (ended, _) = asked(winddown.command(["python3", "-c", HANGS]));
    assert!(ended.err().iter().any(|line| line.contains("#0 ")), "{}", ended.dump());
    assert!(ended.err().iter().any(|line| line.contains("nanosleep")), "{}", ended.dump());
}

fn a_command_learns_who_is_there() {
    let place = TempDir::new();
    let file = place.file("pids");
    let script = place.write(
        "hook",
        "#!/bin/sh\necho $SHUTDOWN_MAIN_PID, $SHUTDOWN_PIDS > \"$0.new\"\nmv \"$0.new\" \"$1\"\n",
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hook = format!("{script} {file}");
    let flags = "--ignore TERM --spawn child w [ --ignore TERM --serve ] --say pid --print up --serve";
    let (ended, record) =
        asked(Winddown::new().args(["-t", "1500ms", "--on-timeout", &hook]).workload(flags));
    let (main, worker) = (ended.fact("pid"), ended.fact("w pid"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{main}, {main} {worker}\n"));
    assert_eq!(record["hooks"][0]["result"], "ended", "{}", ended.dump());
}

fn a_command_that_hangs_does_not_move_the_deadline() {
    let options = ["-t", "1s", "--on-timeout", "sleep 100", "--dump-signal", "QUIT"];
    let flags = "--ignore TERM --on QUIT [ --print dumped ] --print up --serve";
    let (ended, record) = asked(Winddown::new().args(options).workload(flags));
    let killed = record["signals"].as_array().unwrap().iter().find(|sent| sent["signal"] == "KILL").unwrap();
    let after = killed["at_ms"].as_f64().unwrap() - record["stop"]["at_ms"].as_f64().unwrap();
    ended.expect_time(Duration::from_secs_f64(after / 1000.0), Duration::from_secs(1));
    assert_eq!(record["hooks"][0]["result"], "overran");
    assert_eq!(ended.count_out("dumped"), 1, "the dump has its own share\n{}", ended.dump());
}

fn who_ends_in_time_hears_no_last_words() {
    let options = ["-t", "20s", "--on-timeout", "false", "--dump-signal", "QUIT"];
    let begun = Instant::now();
    let (ended, record) =
        asked(Winddown::new().args(options).workload("--on TERM [ --exit 3 ] --print up --serve"));
    assert_eq!(ended.code(), Some(3), "{}", ended.dump());
    assert_eq!((&record["steps"], &record["hooks"]), (&json!([]), &json!([])));
    assert!(begun.elapsed() < Duration::from_secs(10), "nothing waits for them");
}

fn another_signal_is_passed_on_as_in_a_plain_stop() {
    let flags = "--on TERM [ ] --on INT [ --exit 4 ] --print up --serve";
    let run = Winddown::new().args(["-t", "30s", "--dump-signal", "QUIT"]).workload(flags).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    run.signal(libc::SIGINT);
    run.wait().expect_code(4).expect_nothing_left();
}

fn last_words_come_before_the_kill_of_a_plan() {
    let options = ["-t", "20s", "--stop", "TERM 300ms, KILL", "--dump-signal", "QUIT"];
    let flags = "--ignore TERM --on QUIT [ --print dumped ] --print up --serve";
    let (ended, record) = asked(Winddown::new().args(options).workload(flags));
    assert_eq!(ended.count_out("dumped"), 1, "{}", ended.dump());
    assert_eq!(ended.code(), Some(137), "{}", ended.dump());
    let actions: Vec<_> = record["steps"].as_array().unwrap().iter().map(|step| &step["action"]).collect();
    assert_eq!(actions, ["signal", "dump"]);
}

fn they_are_recorded_as_steps() {
    let options = ["-t", "1s", "--on-timeout", "true", "--dump-signal", "auto"];
    let (ended, record) = asked(Winddown::new().args(options).workload("--ignore TERM --print up --serve"));
    let steps: Vec<_> =
        record["steps"].as_array().unwrap().iter().map(|one| (&one["number"], &one["action"])).collect();
    assert_eq!(steps, [(&json!(2), &json!("run")), (&json!(3), &json!("dump"))], "{}", ended.dump());
    assert_eq!(crate::record_schema::errors(&record), Vec::<String>::new());
    expect_logged(&ended, "step 3 of 3: SIGQUIT for a dump to JVM and Go");
}
