//! python3: a threaded web server, alone and behind a shell, and a task queue.

use super::{Place, Response, source};
use crate::support::trials;

trials![
    needs("python3") => python_finishes_its_response,
    needs("python3") => a_server_behind_a_shell_is_asked_once_the_shell_has_died,
    needs("python3") => a_server_behind_a_shell_that_traps_is_asked_with_to_all,
    needs("python3") => pre_forked_workers_finish_their_tasks,
    needs("python3") => asking_all_costs_pre_forked_workers_their_tasks,
    needs("python3") => pythons_own_web_server_ends_as_it_would_alone,
];

fn python_finishes_its_response() {
    let place = Place::new();
    let command = ["python3", source!("server.py"), &place.port.text(), &place.release()];
    let run = place.winddown().command(command).start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_code(4);
    let stopped = stopped.expect_outcome("stopped").expect_asked(&["main TERM"]);
    assert_eq!(stopped.ended.out(), ["up", "stopping", "finished"]);
}

/// A shell script that runs the server in the foreground, with the arguments it needs.
fn shell(script: &str, place: &Place) -> Vec<String> {
    let script = format!("{script}; echo done");
    let port = place.port.text();
    ["sh", "-c", &script, "sh", source!("server.py"), &port, &place.release()].map(Into::into).into()
}

// Trap 13: main exits, children remain
fn a_server_behind_a_shell_is_asked_once_the_shell_has_died() {
    let place = Place::new();
    let run = place.winddown().command(shell("python3 \"$@\"", &place)).start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_outcome("stopped");
    let stopped = stopped.expect_asked(&["main TERM", "orphan TERM"]);
    assert_eq!(stopped.ended.signal(), Some(libc::SIGTERM), "{}", stopped.ended.dump());
    assert_eq!(stopped.ended.out(), ["up", "stopping", "finished"]);
}

fn a_server_behind_a_shell_that_traps_is_asked_with_to_all() {
    let place = Place::new();
    let command = shell("trap : TERM; python3 \"$@\"", &place);
    let run = place.winddown().args(["--to", "all"]).command(command).start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_code(0).expect_outcome("stopped");
    assert_eq!(stopped.ended.out(), ["up", "stopping", "finished", "done"]);
}

fn pre_forked_workers_finish_their_tasks() {
    let place = Place::new();
    let run = place.winddown().command(["python3", source!("workers.py"), &place.release()]).start();
    run.wait_out_times("begins task", 2);
    run.signal(libc::SIGTERM);
    run.wait_out("stopping");
    std::fs::write(place.release(), "").unwrap();
    let ended = run.wait().expect_nothing_left();
    let stopped = place.stopped(ended).expect_code(5).expect_outcome("stopped");
    let stopped = stopped.expect_asked(&["main TERM"]);
    assert_eq!(stopped.ended.count_out("has done task"), 2);
    assert_eq!(stopped.ended.count_out("lost"), 0);
}

// This is why asking all is not the default; it also shows that the test before this one can fail.
fn asking_all_costs_pre_forked_workers_their_tasks() {
    let place = Place::new();
    let command = ["python3", source!("workers.py"), &place.release()];
    let run = place.winddown().args(["--to", "all"]).command(command).start();
    run.wait_out_times("begins task", 2);
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    let stopped = place.stopped(ended).expect_code(1).expect_outcome("stopped");
    assert_eq!(stopped.ended.count_out("lost task"), 2);
}

// The server's own behaviour: it exits at Ctrl+C, and dies of SIGTERM.
fn pythons_own_web_server_ends_as_it_would_alone() {
    for (signal, code) in [("INT", Some(0)), ("TERM", None)] {
        let place = Place::new();
        let port = place.port.text();
        let run = place
            .winddown()
            .args(["-s", signal])
            .command(["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", &port])
            .directory(place.directory.path())
            .start();
        run.wait_out("Serving HTTP");
        // It prints that it serves a moment before it reacts to Ctrl+C.
        assert!(Response::ask(&place.port).rest().contains(" 200 OK"));
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_nothing_left();
        let stopped = place.stopped(ended).expect_outcome("stopped");
        assert_eq!(stopped.ended.code(), code, "{}", stopped.ended.dump());
        assert_eq!(stopped.ended.signal(), code.is_none().then_some(libc::SIGTERM));
    }
}
