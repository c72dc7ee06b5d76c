# The life of a guest that is over, as the history tells it: who did what, newest first.
# checks: guest-is-gone log-printed created written-by-dom0 written-by-the-guest removed in-order
# shellcheck shell=dash

# "WHO SIGN PATH" for each node that a change made (+), wrote (~) or removed (-).
told() { awk '/^ +[0-9-]+ +[0-9]+-/ { who = $5 } /^    [-+~] / { print who, $1, $2 }' /tmp/history; }
tells() { told | grep -q "^$1\$"; }
# History follows the store within a second or so.
complete() {
  vxs log -p "$tree" >/tmp/history 2>/tmp/complaints && tells "dom0 - $tree"
}
printed() {
  within 20 complete || {
    cat /tmp/complaints
    return 1
  }
}
created_before_removed() {
  [ "$(told | grep -E "^dom0 [-+] $tree\$" | tr '\n' ' ')" = "dom0 - $tree dom0 + $tree " ]
}

# A guest of an earlier scenario, if there was one: in a full run it lived through a kill -9.
live_and_go() {
  ensure alpha || return
  id=$(domid alpha)
  answers alpha 'ping 9' pong && xl destroy alpha && within 30 gone "$id"
}

check guest-is-gone eval '[ -s /tmp/gone ] || live_and_go'
id=$(cat /tmp/gone)
tree=$(tree_of "$id")
check log-printed printed
check created tells "dom0 + $tree/name"
check written-by-dom0 tells "dom0 [+~] $tree/data/question"
check written-by-the-guest tells "dom$id [+~] $tree/data/answer"
check removed tells "dom0 - $tree"
check in-order created_before_removed
vxs log "$tree" | text history
