# A guest is destroyed: watchers of @releaseDomain hear of it, its nodes and its back-end's go.
# checks: guest answers destroyed release-announced gone back-end-gone
# shellcheck shell=dash

check guest ensure alpha /tmp/alpha.img || exit
id=$(domid alpha)
check answers answers alpha 'ping 8' pong
timeout -s KILL 100 xenstore-watch -s -n 2 @releaseDomain >/tmp/releases &
releases=$!
sleep 1
check destroyed xl destroy alpha
check release-announced wait "$releases"
check gone within 30 gone "$id"
check back-end-gone within 30 not exists "$(tree_of 0)/backend/vbd/$id"
