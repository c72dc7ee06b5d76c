# A PV guest with a disk starts; its own tests (guest/probe.c) speak through its ring.
# checks: introduction-announced created listed read write larger-than-the-ring list remove
# checks: permissions forbidden transaction-isolated transaction-committed transaction-aborted
# checks: transaction-conflict watch-first-event watch-fires watch-quiet watch-removed
# checks: guest-answers dom0-watch
# shellcheck shell=dash

guest_results() {
  tr -d '\r' <"$(console alpha)" | grep '^probe ' | while read -r _ name result; do
    mark "check $name $result"
  done
}
listed() { xl list | tee /dev/stderr | grep -q '^alpha '; }
# A watch of dom0 fires when the guest writes: its first event, and one more.
watch_fires() {
  local data events
  data=$(tree_of "$(domid alpha)")/data
  timeout -s KILL 60 xenstore-watch -s -n 2 "$data/answer" >/tmp/events &
  events=$!
  sleep 1
  answers alpha 'ping 2' pong
  wait "$events"
}

destroy_all
timeout -s KILL 200 xenstore-watch -s -n 2 @introduceDomain >/tmp/introductions &
introductions=$!
check created ensure alpha /tmp/alpha.img || exit
check introduction-announced wait "$introductions"
check listed listed
guest_results
check guest-answers answers alpha 'ping 1' pong
check dom0-watch watch_fires
