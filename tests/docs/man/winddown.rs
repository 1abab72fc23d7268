//! winddown(1).

use clap::Command;
use clap_mangen::roff::{Roff, bold, roman};
use winddown::cli;
use winddown::lifecycle::exit::{KILLED, NOT_EXECUTABLE, NOT_FOUND, RUN_LIMIT, WINDDOWN_FAILED};

use super::{Example, Page, entries, entry, literal, paragraphs, section, synopsis, words};
use crate::definition::{meaning_and_default, options_and_variables};

const DESCRIPTION: [&str; 3] = [
    "*winddown* starts COMMAND and passes signals on to it. When it is asked to stop (SIGTERM, Ctrl+C), it \
     gives COMMAND a time limit to finish its work; then it kills whatever is left of the workload: COMMAND \
     and every process that it has started, wherever they are. It logs each step of a stop, and is silent \
     otherwise.",
    "It can stand in front of any program: terminal, streams, environment, arguments, signal mask and \
     exit status are those that COMMAND would have without it. As the first process of a container \
     (PID 1) it reaps orphans too.",
    "Options end at the first word that is not an option, or at *--*: all further words belong to COMMAND.",
];

/// In the order of the help.
const SUBCOMMANDS: [(&str, &str); 4] = [
    ("check", "Starts a server, stops it, and judges how it stopped: *winddown-check*(1)."),
    ("report", "Shows what happened in recorded runs: *winddown-report*(1)."),
    ("token", "Tells the workload of a stop, and how much time is left: *winddown-token*(1)."),
    ("completions bash|zsh|fish", "Prints the completions for this shell."),
];

const VALUES: &str = "A DURATION is *250ms*, *30s*, *1m30s*, a plain number of seconds, *0* or *infinity*. A \
     SIGNAL is a name (*TERM*, *SIGTERM*), a number (*15*), or *RTMIN+3*. Lists are separated by commas.";

const GRAMMAR: &str = "\
PLAN    = STEP { \",\" STEP }
STEP    = \"wait\" [ SHARE ]
        | \"run\" COMMAND [ SHARE ]
        | SIGNAL [ SHARE ] [ TARGET ]
        | \"KILL\"
TARGET  = \"main\" | \"all\"
SHARE   = a DURATION longer than 0
COMMAND = one word, quoted if it has a blank or a comma";

const PLAN: [(&str, &str); 4] = [
    ("wait", "The workload goes on serving."),
    (
        "run",
        "COMMAND is started, without a shell: its words are split at blanks outside quotes. The next step begins when \
         it has ended, or when its share is over. Without a share it has *--hook-limit*.",
    ),
    (
        "SIGNAL",
        "The signal goes to COMMAND alone (*main*) or to the whole workload (*all*); without a target *--to* decides. \
         Target and share may change places. No process gets the same signal twice.",
    ),
    ("KILL", "SIGKILL to everything, before the limit. Only as the last step."),
];

const SHARES: &str = "The shares have to fit into the time limit, the default one too. One *wait* or signal can be \
     without a share: it takes the rest. Time that is left after the last step belongs to that step. When every \
     process has ended, so has the plan. *--explain-plan* prints the plan in force, and its worst case.";

const STOP: [(&str, &str); 6] = [
    (
        "Start of a stop",
        "A signal of *--stop-on* (TERM and INT by default), the end of the controlling terminal, the run \
         limit, or COMMAND's end while other processes are left. It starts the clock, once: the time limit \
         covers all that follows.",
    ),
    (
        "Order",
        "COMMAND first, alone. Another process is asked once its parent has gone, so a server's workers \
         are left to the server, and a server behind a shell is asked when the shell has died. *--to all* asks \
         every process at one moment. No process gets the stop signal twice.",
    ),
    (
        "Again",
        "The same stop signal again is logged, and not passed on; another one is passed on to COMMAND once. \
         Ctrl+C again, at least 200 ms after the first, kills at once.",
    ),
    (
        "The kill",
        "At the time limit SIGKILL goes to the whole workload, again and again until nothing is left. \
         *winddown* names processes that outlive even that for *--kill-wait*, and exits with 125.",
    ),
    (
        "Other signals",
        "go to COMMAND as they come, with their value. SIGHUP is one of them while the terminal is there. \
         SIGCHLD, SIGTTIN and SIGTTOU are about *winddown* itself.",
    ),
    (
        "Ctrl+Z",
        "When COMMAND is stopped from the terminal, *winddown* stops too, and the shell's *fg* continues both.",
    ),
];

const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "WINDDOWN_*",
        "Each option can be given as a variable; those without a value take *1* or *0*. The command line wins, empty \
         means unset, and COMMAND does not inherit them:",
    ),
    ("PATH", "Where to find COMMAND, unless it contains a slash."),
    ("NO_COLOR, TERM", "No colours in the log if NO_COLOR is set and not empty, or TERM is *dumb*."),
];

const FOR_COMMAND: [(&str, &str); 6] = [
    (
        "SHUTDOWN_LIMIT_MS",
        "The time limit in milliseconds, for programs that plan their shutdown; absent without a limit.",
    ),
    ("SHUTDOWN_ATTEMPT", "The number of the try, from 1; with *--retry* it may be higher. Also for hooks."),
    (
        "SHUTDOWN_TOKEN, SHUTDOWN_FD",
        "With *--token*: the file that appears when a stop is requested, with the lines *reason*, *deadline_ms* and \
         *deadline_monotonic_ms*; and the number of a descriptor that becomes readable then.",
    ),
    ("SHUTDOWN_SOCKET", "With *--extend-max* as well: the socket that *winddown token --extend* uses."),
    (
        "SHUTDOWN_DEADLINE_MS, SHUTDOWN_DEADLINE_MONOTONIC_MS",
        "With *--run-limit* or *--stop-after*: when everything will be over, in milliseconds since 1970 and by CLOCK_MONOTONIC.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_PID",
        "As COMMAND would have them from a service manager: winddown's own socket, the shorter of its watchdogs, \
         and COMMAND's process where they named *winddown*.",
    ),
];

const FOR_HOOKS: [(&str, &str); 3] = [
    ("SHUTDOWN_DEADLINE_MS", "When SIGKILL is due, in milliseconds since 1970; not after the end."),
    (
        "SHUTDOWN_MAIN_PID, SHUTDOWN_PIDS",
        "The process of COMMAND, while it is there; all processes of the workload, separated by blanks. Not after the \
         end.",
    ),
    (
        "SHUTDOWN_OUTCOME, SHUTDOWN_EXIT_STATUS",
        "The outcome in one word, and the status that winddown will exit with; after the end only.",
    ),
];

const EXAMPLES: [Example; 6] = [
    ("Give a server 30 seconds to finish its requests:", "winddown -t 30s -- ./server --port 8080"),
    (
        "In a Dockerfile; the engine's own limit (docker stop -t) has to be longer:",
        "ENTRYPOINT [\"winddown\", \"-t\", \"25s\", \"--\"]",
    ),
    ("Stop nginx with the signal it takes as a graceful stop:", "winddown -s QUIT nginx -g 'daemon off;'"),
    (
        "A JVM ends with 143 after SIGTERM; that counts as success:",
        "winddown --remap-exit 143=0 java -jar app.jar",
    ),
    (
        "Let a load balancer notice, drain, ask, and insist:",
        "winddown -t 30s --stop 'wait 5s, run \"./drain --all\" 3s, TERM, QUIT 5s all' -- ./server",
    ),
    ("A program that lives on after Ctrl+C:", "winddown --stop-on TERM python3"),
];

pub(super) fn page() -> Page {
    let definition = cli::definition();
    let sections = [
        synopsis(&definition),
        paragraphs("DESCRIPTION", &DESCRIPTION),
        subcommands(),
        options(definition.clone()),
        plan(),
        entries("SIGNALS AND STOPS", STOP),
        exit_status(),
        environment(),
    ];
    let others = [
        ("winddown-check", "1"),
        ("winddown-report", "1"),
        ("winddown-token", "1"),
        ("timeout", "1"),
        ("nohup", "1"),
        ("kill", "1"),
        ("signal", "7"),
        ("pid_namespaces", "7"),
    ];
    let about = "run a command and enforce a time limit on its shutdown";
    super::page("winddown", about, definition, &sections, &EXAMPLES, &others)
}

fn subcommands() -> String {
    section("SUBCOMMANDS", |roff| {
        roff.text(words(
            "As the very first word only; after any option, or *--*, such a word is COMMAND. Each has *--help*.",
        ));
        for (name, about) in SUBCOMMANDS {
            entry(roff, name, about);
        }
    })
}

fn options(definition: Command) -> String {
    let definition = definition.mut_args(|option| {
        let Some(variable) = cli::variable_of(&option) else { return option };
        let (meaning, default) = meaning_and_default(&option);
        option.help(format!("{meaning}. Default: {default}. Variable: {variable}."))
    });
    let mut values = Roff::new();
    values.control("SS", ["VALUES"]);
    values.text(words(VALUES));
    super::options(definition) + &values.to_roff()
}

fn plan() -> String {
    section("PLAN", |roff| {
        roff.text(words("The steps of *--stop*, in their order:"));
        literal(roff, GRAMMAR);
        for (step, text) in PLAN {
            entry(roff, step, text);
        }
        roff.control("PP", []);
        roff.text(words(SHARES));
    })
}

fn exit_status() -> String {
    let table = [
        (
            WINDDOWN_FAILED,
            "*winddown* itself failed before the start, bad usage included; or processes outlived SIGKILL.",
        ),
        (NOT_EXECUTABLE, "COMMAND could not be executed."),
        (NOT_FOUND, "COMMAND was not found."),
        (KILLED, "COMMAND was killed by *winddown*."),
        (
            RUN_LIMIT,
            "*--run-limit* or *--stop-after* started the stop, and COMMAND ended in time. With *--preserve-status* COMMAND's own. Also when *--watchdog* did, and COMMAND ended with 0.",
        ),
    ];
    section("EXIT STATUS", |roff| {
        roff.text([roman("The first that applies:")]);
        for (status, text) in table {
            entry(roff, &status.to_string(), text);
        }
        entry(
            roff,
            "--interrupted-exit",
            "in place of 0, where a signal, or the end of the terminal or of *winddown*'s parent, asked for the stop.",
        );
        entry(
            roff,
            "COMMAND's own",
            "in all other cases, after *--remap-exit*; also when only other processes had to be killed. If COMMAND died of a \
             signal by itself, *winddown* dies of the same one; as PID 1, or remapped, it exits with 128 plus \
             the signal's number.",
        );
    })
}

fn environment() -> String {
    section("ENVIRONMENT", |roff| {
        for (index, (name, text)) in ENVIRONMENT.iter().enumerate() {
            entry(roff, name, text);
            if index == 0 {
                let variables: Vec<String> =
                    options_and_variables().into_iter().map(|(_, variable)| variable).collect();
                roff.text([bold(variables.join(", "))]);
            }
        }
        for (head, variables) in [
            ("COMMAND finds these set:", FOR_COMMAND.as_slice()),
            ("Commands of a stop plan, and the one after the end, find these as well:", &FOR_HOOKS),
        ] {
            roff.control("PP", []);
            roff.text([roman(head)]);
            for (name, text) in variables {
                entry(roff, name, text);
            }
        }
    })
}
