# SPDX-License-Identifier: GPL-2.0-only
# fish completion for qosctl(1). Verbs, their options and the kinds of their arguments are what `qosctl
# help` says; names of contracts come from the running daemon.

function __qosctl_verbs
    qosctl help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.*)' '$1\t$2'
end

function __qosctl_names
    for file in $argv
        string replace -r '\.yaml$' '' (path basename $file)
    end
end

# What may stand for an argument of this kind.
function __qosctl_argument -a kind verb contract socket
    set -l on
    test -n "$socket"; and set on --socket $socket
    switch "$kind"
        case '*CONTRACT*'
            qosctl --quiet $on list 2>/dev/null
            string match -q '*FILE*' $kind; and __fish_complete_path (commandline -ct)
        case 'ATTRIBUTE*'
            set -l end (string match -q '*=VALUE' $kind; and echo =)
            qosctl --json $on show $contract 2>/dev/null |
                string replace -rf '^ *"stream": "([a-z0-9_]+)",?$' "cpu.\$1.runtime$end" | sort -u
        case NAME
            if test $verb = enable
                __qosctl_names /usr/share/qosd/policies/*.yaml
            else
                __qosctl_names /etc/qosd/contracts.d/*.yaml /usr/lib/qosd/contracts.d/*.yaml
            end
        case VERB
            __qosctl_verbs
        case '*FILE*' '*PATH*' '*DIR*'
            __fish_complete_path (commandline -ct)
    end
end

function __qosctl
    set -l words (commandline -opc)[2..]
    set -l general (qosctl help 2>/dev/null | string match -r '^  --.*')
    set -l verb ''
    set -l usage ''
    set -l socket ''
    set -l places
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        if string match -q -- '-*' $word
            # The kind of its value, if it takes one: an upper-case word follows it in the usage.
            set -l kind (string match -r -- "$word ([A-Z]+)" "$usage $general")[2]
            if test -n "$kind"
                if not set -q words[1]
                    __qosctl_argument $kind
                    return
                end
                test $word = --socket; and set socket $words[1]
                set -e words[1]
            end
        else if test -z "$verb"
            set verb $word
            set usage (qosctl help $verb 2>/dev/null)[1]
        else
            set -a places $word
        end
    end
    if string match -q -- '-*' (commandline -ct)
        string match -ra -- '--[a-z][a-z-]*' "$usage $general" | sort -u
        return
    end
    if test -z "$verb"
        __qosctl_verbs
        return
    end
    set -l kinds (string replace -r '^.*\[OPTION\.\.\.\] [a-z]+ ?' '' -- $usage |
        string replace -ra '\[-[^]]*\] ?' '' | string replace -ra '[][]' '' | string split -n ' ')
    set -q kinds[1]; or return
    set -l at (math (count $places) + 1)
    if test $at -gt (count $kinds); and string match -q '*...' $kinds[-1]
        set at (count $kinds)
    end
    __qosctl_argument "$kinds[$at]" $verb "$places[1]" $socket
end

complete -c qosctl -f -a '(__qosctl)'
