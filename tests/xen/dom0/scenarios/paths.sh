# Sends the whole store, paths, values and permissions, for comparison with the stock daemon's.
# checks: guest listing
# shellcheck shell=dash

listing() {
  xs ls -fp / >/tmp/listing && text store </tmp/listing
}

destroy_all
check guest ensure gamma /tmp/gamma.img
id=$(domid gamma)
echo "$id $(xs read "$(tree_of "$id")/vm")" | text subject
check listing listing
xl destroy gamma
