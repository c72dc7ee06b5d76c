# dom0 comes up: the daemon answers, the kernel's ring works, the tool stack finds its nodes.
# checks: daemon-answers toolstack-initialised kernel-ring console-daemon xl-list
# shellcheck shell=dash

listed() { xl list | tee /dev/stderr | grep -q '^Domain-0  *0 '; }
# The kernel's device, and so dom0's ring, instead of the socket.
through_the_ring() {
  [ "$(XENSTORED_PATH=/dev/xen/xenbus timeout -s KILL 20 xenstore-read domid)" = 0 ]
}

check daemon-answers start_daemon || exit
check toolstack-initialised xen-init-dom0
check kernel-ring through_the_ring
check console-daemon start_consoled
# One processor for all: guests that boot must not starve dom0.
xl sched-credit2 -d 0 -w 4096
check xl-list listed
