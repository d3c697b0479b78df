#!/bin/bash
# What bash offers.
shell=bash

offers() {
    # shellcheck disable=SC2016
    bash --norc -c '
        source "$1"
        read -ra COMP_WORDS <<<"$2"
        [[ $2 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _muster
        printf "%s\n" "${COMPREPLY[@]}"' - "$tmp/completion" "$1"
}

. "$(dirname "$0")/completion.sh"
