//! Real processes, signals and terminals: what a user of winddown sees.
//!
//! A test that can't run on this machine is shown as ignored with its reason, and counted; with
//! `WINDDOWN_TEST_ALL=1` it fails instead. Tests run as threads of one process: none may change
//! what belongs to the process (directory, mask, dispositions); a child's state is set in the child.

mod activation;
mod check;
mod cli;
mod container_limits;
mod containers;
mod early_signals;
mod examples;
mod execute;
mod exit_status;
mod extend;
mod foreign;
mod guard;
mod hang_up;
mod harness;
mod hooks;
mod hostile;
mod job_control;
mod kill;
mod last_words;
mod limits;
mod live_line;
mod log;
mod log_blocked;
mod log_json;
mod memory;
mod notify;
mod options;
mod outcomes;
mod parent;
mod pid1;
mod plan;
mod post_mortem;
mod random_runs;
mod record;
mod record_file;
mod record_schema;
mod report;
mod report_html;
mod run_limit;
mod servers;
mod signals;
mod start;
mod stop;
mod stop_again;
mod storms;
#[expect(dead_code, reason = "the tests that use the rest are yet to come")]
mod support;
mod surroundings;
mod survivors;
mod terminal;
mod terminal_programs;
mod token;
mod token_command;
mod wall_clock;
mod watchdog;
mod without_proc;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        activation::trials(),
        check::trials(),
        cli::trials(),
        container_limits::trials(),
        containers::trials(),
        early_signals::trials(),
        examples::trials(),
        execute::trials(),
        exit_status::trials(),
        extend::trials(),
        foreign::trials(),
        guard::trials(),
        hang_up::trials(),
        harness::trials(),
        hooks::trials(),
        hostile::trials(),
        job_control::trials(),
        kill::trials(),
        last_words::trials(),
        limits::trials(),
        live_line::trials(),
        log::trials(),
        log_blocked::trials(),
        log_json::trials(),
        memory::trials(),
        notify::trials(),
        options::trials(),
        outcomes::trials(),
        parent::trials(),
        pid1::trials(),
        plan::trials(),
        post_mortem::trials(),
        random_runs::trials(),
        record::trials(),
        record_file::trials(),
        record_schema::trials(),
        report::trials(),
        report_html::trials(),
        run_limit::trials(),
        servers::trials(),
        signals::trials(),
        start::trials(),
        stop::trials(),
        stop_again::trials(),
        storms::trials(),
        surroundings::trials(),
        survivors::trials(),
        terminal::trials(),
        terminal_programs::trials(),
        token::trials(),
        token_command::trials(),
        wall_clock::trials(),
        watchdog::trials(),
        without_proc::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::docker::clean_up();
    support::needs::tell_ignored();
    conclusion.exit();
}
