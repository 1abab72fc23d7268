# The first word that is not an option is a command, and is completed as without winddown.
function __winddown_command
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    argparse -s @OPTIONS@ -- $words 2>/dev/null
    set -q argv[1]; and not string match -q -- '-*' $argv[1]; or return 1
    string join0 -- $argv
    return 0
end

function __winddown_no_command
    not __winddown_command >/dev/null
end

complete -c winddown -n 'not __winddown_no_command' -x -a '(__fish_complete_subcommand --commandline (__winddown_command | string split0))'
