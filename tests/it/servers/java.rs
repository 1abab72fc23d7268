//! A Java virtual machine, which exits with 143 after a stop in good order.

use super::{Place, Stopped, source};
use crate::support::trials;

trials![
    needs("java", "javac") => shutdown_hooks_finish_the_response,
    needs("java", "javac") => the_usual_status_143_can_be_rewritten,
];

fn stop_java(arguments: &[&str]) -> Stopped {
    let place = Place::new();
    // Two cores and a small heap: the tests share the machine.
    let java = ["java", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-XX:-UsePerfData"];
    let run = place
        .winddown()
        .args(arguments)
        .command(java)
        .more([source!("Server.java"), &place.port.text(), &place.release()])
        .start();
    run.wait_out("up");
    let stopped = place.stop_in_mid_response(run).expect_outcome("stopped");
    let stopped = stopped.expect_asked(&["main TERM"]);
    assert_eq!(stopped.ended.out(), ["up", "stopping", "finished"]);
    stopped
}

fn shutdown_hooks_finish_the_response() {
    stop_java(&[]).expect_code(143);
}

fn the_usual_status_143_can_be_rewritten() {
    stop_java(&["--remap-exit", "143=0"]).expect_code(0);
}
