
# The first word that is not an option is a command, and is completed as without winddown.
_winddown_or_command() {
    local i=1 word current=$2 previous=$3
    while ((i < COMP_CWORD)); do
        word=${COMP_WORDS[i]}
        case $word in
            --)
                ((i++))
                break
                ;;
            @OPTIONS_WITH_VALUE@)
                ((i++))
                [[ ${COMP_WORDS[i]} == = ]] && ((i++))
                ((i++))
                ;;
            -*) ((i++)) ;;
            *) break ;;
        esac
    done
    if ((i > COMP_CWORD)) || { ((i == COMP_CWORD)) && [[ $current == -* && ${COMP_WORDS[i - 1]} != -- ]]; }; then
        # bash takes --to=all for three words.
        [[ $current == = ]] && current=
        [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
        _winddown "$1" "$current" "$previous"
        return
    fi
    COMPREPLY=()
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$i"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$i"
    elif ((i == COMP_CWORD)); then
        COMPREPLY=($(compgen -c -- "$current"))
    fi
}

complete -F _winddown_or_command -o bashdefault -o default winddown
