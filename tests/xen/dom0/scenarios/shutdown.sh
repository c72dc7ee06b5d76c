# dom0 asks a guest to shut down; it does, and nothing of it stays in the store.
# checks: guest shut-down gone
# shellcheck shell=dash

check guest ensure alpha /tmp/alpha.img
id=$(domid alpha)
check shut-down xl shutdown -w alpha
check gone within 30 gone "$id"
