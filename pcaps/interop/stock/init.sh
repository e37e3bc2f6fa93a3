#!/bin/busybox sh
# The guest's first process, in an initial RAM disk. What it prints is found on
# the console.
/bin/busybox --install -s /bin

give_up() {
	echo "init: $*"
	poweroff -f
}

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
	insmod "/modules/$module" || give_up "module $module"
done
share=trans=virtio,version=9p2000.L,msize=524288

# A writable tree over the host's.
mount -t 9p -o "ro,cache=loose,$share" host /low || give_up "no file tree"
mount -t tmpfs top /top && mkdir /top/changes /top/work
mount -t overlay -o lowerdir=/low,upperdir=/top/changes,workdir=/top/work root /new || give_up "no overlay of /"
cd /new
mkdir -p dev proc sys run tmp out lib/modules
mount -t proc proc proc
mount -t sysfs sys sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=666 pts dev/pts
mount -t tmpfs shm dev/shm
mount -t tmpfs run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/lock run/netns
mount -t 9p -o "$share" out out || give_up "no /out"
mount -t 9p -o "ro,cache=loose,$share" modules lib/modules || give_up "no modules"

echo 3 >/proc/sys/kernel/printk

# The tree becomes the root of all: the kernel's, which loads modules by itself from
# there, and that of mount namespaces to come.
exec switch_root /new /bin/bash -c '
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
	ip link set lo up
	modprobe -a ppp_generic ppp_async tun sch_netem
	stty -F /dev/ttyS1 raw
	(cd /out && exec bash /out/script) </dev/null >/dev/ttyS1 2>&1
	echo $? >/out/status
	sync
	stty -F /dev/ttyS1 raw # waits until all of it is out
	busybox poweroff -f'
