# Brings up what a distribution's boot would: file systems, device links, modules.
# shellcheck shell=dash

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/lock /run/xen /run/xenstored /run/xen-hotplug /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
# The hot-plug script for disks takes its lock by way of /dev/stdin; there is no udev to make these.
ln -s /proc/self/fd /dev/fd
for link in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${link%:*}" "/dev/${link#*:}"
done
ip link set lo up
for module in /vxs/modules/*; do
  insmod "$module" || echo "cannot load $module"
done
mount -t xenfs xenfs /proc/xen
