#!/bin/bash
# What fish offers, in a shell of its own that knows nothing else.
shell=fish

offers() {
    HOME=$tmp XDG_CONFIG_HOME=$tmp XDG_DATA_HOME=$tmp fish --no-config -c '
        source $argv[1]
        complete -C $argv[2]' "$tmp/completion" "$1" | cut -f 1
}

. "$(dirname "$0")/completion.sh"
