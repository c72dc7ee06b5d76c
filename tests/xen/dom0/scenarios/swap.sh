# Hot swap with a guest: the daemon that dom0 has becomes the other one, the packaged C daemon or this
# build, by a live update; and that one becomes the first again. Nobody else is told.
# checks: guest
# checks: there there-same-process there-same-store there-port-kept there-request-answered
# checks: there-old-watch there-guest-answers there-kernel-ring there-xl-list there-console-daemon
# checks: there-disk-attached there-new-guest there-new-guest-gone
# checks: back back-same-process back-same-store back-port-kept back-request-answered
# checks: back-old-watch back-guest-answers back-kernel-ring back-xl-list back-console-daemon
# checks: back-disk-attached back-new-guest back-new-guest-gone
# checks: old-guest-shut-down old-guest-gone
# shellcheck shell=dash disable=SC2154

running() { readlink "/proc/$(daemon_pid)/exe"; }
becomes() {
  timeout -s KILL 60 xenstore-control live-update "$1" && daemon_answers && [ "$(running)" = "$1" ]
}
# Of a guest: its store's and its console's are the first.
port_of() { lsevtchn "$1" | head -n 2; }
guest_wrote() { [ "$(xs read "$(tree_of "$id")/data/later")" = "$1" ]; }
listed() { xl list | tee /dev/stderr | grep -q '^alpha '; }
through_the_ring() {
  [ "$(XENSTORED_PATH=/dev/xen/xenbus timeout -s KILL 20 xenstore-read domid)" = 0 ]
}

# swap PREFIX PROGRAM NUMBER DEVICE: NUMBER makes questions and disks new ones.
swap() {
  trees "$id" >/tmp/before
  port=$(port_of "$id")
  pid=$(daemon_pid)
  consoled=$(cat /run/xen/xenconsoled.pid)
  timeout -s KILL 120 xenstore-watch -s -n 2 "$(tree_of "$id")/data/old" >/tmp/events &
  watcher=$!
  # The guest writes 4 s later: when nobody is there, or soon after.
  ask alpha "later $3"
  sleep 3
  check "$1" becomes "$2" || exit
  check "$1-same-process" [ "$(daemon_pid)" = "$pid" ]
  check "$1-same-store" same_trees "$id" /tmp/before
  port_of "$id"
  check "$1-port-kept" [ "${port:-none}" = "$(port_of "$id")" ]
  check "$1-request-answered" within 30 guest_wrote "$3"
  xs write "$(tree_of "$id")/data/old" "$3"
  check "$1-old-watch" wait "$watcher"
  check "$1-guest-answers" answers alpha "ping $3" pong
  check "$1-kernel-ring" through_the_ring
  check "$1-xl-list" listed
  check "$1-console-daemon" \
    eval 'kill -0 "$consoled" && [ "$(cat /run/xen/xenconsoled.pid)" = "$consoled" ]'
  check "$1-disk-attached" attach alpha "$3" "$4"
  check "$1-new-guest" create "guest$3"
  new=$(domid "guest$3")
  xl destroy "guest$3"
  check "$1-new-guest-gone" within 30 gone "$new"
}

check guest ensure alpha || exit
id=$(domid alpha)
first=$(running)
# By now the daemon has become what it will be: the file that a link may name.
case $daemon_name in
  vxs) other=/usr/lib/xen-4.17/bin/xenstored ;;
  *) other=/usr/sbin/vxenstored ;;
esac
swap there "$other" 21 xvde
swap back "$first" 22 xvdf
check old-guest-shut-down xl shutdown -w alpha
# By the xl that has waited for its end since before both.
check old-guest-gone within 30 gone "$id"
