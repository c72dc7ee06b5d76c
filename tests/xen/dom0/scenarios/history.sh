# The life of a guest that is over, as the history tells it.
# checks: guest log-printed introduced written-by-the-guest written-by-dom0 released
# shellcheck shell=dash

log() { vxs log "$(tree_of "$id")" >/tmp/history && [ -s /tmp/history ]; }

check guest ensure alpha /tmp/alpha.img
id=$(domid alpha)
answers alpha 'ping 9' pong
xl destroy alpha
within 30 gone "$id"
check log-printed log
text history </tmp/history
