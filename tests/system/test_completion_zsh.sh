#!/bin/bash
# What zsh offers.  It completes on a terminal alone: one is made for it, in which whatever
# is to be offered is printed between two lines of a mark.
shell=zsh

offers() {
    mkdir -p "$tmp/functions"
    cp "$tmp/completion" "$tmp/functions/_muster"
    cat >"$tmp/offers.zsh" <<'ZSH'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= PS2= LISTMAX=0; stty -echo; fpath=($1/functions \$fpath); source $1/inside.zsh; print begin""ning"
zpty -r z seen '*beginning*'
zpty -w -n z "$2"$'\t'
while zpty -r z seen; do
    print -rn -- "$seen"
done
ZSH
    cat >"$tmp/inside.zsh" <<'ZSH'
autoload -U compinit
compinit -u -D
bindkey '^I' complete-word
mark() { print -r -- '=====' }
compprefuncs=(mark)
comppostfuncs=(mark exit)
compadd() {
    local -a hits
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    builtin compadd -A hits "$@"
    (($#hits)) && print -rl -- $hits
}
ZSH
    timeout 20 zsh -f "$tmp/offers.zsh" "$tmp" "$1" | tr -d '\r' | sed -n '/=====$/,/^=====/p'
}

. "$(dirname "$0")/completion.sh"
