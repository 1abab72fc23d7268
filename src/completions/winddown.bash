# bash completion of winddown, made by `winddown completions bash`.

@FUNCTIONS@
# The words up to the cursor. bash splits words at = and : as well: they are joined again.
_winddown_words() {
    local line=$COMP_LINE word i
    words=() places=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        # Of the last word, only what stands before the cursor.
        ((i == COMP_CWORD)) && [[ -n $1 || $word != [=:]* ]] && word=$1
        if ((i > 0)) && [[ -n $line && $line != [[:space:]]* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
            places+=("$i")
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"${COMP_WORDS[i]}"}
    done
}

# The values of an option; BEFORE is the part of the word in front of the value.
_winddown_values() { # OPTION BEFORE VALUE
    local before=$2 value=$3
    case "$name $1" in
        @LISTS@)
            [[ $value == *,* ]] && before+=${value%,*}, value=${value##*,}
            ;;
    esac
    "_winddown_$name" "${COMP_WORDS[0]}" "$value" "$1"
    COMPREPLY=("${COMPREPLY[@]/#/"$before"}")
    # bash replaces only what follows the last = or :.
    before=$2$3
    COMPREPLY=("${COMPREPLY[@]#"${before%"$typed"}"}")
}

# A command and its arguments, as without winddown.
_winddown_command() { # PLACE
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        COMPREPLY=($(compgen -c -- "$typed"))
    fi
}

_winddown() {
    local typed=$2 words places name=run i=1 last word
    _winddown_words "$typed"
    last=$((${#words[@]} - 1))
    word=${words[last]}
    COMPREPLY=()
    case ${words[1]} in
        @NAMES@)
            ((last > 1)) && name=${words[1]} i=2
            ;;
    esac
    for (( ; i < last; i++)); do
        case "$name ${words[i]}" in
            @WITH_VALUE@)
                ((i++))
                ;;
            *' --')
                _winddown_command "${places[i + 1]}"
                return
                ;;
            *' -'*) ;;
            @WITH_COMMAND@)
                _winddown_command "${places[i]}"
                return
                ;;
        esac
    done
    if ((i > last)); then
        _winddown_values "${words[last - 1]}" '' "$word"
    elif [[ $word == --*=* ]]; then
        _winddown_values "${word%%=*}" "${word%%=*}=" "${word#*=}"
    elif [[ $word == -* ]]; then
        "_winddown_$name" "$1" "$word" ''
    else
        case "$name " in
            @WITH_COMMAND@)
                _winddown_command "${places[last]}"
                ((last == 1)) && COMPREPLY+=($(compgen -W '@SUBCOMMANDS@' -- "$word"))
                ;;
            # Files.
            'report ') ;;
            *) "_winddown_$name" "$1" "$word" '' ;;
        esac
    fi
}

complete -F _winddown -o bashdefault -o default winddown
