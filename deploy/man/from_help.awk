# from_help.awk - the --help of a daemon as a manual page
#
# Knows the shape that settings_help() and the daemons print:
#   Usage: ..., a blank line, paragraphs, "Options (...):", rows of
#   "  --name ARG   text" with deeper lines that go on, "Examples:", rows,
#   "Exit status: 0 ..., 2 ..., and so on."

function quote(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/~/, "\\(ti", text)
    sub(/^\./, "\\\\\\&.", text)
    return text
}

function heading(title)
{
    print ".SH " title
}

function option(line,    head, text)
{
    sub(/^ +/, "", line)
    head = line
    text = ""
    if (match(line, /  +/)) {
        head = substr(line, 1, RSTART - 1)
        text = substr(line, RSTART + RLENGTH)
    }
    print ".TP"
    print ".B " quote(head)
    if (text != "")
        print quote(text)
}

function exits(text,    count, i, rows, row, comma)
{
    sub(/\.[ \n]*$/, "", text)
    # A row begins with its number, behind a comma.
    while (match(text, /, *[0-9]+ /)) {
        rows[++count] = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + 1)
    }
    rows[++count] = text
    for (i = 1; i <= count; i++) {
        row = rows[i]
        sub(/^ +/, "", row)
        comma = index(row, " ")
        print ".TP"
        print ".B " substr(row, 1, comma - 1)
        print quote(substr(row, comma + 1))
    }
}

BEGIN {
    title = toupper(name)
    print ".TH " quote(title) " 8 \"\" \"" version "\" \"System Administration\""
    heading("NAME")
    print quote(name) " \\- " quote(what)
}

/^Usage: / {
    heading("SYNOPSIS")
    sub(/^Usage: /, "")
    print ".B " quote($1)
    sub(/^[^ ]+ /, "")
    print quote($0)
    heading("DESCRIPTION")
    part = "description"
    next
}
/^Options/ { part = "options"; heading("OPTIONS")
             print "Each may also be set as the environment variable in brackets."; next }
/^Examples:/ { part = "examples"; heading("EXAMPLES"); print ".nf"; next }
/^Exit status: / { part = "exits"; print ".fi"; sub(/^Exit status: /, "") }

part == "description" { print ($0 == "" ? ".PP" : quote($0)) }
part == "options" && /^  --/ { option($0); next }
part == "options" && NF > 0 {
    sub(/^ +/, "")
    if ($0 ~ /^\[MUSTER_/)
        print ".br"
    print quote($0)
}
part == "examples" && NF > 0 { sub(/^  /, ""); print quote($0) }
part == "exits" { status = status " " $0 }

END {
    heading("EXIT STATUS")
    exits(status)
    heading("SEE ALSO")
    print ".BR muster (1),\n.BR muster (7),\n.BR muster\\-authkey (5),\n.BR " \
        (name == "muster-worker" ? "muster\\-manager" : "muster\\-worker") " (8)"
}
