# fish completion of winddown, made by `winddown completions fish`.

# The command line that the words up to the cursor belong to, and its own words.
function __winddown_part
    set -l words (commandline -opc) (commandline -ct)
    set -e words[1]
    if set -q words[2]; and contains -- $words[1] @NAMES@
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
@OPTIONS@
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
@DESCRIBED@
@COMPLETIONS@
