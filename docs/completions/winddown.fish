# fish completion of winddown, made by `winddown completions fish`.

# The command line that the words up to the cursor belong to, and its own words.
function __winddown_part
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    if set -q words[2]; and contains -- $words[1] check report token completions help
        string join0 -- $words
    else
        string join0 -- run $words
    end
end

# The words of the command, if the cursor is in one.
function __winddown_command
    set -l words (__winddown_part | string split0)
    set -l options
    switch $words[1]
        case run
            set options t/time-limit= grace-period= s/stop-signal= to= stop= stop-delay= pre-stop= post-stop= hook-limit= kill-wait= dump-signal= on-timeout= explain-plan run-limit= stop-after= preserve-status leave-stragglers straggler-grace= stop-with-parent ready= ready-file= start-limit= no-guard retry= retry-delay= retry-reset= permanent-exit= max-crashes= stop-on= map= remap-exit= interrupted-exit= token= extend-max= notify watchdog= log-format= v/verbose q/quiet record= h/help V/version
        case check
            set options config= t/time-limit= grace-period= s/stop-signal= to= within= env= cwd= port= stdin= ready= ready-timeout= probe= url= slow= stream= insecure drive= break= profile= only= skip= warn= deny= strict expect-exit= allow= settle= watch= runs= jobs= until-fail baseline= save-baseline= name= report= log= record= v/verbose log-format= list explain= h/help V/version
        case '*'
            return 1
    end
    argparse -s $options -- $words[2..] 2>/dev/null
    set -q argv[1]; and not string match -q -- '-*' $argv[1]; or return 1
    string join0 -- $argv
    return 0
end

function __winddown_is
    set -l words (__winddown_part | string split0)
    test $words[1] = $argv[1]; and not __winddown_command >/dev/null
end

function __winddown_is_first
    test (count (commandline -opc)) -eq 1
end

# What is in front of the last item of a list, with each of the items.
function __winddown_list
    set -l before (commandline -ct | string replace -r '^--[^=]*=' '' | string match -r '.*,')
    set -q before[1]; or set before ''
    printf '%s\n' $before$argv
end

complete -c winddown -n '__winddown_command >/dev/null' -x -a '(__fish_complete_subcommand --commandline (__winddown_command | string split0))'
complete -c winddown -n __winddown_is_first -a check -d 'Tests how a server shuts down'
complete -c winddown -n __winddown_is_first -a report -d 'Shows what happened in recorded runs'
complete -c winddown -n __winddown_is_first -a token -d 'Tells the workload how long it has left'
complete -c winddown -n __winddown_is_first -a completions -d 'Prints a script for your shell'
complete -c winddown -n __winddown_is_first -a help -d 'Prints help'
complete -c winddown -n '__winddown_is run' -s t -l time-limit -l grace-period -d 'How long the whole stop may last, then SIGKILL; 0 kills at once, infinity never. Also --grace-period [default: 10s; 8s as PID 1]' -r -f
complete -c winddown -n '__winddown_is run' -s s -l stop-signal -d 'Ask with this signal [default: the one received, else TERM]' -r -f -a "HUP\t''
INT\t''
QUIT\t''
ILL\t''
TRAP\t''
ABRT\t''
BUS\t''
FPE\t''
KILL\t''
USR1\t''
SEGV\t''
USR2\t''
PIPE\t''
ALRM\t''
TERM\t''
STKFLT\t''
TSTP\t''
URG\t''
XCPU\t''
XFSZ\t''
VTALRM\t''
PROF\t''
WINCH\t''
IO\t''
PWR\t''
SYS\t''"
complete -c winddown -n '__winddown_is run' -l to -d 'Which processes to ask first; none if whoever asks winddown has asked all. SIGKILL goes to all [default: main]' -r -f -a "main\t''
all\t''
none\t''"
complete -c winddown -n '__winddown_is run' -l stop -d 'Steps of a stop, each with its share of the limit: \'wait 5s, run "CMD" 3s, USR1 9s main, TERM\'' -r -f
complete -c winddown -n '__winddown_is run' -l stop-delay -d 'Keep serving this long before the signal' -r -f
complete -c winddown -n '__winddown_is run' -l pre-stop -d 'Run CMD before the signal' -r -f -a "(__fish_complete_command)"
complete -c winddown -n '__winddown_is run' -l post-stop -d 'Run CMD after everything has ended' -r -f -a "(__fish_complete_command)"
complete -c winddown -n '__winddown_is run' -l hook-limit -d 'How long each CMD may last [default: 5s]' -r -f
complete -c winddown -n '__winddown_is run' -l kill-wait -d 'How long to wait after SIGKILL [default: 5s]' -r -f
complete -c winddown -n '__winddown_is run' -l dump-signal -d 'Make it dump where it hangs before SIGKILL: auto, QUIT, ABRT or none' -r -f -a "auto\t''
QUIT\t''
ABRT\t''
none\t''"
complete -c winddown -n '__winddown_is run' -l on-timeout -d 'Run CMD before SIGKILL, e.g. a debugger for $SHUTDOWN_PIDS' -r -f -a "(__fish_complete_command)"
complete -c winddown -n '__winddown_is run' -l run-limit -d 'All is over by then: the stop begins earlier, by the time limit, which without -t is at most half of this' -r -f
complete -c winddown -n '__winddown_is run' -l stop-after -d 'The stop begins then, as with timeout; SIGKILL comes a time limit later' -r -f
complete -c winddown -n '__winddown_is run' -l straggler-grace -d 'How long what COMMAND leaves may run unasked [default: 1s]' -r -f
complete -c winddown -n '__winddown_is run' -l ready -d 'When COMMAND is ready: tcp:PORT, auto, notify, cmd:CMD and more' -r -f -a "auto\t''
notify\t''"
complete -c winddown -n '__winddown_is run' -l ready-file -d 'This file is there while COMMAND is ready' -r -F
complete -c winddown -n '__winddown_is run' -l start-limit -d 'Stop COMMAND if it is not ready by then: outcome not-started' -r -f
complete -c winddown -n '__winddown_is run' -l retry -d 'Start COMMAND again when it has failed, up to N times' -r -f
complete -c winddown -n '__winddown_is run' -l retry-delay -d 'Wait this long before that, e.g. 10s; 4s..15m for ever longer delays [default: 1s]' -r -f
complete -c winddown -n '__winddown_is run' -l retry-reset -d 'A try that was ready this long before it failed sets count and delay back [default: 1m]' -r -f
complete -c winddown -n '__winddown_is run' -l permanent-exit -d 'No try follows one of these statuses, e.g. 64,78' -r -f
complete -c winddown -n '__winddown_is run' -l max-crashes -d 'More than N failures within DURATION end the run, e.g. 10/1m' -r -f
complete -c winddown -n '__winddown_is run' -l stop-on -d 'Signals that are stop requests, or none [default: TERM,INT]' -r -f -a "(__winddown_list HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM TERM STKFLT CONT TSTP URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS none)"
complete -c winddown -n '__winddown_is run' -l map -d 'Pass FROM on as TO, or not at all if TO is empty' -r -f
complete -c winddown -n '__winddown_is run' -l remap-exit -d 'Exit with TO if the status is FROM: COMMAND\'s own, or 124, e.g. 143=0,124=0' -r -f
complete -c winddown -n '__winddown_is run' -l interrupted-exit -d 'Exit with STATUS, not 0, if a signal or the end of terminal or parent asked for the stop, e.g. 75' -r -f
complete -c winddown -n '__winddown_is run' -l token -d 'Announce the stop to COMMAND by this file, and by $SHUTDOWN_FD' -r -F
complete -c winddown -n '__winddown_is run' -l extend-max -d 'How much more time COMMAND may ask for [default: 0]' -r -f
complete -c winddown -n '__winddown_is run' -l watchdog -d 'Stop COMMAND if it has sent WATCHDOG=1, and then none for this long' -r -f
complete -c winddown -n '__winddown_is run' -l log-format -d 'Log lines on stderr as text or json [default: text]' -r -f -a "text\t''
json\t''"
complete -c winddown -n '__winddown_is run' -l record -d 'Write the whole run as one JSON object; fd:N for a descriptor' -r -F
complete -c winddown -n '__winddown_is run' -l explain-plan -d 'Print the plan in force and its worst case; start nothing'
complete -c winddown -n '__winddown_is run' -l preserve-status -d 'Exit with COMMAND\'s status, not 124, where --run-limit or --stop-after has stopped it'
complete -c winddown -n '__winddown_is run' -l leave-stragglers -d 'If COMMAND ends by itself, leave the processes it started'
complete -c winddown -n '__winddown_is run' -l stop-with-parent -d 'Stop when winddown\'s own parent ends'
complete -c winddown -n '__winddown_is run' -l no-guard -d 'No guard in case winddown is killed; signals to a job come twice'
complete -c winddown -n '__winddown_is run' -l notify -d 'Accept COMMAND\'s sd_notify messages [default: if our parent does]'
complete -c winddown -n '__winddown_is run' -s v -l verbose -d 'Also log starts, forwarded signals and reaped processes'
complete -c winddown -n '__winddown_is run' -s q -l quiet -d 'Log only a kill with its cause, and errors'
complete -c winddown -n '__winddown_is run' -s h -l help -d 'Print help: what matters most (-h), or all of it (--help)'
complete -c winddown -n '__winddown_is run' -s V -l version -d 'Print the version'
complete -c winddown -n '__winddown_is check' -l config -d 'Options and servers from this file [default: winddown-check.toml, if it is there]' -r -F
complete -c winddown -n '__winddown_is check' -s t -l time-limit -l grace-period -d 'From the signal to SIGKILL. Also --grace-period [default: 10s]' -r -f
complete -c winddown -n '__winddown_is check' -s s -l stop-signal -d 'Ask with this signal [default: TERM]' -r -f -a "HUP\t''
INT\t''
QUIT\t''
ILL\t''
TRAP\t''
ABRT\t''
BUS\t''
FPE\t''
KILL\t''
USR1\t''
SEGV\t''
USR2\t''
PIPE\t''
ALRM\t''
TERM\t''
STKFLT\t''
TSTP\t''
URG\t''
XCPU\t''
XFSZ\t''
VTALRM\t''
PROF\t''
WINCH\t''
IO\t''
PWR\t''
SYS\t''"
complete -c winddown -n '__winddown_is check' -l to -d 'Whom to ask first [default: main]' -r -f -a "main\t''
all\t''"
complete -c winddown -n '__winddown_is check' -l within -d 'A longer stop fails, even within the limit' -r -f
complete -c winddown -n '__winddown_is check' -l env -d 'Set a variable for the server; several: all of them' -r -f
complete -c winddown -n '__winddown_is check' -l cwd -d 'Start the server in this directory' -r -f -a "(__fish_complete_directories)"
complete -c winddown -n '__winddown_is check' -l port -d 'Give the server a port: as $PORT, and for {port} in its words and values here' -r -f -a "auto\t''"
complete -c winddown -n '__winddown_is check' -l stdin -d 'The server\'s standard input [default: an empty one]' -r -f -a "open\t''
closed\t''
tty\t''"
complete -c winddown -n '__winddown_is check' -l ready -d 'When the server is ready; several: all of them [default: auto]' -r -f -a "auto\t''
notify\t''"
complete -c winddown -n '__winddown_is check' -l ready-timeout -d 'How long the start may take [default: 30s]' -r -f
complete -c winddown -n '__winddown_is check' -l probe -d 'What probes send; tcp only connects [default: auto, found out]' -r -f -a "auto\t''
tcp\t''
http\t''
none\t''"
complete -c winddown -n '__winddown_is check' -l url -d 'Where to send probes, or only the path [default: found out]' -r -f
complete -c winddown -n '__winddown_is check' -l slow -d 'A request of a second or so, to be under way at the signal' -r -f
complete -c winddown -n '__winddown_is check' -l stream -d 'A request whose answer does not end' -r -f
complete -c winddown -n '__winddown_is check' -l drive -d 'A load for under-load; it gets $URL and $PORT' -r -f -a "(__fish_complete_command)"
complete -c winddown -n '__winddown_is check' -l break -d 'For dependency-gone: takes away what the server depends on' -r -f -a "(__fish_complete_command)"
complete -c winddown -n '__winddown_is check' -l profile -d 'How much to test [default: quick]' -r -f -a "quick\t''
standard\t''
full\t''"
complete -c winddown -n '__winddown_is check' -l only -d 'Run only these checks' -r -f -a "(__winddown_list ready handler stops margin exit-status survivors ports files output zombies shell-wrap refuse-new baseline backlog in-flight stream idle-conn half-request silent-conn under-load abandoned abort double-term sigint ctrl-c startup pid1 kill-restart kill-orphans term-restart sighup sigquit group-vs-leader stopped worker-killed dependency-gone stdout-full stdin notify)"
complete -c winddown -n '__winddown_is check' -l skip -d 'Skip these checks' -r -f -a "(__winddown_list ready handler stops margin exit-status survivors ports files output zombies shell-wrap refuse-new baseline backlog in-flight stream idle-conn half-request silent-conn under-load abandoned abort double-term sigint ctrl-c startup pid1 kill-restart kill-orphans term-restart sighup sigquit group-vs-leader stopped worker-killed dependency-gone stdout-full stdin notify)"
complete -c winddown -n '__winddown_is check' -l warn -d 'Make these warn where they would fail' -r -f -a "(__winddown_list ready handler stops margin exit-status survivors ports files output zombies shell-wrap refuse-new baseline backlog in-flight stream idle-conn half-request silent-conn under-load abandoned abort double-term sigint ctrl-c startup pid1 kill-restart kill-orphans term-restart sighup sigquit group-vs-leader stopped worker-killed dependency-gone stdout-full stdin notify)"
complete -c winddown -n '__winddown_is check' -l deny -d 'Make these fail where they would warn' -r -f -a "(__winddown_list ready handler stops margin exit-status survivors ports files output zombies shell-wrap refuse-new baseline backlog in-flight stream idle-conn half-request silent-conn under-load abandoned abort double-term sigint ctrl-c startup pid1 kill-restart kill-orphans term-restart sighup sigquit group-vs-leader stopped worker-killed dependency-gone stdout-full stdin notify)"
complete -c winddown -n '__winddown_is check' -l expect-exit -d 'How the server may end, e.g. 0,143,TERM [default: 0,143,TERM]' -r -f
complete -c winddown -n '__winddown_is check' -l allow -d 'What may be left behind: port:N, file:GLOB, proc:NAME' -r -f
complete -c winddown -n '__winddown_is check' -l settle -d 'How long after the end something may be left [default: 500ms]' -r -f
complete -c winddown -n '__winddown_is check' -l watch -d 'Also look for files left here' -r -f -a "(__fish_complete_directories)"
complete -c winddown -n '__winddown_is check' -l runs -d 'Stop it this often, each time at a random moment [default: 1]' -r -f
complete -c winddown -n '__winddown_is check' -l jobs -d 'Run so many scenarios side by side [default: 1]' -r -f
complete -c winddown -n '__winddown_is check' -l baseline -d 'Fail if stops have become slower than in FILE' -r -F
complete -c winddown -n '__winddown_is check' -l save-baseline -d 'Save the times of these stops' -r -F
complete -c winddown -n '__winddown_is check' -l name -d 'What reports call the server [default: its command]' -r -f
complete -c winddown -n '__winddown_is check' -l report -d 'human, json, junit, github or timeline; several [default: human]' -r -f -a "human\t''
json\t''
junit\t''
github\t''
timeline\t''"
complete -c winddown -n '__winddown_is check' -l log -d 'Keep all that the server prints in FILE' -r -F
complete -c winddown -n '__winddown_is check' -l record -d 'Keep the record of each run in DIR' -r -f -a "(__fish_complete_directories)"
complete -c winddown -n '__winddown_is check' -l log-format -d 'The format of -v [default: text]' -r -f -a "text\t''
json\t''"
complete -c winddown -n '__winddown_is check' -l explain -d 'Explain a check, or a cause (W09)' -r -f -a "ready\t''
handler\t''
stops\t''
margin\t''
exit-status\t''
survivors\t''
ports\t''
files\t''
output\t''
zombies\t''
shell-wrap\t''
refuse-new\t''
baseline\t''
backlog\t''
in-flight\t''
stream\t''
idle-conn\t''
half-request\t''
silent-conn\t''
under-load\t''
abandoned\t''
abort\t''
double-term\t''
sigint\t''
ctrl-c\t''
startup\t''
pid1\t''
kill-restart\t''
kill-orphans\t''
term-restart\t''
sighup\t''
sigquit\t''
group-vs-leader\t''
stopped\t''
worker-killed\t''
dependency-gone\t''
stdout-full\t''
stdin\t''
notify\t''
W01\t''
W02\t''
W03\t''
W04\t''
W05\t''
W06\t''
W07\t''
W08\t''
W09\t''
W10\t''
W11\t''
W12\t''
W13\t''
W14\t''
W15\t''
W16\t''
W17\t''
W18\t''
W19\t''
W20\t''"
complete -c winddown -n '__winddown_is check' -l insecure -d 'Take any certificate of https URLs, such as a self-signed one'
complete -c winddown -n '__winddown_is check' -l strict -d 'Make every warning a failure'
complete -c winddown -n '__winddown_is check' -l until-fail -d 'Repeat until a check fails, at most --runs times'
complete -c winddown -n '__winddown_is check' -s v -l verbose -d 'Log each run\'s actions and observations on stderr'
complete -c winddown -n '__winddown_is check' -l list -d 'List all checks'
complete -c winddown -n '__winddown_is check' -s h -l help -d 'Print help: what matters most (-h), or all of it (--help)'
complete -c winddown -n '__winddown_is check' -s V -l version -d 'Print the version'
complete -c winddown -n '__winddown_is report' -l html -d 'Write the timeline, as one HTML file' -r -F
complete -c winddown -n '__winddown_is report' -l format -d 'For people, or one JSON object for programs' -r -f -a "text\t''
json\t''"
complete -c winddown -n '__winddown_is report' -l explain -d 'Explain a cause (W09, draining) and its remedy; without CODE, list all causes' -r -f -a "W01\t''
W02\t''
W03\t''
W04\t''
W05\t''
W06\t''
W07\t''
W08\t''
W09\t''
W10\t''
W11\t''
W12\t''
W13\t''
W14\t''
W15\t''
W16\t''
W17\t''
W18\t''
W19\t''
W20\t''"
complete -c winddown -n '__winddown_is report' -s h -l help -d 'Print help: what matters most (-h), or all of it (--help)'
complete -c winddown -n '__winddown_is report' -s V -l version -d 'Print the version'
complete -c winddown -n '__winddown_is token' -l extend -d 'Ask for this much more time from now, within --extend-max' -r -f
complete -c winddown -n '__winddown_is token' -l wait -d 'Wait until a stop is requested, then exit with 0'
complete -c winddown -n '__winddown_is token' -s h -l help -d 'Print help: what matters most (-h), or all of it (--help)'
complete -c winddown -n '__winddown_is token' -s V -l version -d 'Print the version'
complete -c winddown -n '__winddown_is token' -f -a ''
complete -c winddown -n '__winddown_is completions' -s h -l help -d 'Print help: what matters most (-h), or all of it (--help)'
complete -c winddown -n '__winddown_is completions' -s V -l version -d 'Print the version'
complete -c winddown -n '__winddown_is completions' -f -a 'bash zsh fish'
complete -c winddown -n '__winddown_is help' -f -a 'check report token completions'
