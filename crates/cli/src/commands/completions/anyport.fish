# Completes anyport in fish: `anyport __complete` knows commands, options, servers and tools.
function __anyport_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete -- $words (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c anyport -f -a '(__anyport_complete)'
