# Five guests at once. They start one after the other (one emulated processor), then all live.
# checks: created all-listed all-probes-passed all-answer all-gone
# shellcheck shell=dash

guests='g1 g2 g3 g4 g5'
for_each() {
  local guest
  for guest in $guests; do
    "$@" "$guest" || return
  done
}
listed() { [ "$(xl list | grep -c '^g[1-5] ')" -eq 5 ]; }
probes_passed() {
  console_says "$1" '^probe watch-removed ok' && not console_says "$1" '^probe .*FAILED'
}
pings() { answers "$1" "ping of $1" pong; }
all_gone() {
  for_each xl destroy && [ "$(xs list /local/domain)" = 0 ]
}

destroy_all
check created for_each create
xl list
check all-listed listed
check all-probes-passed for_each probes_passed
check all-answer for_each pings
check all-gone all_gone
