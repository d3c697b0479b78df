# completion.sh - what a shell offers behind `muster`, asked of the shell itself
#
# Sourced by a test for each shell, after it has defined
#   offers LINE   what the shell offers at the end of LINE, a word in each line
. "$(dirname "$0")/lib.sh"

needs "$shell"
mkdir -m 755 "$tmp/modules"
install -m 755 "$MUSTER_BUILD/tests/system/module.so" "$tmp/modules/module.so"
muster completion "$shell" >"$tmp/completion"

# offered LINE WORD...: all of them; without the words behind `not`.
offered() {
    local line=$1 words wanted=1 word
    shift
    words=$(offers "$line")
    for word in "$@"; do
        if [ "$word" = not ]; then
            wanted=0
        elif grep -qxF -e "$word" <<<"$words"; then
            [ $wanted = 1 ] || fail "$shell: $word is offered behind '$line'"
        elif [ $wanted = 1 ]; then
            fail "$shell: $word is not offered behind '$line', only: $words"
        fi
    done
}

story "$shell: commands, words, options"
offered 'muster ' run queue lock barrier functions completion not --array put
offered 'muster que' queue queues not run
offered 'muster --json que' queue queues
offered 'muster help que' queue queues
offered 'muster queue ' put get work size join shutdown list delete
offered 'muster queue si' size not put
offered 'muster run --ret' --retries --retry-delay not --array
offered 'muster lock --per' --permits
offered 'muster completion ' bash zsh fish
offered 'muster wait ' last all

manager
worker w1 --cpus 1 --module "$tmp/modules/module.so"
muster queue put pictures a && muster queue put papers b && muster event set ready &&
    muster lock backup -- true && muster lock --permits 2 door -- true &&
    muster barrier wait gate --parties 1 >"$tmp/gate" && muster dict set site k v

story "$shell: names of what there is, each behind its own command"
offered 'muster queue size ' pictures papers not ready backup put
offered 'muster queue --timeout 5 get ' pictures papers not put
offered 'muster queues ' pictures papers
offered 'muster event set ' ready not pictures
offered 'muster lock ' backup door not ready
offered 'muster barrier show ' gate not site
offered 'muster dict get ' site not gate
offered 'muster object delete event ' ready
offered 'muster call sq' square not nap
offered 'muster map sq' square

story "$shell: files where a file is wanted, commands where a command follows"
cd "$tmp" || exit 1
: >"$tmp/a-file"
offered 'muster queue put pictures --each-line a-f' a-file not pictures
offered 'muster --authkey-file a-f' a-file
offered 'muster run basena' basename
offered 'muster lock backup -- basena' basename not backup
offered 'muster queue work pictures -- basena' basename not pictures

story "$shell: no manager is no fault"
stop manager KILL
offered 'muster queue size ' not pictures put
offered 'muster queue ' put
