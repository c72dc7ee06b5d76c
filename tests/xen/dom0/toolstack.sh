# What an operator of this dom0 does: the daemon, the console daemon, guests, questions to guests.
# Every client has a time limit: one that waits for a dead daemon must not stop the test.
# shellcheck shell=dash disable=SC2154

xs() {
  local verb=$1
  shift
  timeout -s KILL 20 "xenstore-$verb" -s "$@"
}
xl() { timeout -s KILL 90 /usr/sbin/xl "$@"; }

daemon_pid() { tr -d ' \n' <"$daemon_pid_file"; }
# The daemon proper, where the pid file names its supervisor.
supervised_pid() {
  local pid
  pid=$(daemon_pid)
  cut -d ' ' -f 1 "/proc/$pid/task/$pid/children"
}
daemon_alive() { kill -0 "$(daemon_pid)" 2>/dev/null; }
daemon_answers() { xs read / >/dev/null 2>&1; }
start_daemon() {
  $daemon_command >/var/log/daemon.log 2>&1 </dev/null &
  within 40 daemon_answers || {
    cat /var/log/daemon.log
    return 1
  }
}

start_consoled() {
  xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xen/xenconsoled.pid
}
restart_consoled() {
  local pid
  pid=$(cat /run/xen/xenconsoled.pid)
  kill "$pid"
  within 10 not kill -0 "$pid" 2>/dev/null || kill -9 "$pid"
  start_consoled
}

console() { echo "/var/log/xen/console/guest-$1.log"; }
console_says() { grep -q "$2" "$(console "$1")" 2>/dev/null; }
domid() { xl domid "$1" 2>/dev/null; }
tree_of() { echo "/local/domain/$1"; }
exists() { xs exists "$1" 2>/dev/null; }

# make_disk FILE: an image that begins with a sentence for the guest to read.
make_disk() {
  dd if=/dev/zero of="$1" bs=1M count=4 2>/dev/null
  printf 'written by dom0\n' | dd of="$1" conv=notrunc 2>/dev/null
}
disk_holds() { dd if="$1" bs=512 skip=8 count=1 2>/dev/null | grep -q "^$2"; }

# create NAME [DISK_IMAGE]: starts a guest and waits until its own tests are over.
create() {
  {
    echo "name = '$1'"
    echo "type = 'pv'"
    echo "kernel = '/vxs/guest/kernel'"
    echo "ramdisk = '/vxs/guest/initramfs'"
    echo "extra = 'console=hvc0 quiet loglevel=3 rdinit=/init mitigations=off nokaslr'"
    echo "memory = 112"
    echo "on_reboot = 'destroy'"
    echo "on_crash = 'destroy'"
    [ $# -lt 2 ] || echo "disk = [ 'file:$2,xvda,w' ]"
  } >"/tmp/$1.cfg"
  rm -f "$(console "$1")"
  xl create "/tmp/$1.cfg" || return
  pause=2 within 150 console_says "$1" '^guest ready' || {
    tail -n 30 "$(console "$1")"
    return 1
  }
}

# ensure NAME [DISK_IMAGE]: the guest of that name, created if it does not run.
ensure() {
  domid "$1" >/dev/null && return
  [ $# -lt 2 ] || make_disk "$2"
  create "$@"
}

# ask NAME QUESTION: the guest's answer (guest/answer), by way of its ring in both directions.
ask() {
  local data
  data=$(tree_of "$(domid "$1")")/data
  xs write "$data/question" "$2" || return
  within 30 answered "$data" "$2" || {
    echo "no answer from $1 to: $2" >&2
    return 1
  }
  xs read "$data/answer" | sed "s|^$2: ||"
}
answered() { xs read "$1/answer" 2>/dev/null | grep -q "^$2: "; }
answers() { [ "$(ask "$1" "$2")" = "$3" ]; }

# What a guest and its back-ends have in the store, but for what it is asked and answers: trees DOMID.
trees() { xs ls -fp / | grep -E "/($1|0)/" | grep -v '/data/'; }
# same_trees DOMID FILE: as they were when the file was written.
same_trees() {
  trees "$1" >/tmp/trees
  [ -s /tmp/trees ] && diff "$2" /tmp/trees
}

# attach NAME NUMBER DEVICE: a disk to a running guest, and bytes in both directions. xl tells the
# tool stack's side; the two kernels' drivers do the rest over Xenstore.
attach() {
  make_disk "/tmp/$3.img"
  xl block-attach "$1" "file:/tmp/$3.img,$3,w" &&
    answers "$1" "disk $2 $3" 'written by dom0' &&
    within 10 disk_holds "/tmp/$3.img" 'written by the guest'
}

# gone DOMID: neither the hypervisor nor the store knows it; `history` will ask for its life.
gone() {
  not xl list "$1" >/dev/null 2>&1 && not exists "$(tree_of "$1")" && echo "$1" >/tmp/gone
}
destroy_all() {
  local id name
  xl list 2>/dev/null | while read -r name id _; do
    case $id in
      [1-9]*) xl destroy "$id" || echo "cannot destroy $name ($id)" ;;
    esac
  done
}
