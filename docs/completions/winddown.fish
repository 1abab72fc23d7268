# The first word that is not an option is a command, and is completed as without winddown.
function __winddown_command
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s t/time-limit= s/stop-signal= to= stop= stop-delay= pre-stop= post-stop= hook-limit= kill-wait= dump-signal= on-timeout= explain-plan run-limit= leave-stragglers straggler-grace= stop-with-parent no-guard stop-on= map= remap-exit= token= extend-max= notify watchdog= log-format= v/verbose q/quiet record= h/help V/version -- $words 2>/dev/null
    set -q argv[1]; and not string match -q -- '-*' $argv[1]; or return 1
    string join0 -- $argv
    return 0
end

function __winddown_no_command
    not __winddown_command >/dev/null
end

complete -c winddown -n 'not __winddown_no_command' -x -a '(__fish_complete_subcommand --commandline (__winddown_command | string split0))'
complete -c winddown -n __winddown_no_command -s s -l stop-signal -d 'Ask with this signal [default: the one received, else TERM]' -r -f -a "HUP\t''
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
complete -c winddown -n __winddown_no_command -l to -d 'Whom to ask first; none if our sender asks all [default: main]' -r -f -a "main\t''
all\t''
none\t''"
complete -c winddown -n __winddown_no_command -l dump-signal -d 'Make it dump where it hangs before SIGKILL: auto, QUIT, ABRT or none' -r -f -a "auto\t''
QUIT\t''
ABRT\t''
none\t''"
complete -c winddown -n __winddown_no_command -l on-timeout -d 'Run CMD before SIGKILL, e.g. a debugger for $SHUTDOWN_PIDS' -r
complete -c winddown -n __winddown_no_command -l straggler-grace -d 'How long what COMMAND leaves may run unasked [default: 1s]' -r
complete -c winddown -n __winddown_no_command -l stop-on -d 'Signals that are stop requests, or none [default: TERM,INT]' -r -f -a "HUP\t''
INT\t''
QUIT\t''
ILL\t''
TRAP\t''
ABRT\t''
BUS\t''
FPE\t''
USR1\t''
SEGV\t''
USR2\t''
PIPE\t''
ALRM\t''
TERM\t''
STKFLT\t''
CONT\t''
TSTP\t''
URG\t''
XCPU\t''
XFSZ\t''
VTALRM\t''
PROF\t''
WINCH\t''
IO\t''
PWR\t''
SYS\t''
none\t''"
complete -c winddown -n __winddown_no_command -l log-format -d 'Log lines on stderr as text or json [default: text]' -r -f -a "text\t''
json\t''"
complete -c winddown -n __winddown_no_command -s t -l time-limit -d 'From request to SIGKILL; 0 kills at once [default: 10s; 8s as PID 1]' -r -f
complete -c winddown -n __winddown_no_command -l stop-delay -d 'Keep serving this long before the signal' -r -f
complete -c winddown -n __winddown_no_command -l hook-limit -d 'How long each CMD may last [default: 5s]' -r -f
complete -c winddown -n __winddown_no_command -l run-limit -d 'End within this time: the stop begins a time limit earlier' -r -f
complete -c winddown -n __winddown_no_command -l kill-wait -d 'How long to wait after SIGKILL [default: 5s]' -r -f
complete -c winddown -n __winddown_no_command -l extend-max -d 'How much more time COMMAND may ask for [default: 0]' -r -f
complete -c winddown -n __winddown_no_command -l watchdog -d 'Stop COMMAND if it has sent WATCHDOG=1, and then none for this long' -r -f
complete -c winddown -n __winddown_no_command -l map -d 'Pass FROM on as TO, or not at all if TO is empty' -r -f
complete -c winddown -n __winddown_no_command -l remap-exit -d 'Exit with TO if COMMAND\'s status is FROM, e.g. 143=0' -r -f
complete -c winddown -n __winddown_no_command -l stop -d 'Steps of a stop: \'wait 5s, run "CMD" 3s, USR1 9s main, TERM\'' -r -f
complete -c winddown -n __winddown_no_command -l record -d 'Write the run as one JSON object; fd:N for a descriptor' -r -F
complete -c winddown -n __winddown_no_command -l token -d 'Announce the stop to COMMAND by this file, and by $SHUTDOWN_FD' -r -F
complete -c winddown -n __winddown_no_command -l pre-stop -d 'Run CMD before the signal' -r -f -a "(__fish_complete_command)"
complete -c winddown -n __winddown_no_command -l post-stop -d 'Run CMD after everything has ended' -r -f -a "(__fish_complete_command)"
complete -c winddown -n __winddown_no_command -l explain-plan -d 'Print the plan in force and its worst case; start nothing'
complete -c winddown -n __winddown_no_command -l leave-stragglers -d 'If COMMAND ends by itself, leave the processes it started'
complete -c winddown -n __winddown_no_command -l stop-with-parent -d 'Stop when winddown\'s own parent ends'
complete -c winddown -n __winddown_no_command -l no-guard -d 'No guard in case winddown is killed; signals to a job come twice'
complete -c winddown -n __winddown_no_command -l notify -d 'Accept COMMAND\'s sd_notify messages [default: if our parent does]'
complete -c winddown -n __winddown_no_command -s v -l verbose -d 'Also log starts, forwarded signals and reaped processes'
complete -c winddown -n __winddown_no_command -s q -l quiet -d 'Log only a kill with its cause, and errors'
complete -c winddown -n __winddown_no_command -s h -l help -d 'Print help'
complete -c winddown -n __winddown_no_command -s V -l version -d 'Print version'
