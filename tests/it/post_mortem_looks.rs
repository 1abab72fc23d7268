//! When snapshots are taken for the post-mortem, and how its findings are reported.

use serde_json::Value;

use crate::post_mortem::killed;
use crate::support::builder::Winddown;
use crate::support::lateness::Machine;
use crate::support::running::Ended;
use crate::support::{TempDir, read_json, trials};

trials![
    a_stop_in_time_has_looks_but_no_findings,
    a_short_limit_has_no_looks,
    alone => the_looks_come_at_their_moments,
    alone long needs("python3") => no_workload_is_too_large_to_be_killed_in_time,
    the_log_for_machines_has_the_findings,
    at_most_twenty_lines_are_printed,
    needs("python3") => who_ends_by_a_dump_is_reported_too,
];

fn stopped_in_time(options: &[&str]) -> Value {
    let place = TempDir::new();
    let record = place.file("record");
    let flags = "--on TERM [ --sleep 700 --exit 0 ] --print up --serve";
    let run = Winddown::new().args(options).args(["--record", record.as_str()]).workload(flags).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(0).expect_nothing_left();
    read_json(record)
}

fn moments(record: &Value) -> Vec<&str> {
    record["looks"].as_array().unwrap().iter().map(|look| look["moment"].as_str().unwrap()).collect()
}

fn a_stop_in_time_has_looks_but_no_findings() {
    let record = stopped_in_time(&["-t", "20s"]);
    assert_eq!(moments(&record), ["before", "early"]);
    assert_eq!(record["findings"], serde_json::json!([]));
    assert_eq!(record["progress"], Value::Null);
}

fn a_short_limit_has_no_looks() {
    let place = TempDir::new();
    let record = place.file("record");
    let winddown = Winddown::new().args(["-t", "90ms", "--record", record.as_str()]);
    let run = winddown.workload("--ignore TERM --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(137);
    assert_eq!(moments(&read_json(record)), Vec::<&str>::new());
}

fn the_looks_come_at_their_moments() {
    let place = TempDir::new();
    let record = place.file("record");
    let winddown = Winddown::new().args(["-t", "2s", "--record", record.as_str()]);
    let run = winddown.workload("--ignore TERM --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137);
    let record = read_json(record);
    assert_eq!(moments(&record), ["before", "early", "half", "late", "last"]);
    let begun = record["stop"]["at_ms"].as_f64().unwrap();
    let looks = record["looks"].as_array().unwrap();
    let after: Vec<f64> = looks.iter().map(|look| look["at_ms"].as_f64().unwrap() - begun).collect();
    for (after, due) in after.iter().zip([0.0, 100.0, 1000.0, 1800.0, 1975.0]) {
        assert_exact(&ended, "a look", after - due);
    }
    let killed = record["signals"].as_array().unwrap().iter().find(|sent| sent["signal"] == "KILL").unwrap();
    assert_exact(&ended, "SIGKILL", killed["at_ms"].as_f64().unwrap() - begun - 2000.0);
}

/// Late by at most a few milliseconds plus the machine's own lateness.
#[track_caller]
fn assert_exact(ended: &Ended, what: &str, late_ms: f64) {
    let machine = Machine::between(ended.start, ended.end);
    let most = 20.0 + machine.late.as_secs_f64() * 1000.0;
    assert!((0.0..most).contains(&late_ms), "{what} {late_ms} ms late, {machine:?}\n{}", ended.dump());
}

/// However much there is to inspect: processes, threads, descriptors, connections.
fn no_workload_is_too_large_to_be_killed_in_time() {
    let program = "import os,resource,signal,socket,threading,time\n\
                   resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))\n\
                   signal.signal(15, signal.SIG_IGN)\n\
                   files = [os.open('/dev/null', 0) for i in range(15000)]\n\
                   s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(1000)\n\
                   pairs = [(socket.create_connection(s.getsockname()), s.accept()) for i in range(1000)]\n\
                   for i in range(200): threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n\
                   for i in range(500):\n \
                    if os.fork() == 0: time.sleep(300)\n\
                   print('up', flush=True)\n\
                   time.sleep(300)";
    let found = killed(&["python3", "-c", program]);
    assert_eq!(found.record["findings"][0]["code"], "W04", "{}", found.ended.dump());
    let killed =
        found.record["signals"].as_array().unwrap().iter().find(|sent| sent["signal"] == "KILL").unwrap();
    let begun = found.record["stop"]["at_ms"].as_f64().unwrap();
    assert_exact(&found.ended, "SIGKILL", killed["at_ms"].as_f64().unwrap() - begun - 1000.0);
    let last = found.record["looks"].as_array().unwrap().last().unwrap();
    assert!(last["left_out"].as_u64().unwrap() > 400, "{}", found.ended.dump());
    let seen = |line: &String| line.contains("  not looked at: ");
    assert_eq!(found.ended.err().into_iter().filter(seen).count(), 1, "{}", found.ended.dump());
}

fn the_log_for_machines_has_the_findings() {
    let winddown = Winddown::new().args(["-t", "300ms", "--log-format", "json"]);
    let run = winddown.workload("--ignore TERM --print up --serve").start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137);
    let lines: Vec<Value> = ended.err().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<&Value> = lines.iter().filter(|line| line["event"] == "post-mortem").collect();
    assert_eq!(found.len(), 1, "{}", ended.dump());
    assert_eq!(found[0]["progress"], "frozen");
    assert_eq!(found[0]["findings"][0]["code"], "W04");
    assert_eq!(found[0]["findings"][0]["name"], "ignored");
}

fn at_most_twenty_lines_are_printed() {
    // Each process has a different finding, or a different name.
    let flags = "--ignore TERM --spawn child a [ --block TERM --serve ] --spawn child b [ --ignore TERM --serve ] \
                 --spawn child c [ --on TERM [ ] --serve ] --spawn child d [ --busy 100000 ] \
                 --spawn chain*9 e [ --ignore TERM --serve ] --print up --serve";
    let run = Winddown::new().args(["-t", "400ms", "--to", "all"]).workload(flags).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    let lines = ended.err();
    let kill = lines.iter().position(|line| line.contains("SIGKILL after")).unwrap();
    let end = lines.iter().position(|line| line.contains("killed in")).unwrap();
    assert!((3..=21).contains(&(end - kill)), "{}", ended.dump());
}

/// The last snapshot comes before the dump, which would change it.
fn who_ends_by_a_dump_is_reported_too() {
    let place = TempDir::new();
    let record = place.file("record");
    let program = "import signal,time\n\
                   signal.signal(15, lambda *a: time.sleep(300))\n\
                   print('up', flush=True)\n\
                   time.sleep(300)";
    let winddown = Winddown::new().args(["-t", "2s", "--dump-signal", "ABRT", "--record", record.as_str()]);
    let run = winddown.limit(libc::RLIMIT_CORE, 0).command(["python3", "-c", program]).start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(record["exit"]["signal"], "ABRT", "{}", ended.dump());
    assert_eq!(record["findings"][0]["code"], "W15", "{}", ended.dump());
    assert_eq!(ended.err().iter().filter(|line| line.contains("why (")).count(), 1, "{}", ended.dump());
    let looks = record["looks"].as_array().unwrap();
    let (last, dump) = (looks.last().unwrap(), &record["steps"][0]);
    assert_eq!((&last["moment"], &dump["action"]), (&"last".into(), &"dump".into()), "{record:#}");
}
