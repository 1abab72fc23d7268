# The first word that is no option is a command, and completed as it is without winddown.
function __winddown_command
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s t/time-limit= s/stop-signal= to= stop= stop-delay= pre-stop= post-stop= hook-limit= kill-wait= dump-signal= on-timeout= explain-plan run-limit= leave-stragglers stop-with-parent no-guard stop-on= map= remap-exit= token= extend-max= notify watchdog= log-format= record= v/verbose q/quiet h/help V/version -- $words 2>/dev/null
    set -q argv[1]; and not string match -q -- '-*' $argv[1]; or return 1
    string join0 -- $argv
    return 0
end

function __winddown_no_command
    not __winddown_command >/dev/null
end

complete -c winddown -n 'not __winddown_no_command' -x -a '(__fish_complete_subcommand --commandline (__winddown_command | string split0))'
complete -c winddown -n __winddown_no_command -l dump-signal -d 'Before SIGKILL have it tell where it hangs: auto, QUIT, ABRT or none' -r
complete -c winddown -n __winddown_no_command -l on-timeout -d 'Before SIGKILL run CMD, e.g. a debugger; $SHUTDOWN_PIDS are there' -r
complete -c winddown -n __winddown_no_command -s t -l time-limit -d 'From request to SIGKILL; 0 kills at once [default: 10s; 8s as PID 1]' -r -f
complete -c winddown -n __winddown_no_command -l stop-delay -d 'Go on serving for so long before the signal' -r -f
complete -c winddown -n __winddown_no_command -l hook-limit -d 'How long each CMD may last [default: 5s]' -r -f
complete -c winddown -n __winddown_no_command -l run-limit -d 'Be done by then: the stop begins earlier by the time limit' -r -f
complete -c winddown -n __winddown_no_command -l kill-wait -d 'How long to wait after SIGKILL [default: 5s]' -r -f
complete -c winddown -n __winddown_no_command -l extend-max -d 'How much more time COMMAND may ask for [default: 0]' -r -f
complete -c winddown -n __winddown_no_command -l watchdog -d 'Stop COMMAND if it sends no WATCHDOG=1 for so long' -r -f
complete -c winddown -n __winddown_no_command -l map -d 'Pass FROM on as TO, or not at all if TO is empty' -r -f
complete -c winddown -n __winddown_no_command -l remap-exit -d 'Exit with TO if COMMAND\'s status is FROM, e.g. 143=0' -r -f
complete -c winddown -n __winddown_no_command -l stop -d 'Steps of a stop: \'wait 5s, run "CMD" 3s, USR1 9s main, TERM\'' -r -f
complete -c winddown -n __winddown_no_command -l to -d 'Who is asked first; SIGKILL always goes to all [default: main]' -r -f -a "main\t''
all\t''"
complete -c winddown -n __winddown_no_command -l log-format -d 'Log lines on stderr as text or json [default: text]' -r -f -a "text\t''
json\t''"
complete -c winddown -n __winddown_no_command -s s -l stop-signal -d 'Ask with this signal [default: the one received, else TERM]' -r -f -a "HUP\t''
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
SYS\t''"
complete -c winddown -n __winddown_no_command -l stop-on -d 'Signals that are stop requests [default: TERM,INT]' -r -f -a "HUP\t''
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
SYS\t''"
complete -c winddown -n __winddown_no_command -l record -d 'Write the run as one JSON object; fd:N for a descriptor' -r -F
complete -c winddown -n __winddown_no_command -l token -d 'Tell COMMAND of the stop by this file, and by $SHUTDOWN_FD' -r -F
complete -c winddown -n __winddown_no_command -l pre-stop -d 'Run CMD before the signal' -r -f -a "(__fish_complete_command)"
complete -c winddown -n __winddown_no_command -l post-stop -d 'Run CMD after everything has ended' -r -f -a "(__fish_complete_command)"
complete -c winddown -n __winddown_no_command -l explain-plan -d 'Print the plan in force and its worst case; start nothing'
complete -c winddown -n __winddown_no_command -l leave-stragglers -d 'If COMMAND ends by itself, leave the processes it started'
complete -c winddown -n __winddown_no_command -l stop-with-parent -d 'Stop when winddown\'s own parent ends'
complete -c winddown -n __winddown_no_command -l no-guard -d 'No second process to end the workload if winddown is killed'
complete -c winddown -n __winddown_no_command -l notify -d 'Take COMMAND\'s sd_notify messages [default: if our parent does]'
complete -c winddown -n __winddown_no_command -s v -l verbose -d 'Tell starts, forwarded signals and reaped processes too'
complete -c winddown -n __winddown_no_command -s q -l quiet -d 'Tell errors only'
complete -c winddown -n __winddown_no_command -s h -l help -d 'Print help'
complete -c winddown -n __winddown_no_command -s V -l version -d 'Print version'
