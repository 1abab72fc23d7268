//! Real processes, signals and terminals: what a user of winddown sees.
//!
//! A test that can't run on this machine is shown as ignored, with the reason, and counted; with
//! `WINDDOWN_TEST_ALL=1` it fails instead. Tests run as threads of one process: none may change
//! what all threads share (directory, mask, dispositions); a child's state is set in the child.

mod activation;
mod check;
mod checkpoint;
mod cli;
mod completions;
mod container_limits;
mod containers;
mod deadline;
mod early_signals;
mod examples;
mod execute;
mod exit_status;
mod extend;
mod foreign;
mod guard;
mod guard_setup;
mod guard_signals;
mod hang_up;
mod harness;
mod help_examples;
mod hooks;
mod hostile;
mod interrupted;
mod job_control;
mod kill;
mod killed_by_others;
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
mod own_files;
mod parent;
mod pid1;
mod plan;
mod post_mortem;
mod post_mortem_certain;
mod post_mortem_looks;
mod post_stop;
mod queued_signals;
mod random_runs;
mod ready;
mod record;
mod record_file;
mod record_schema;
mod report;
mod report_html;
mod retry;
mod retry_record;
mod run_limit;
mod second_process;
mod servers;
mod signals;
mod start;
mod start_limit;
mod stop;
mod stop_again;
mod storms;
mod straggler_grace;
#[expect(dead_code, reason = "the tests that use the rest are yet to come")]
mod support;
mod surroundings;
mod survivors;
mod terminal;
mod terminal_programs;
mod token;
mod token_command;
mod tutorial;
mod wall_clock;
mod watchdog;
mod without_proc;

fn main() {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert_with(support::turn::most);
    support::trial::choose_form(&arguments);
    support::default_signals();
    support::needs::find_python();
    support::lateness::watch();
    let mut tests: Vec<_> = [
        activation::trials(),
        check::trials(),
        checkpoint::trials(),
        cli::trials(),
        completions::trials(),
        container_limits::trials(),
        containers::trials(),
        deadline::trials(),
        early_signals::trials(),
        examples::trials(),
        execute::trials(),
        exit_status::trials(),
        extend::trials(),
        foreign::trials(),
        guard::trials(),
        guard_setup::trials(),
        guard_signals::trials(),
        hang_up::trials(),
        harness::trials(),
        help_examples::trials(),
        hooks::trials(),
        hostile::trials(),
        interrupted::trials(),
        job_control::trials(),
        kill::trials(),
        killed_by_others::trials(),
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
        own_files::trials(),
        parent::trials(),
        pid1::trials(),
        plan::trials(),
        post_mortem::trials(),
        post_mortem_certain::trials(),
        post_mortem_looks::trials(),
        post_stop::trials(),
        queued_signals::trials(),
        random_runs::trials(),
        ready::trials(),
        record::trials(),
        record_file::trials(),
        record_schema::trials(),
        report::trials(),
        report_html::trials(),
        retry::trials(),
        retry_record::trials(),
        run_limit::trials(),
        second_process::trials(),
        servers::trials(),
        signals::trials(),
        start::trials(),
        start_limit::trials(),
        stop::trials(),
        stop_again::trials(),
        storms::trials(),
        straggler_grace::trials(),
        surroundings::trials(),
        survivors::trials(),
        terminal::trials(),
        terminal_programs::trials(),
        token::trials(),
        token_command::trials(),
        tutorial::trials(),
        wall_clock::trials(),
        watchdog::trials(),
        without_proc::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    // So that no test waits for those that must run alone.
    tests.sort_by_key(|test| test.alone);
    let trials = tests.into_iter().map(support::trial::Test::trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::docker::clean_up();
    support::trial::print_notes();
    conclusion.exit();
}
