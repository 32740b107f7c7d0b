#compdef anyport
# Completes anyport in zsh: `anyport __complete` knows commands, options, servers and tools.
_anyport() {
    local line value
    local -a values shown follow
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        if [[ $value == *= ]]; then
            follow+=("$value")
        else
            values+=("$value")
            shown+=("${line/$'\t'/  -- }")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[1,CURRENT]}" 2>/dev/null)
    if (( ! $#values && ! $#follow )); then
        _files
        return
    fi
    (( $#values )) && compadd -l -d shown -a values
    # The value of an argument follows at once.
    (( $#follow )) && compadd -S '' -a follow
}
if [[ ${funcstack[1]} == _anyport ]]; then
    _anyport "$@"
else
    compdef _anyport anyport
fi
