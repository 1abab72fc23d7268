//! node, alone and behind npm.

use super::{Place, source};
use crate::support::builder::Winddown;
use crate::support::trials;

trials![
    needs("node") => node_finishes_its_response,
    needs("node", "npm") => npm_start_keeps_the_work_of_its_server,
    needs("node", "npm") => npm_start_keeps_the_work_of_a_server_that_a_shell_waits_for,
];

fn node_finishes_its_response() {
    let place = Place::new();
    let command = ["node", source!("server.mjs"), &place.port.text(), &place.release()];
    let run = place.winddown().command(command).start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_code(3);
    let stopped = stopped.expect_outcome("stopped").expect_asked(&["main TERM"]);
    assert_eq!(stopped.ended.out(), ["up", "stopping", "finished"]);
}

/// Runs `npm start` for a package in a place of its own, where npm keeps its cache and logs as well.
fn npm_start(place: &Place, script: &str) -> Winddown {
    let package = serde_json::json!({ "private": true, "scripts": { "start": script } });
    place.directory.write("package.json", &package.to_string());
    place
        .winddown()
        .command(["npm", "start", "--"])
        .directory(place.directory.path())
        .owns(&place.directory)
        .env("npm_config_cache", place.directory.file("cache"))
        .env("npm_config_userconfig", place.directory.file("npmrc"))
        .env("npm_config_update_notifier", "false")
}

/// However npm and the shell handle the signal, the server gets it once, and finishes.
fn npm_start_keeps_work(script: impl FnOnce(&Place) -> String) {
    let place = Place::new();
    let run = npm_start(&place, &script(&place)).start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_outcome("stopped");
    let lines = stopped.ended.out();
    let count = |line: &str| lines.iter().filter(|one| *one == line).count();
    assert_eq!([count("stopping"), count("finished"), count("done")], [1, 1, 0], "{lines:?}");
}

fn server(place: &Place) -> String {
    format!("node '{}' {} '{}'", source!("server.mjs"), place.port.text(), place.release())
}

fn npm_start_keeps_the_work_of_its_server() {
    npm_start_keeps_work(server);
}

// npm's signal ends the shell, and npm ends with it; winddown asks the server as soon as it is an orphan.
fn npm_start_keeps_the_work_of_a_server_that_a_shell_waits_for() {
    npm_start_keeps_work(|place| format!("{}; echo done", server(place)));
}
