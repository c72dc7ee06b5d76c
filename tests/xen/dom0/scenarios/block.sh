# A guest's disk: both drivers agree over Xenstore, and bytes pass in both directions.
# checks: guest front-end-connected back-end-connected guest-reads-dom0 dom0-reads-guest
# shellcheck shell=dash

connected() { [ "$(xs read "$1/state")" = 4 ]; }

check guest ensure alpha /tmp/alpha.img
id=$(domid alpha)
check front-end-connected within 60 connected "$(tree_of "$id")/device/vbd/51712"
check back-end-connected within 60 connected "$(tree_of 0)/backend/vbd/$id/51712"
check guest-reads-dom0 answers alpha 'disk 1 xvda' 'written by dom0'
check dom0-reads-guest within 10 disk_holds /tmp/alpha.img 'written by the guest'
