# Completion of `trilog` in bash: nouns, verbs and options, out of its own help.
_trilog() {
    local word=${COMP_WORDS[COMP_CWORD]} noun=${COMP_WORDS[1]-} verb=${COMP_WORDS[2]-}
    local listed words
    if [[ $word == -* ]]; then
        words=$(trilog "$noun" "$verb" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)
    elif ((COMP_CWORD <= 2)); then
        listed=$(trilog --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]* [a-z]*\).*/\1/p')
        if ((COMP_CWORD == 1)); then
            words=$(cut -d' ' -f1 <<<"$listed" | sort -u)
        else
            words=$(sed -n "s/^$noun //p" <<<"$listed")
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _trilog trilog
