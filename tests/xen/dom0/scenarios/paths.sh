# Sends the whole store, paths, values and permissions, for comparison with the stock daemon's.
# checks: guest listing
# shellcheck shell=dash

# Without what earlier scenarios asked the guest.
listing() {
  xs ls -fp / | grep -v '/data/' >/tmp/listing
  grep -q "$(tree_of "$id")/device/vbd/51712/state" /tmp/listing && text store </tmp/listing
}

check guest ensure alpha /tmp/alpha.img || exit
id=$(domid alpha)
echo "$id $(xs read "$(tree_of "$id")/vm")" | text subject
check listing listing
