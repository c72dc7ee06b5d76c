# kill -9 of the daemon while a guest with a disk runs: its supervisor starts another, and neither the
# guest nor xl nor xenconsoled may notice. No one helps: the store, the rings, the watches and the
# connections must come back by themselves.
# checks: guest killed daemon-restarted same-store waiting-request-answered old-watch-fires
# checks: xl-list console-daemon disk-attached new-guest-created new-guest-destroyed
# checks: old-guest-shut-down old-guest-gone
# shellcheck shell=dash disable=SC2154

guest_wrote() { [ "$(xs read "$(tree_of "$id")/data/later")" = 1 ]; }
listed() { xl list | tee /dev/stderr | grep -q '^alpha '; }

check guest ensure alpha || exit
id=$(domid alpha)
trees "$id" >/tmp/before
lsevtchn "$id" | head -n 3
ask alpha 'later 1'
pid=$(supervised_pid)
consoled=$(cat /run/xen/xenconsoled.pid)
kill -9 "$pid"
check killed within 10 not kill -0 "$pid" 2>/dev/null
check daemon-restarted within 40 daemon_answers || exit
echo "the daemon was $pid and is $(supervised_pid); their supervisor is $(daemon_pid)"
check same-store same_trees "$id" /tmp/before
check waiting-request-answered within 20 guest_wrote
check old-watch-fires answers alpha 'ping 3' pong
lsevtchn "$id" | head -n 3
check xl-list listed
check console-daemon eval 'kill -0 "$consoled" && [ "$(cat /run/xen/xenconsoled.pid)" = "$consoled" ]'
check disk-attached attach alpha 2 xvdb
check old-guest-shut-down xl shutdown -w alpha
# By the xl that has waited for its end since before the kill, as a client of the daemon's socket.
check old-guest-gone within 30 gone "$id"
check new-guest-created ensure delta
check new-guest-destroyed xl destroy delta
