#!/bin/bash
# The guest's first process. What it prints is found on the console.
dir=@DIR@
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
modules=/usr/lib/uml/modules/$(uname -r)

give_up() {
	echo "init: $*"
	sleep infinity & wait # the host ends the guest when its time is up
}

# A writable tree over the host's.
mount -t tmpfs top /mnt || give_up "no tmpfs"
mkdir /mnt/changes /mnt/work /mnt/root
insmod "$modules/kernel/fs/overlayfs/overlay.ko" || give_up "no overlay"
mount -t overlay -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work root /mnt/root || give_up "no overlay of /"
cd /mnt/root
mkdir -p dev proc sys run tmp out mnt lib/modules
ln -sfn "$modules" "lib/modules/${modules##*/}"
mount -t hostfs -o "$dir" out out || give_up "$dir cannot be mounted"
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=666 pts dev/pts
mount -t tmpfs shm dev/shm
mount -t tmpfs run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/lock

# The kernel loads modules by itself only from what is its root.
pivot_root . mnt || give_up "pivot_root"
mount -t proc proc /proc
mount -t sysfs sys /sys
echo 3 >/proc/sys/kernel/printk
modprobe -a unix af_packet ipv6 tun ppp_async || give_up "modules are missing in $modules"
ip link set lo up

stty -F /dev/ttyS0 raw && stty -F /dev/ttyS1 raw || give_up "no serial lines"
(cd /out && exec bash /out/script) </dev/null >/dev/ttyS0 2>&1
status=$?
sync
stty -F /dev/ttyS0 raw # waits until all of it is out
echo "$status" >/dev/ttyS1
sleep infinity & wait
